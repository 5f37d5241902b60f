"""Blobs on their way into an object store (D1, F21, F22).

**Decision.** An object store has no rename, and copying is not one: it may break off, doubles the traffic and ends at
5 GB. So nothing is sent before ``publish``. What a batch takes is verified while it waits on this side (``Spool``: few
bytes in memory, the rest in a nameless temporary file), and ``publish`` sends it under its final name at once: small
blobs many at a time, each by one conditional PUT; large ones in parts, which become visible together. What this buys:
bytes whose digest is wrong never leave this machine; a request that fails can be sent again, since its bytes are still
here; discarding costs nothing; and a process that dies leaves at most the unfinished parts of one large blob, which
``leftovers`` finds. What it costs: temporary space for what one request brings, and that sending begins when taking has
ended.

``obstore`` cannot make the completion of a multipart upload conditional. It is looked first whether the blob is there;
two senders that see nothing at once put the same verified bytes twice, which nobody can tell from once.
"""

from collections.abc import AsyncIterator
from functools import partial

from panaversity_fs.store.blobs import CHUNK, BlobKey, Checker, Stored
from panaversity_fs.store.object_client import PART, QUICK, ObjectClient
from panaversity_fs.store.object_many import all_of
from panaversity_fs.store.object_spool import Span, Spool
from panaversity_fs.store.uncut import uncut

LARGE = PART
"""Bytes from which on a blob is sent in parts."""
_SENDING = ((QUICK, 32), (CHUNK, 12), (LARGE, 4))
"""Blobs up to so many bytes, and how many of them one batch sends at a time: they are in memory, and share a line."""
_LARGE_SENDING = 2


class ObjectBatch:
    """Blobs that wait to be sent to one bucket."""

    def __init__(self, client: ObjectClient) -> None:
        self._client = client
        self._spool = Spool()
        self._taken: dict[BlobKey, Span] = {}

    async def add(self, key: BlobKey, size: int | None, chunks: AsyncIterator[bytes]) -> Stored:
        checker = Checker(key.digest, size, "store")
        if size is not None and size <= CHUNK:
            data = bytearray()
            async for piece in chunks:
                checker.update(piece)
                data += piece
            stored = checker.finish()
            if key not in self._taken:
                self._taken[key] = await self._spool.keep(bytes(data))
            return stored
        start = self._spool.end
        try:
            async for piece in chunks:
                checker.update(piece)
                await self._spool.write(piece)
            stored = checker.finish()
        except BaseException:
            self._spool.cut(start)
            raise
        if key in self._taken:
            self._spool.cut(start)
        else:
            self._taken[key] = Span(stored.size, start=start)
        return stored

    async def add_bytes(self, key: BlobKey, data: bytes) -> Stored:
        checker = Checker(key.digest, len(data), "store")
        checker.update(data)
        stored = checker.finish()
        if key not in self._taken:
            self._taken[key] = await self._spool.keep(data)
        return stored

    async def publish(self) -> set[BlobKey]:
        if not self._taken:
            return set()
        # To its end: a request that nobody waits for any more could put a blob behind the back of who cleans up.
        return await uncut(self._publish())

    async def _publish(self) -> set[BlobKey]:
        new = set[BlobKey]()

        async def send(key: BlobKey) -> None:
            span = self._taken[key]
            if await (self._send_large(key, span) if span.size > LARGE else self._send(key, span)):
                new.add(key)
            del self._taken[key]

        for most, at_once in _SENDING:
            fitting = [partial(send, key) for key, span in self._taken.items() if span.size <= most]
            await all_of(fitting, at_once, to_the_end=True)
        await all_of([partial(send, key) for key in list(self._taken)], _LARGE_SENDING, to_the_end=True)
        self._spool.clear()
        return new

    async def _send(self, key: BlobKey, span: Span) -> bool:
        """Put a small blob; True when it is new."""
        data = await self._spool.whole(span)
        if self._client.place.conditional == "require":
            if await self._client.create(key.name, data):
                return True
            known = await self._client.size(key.name, "store")
        else:
            known = await self._client.size(key.name, "store")
        if known == span.size:
            return False
        # Gone again meanwhile, never there, or torn by some earlier accident: the verified bytes take its place.
        await self._client.replace(key.name, data)
        return known is None

    async def _send_large(self, key: BlobKey, span: Span) -> bool:
        known = await self._client.size(key.name, "store")
        if known == span.size:
            return False
        await self._client.put_large(key.name, span.size, lambda: self._spool.pieces(span))
        return known is None

    async def discard(self) -> None:
        self._taken.clear()
        self._spool.clear()
