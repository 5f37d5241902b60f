"""Blobs in this process's memory: for tests, and for seeing how small the port is."""

from collections.abc import AsyncIterator, Sequence

from panaversity_fs.store.blobs import CHUNK, Batch, BlobKey, Checker, Leftover, Listed, Stored, absent
from panaversity_fs.store.partials import MemoryPartials, Partials


class MemoryBlobs:
    """The adapter over a dictionary; ``blobs`` may be damaged by a test on purpose."""

    backend = "memory"
    prompt = True

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.quarantined: dict[str, bytes] = {}
        self.parts: dict[str, MemoryBlobs] = {}
        self._partials = MemoryPartials()
        self.partials: Partials = self._partials

    def apart(self, part: str) -> "MemoryBlobs":
        return self.parts.setdefault(part, MemoryBlobs())

    def batch(self, owner: str = "") -> Batch:  # noqa: ARG002 - nothing is left over in memory
        return MemoryBatch(self.blobs)

    async def size(self, key: BlobKey) -> int | None:
        data = self.blobs.get(key.name)
        return None if data is None else len(data)

    async def stream(self, key: BlobKey, start: int, end: int) -> AsyncIterator[bytes]:
        data = self._get(key)[start:end]
        for offset in range(0, len(data), CHUNK):
            yield data[offset : offset + CHUNK]

    async def read_many(self, keys: Sequence[BlobKey]) -> list[bytes]:
        return [self._get(key) for key in keys]

    async def link(self, key: BlobKey, seconds: float) -> str | None:  # noqa: ARG002 - nobody else can reach it
        return None

    async def remove(self, key: BlobKey) -> None:
        self.blobs.pop(key.name, None)

    async def remove_many(self, keys: Sequence[BlobKey]) -> None:
        for key in keys:
            await self.remove(key)

    async def places(self) -> set[tuple[str, int]]:
        return {(book_id, int(number)) for _, book_id, number, *_ in (name.split("/") for name in self.blobs)}

    async def keys(self, book_id: str, incarnation: int) -> AsyncIterator[Listed]:
        prefix = f"books/{book_id}/{incarnation}/blobs/"
        for name in [name for name in self.blobs if name.startswith(prefix)]:
            key = BlobKey.named(book_id, incarnation, name.rpartition("/")[2])
            if key is not None and name in self.blobs:
                yield Listed(key, len(self.blobs[name]))

    async def leftovers(self, book_id: str, incarnation: int) -> Sequence[Leftover]:
        prefix = f"books/{book_id}/{incarnation}/incoming/"
        names = [name for name in self._partials.received if name.startswith(prefix)]
        return [Leftover(name, name[len(prefix) :].rpartition("-")[0]) for name in names]

    async def remove_leftover(self, leftover: Leftover) -> None:
        self._partials.received.pop(leftover.name, None)

    async def quarantine(self, key: BlobKey) -> str:
        self.quarantined[key.name] = self._get(key)
        del self.blobs[key.name]
        return key.name

    async def check(self) -> None:
        return None

    def _get(self, key: BlobKey) -> bytes:
        if key.name not in self.blobs:
            raise absent(key)
        return self.blobs[key.name]


class MemoryBatch:
    """Blobs that are not visible yet."""

    def __init__(self, blobs: dict[str, bytes]) -> None:
        self._blobs = blobs
        self._taken: dict[BlobKey, bytes] = {}

    async def add(self, key: BlobKey, size: int | None, chunks: AsyncIterator[bytes]) -> Stored:
        checker, pieces = Checker(key.digest, size, "store"), []
        async for piece in chunks:
            checker.update(piece)
            pieces.append(piece)
        stored = checker.finish()
        self._taken[key] = b"".join(pieces)
        return stored

    async def add_bytes(self, key: BlobKey, data: bytes) -> Stored:
        checker = Checker(key.digest, len(data), "store")
        checker.update(data)
        stored = checker.finish()
        self._taken[key] = data
        return stored

    async def publish(self) -> set[BlobKey]:
        new = {key for key in self._taken if key.name not in self._blobs}
        self._blobs.update({key.name: self._taken[key] for key in new})
        self._taken.clear()
        return new

    async def discard(self) -> None:
        self._taken.clear()
