"""The two ways to break the N-th change of the disk: a library under libc, or failpoints where no C compiler is found.

Knows how the shim (``faults/shim/shim.c``) is built and armed; does not know what is being done when it strikes.
"""

import ctypes
import errno
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

SOURCE = Path(__file__).parents[1] / "faults" / "shim" / "shim.c"
MODES = {"count": 0, "kill": 1, "EIO": 2, "ENOSPC": 2, "torn": 3, "cut": 4}
"""``EIO`` and ``ENOSPC`` let the call fail once; ``torn`` makes half of a write, then kills; ``cut`` pulls the plug."""
CHANGES = ("open", "write", "link", "unlink", "replace", "rename", "fsync", "mkdir", "makedirs", "ftruncate")


def compiler() -> str | None:
    """A C compiler of this machine, unless ``PANAVERSITY_TEST_NO_SHIM=1`` says to do without."""
    if os.environ.get("PANAVERSITY_TEST_NO_SHIM", "") == "1":
        return None
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def built_shim() -> Path | None:
    """The shim, built once per version of its source; None without Linux and a compiler."""
    command = compiler()
    if command is None or not os.path.isdir("/proc/self/fd"):
        return None
    name = "panaversity-shim-" + hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}.so"
    if not target.exists():
        fresh = target.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [command, "-O1", "-fPIC", "-shared", "-o", str(fresh), str(SOURCE), "-ldl"], check=True, capture_output=True
        )
        fresh.replace(target)
    return target


class Arm(Protocol):
    """What breaks the N-th change below a folder."""

    name: str

    def arm(self, folder: str, at: int, mode: str, trace: int, later: int = 0) -> None:
        """Count from now on; ``trace`` is a descriptor that gets one line a call. Die ``later`` calls after ``at``."""

    def mark(self, word: str) -> None:
        """Write a line of our own into the trace."""

    def disarm(self) -> int:
        """Stop counting; how many calls there were."""


class Shim:
    """The preloaded library of this process."""

    name = "shim"

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.shim_calls.restype = ctypes.c_long

    def arm(self, folder: str, at: int, mode: str, trace: int, later: int = 0) -> None:
        place, code = os.path.realpath(folder).encode(), getattr(errno, mode, 0)
        self._library.shim_arm(place, ctypes.c_long(at), MODES[mode], code, trace, ctypes.c_long(later))

    def mark(self, word: str) -> None:
        self._library.shim_mark(word.encode())

    def disarm(self) -> int:
        self._library.shim_disarm()
        return int(self._library.shim_calls())


class Failpoints:
    """Stands where module ``os`` stood in the store, and listens to the database's statements: no C needed.

    Sees neither the database's own files nor torn writes; a failure is only made where the store itself calls.
    """

    name = "failpoints"

    def __init__(self) -> None:
        self._armed = False
        self._count = self._at = 0
        self._mode, self._trace = "count", -1
        self._folder = ""
        self._planted = False

    def arm(self, folder: str, at: int, mode: str, trace: int, later: int = 0) -> None:
        if not self._planted:
            self._plant()
        self._folder, self._at, self._mode, self._trace, self._count = folder, at, mode, trace, 0
        self._armed = True

    def mark(self, word: str) -> None:
        os.write(self._trace, f"0\tmark\t0\t{word}\n".encode())

    def disarm(self) -> int:
        self._armed = False
        return self._count

    def _plant(self) -> None:
        from sqlalchemy import Engine, event

        from panaversity_fs.store import durable, local_blobs

        self._planted = True
        for module in (durable, local_blobs):
            module.os = _Watched(self)  # type: ignore[attr-defined]
        real = durable.sync_file_system
        for module in (durable, local_blobs):
            module.sync_file_system = lambda folder: self._met("syncfs", folder, lambda: real(folder))  # type: ignore[attr-defined]

        @event.listens_for(Engine, "before_cursor_execute")
        def on_statement(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if not statement.startswith(("SELECT", "PRAGMA")):
                self._met("statement", statement.split("(")[0][:60], lambda: None, fails=False)

        @event.listens_for(Engine, "commit")
        def on_commit(_connection: Any) -> None:
            self._met("statement", "COMMIT", lambda: None, fails=False)

    def _met(self, kind: str, what: str, call: Callable[[], Any], *, fails: bool = True) -> Any:
        if self._armed:
            self._count += 1
            os.write(self._trace, f"{self._count}\t{kind}\t0\t{what!r}\n".encode())
            if self._count == self._at and self._mode in ("kill", "torn"):
                os.kill(os.getpid(), signal.SIGKILL)
            if self._count == self._at and self._mode in ("EIO", "ENOSPC") and fails:
                raise OSError(getattr(errno, self._mode), os.strerror(getattr(errno, self._mode)))
        return call()


class _Watched:
    """Module ``os`` with its changing calls watched."""

    def __init__(self, failpoints: Failpoints) -> None:
        self._failpoints = failpoints

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CHANGES:
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return real(*arguments, **named)
            return self._failpoints._met(name, str(arguments[0]), lambda: real(*arguments, **named))

        return call


def this_arm() -> Arm:
    """The shim when this process was started with it, failpoints otherwise."""
    return Shim() if "panaversity-shim" in os.environ.get("LD_PRELOAD", "") else Failpoints()
