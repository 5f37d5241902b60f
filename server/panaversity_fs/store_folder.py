"""A folder that one server serves: its lock, the note that says where the server is, and who still needs it.

    DIR/server.lock   held exclusively by the server for its life (F39)
    DIR/server.json   {"url", "pid", "instance", "version"} of the running server; gone when it is
    DIR/clients.lock  held shared by every command that uses the embedded server

Locks are ``flock``: the kernel drops them with their owner, so no age or process id is ever judged. Does not know
servers or clients.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from panaversity_fs.core.errors import ConfigInvalid

SERVER_LOCK, SERVER_NOTE, CLIENTS_LOCK = "server.lock", "server.json", "clients.lock"


def _config(folder: str, problem: str, hint: str) -> ConfigInvalid:
    return ConfigInvalid("serve", folder, problem, hint, key="--store", origin="flag", reason=problem)


def try_exclusive(path: str) -> int | None:
    """Take this lock file exclusively without waiting: the open descriptor, or None while somebody holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def serving(folder: str) -> Iterator[None]:
    """Be the one server of this folder, which is made if need be. Raises ``ConfigInvalid`` when another one is."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        lock = try_exclusive(os.path.join(folder, SERVER_LOCK))
    except OSError as fault:
        reason = errno.errorcode.get(fault.errno or 0, "error")
        raise _config(folder, f"cannot be used ({reason})", "Name a folder you may write to") from None
    if lock is None:
        raise _config(folder, "is served by another server already", "Use that one, or stop it first")
    try:
        # A note that is still here was left by a server that was killed: we hold the lock, so it is nobody's.
        forget(folder)
        yield
    finally:
        forget(folder)
        os.close(lock)


def announce(folder: str, note: Mapping[str, object]) -> None:
    """Write the note, whole or not at all."""
    path = os.path.join(folder, SERVER_NOTE)
    beside = f"{path}.{os.getpid()}.tmp"
    with open(beside, "w", encoding="utf-8") as file:
        json.dump(note, file)
    os.replace(beside, path)


def forget(folder: str) -> None:
    """Remove the note; fine when there is none."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, SERVER_NOTE))


class Clients:
    """Whether anybody still uses the server of this folder.

    During the first ``grace`` seconds nobody need have come yet; once somebody was seen, or the grace is over, a free
    lock means that nobody is left. ``gone`` then keeps the lock: whoever comes now waits until this process is dead and
    starts a server of its own.
    """

    def __init__(self, folder: str, grace: float) -> None:
        self._path = os.path.join(folder, CLIENTS_LOCK)
        self._grace = grace
        self._seen = False
        self._held: int | None = None

    def gone(self, running: float) -> bool:
        """True when the server may go. ``running`` is the time in seconds since it began to listen."""
        lock = try_exclusive(self._path)
        if lock is None:
            self._seen = True
            return False
        if not self._seen and running < self._grace:
            os.close(lock)
            return False
        # Never closed: it ends with the process.
        self._held = lock
        return True
