"""Running ``panaversity`` and ``npm`` for a step: by argument list, with the step's environment, signals passed on.

Knows processes; does not know inputs, caches or what a command does.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from scene import say

PANAVERSITY = (sys.executable, "-I", "-m", "panaversity_builder")
"""Isolated: a file ``httpx.py`` in somebody's checkout must not be imported by us."""


def panaversity(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command as a job runs it; its exit status."""
    words = _formatted(words, "github")
    say(f"$ panaversity {shlex.join(words)}")
    return run([*PANAVERSITY, *words], environ)


def answer(words: Sequence[str], form: str, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run the command for what it prints in a format; what it says besides goes to the log."""
    words = _formatted(words, form)
    done = subprocess.run([*PANAVERSITY, *words], env=dict(environ), capture_output=True, check=False)
    for line in done.stderr.decode("utf-8", "replace").splitlines():
        say(line)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _formatted(words: Sequence[str], form: str) -> list[str]:
    """The words with the format right behind the command's name, where no operand can swallow it."""
    name = 2 if words[0] == "manifest" else 1
    return [*words[:name], "--format", form, *words[name:]]


def run(words: Sequence[str], environ: Mapping[str, str], folder: str | None = None) -> int:
    """Run a program to its end; its exit status as a shell would give it."""
    with subprocess.Popen(words, env=dict(environ), cwd=folder) as process, _passed_on(process):
        status = process.wait()
    return status if status >= 0 else 128 - status


@contextmanager
def _passed_on(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """The runner stops a step by SIGINT, then SIGTERM, to the first process of it: what we run must hear of it."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if process.poll() is None:
            os.kill(process.pid, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
