"""Uploads that may go on, as rows of objects (``store.partials``): an object cannot be appended to.

What one request brings becomes one object or more, each named after the partial and the offset of its first byte:

    books/{book}/{life}/incoming/{owner}-part.{offset}

A name is taken once only, so of two servers that send from the same offset one is refused. Knows bytes and offsets.
"""

import re
from collections.abc import AsyncIterator, Sequence
from functools import partial

from panaversity_fs.store.blobs import CHUNK, Leftover
from panaversity_fs.store.object_client import ObjectClient
from panaversity_fs.store.object_many import all_of
from panaversity_fs.store.partials import Partial, busy, elsewhere, vanished
from panaversity_fs.store.uncut import uncut

SEGMENT = 8 * CHUNK
"""Bytes that are held until they are sent as one object."""
_NAME = re.compile(r"(?P<partial>.+/incoming/(?P<owner>[^/]+)-part)\.(?P<offset>\d{16})")


class ObjectPartials:
    """The adapter for one bucket."""

    def __init__(self, client: ObjectClient) -> None:
        self._client = client
        self._sending: set[str] = set()

    async def size(self, partial: Partial) -> int:
        return sum(size for _, size in await self._segments(partial.name))

    async def _segments(self, name: str) -> list[tuple[str, int]]:
        """(object, length) of what follows on from the first byte without a gap."""
        found, end = [], 0
        async for segment, size in self._client.names(name.rpartition("/")[0] + "/"):
            match = _NAME.fullmatch(segment)
            if match and match["partial"] == name and int(match["offset"]) == end and size:
                found.append((segment, size))
                end += size
        return found

    async def append(self, partial: Partial, at: int, chunks: AsyncIterator[bytes]) -> int:
        if partial.name in self._sending:
            raise busy()
        self._sending.add(partial.name)
        try:
            size = await self.size(partial)
            if size != at:
                raise elsewhere(at, size)
            return await self._append(partial, at, chunks)
        finally:
            self._sending.discard(partial.name)

    async def _append(self, partial: Partial, at: int, chunks: AsyncIterator[bytes]) -> int:
        held = bytearray()
        try:
            async for piece in chunks:
                held += piece
                while len(held) >= SEGMENT:
                    await self._put(partial, at, bytes(held[:SEGMENT]))
                    at += SEGMENT
                    del held[:SEGMENT]
        except BaseException:
            if held:  # what came before a sender broke off stays
                await uncut(self._put(partial, at, bytes(held)))
            raise
        if held:
            await self._put(partial, at, bytes(held))
        return at + len(held)

    async def _put(self, partial: Partial, at: int, data: bytes) -> None:
        if await self._client.create(f"{partial.name}.{at:016d}", data, "upload") is None:
            raise busy()

    async def stream(self, partial: Partial) -> AsyncIterator[bytes]:
        segments = await self._segments(partial.name)
        if not segments:
            raise vanished()
        for name, size in segments:
            try:
                async for piece in self._client.stream(name, 0, size):
                    yield piece
            except LookupError as fault:
                raise vanished() from fault

    async def remove(self, partial: Partial) -> None:
        await self.remove_named(partial.name)

    async def leftovers(self, book_id: str, incarnation: int) -> Sequence[Leftover]:
        """One leftover for each partial."""
        found = dict[str, str]()
        async for name, _ in self._client.names(f"books/{book_id}/{incarnation}/incoming/"):
            match = _NAME.fullmatch(name)
            found |= {match["partial"]: match["owner"]} if match else {name: ""}
        return [Leftover(name, owner) for name, owner in found.items()]

    async def remove_named(self, name: str) -> None:
        """Remove every object of the partial of this name, the last one first: a gap ends what can be gone on with."""
        names = [found async for found, _ in self._client.names(name.rpartition("/")[0] + "/")]
        mine = [found for found in names if found == name or found.startswith(f"{name}.")]
        await all_of([partial(self._client.remove, found, "upload") for found in reversed(mine)])
