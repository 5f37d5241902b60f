"""Bytes on their way into a commit: pinned first, then stored, cleaned up unless a commit named them (D18, SC-002).

Knows the order pin → bytes → durable; does not know conflicts or journals. Whatever happens while the process lives,
bytes that no commit named and nobody else has pinned are gone again afterwards.

The pin also says under which generation of its key a digest is put: that of the living blob or of another pin, so that
"already there" is meant; else one that no collector, however late it wakes, can be about to delete (``blob_states``).
"""

import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import replace
from types import TracebackType

import anyio

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.library.context import PIN_LIFE, Context
from panaversity_fs.store.blob_rows import BlobRow, Pin, drop_upload, find_blobs, find_pins, save_blobs, save_pins
from panaversity_fs.store.blob_states import floor_of, give_up
from panaversity_fs.store.blobs import BlobKey, Stored
from panaversity_fs.store.books import find_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.outcomes import again, carry_out

_CLEAN_UP_SECONDS = 30
logger = logging.getLogger("panaversity_fs.staging")


class Staging:
    """One upload to one book. Use as an async context manager; ``keep`` or a commit decides what stays."""

    def __init__(self, context: Context, book_id: str, incarnation: int, subject: str) -> None:
        self.book_id = book_id
        self.incarnation = incarnation
        self.subject = subject
        self.stored: dict[Digest, Stored] = {}
        self._context = context
        self.upload_id = context.token()
        self._batch = context.blobs.batch(self.upload_id)
        self._pinned: set[Digest] = set()
        self._generations: dict[Digest, int] = {}
        self._at_hand: dict[Digest, bytes] = {}
        self._under_lock: set[Digest] = set()
        self.never_pinned: set[Digest] = set()
        self._published = False
        self._kept: set[Digest] = set()

    async def expect(self, digests: Collection[Digest]) -> None:
        """Pin these digests, in one transaction, before any of their bytes is stored."""
        new = set(digests) - self._pinned
        if not new:
            return
        self._pinned |= new  # first: a commit cut off by a cancellation may have happened
        await self._pin_all(new)
        await self._context.pause("pinned")

    @again(undecided=True)
    async def _pin_all(self, new: Collection[Digest]) -> None:
        async with self._context.database.write("upload", self.book_id) as connection:
            await find_book(connection, self.book_id, lock=True)
            await self._choose_generations(connection, new)
            await save_pins(connection, [self._pin(digest) for digest in new])

    async def adopt(self, objects: Mapping[BlobKey, Stored]) -> None:
        """Take objects that are in the store, and were verified, for bytes of this upload; they stay if it fails."""
        self._kept |= {key.digest for key in objects}
        self._pinned |= self._kept
        self._generations |= {key.digest: key.generation for key in objects}
        self.stored |= {key.digest: stored for key, stored in objects.items()}
        await self._save_pins(self._pin(key.digest) for key in objects)

    async def _choose_generations(self, connection: Connection, digests: Collection[Digest]) -> dict[Digest, BlobRow]:
        """Decide where each digest is put, and revive what a collector has condemned; answers the rows there are."""
        place = (self.book_id, self.incarnation)
        rows = await find_blobs(connection, *place, digests)
        pinned = {pin.sha256: pin.generation for pin in await find_pins(connection, *place, digests)}
        self.never_pinned -= pinned.keys()
        there = {digest: row.generation for digest, row in rows.items() if row.state != "deleted"}
        if gone := set(digests) - there.keys():
            floor = await floor_of(connection, *place)
            there |= {digest: pinned.get(digest, floor) for digest in gone}
        self._generations |= there
        await save_blobs(connection, [replace(r, state="live") for r in rows.values() if r.state == "condemned"])
        return rows

    async def _save_pins(self, pins: Iterable[Pin]) -> None:
        held = list(pins)

        async def save() -> None:
            async with self._context.database.write("upload", self.book_id) as connection:
                await save_pins(connection, held)

        await carry_out(save, undecided=True)

    def _pin(self, digest: Digest) -> Pin:
        expires = self._context.clock() + PIN_LIFE
        stored = self.stored.get(digest)
        return Pin(
            self.upload_id, digest, self.book_id, self.incarnation, self.subject, stored, expires,
            self._generations[digest],
        )  # fmt: skip

    def key(self, digest: Digest) -> BlobKey:
        """Where these bytes will live."""
        return BlobKey(self.book_id, self.incarnation, digest, self._generations[digest])

    async def held(self, connection: Connection, digests: Collection[Digest]) -> dict[Digest, BlobKey]:
        """The keys of those of these digests that are still pinned by this upload, or were put under this very lock."""
        pins = await find_pins(connection, self.book_id, self.incarnation, digests)
        held = {pin.sha256: pin.key for pin in pins if pin.upload_id == self.upload_id}
        return held | {digest: self.key(digest) for digest in self._under_lock & set(digests)}

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

    def offer(self, digest: Digest, data: bytes) -> None:
        """Have these few bytes at hand for the commit, which puts them under its lock if it comes to name them."""
        self._at_hand[digest] = data

    async def put_offered(self, connection: Connection, named: Collection[Digest]) -> dict[Digest, BlobRow | None]:
        """Store what was offered and is named now; answers of each its row, None where it gets one first. It stays at
        hand: a transaction that is carried out again has to put it again."""
        wanted = self._at_hand.keys() & set(named)
        return {d: await self.store_under_lock(connection, d, self._at_hand[d]) for d in wanted}

    async def store_under_lock(self, connection: Connection, digest: Digest, data: bytes) -> BlobRow | None:
        """Store and publish one small blob inside the very transaction that will name it: no pin is needed there.

        Answers the row it has, None when it is new or its object is on the way out.
        """
        self._pinned.add(digest)
        self._under_lock.add(digest)
        self.never_pinned.add(digest)
        row = (await self._choose_generations(connection, [digest])).get(digest)
        self.stored[digest] = await self._batch.add_bytes(self.key(digest), data)
        self._published = True
        await self._batch.publish()  # no pause: nobody may stand still while holding the lock
        return None if row is None or row.state == "deleted" else row

    def lock_taken(self) -> None:
        """A transaction begins, perhaps not the first: what was put under an earlier lock is protected by nothing."""
        self._under_lock.clear()

    async def publish(self) -> None:
        """Make everything taken so far durable; still unnamed, so invisible to readers."""
        self._published = True  # first: it may break off in the middle
        await self._batch.publish()
        await self._context.pause("published")

    async def keep_pins(self) -> None:
        """Publish and leave the pins to a later commit of the same subject (data-plane PUT)."""
        await self.publish()
        await self._save_pins(self._pin(digest) for digest in self.stored)
        self._kept |= self._pinned

    def committed(self, digests: Collection[Digest]) -> None:
        """A commit named these: they are nobody's leftovers."""
        self._kept |= set(digests)

    async def __aenter__(self) -> "Staging":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.move_on_after(_CLEAN_UP_SECONDS, shield=True) as given:
            try:
                await self._clean_up()
            except PanaversityError as trouble:
                if fault is None:
                    raise
                # What went wrong first is what the caller has to know; gc takes what stays.
                logger.warning("clean up after a failed upload: %s", trouble)
        if given.cancelled_caught:
            logger.warning("clean up after a failed upload: not done in %s s; gc takes the rest", _CLEAN_UP_SECONDS)

    async def _clean_up(self) -> None:
        await self._batch.discard()
        if leftovers := self._pinned - self._kept:
            await self._remove(leftovers)

    async def _remove(self, digests: set[Digest]) -> None:
        """Drop our pins, then the bytes that no commit named and nobody else is sending."""
        unnamed = await self._give_up(digests)
        await self._context.blobs.remove_many(list(unnamed))
        sent = {key.digest for key in unnamed} if self._published else digests
        self._context.observer.took_back(len(sent & self.stored.keys()))

    @again(undecided=True)
    async def _give_up(self, digests: set[Digest]) -> set[BlobKey]:
        """Decide under the lock which objects are nobody's; they may be removed at any time after this."""
        place = (self.book_id, self.incarnation)
        async with self._context.database.write("clean up", self.book_id) as connection:
            await find_book(connection, self.book_id, lock=True)
            await drop_upload(connection, self.upload_id)
            if not self._published:
                return set()
            rows = await find_blobs(connection, *place, digests)
            held = {row.key for row in rows.values()}
            held |= {pin.key for pin in await find_pins(connection, *place, digests)}
            unnamed = {self.key(digest) for digest in digests if digest in self._generations} - held
            await give_up(connection, *place, unnamed)
        return unnamed
