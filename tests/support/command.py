"""The command ``panaversity`` as a caller meets it: words in; status, stdout and stderr out.

Knows processes and the simulator; does not know what any command does.
"""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from panaversity_builder.cli import run
from panaversity_builder.client import Server
from panaversity_builder.console import Console

COMMAND = [sys.executable, "-m", "panaversity_builder"]


@dataclass(frozen=True)
class Outcome:
    """How one command ended."""

    status: int
    out: str
    err: str


def clean_environ(**more: str) -> dict[str, str]:
    """This environment without any setting of ours, and without the cache of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PANAVERSITY") and k != "DATABASE_URL"}
    return kept | {"PANAVERSITY_CACHE_SIZE": "0"} | more


def panaversity(*words: str, cwd: Path, environ: Mapping[str, str] | None = None, timeout: float = 90) -> Outcome:
    """Run the command as a process of its own."""
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env=clean_environ() if environ is None else dict(environ),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def in_process(server: Server, *words: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Outcome:
    """Run the command here, with ``server`` in the place of whatever it would connect to."""

    @contextlib.contextmanager
    def connected(config: object, console: object, early: object = None) -> Iterator[Server]:
        yield server

    console = Console(io.StringIO(), io.StringIO(), dict(environ or {}))
    with (
        patch("panaversity_builder.cli.session.connected", connected),
        patch.dict(os.environ, environ or clean_environ(), clear=True),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        status = run(words, console)
    return Outcome(status, printed.getvalue() + console._out.getvalue(), console._err.getvalue())
