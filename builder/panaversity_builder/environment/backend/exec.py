"""Running a program to its end, and making sure of that end: time limits, Ctrl-C, our own sudden death.

Arguments are lists; no shell is involved. Knows processes; does not know containers, logs or secrets.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

APART = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""In front of a program (Linux, as root): it gets namespaces of its own for processes and mounts. The kernel ends all
it started with it, however that hid (a session of its own, a deaf ear for SIGTERM), and ends it when we die; what it
mounted nobody else sees, and it is gone as well."""
PIECE = 65536
_LOOK_SECONDS = 0.1
_END_SECONDS = 10.0

Sink = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended and what it wrote."""

    status: int
    out: bytes
    errors: bytes


class Overtime(Exception):
    """The time allowed is over, or nobody waits any more; the program has been ended."""


def call(
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    seconds: float | None = None,
    stop: threading.Event | None = None,
) -> Ended:
    """Run a program that answers on stdout.

    Whatever happens here, the program's process group is gone afterwards. Raises ``OSError`` when it cannot be started,
    ``Overtime`` after ``seconds`` and soon after ``stop`` is set (by another thread).
    """
    out, errors = bytearray(), bytearray()
    process = subprocess.Popen(  # noqa: S603 — a list of arguments, no shell
        list(command),
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=None if environ is None else dict(environ),
        start_new_session=True,
    )
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        _pump(process, out.extend, errors.extend, stdin, deadline, stop or threading.Event())
        return Ended(status_of(process.wait(_left(deadline))), bytes(out), bytes(errors))
    except subprocess.TimeoutExpired:
        raise Overtime from None
    finally:
        end(process)


def status_of(code: int) -> int:
    """What a shell would tell: 128 + n for a program that signal n ended."""
    return code if code >= 0 else 128 - code


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process with all it started, at once, and its pipes with it. Fine for one that has ended.

    Of one that is ``APART`` the first process inside is ended, and the one outside waited for: that one ends when the
    kernel has taken the last of the others away.
    """
    try:
        if process.poll() is None and tuple(process.args[: len(APART)]) == APART:  # type: ignore[index]
            for inner in _children(process.pid):
                _kill(os.kill, inner)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
    finally:
        _kill(os.killpg, process.pid)
        process.kill()  # one that is ``attach``ed has no group of its own
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _kill(send: Callable[[int, int], None], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(number, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        return []


def _pump(
    process: "subprocess.Popen[bytes]",
    out: Sink,
    errors: Sink,
    stdin: bytes,
    deadline: float | None,
    stop: threading.Event,
) -> None:
    """Carry bytes until the program's streams end, or it has ended and left them to somebody else."""
    left = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        for pipe, sink in ((process.stdout, out), (process.stderr, errors)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, sink)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        while any(key.data for key in selector.get_map().values()):
            left_seconds = _left(deadline)
            if left_seconds == 0 or stop.is_set():
                raise Overtime
            ready = selector.select(_LOOK_SECONDS if left_seconds is None else min(left_seconds, _LOOK_SECONDS))
            if not ready and process.poll() is not None and not (ready := selector.select(0)):
                return  # nothing came between that look and its end
            for key, _ in ready:
                if key.data:
                    _read(selector, key.fileobj, key.data)  # type: ignore[arg-type]
                else:
                    left = _write(selector, key.fileobj, left)  # type: ignore[arg-type]


def _read(selector: selectors.BaseSelector, pipe: IO[bytes], sink: Sink) -> None:
    try:
        piece = os.read(pipe.fileno(), PIECE)
    except BlockingIOError:
        return
    if piece:
        sink(piece)
    else:
        selector.unregister(pipe)


def _write(selector: selectors.BaseSelector, pipe: IO[bytes], left: memoryview) -> memoryview:
    """Give the program more of its stdin; a program that does not want it all is no failure."""
    try:
        left = left[os.write(pipe.fileno(), left[:PIECE]) :]
    except BlockingIOError:
        return left
    except BrokenPipeError:
        left = left[:0]
    if not left:
        selector.unregister(pipe)
        pipe.close()
    return left


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
