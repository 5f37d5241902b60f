"""Bytes on their way into a commit: pinned first, then stored, cleaned up unless a commit named them (D18, SC-002).

Knows the order pin → bytes → durable; does not know conflicts or journals. Whatever happens while the process lives,
bytes that no commit named and nobody else has pinned are gone again afterwards.
"""

from collections.abc import AsyncIterator, Collection
from types import TracebackType

import anyio

from panaversity_fs.core.digest import Digest
from panaversity_fs.library.context import PIN_LIFE, Context
from panaversity_fs.store.blob_rows import Pin, drop_upload, find_blobs, find_pins, save_pins
from panaversity_fs.store.blobs import BlobKey, Stored

_CLEAN_UP_SECONDS = 30


class Staging:
    """One upload to one book. Use as an async context manager; ``keep`` or a commit decides what stays."""

    def __init__(self, context: Context, book_id: str, incarnation: int, subject: str) -> None:
        self.book_id = book_id
        self.incarnation = incarnation
        self.subject = subject
        self.stored: dict[Digest, Stored] = {}
        self._context = context
        self._upload_id = context.token()
        self._batch = context.blobs.batch()
        self._pinned: set[Digest] = set()
        self._kept: set[Digest] = set()

    async def expect(self, digests: Collection[Digest]) -> None:
        """Pin these digests, in one transaction, before any of their bytes is stored."""
        new = set(digests) - self._pinned
        if not new:
            return
        self._pinned |= new  # first: a commit cut off by a cancellation may have happened
        async with self._context.database.write("upload") as connection:
            await save_pins(connection, [self._pin(digest) for digest in new])

    def _pin(self, digest: Digest) -> Pin:
        expires = self._context.clock() + PIN_LIFE
        stored = self.stored.get(digest)
        return Pin(self._upload_id, digest, self.book_id, self.incarnation, self.subject, stored, expires)

    def key(self, digest: Digest) -> BlobKey:
        """Where these bytes will live."""
        return BlobKey(self.book_id, self.incarnation, digest)

    async def store(self, digest: Digest, size: int | None, chunks: AsyncIterator[bytes]) -> Stored:
        """Take one blob as a stream. Raises ``HashMismatch`` when length or digest are not the promised ones."""
        await self.expect([digest])
        self.stored[digest] = await self._batch.add(self.key(digest), size, chunks)
        return self.stored[digest]

    async def store_bytes(self, digest: Digest, data: bytes) -> Stored:
        """Take one small blob at once. Raises ``HashMismatch``."""
        await self.expect([digest])
        self.stored[digest] = await self._batch.add_bytes(self.key(digest), data)
        return self.stored[digest]

    async def store_under_lock(self, digest: Digest, data: bytes) -> None:
        """Store and publish one small blob inside the very transaction that will name it: no pin is needed there."""
        self._pinned.add(digest)
        self.stored[digest] = await self._batch.add_bytes(self.key(digest), data)
        await self.publish()

    async def publish(self) -> None:
        """Make everything taken so far durable; still unnamed, so invisible to readers."""
        await self._batch.publish()

    async def keep_pins(self) -> None:
        """Publish and leave the pins to a later commit of the same subject (data-plane PUT)."""
        await self.publish()
        async with self._context.database.write("upload") as connection:
            await save_pins(connection, [self._pin(digest) for digest in self.stored])
        self._kept |= self._pinned

    def committed(self, digests: Collection[Digest]) -> None:
        """A commit named these: they are nobody's leftovers."""
        self._kept |= set(digests)

    async def __aenter__(self) -> "Staging":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.move_on_after(_CLEAN_UP_SECONDS, shield=True):
            await self._batch.discard()
            leftovers = self._pinned - self._kept
            if leftovers:
                await self._remove(leftovers)

    async def _remove(self, digests: set[Digest]) -> None:
        """Under the lock: drop our pins, then the bytes that no commit named and nobody else is sending."""
        place = (self.book_id, self.incarnation)
        async with self._context.database.write("clean up") as connection:
            await drop_upload(connection, self._upload_id)
            named = await find_blobs(connection, *place, digests)
            pinned = {pin.sha256 for pin in await find_pins(connection, *place, digests)}
            for digest in digests - named.keys() - pinned:
                await self._context.blobs.remove(self.key(digest))
