"""Large uploads that go on where they broke off (DESIGN 8, F63): received bytes wait under a pin for the rest.

Knows the order: pin, then bytes, appended; when all are there they go the way of every upload, hashed and made durable,
and only then the pin and the waiting bytes go. Nothing of it can be read, or is anybody else's to go on with. What
nobody comes back for runs out with its pin, and ``gc`` takes it. Does not know protocols.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import HashMismatch, InvalidArgument, NotFound, Unavailable, UnavailableError
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library.answers import Caller
from panaversity_fs.library.commit import open_staging
from panaversity_fs.library.context import PIN_LIFE, require_writer
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.lives import incarnation_to_write
from panaversity_fs.store.blob_rows import Pin, drop_upload, find_pins, save_pins
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.books import find_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.outcomes import again
from panaversity_fs.store.partials import Partial

OPERATION = "upload"
_MARK = "r"
"""Begins the id of a pin that holds waiting bytes; other uploads' ids are hexadecimal."""


@dataclass(frozen=True, slots=True)
class Received:
    """How many bytes are there. ``done``: all of them, and they are kept for a commit."""

    offset: int
    done: bool


class Resuming(Facade):
    """Uploads in more than one request, and what came of uploads."""

    async def uploaded_size(self, book_id: str, digest: Digest, caller: Caller) -> int | None:
        """The length of bytes this caller sent for a later commit, which may be the book's first; None for none."""
        require_book_id(book_id, OPERATION)
        async with self._context.database.read(OPERATION) as connection:
            incarnation = incarnation_to_write(await find_book(connection, book_id))
            pins = await find_pins(connection, book_id, incarnation, [digest])
        return next((pin.stored.size for pin in pins if pin.subject == caller.subject and pin.stored), None)

    async def upload_offset(self, book_id: str, digest: Digest, caller: Caller) -> int:
        """How many bytes of this caller's upload wait for the rest; 0 where none do. Says nothing of others'."""
        require_writer(self._context, book_id, caller, OPERATION)
        async with self._context.database.read(OPERATION) as connection:
            pin = await _waiting(connection, book_id, digest, caller)
        return 0 if pin is None else await self._context.blobs.partials.size(_partial(pin))

    async def resume_blob(
        self, book_id: str, digest: Digest, caller: Caller, at: int, total: int, chunks: AsyncIterator[bytes]
    ) -> Received:
        """Take bytes from position ``at`` on of a blob of ``total`` bytes; once all are there, verify and keep it.

        Raises ``Conflict`` (with ``offset``) unless exactly ``at`` bytes are there, ``HashMismatch`` for a blob that is
        another, ``Unavailable`` while another request sends it, and where what was received before was damaged: then
        nothing waits any more, and the caller begins anew.
        """
        if not 0 <= at <= total:
            reason = f"is not between 0 and {total}"
            raise InvalidArgument(
                OPERATION, "Upload-Offset", reason, "Ask for the offset", name="Upload-Offset", reason=reason
            )
        pin = await self._pinned(book_id, digest, caller)
        size = await self._context.blobs.partials.append(_partial(pin), at, _bounded(chunks, total - at))
        if size < total:
            return Received(size, done=False)
        await self._finish(pin, total, caller, whole=at == 0)
        return Received(total, done=True)

    async def _pinned(self, book_id: str, digest: Digest, caller: Caller) -> Pin:
        """The pin under which this caller's bytes wait, made or renewed."""
        # Another staging decides where the digest will be put, and revives what a collector condemned.
        async with await open_staging(self._context, book_id, caller, OPERATION) as staging:
            await staging.expect([digest])
            return await self._renewed(book_id, staging.incarnation, staging.key(digest), caller)

    @again(undecided=True)
    async def _renewed(self, book_id: str, incarnation: int, key: BlobKey, caller: Caller) -> Pin:
        async with self._context.database.write(OPERATION, book_id) as connection:
            await find_book(connection, book_id, lock=True)
            known = await _waiting(connection, book_id, key.digest, caller)
            pin = Pin(
                known.upload_id if known else _MARK + self._context.token()[:31], key.digest, book_id,
                incarnation, caller.subject, None, self._context.clock() + PIN_LIFE, key.generation,
            )  # fmt: skip
            await save_pins(connection, [pin])
        return pin

    async def _finish(self, pin: Pin, total: int, caller: Caller, *, whole: bool) -> None:
        """Let the bytes be an upload like any other, then forget that they waited."""
        partials, partial = self._context.blobs.partials, _partial(pin)
        try:
            async with await open_staging(self._context, pin.book_id, caller, OPERATION) as staging:
                await staging.store(pin.sha256, total, partials.stream(partial))
                await staging.keep_pins()
        except (HashMismatch, NotFound) as fault:
            with suppress(UnavailableError):  # the clean-up's trouble must not hide what is wrong
                await self._forget(pin)
            if whole and isinstance(fault, HashMismatch):
                raise  # all of it came from this very request
            raise Unavailable(
                OPERATION, "bytes", "received before are damaged or gone", "Send them again from the beginning"
            ) from fault
        await self._context.pause("resumed")
        with suppress(UnavailableError):  # the bytes are kept: that is the answer
            await self._forget(pin)

    async def _forget(self, pin: Pin) -> None:
        """Give up what waited. What cannot be removed now runs out with its pin."""
        await self._context.blobs.partials.remove(_partial(pin))
        await self._drop(pin)

    @again(undecided=True)
    async def _drop(self, pin: Pin) -> None:
        async with self._context.database.write(OPERATION, pin.book_id) as connection:
            await drop_upload(connection, pin.upload_id)


def _partial(pin: Pin) -> Partial:
    return Partial(pin.book_id, pin.incarnation, pin.upload_id)


async def _waiting(connection: Connection, book_id: str, digest: Digest, caller: Caller) -> Pin | None:
    incarnation = incarnation_to_write(await find_book(connection, book_id))
    for pin in await find_pins(connection, book_id, incarnation, [digest]):
        if pin.subject == caller.subject and pin.upload_id.startswith(_MARK):
            return pin
    return None


async def _bounded(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """The same pieces. Raises ``HashMismatch`` before the one that is too much is kept."""
    async for piece in chunks:
        most -= len(piece)
        if most < 0:
            raise HashMismatch(OPERATION, "body", "holds more than the bytes promised", "Correct Upload-Length")
        yield piece
