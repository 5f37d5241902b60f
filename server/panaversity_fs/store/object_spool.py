"""Bytes that wait to be sent: in memory while they are few, else in a temporary file that has no name.

The file is this process's alone and goes with it, whatever ends it: nothing can be left over. Knows offsets, not blobs.
"""

import errno
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from panaversity_fs.core.errors import StorageFull, Unavailable
from panaversity_fs.store.blobs import CHUNK
from panaversity_fs.store.uncut import in_thread

IN_MEMORY = 8 * CHUNK
"""Bytes that one batch holds in memory; what comes after them goes to the file."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where bytes wait: in ``held``, else in the file from ``start`` on."""

    size: int
    held: bytes | None = None
    start: int = 0


class Spool:
    """Bytes in the order they came."""

    def __init__(self) -> None:
        self._held = 0
        self._file: int | None = None
        self._end = 0

    async def keep(self, data: bytes) -> Span:
        """Keep a few bytes that are here already."""
        if self._held + len(data) <= IN_MEMORY:
            self._held += len(data)
            return Span(len(data), data)
        start = self._end
        await self.write(data)
        return Span(len(data), start=start)

    @property
    def end(self) -> int:
        """Where the next bytes written go."""
        return self._end

    async def write(self, data: bytes) -> None:
        """Append to the file. Raises ``StorageFull``, ``Unavailable``."""
        with _folder_errors():
            await in_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            with tempfile.TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, self._end)
            self._end += written
            view = view[written:]

    def cut(self, end: int) -> None:
        """Take back what was written last."""
        self._end = end

    async def whole(self, span: Span) -> bytes:
        """All bytes of a small span."""
        return b"".join([piece async for piece in self.pieces(span)])

    async def pieces(self, span: Span) -> AsyncIterator[bytes]:
        """The bytes in steps of at most ``CHUNK``."""
        if span.held is not None:
            yield span.held
            return
        at, end = span.start, span.start + span.size
        while at < end:
            assert self._file is not None
            with _folder_errors():
                piece = await in_thread(os.pread, self._file, min(CHUNK, end - at), at)
            at += len(piece)
            yield piece

    def clear(self) -> None:
        """Forget everything."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._held, self._end = None, 0, 0


@contextmanager
def _folder_errors() -> Iterator[None]:
    """The operating system's errors as ours; they are about this machine, not about the object store."""
    place, backend = "temporary folder", "s3"
    try:
        yield
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "Make room there or set TMPDIR"
            raise StorageFull("store", place, "has no space left", hint, backend=backend) from fault
        reason = os.strerror(fault.errno) if fault.errno else type(fault).__name__
        hint = "Look at it or set TMPDIR"
        raise Unavailable("store", place, f"cannot be used ({reason})", hint, backend=backend) from fault
