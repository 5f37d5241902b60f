"""Blobs in a folder of this machine (D13): temporary file, hash while writing, fsync, link, fsync folder.

Knows files and their durability. Small blobs are written in groups, one thread hop a group, because a hop costs more
than writing a lesson.
"""

import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from anyio import to_thread

from panaversity_fs.store.blobs import CHUNK, Batch, BlobKey, Checker, Leftover, Listed, Stored, absent
from panaversity_fs.store.durable import make_folder, storage_errors, sync_file_system, sync_folder
from panaversity_fs.store.local_partials import LocalPartials
from panaversity_fs.store.partials import Partials
from panaversity_fs.store.uncut import in_thread

_GROUP = 4 * CHUNK
_FEW = 4
"""Up to this many files are synced one by one; beyond it the whole file system is, which is cheaper."""


class LocalBlobs:
    """The adapter for one root folder."""

    backend = "fs"
    prompt = True

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        self.partials: Partials = LocalPartials(self._root)

    def apart(self, part: str) -> "LocalBlobs":
        return LocalBlobs(os.path.join(self._root, part))

    def batch(self, owner: str = "") -> Batch:
        return LocalBatch(self._root, owner)

    async def size(self, key: BlobKey) -> int | None:
        with storage_errors("read"):
            try:
                return (await to_thread.run_sync(os.stat, self._path(key))).st_size
            except FileNotFoundError:
                return None

    async def stream(self, key: BlobKey, start: int, end: int) -> AsyncIterator[bytes]:
        with storage_errors("read"):
            try:
                file = await to_thread.run_sync(open, self._path(key), "rb", 0)
            except FileNotFoundError:
                raise absent(key) from None
            with file:
                file.seek(start)
                left = end - start
                while left > 0:
                    piece = await to_thread.run_sync(file.read, min(CHUNK, left))
                    if not piece:
                        return
                    left -= len(piece)
                    yield piece

    async def read_many(self, keys: Sequence[BlobKey]) -> list[bytes]:
        with storage_errors("read"):
            return await to_thread.run_sync(lambda: [self._read(key) for key in keys])

    def _read(self, key: BlobKey) -> bytes:
        try:
            with open(self._path(key), "rb", buffering=0) as file:
                return file.read()
        except FileNotFoundError:
            raise absent(key) from None

    async def link(self, key: BlobKey, seconds: float) -> str | None:  # noqa: ARG002 - nobody else can reach it
        return None

    async def remove(self, key: BlobKey) -> None:
        with storage_errors("remove"):
            await in_thread(self._remove, self._path(key))

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(path)
            sync_folder(os.path.dirname(path))

    async def remove_many(self, keys: Sequence[BlobKey]) -> None:
        for key in keys:
            await self.remove(key)

    async def places(self) -> set[tuple[str, int]]:
        with storage_errors("list"):
            return await to_thread.run_sync(self._places)

    def _places(self) -> set[tuple[str, int]]:
        books = os.path.join(self._root, "books")
        return {
            (book_id, int(number))
            for book_id in _names(books)
            for number in _names(os.path.join(books, book_id))
            if number.isdecimal()
        }

    async def keys(self, book_id: str, incarnation: int) -> AsyncIterator[Listed]:
        folder = os.path.join(self._root, f"books/{book_id}/{incarnation}/blobs")
        with storage_errors("list"):
            for prefix in await to_thread.run_sync(_names, folder):
                for name, size in await to_thread.run_sync(_sizes, os.path.join(folder, prefix)):
                    key = BlobKey.named(book_id, incarnation, name)
                    if key is not None and name[:2] == prefix:
                        yield Listed(key, size)

    async def leftovers(self, book_id: str, incarnation: int) -> Sequence[Leftover]:
        folder = f"books/{book_id}/{incarnation}/incoming"
        with storage_errors("list"):
            names = await to_thread.run_sync(_names, os.path.join(self._root, folder))
        return [Leftover(f"{folder}/{name}", name.rpartition("-")[0]) for name in names]

    async def remove_leftover(self, leftover: Leftover) -> None:
        with storage_errors("remove"):
            await in_thread(self._remove, os.path.join(self._root, leftover.name))

    async def quarantine(self, key: BlobKey) -> str:
        with storage_errors("quarantine"):
            return await in_thread(self._quarantine, key)

    def _quarantine(self, key: BlobKey) -> str:
        name = f"books/{key.book_id}/{key.incarnation}/quarantine/{key.digest}-{secrets.token_hex(4)}"
        target = os.path.join(self._root, name)
        make_folder(os.path.dirname(target))
        try:
            os.rename(self._path(key), target)
        except FileNotFoundError:
            raise absent(key) from None
        sync_folder(os.path.dirname(target))
        sync_folder(os.path.dirname(self._path(key)))
        return name

    async def check(self) -> None:
        with storage_errors("check"):
            await to_thread.run_sync(self._probe)

    def _probe(self) -> None:
        """Write a file of one byte and take it away again: a full or read-only medium says so here."""
        make_folder(self._root)
        path = os.path.join(self._root, f".probe-{secrets.token_hex(8)}")
        try:
            descriptor = _create(path)
            try:
                _write_all(descriptor, b".")
            finally:
                os.close(descriptor)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(path)

    def _path(self, key: BlobKey) -> str:
        return os.path.join(self._root, key.name)


