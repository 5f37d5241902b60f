"""Uploads that may go on, as files of this machine beside the blobs on their way in (``store.partials``).

Knows files and ``flock``, which tells two senders apart over all processes and dies with its owner. Syncs nothing: what
a power cut leaves is judged by its digest like everything a sender claims.
"""

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import suppress

from anyio import to_thread

from panaversity_fs.store.blobs import CHUNK
from panaversity_fs.store.durable import make_folder, storage_errors
from panaversity_fs.store.partials import Partial, busy, elsewhere, vanished
from panaversity_fs.store.uncut import in_thread


class LocalPartials:
    """The adapter for one root folder."""

    def __init__(self, root: str) -> None:
        self._root = root

    def _path(self, partial: Partial) -> str:
        return os.path.join(self._root, partial.name)

    async def size(self, partial: Partial) -> int:
        with storage_errors("upload"):
            try:
                return (await to_thread.run_sync(os.stat, self._path(partial))).st_size
            except FileNotFoundError:
                return 0

    async def append(self, partial: Partial, at: int, chunks: AsyncIterator[bytes]) -> int:
        with storage_errors("upload"):
            descriptor = await in_thread(_open_for_one, self._path(partial))
        try:
            size = os.fstat(descriptor).st_size
            if size != at:
                raise elsewhere(at, size)
            async for piece in chunks:  # what the sender raises is not the disk's fault
                with storage_errors("upload"):
                    await in_thread(_append, descriptor, piece)
                size += len(piece)
            return size
        finally:
            os.close(descriptor)

    async def stream(self, partial: Partial) -> AsyncIterator[bytes]:
        with storage_errors("upload"):
            try:
                file = await to_thread.run_sync(open, self._path(partial), "rb", 0)
            except FileNotFoundError:
                raise vanished() from None
            with file:
                while piece := await to_thread.run_sync(file.read, CHUNK):
                    yield piece

    async def remove(self, partial: Partial) -> None:
        with storage_errors("upload"):
            await in_thread(_remove, self._path(partial))


def _open_for_one(path: str) -> int:
    """The file for appending, held by nobody else. Raises ``Unavailable``."""
    make_folder(os.path.dirname(path))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise busy() from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _append(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
