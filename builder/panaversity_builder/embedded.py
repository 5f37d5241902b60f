"""The server of a project without a server: started by the first command, left by the last (DESIGN 10).

Knows how to find, start and wait for it; does not know what it answers. Commands hold a shared lock while they use
it; the server leaves by itself when it gets that lock alone. It keeps its data below ``.panaversity/store`` and
ignores every server setting of the environment, so a stray ``DATABASE_URL`` never decides where a book goes.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from panaversity_builder.state_folder import NAME, make_state_folder
from panaversity_fs.core.errors import ConfigInvalid

STORE: Final = "store"
LOCK: Final = "clients.lock"
SERVER_LOCK: Final = "server.lock"
ADDRESS: Final = "server.json"
LOG: Final = "server.log"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
WAIT_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02
PROBE_SECONDS: Final = 2.0
_FOREIGN = ("PANAVERSITY_STORAGE_", "PANAVERSITY_S3_", "PANAVERSITY_SERVER_", "PANAVERSITY_AUTH_", "PANAVERSITYFS_")


@contextlib.contextmanager
def embedded_server(project_root: str, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[str]:
    """Give the URL of this project's own server, running for as long as the context lasts.

    Starts it when no other command did. Raises ``ConfigInvalid`` (exit 15) when it cannot start: the server part is
    not installed, the store is unusable, or it does not answer within ``wait_seconds``.
    """
    state = os.path.join(os.path.abspath(project_root), NAME)
    store = os.path.join(state, STORE)
    try:
        make_state_folder(state)
        os.makedirs(store, exist_ok=True)
        lock = os.open(os.path.join(store, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        raise ConfigInvalid(
            "embedded server", store, f"cannot be made ({fault.strerror})", "Make the project folder writable"
        ) from fault
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield _running(store) or _start(store, os.environ, wait_seconds)
    finally:
        os.close(lock)  # and with it the lock: the last one out lets the server go


@dataclass(frozen=True, slots=True)
class _Address:
    url: str
    instance: str


def _running(store: str) -> str | None:
    """The URL of the server that serves this store now, or None."""
    address = _address(store)
    return address.url if address and _answers(address) else None


def _address(store: str) -> _Address | None:
    try:
        with open(os.path.join(store, ADDRESS), "rb") as file:
            body = json.loads(file.read(65536))
        return _Address(str(body["url"]), str(body["instance"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _answers(address: _Address) -> bool:
    """True when exactly that instance listens there; the port may long belong to somebody else."""
    try:
        parts = urlsplit(address.url)
        host, port = str(parts.hostname), parts.port
    except ValueError:
        return False
    if parts.scheme != "http" or host not in LOOPBACK:
        return False
    connection = HTTPConnection(host, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", parts.path.rstrip("/") + "/healthz")
        body: Any = json.loads(connection.getresponse().read(65536))
        return isinstance(body, dict) and body.get("instance") == address.instance
    except (OSError, ValueError, HTTPException, RecursionError):
        return False
    finally:
        connection.close()


def _start(store: str, environment: Mapping[str, str], wait_seconds: float) -> str:
    if find_spec("fastmcp") is None or find_spec("panaversity_fs") is None:
        raise ConfigInvalid(
            "embedded server", "panaversity-fs", "its server part is not installed",
            "Install it with: pip install 'panaversity-fs[server]', or set PANAVERSITY_MCP_URL to a running server",
        )  # fmt: skip
    command = [sys.executable, "-m", "panaversity_fs", "serve", "--store", store, "--port", "0", "--until-unused"]
    with open(os.path.join(store, LOG), "wb") as log:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=clean_environment(environment),
            start_new_session=True,  # a Ctrl-C meant for this command must not reach it
            close_fds=True,
        )
    return _await(store, child, wait_seconds, time.monotonic)


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would send the server to another store, port or login."""
    return {k: v for k, v in environment.items() if k != "DATABASE_URL" and not k.startswith(_FOREIGN)}


def _await(store: str, child: "subprocess.Popen[bytes]", seconds: float, clock: Callable[[], float]) -> str:
    """Wait until a server answers: our child, or the one that was quicker when two commands started at once."""
    deadline = clock() + seconds
    while True:
        left = child.poll() is not None  # asked first: an address written before it left is still seen below
        if url := _running(store):
            if not left:
                _disown(child)
            return url
        if left and not _is_served(store):
            raise _failed(store, f"ended with status {child.returncode}")
        if clock() > deadline:
            if not left:
                child.terminate()
                child.wait()
            raise _failed(store, f"did not answer within {seconds:g} seconds")
        time.sleep(POLL_SECONDS)


def _is_served(store: str) -> bool:
    """True while some server holds the store, though it may not have said yet where it listens."""
    try:
        lock = os.open(os.path.join(store, SERVER_LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _disown(child: "subprocess.Popen[bytes]") -> None:
    """The server outlives this command on purpose: nobody here waits for it."""
    child.returncode = 0


def _failed(store: str, fact: str) -> ConfigInvalid:
    log = os.path.join(store, LOG)
    last = ""
    with contextlib.suppress(OSError), open(log, "rb") as file:
        lines = file.read()[-4096:].decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1].strip()}" if lines else ""
    return ConfigInvalid("embedded server", store, fact + last, f"Read {log}, or set PANAVERSITY_MCP_URL")
