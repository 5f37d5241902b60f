"""What the figures are measured on: a server over a fresh store, test books, commands with their environment.

Knows folders and processes; does not know figures.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAKE_BOOK = Path(os.environ.get("MAKE_BOOK", ROOT.parent / "shared" / "make_book.py"))
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Scene:
    """``disk`` lies on the machine's disk, ``memory`` on tmpfs where there is one."""

    disk: Path
    memory: Path
    environment: dict[str, str]
    server_pid: int
    url: str

    def panaversity(self, *words: str) -> list[str]:
        """The command line of one whole builder process."""
        return [str(BIN / "panaversity"), *words]


@contextmanager
def scene() -> Iterator[Scene]:
    """A running server and scratch folders, all gone afterwards."""
    scratch = ROOT / ".panaversity"
    scratch.mkdir(exist_ok=True)
    shm = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=scratch) as disk,
        tempfile.TemporaryDirectory(prefix="bench-", dir=shm if shm.is_dir() else None) as memory,
        running_server(Path(disk) / "store") as (pid, url),
    ):
        # Users keep compiled modules; an environment that forbids them would measure the compiler.
        left_out = ("PANAVERSITY", "DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        environment |= {"PANAVERSITY_MCP_URL": url, "PANAVERSITY_AGENT_ID": "bench"}
        environment |= {"PANAVERSITY_CACHE_DIR": str(Path(memory) / "cache")}
        yield Scene(Path(disk), Path(memory), environment, pid, url)


@contextmanager
def running_server(store: Path) -> Iterator[tuple[int, str]]:
    """A server over this store: its process id and its URL. It is told to stop and waited for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [str(BIN / "panaversity-fs"), "serve", "--store", str(store), "--port", str(port)]
    environment = {**os.environ, "PANAVERSITY_ALLOWED_HOSTS": "127.0.0.1"}  # also through a proxy's port
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            _wait_for(url)
            yield process.pid, url
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def make_book(folder: Path, *options: str) -> None:
    """Write the deterministic test book. Exits with a clear sentence where its generator is missing."""
    if not MAKE_BOOK.is_file():
        sys.exit(f"bench: {MAKE_BOOK.name}: is not there. Put it into ../shared or name it in MAKE_BOOK.")
    subprocess.run([sys.executable, str(MAKE_BOOK), str(folder), *options], check=True, capture_output=True)


@contextmanager
def site_copy() -> Iterator[Path]:
    """The example site's sources in a scratch folder below the repository, so that node finds its modules."""
    ignored = shutil.ignore_patterns("node_modules", "build", ".docusaurus", "book", ".panaversity")
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT / "examples") as scratch:
        target = Path(scratch) / "site"
        shutil.copytree(ROOT / "examples" / "learn-app", target, ignore=ignored)
        yield target


def data(output: str) -> dict[str, object]:
    """The JSON object a command wrote."""
    parsed = json.loads(output)
    assert isinstance(parsed, dict)
    return parsed