class LocalBatch:
    """Blobs being written into one folder's file system."""

    def __init__(self, root: str, owner: str = "") -> None:
        self._root = root
        self._token = owner or secrets.token_hex(8)
        self._made = 0
        self._taken: dict[BlobKey, str] = {}
        self._folders: set[str] = set()
        self._waiting: list[tuple[str, bytes]] = []
        self._waiting_bytes = 0

    def _temporary(self, key: BlobKey) -> str:
        folder = os.path.join(self._root, f"books/{key.book_id}/{key.incarnation}/incoming")
        if folder not in self._folders:
            make_folder(folder)
            self._folders.add(folder)
        self._made += 1
        return os.path.join(folder, f"{self._token}-{self._made}")

    async def add(self, key: BlobKey, size: int | None, chunks: AsyncIterator[bytes]) -> Stored:
        checker = Checker(key.digest, size, "store")
        with storage_errors("store"):
            path = await in_thread(self._temporary, key)
            descriptor = _create(path)
        try:
            async for piece in chunks:  # what the sender raises is not the disk's fault
                checker.update(piece)
                with storage_errors("store"):
                    await in_thread(_write_all, descriptor, piece)
            stored = checker.finish()
            if self._taken.setdefault(key, path) != path:
                os.unlink(path)  # the batch holds these very bytes already
        except BaseException:
            with suppress(OSError):
                os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        return stored

    async def add_bytes(self, key: BlobKey, data: bytes) -> Stored:
        checker = Checker(key.digest, len(data), "store")
        checker.update(data)
        stored = checker.finish()
        if key not in self._taken:
            with storage_errors("store"):
                path = self._taken[key] = self._temporary(key)
                self._waiting.append((path, data))
                self._waiting_bytes += len(data)
                if self._waiting_bytes >= _GROUP:
                    await in_thread(self._write_waiting)
        return stored

    def _write_waiting(self) -> None:
        for path, data in self._waiting:
            descriptor = _create(path)
            try:
                _write_all(descriptor, data)
            finally:
                os.close(descriptor)
        self._waiting, self._waiting_bytes = [], 0

    async def publish(self) -> set[BlobKey]:
        if not self._taken:
            return set()
        with storage_errors("store"):
            return await in_thread(self._publish)

    def _publish(self) -> set[BlobKey]:
        self._write_waiting()
        many = len(self._taken) > _FEW
        if many:
            sync_file_system(self._root)
        new, folders = set(), set()
        for key, path in list(self._taken.items()):
            if not many:
                _sync_file(path)
            folder = os.path.join(self._root, key.folder)
            if folder not in folders:
                make_folder(folder)
                folders.add(folder)
            if _link(path, os.path.join(self._root, key.name)):
                new.add(key)
            del self._taken[key]
        if many:
            sync_file_system(self._root)
        else:
            for folder in folders:
                sync_folder(folder)
        return new

    async def discard(self) -> None:
        def remove() -> None:
            self._waiting.clear()
            for path in self._taken.values():
                with suppress(OSError):
                    os.unlink(path)
            self._taken.clear()

        if self._taken or self._waiting:
            await in_thread(remove)


def _names(folder: str) -> list[str]:
    """What is in a folder; nothing when there is none."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _sizes(folder: str) -> list[tuple[str, int]]:
    found = []
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    found.append((entry.name, entry.stat(follow_symlinks=False).st_size))
    return found


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(temporary: str, target: str) -> bool:
    """Give the bytes their name without ever replacing one; True when the name is new.

    A file of another length under a digest's name is a torn write of some earlier disk: the verified bytes replace it.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        if os.stat(target).st_size != os.stat(temporary).st_size:
            os.replace(temporary, target)
            return False
        os.unlink(temporary)
        return False
    os.unlink(temporary)
    return True
