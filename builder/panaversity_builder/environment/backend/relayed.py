"""Running a program that stands for another one in a container, and losing nothing of what that one writes.

``buildah run`` carries the streams of a program to its own and ends when that program does, with or without what its
reader had not taken yet: up to 64 KiB of the last words, as a rule the ones that matter. A file takes all of them at
once; so they go through one without a name, and are followed there. Knows processes and files; does not know any
program's words.
"""

import math
import os
import select
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO

from panaversity_builder.environment.backend.exec import PIECE, Overtime, Sink, end, status_of
from panaversity_fs.core.errors import TooLarge

_LOOK_SECONDS = 0.05
_STDOUT = 1
_MOST = 1 << 30
_NOBODY_READS = 128 + 13
"""The status of a program that wrote to a reader who had gone (SIGPIPE)."""


def run(
    command: Sequence[str],
    out: Sink,
    *,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> int:
    """Run a program and hand on what it writes to both its streams; answers its exit status (128 + n for a signal).

    Whatever happens here, its process group is gone afterwards. Raises ``OSError`` when it cannot be started,
    ``Overtime`` after ``seconds``, and what ``out`` raises.
    """
    with TemporaryFile() as asked, TemporaryFile() as said:
        asked.write(stdin)
        asked.seek(0)
        process = subprocess.Popen(  # noqa: S603 — a list of arguments, no shell
            list(command),
            stdin=asked,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=None if environ is None else dict(environ),
            start_new_session=True,
        )
        return _to_its_end(process, [_Followed(said, out)], seconds)


def attach(command: Sequence[str], errors: Sink | None = None) -> int:
    """Run a program on our own stdin and stdout, and stderr too unless ``errors`` takes that; answers its exit status.

    It stays in our session: the terminal is its. A reader of our stdout that may be slower than it (a pipe, a socket)
    gets all the same, up to 1 GiB: what waits for it lies on the disk. Raises ``OSError`` when it cannot be started,
    ``TooLarge`` when it writes more.
    """
    with TemporaryFile() as said, TemporaryFile() as wrong:
        out = [_Followed(said, _tell, _MOST)] if _may_be_slow(_STDOUT) else []
        err = [_Followed(wrong, errors)] if errors else []
        process = subprocess.Popen(  # noqa: S603 — a list of arguments, no shell
            list(command), stdout=said if out else None, stderr=wrong if err else None
        )
        try:
            return _to_its_end(process, [*out, *err], None)
        except BrokenPipeError:
            return _NOBODY_READS


class _Followed:
    """A file that a program writes into, of at most ``most`` bytes."""

    def __init__(self, file: IO[bytes], sink: Sink, most: float = math.inf) -> None:
        self._file, self._sink, self._most, self._at = file.fileno(), sink, most, 0

    def pour(self) -> bool:
        """Hand on a piece of what has come; True when there was one. Raises ``TooLarge``."""
        if os.fstat(self._file).st_size > self._most:
            problem, hint = f"more than {self._most:.0f} bytes were written into a pipe", "Write them into a file"
            raise TooLarge("env run", "standard output", problem, hint)
        piece = os.pread(self._file, PIECE, self._at)  # the program's own place in it stays
        self._at += len(piece)
        if piece:
            self._sink(piece)
        return bool(piece)


def _to_its_end(process: "subprocess.Popen[bytes]", followed: Sequence[_Followed], seconds: float | None) -> int:
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        status, more, look = None, False, _LOOK_SECONDS if followed else None
        while status is None or more:
            if status is None:
                with suppress(subprocess.TimeoutExpired):
                    status = process.wait(0 if more else look)
            more = sum(one.pour() for one in followed) > 0  # not ``any``: each has its turn
            if status is None and deadline is not None and time.monotonic() >= deadline:
                raise Overtime
        return status_of(status)
    finally:
        end(process)


def _may_be_slow(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False  # closed: nobody reads
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _tell(data: bytes) -> None:
    """To the descriptor itself: what wraps ``sys.stdout`` forgets who has gone, and the program is to end then."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(_STDOUT, left) :]
        except BlockingIOError:  # whoever gave it to us may have made it so
            select.select([], [_STDOUT], [])
