"""Quotas: how much one book may hold and how many books there may be, judged where it cannot be wrong (S22).

A commit is judged inside its own transaction, under the book's lock; bytes on their way in before that, counted as they
are received, so that an upload stops when the book is full instead of filling the disk first. A book that is over its
quota, because that was lowered, can still be read and deleted from. Without quotas nothing is counted.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import QuotaExceeded
from panaversity_fs.library.context import Context
from panaversity_fs.library.deciding import Decision
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.lives import incarnation_to_write
from panaversity_fs.library.presence import ABSENT, Found
from panaversity_fs.library.staging import Staging
from panaversity_fs.store.blob_rows import find_pins
from panaversity_fs.store.books import BookRow, find_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.locks import BIRTHS, lock_store
from panaversity_fs.store.usage import count_books, unknown, usage_of

_HINTS = {
    "bytes": "Delete what is not needed and let gc collect it, or have the quota raised",
    "files": "Delete what is not needed, or have the quota raised",
    "books": "Delete a book, or have the quota raised",
}


def judge(operation: str, book_id: str, name: str, limit: int, before: int, after: int) -> None:
    """Raise ``QuotaExceeded`` for growth over a limit; 0 is no limit, and what does not grow is fine."""
    if limit and after > limit and after > before:
        problem = f"would hold {after} {name} where {limit} are allowed"
        raise QuotaExceeded(
            operation, book_id, problem, _HINTS[name], quota=name, limit=limit, used=before, wanted=after
        )


async def require_room(
    context: Context,
    connection: Connection,
    staging: Staging,
    changeset: Changeset,
    book: BookRow | None,
    decision: Decision,
    found: Found,
) -> None:
    """Judge what a commit is about to make of the book. Raises ``QuotaExceeded``. Call it in the commit's transaction,
    after it is known which blobs are new."""
    quotas, verb, book_id = context.quotas, changeset.operation, staging.book_id
    if quotas.books and book is None:
        await lock_store(connection, BIRTHS)  # two books that are born at once count each other
        count = await count_books(connection)
        judge(verb, "store", "books", quotas.books, count, count + 1)
    if not (quotas.book_bytes or quotas.book_files):
        return
    usage = await usage_of(connection, book_id, staging.incarnation)
    arriving = {row.sha256: row.size for row in found.values() if row.state == ABSENT}
    for pin in await find_pins(connection, book_id, staging.incarnation, arriving):
        if pin.stored is not None:
            arriving.pop(pin.sha256, None)  # uploaded before: counted and judged then
    modes = [verdict.mode for verdict in decision.verdicts]
    files = usage.files + modes.count("created") - modes.count("deleted")
    judge(verb, book_id, "bytes", quotas.book_bytes, usage.size, usage.size + sum(arriving.values()))
    judge(verb, book_id, "files", quotas.book_files, usage.files, files)


class Room:
    """The room one upload may still take in a book; ``None`` for no limit."""

    def __init__(self, keeper: "_Keeper | None", operation: str, book_id: str, limit: int) -> None:
        self._keeper, self._operation, self._book_id, self._limit = keeper, operation, book_id, limit
        self._mine = 0

    def take(self, size: int) -> None:
        """Count bytes that come in, or are about to. Raises ``QuotaExceeded``; nothing is counted then."""
        if self._keeper is None:
            return
        before = self._keeper.used + self._keeper.flying
        judge(self._operation, self._book_id, "bytes", self._limit, before, before + size)
        self._keeper.flying += size
        self._mine += size

    async def metered(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same pieces, each counted as it is received."""
        async for piece in chunks:
            self.take(len(piece))
            yield piece

    def leave(self, stored: bool) -> None:
        """The upload ended; what it took is in the store now, or was given back."""
        if self._keeper is not None:
            self._keeper.flying -= self._mine
            self._keeper.used += self._mine if stored else 0
            self._keeper.visitors -= 1
            self._mine = 0


@dataclass(slots=True)
class _Keeper:
    """What a book held when it was counted last, and what is on its way into it now."""

    used: int = 0
    flying: int = 0
    visitors: int = 0


class Rooms(Facade):
    """Uploads before their commit."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._keepers: dict[tuple[str, int], _Keeper] = {}

    @asynccontextmanager
    async def room(
        self, book_id: str, operation: str, coming: Mapping[Digest, int] | None = None
    ) -> AsyncIterator[Room]:
        """Room for an upload while it lasts. ``coming`` is taken at once: digests and sizes that were announced, of
        which those kept already are no growth. Raises ``QuotaExceeded``."""
        limit = self._context.quotas.book_bytes
        if not limit:
            yield Room(None, operation, book_id, 0)
            return
        async with self._context.database.read(operation) as connection:
            incarnation = incarnation_to_write(await find_book(connection, book_id))
            usage = await usage_of(connection, book_id, incarnation)
            new = await unknown(connection, book_id, incarnation, (coming or {}).keys())
        keeper = self._keepers.setdefault((book_id, incarnation), _Keeper())
        if not keeper.visitors:
            keeper.used, keeper.flying = usage.size, 0
        keeper.visitors += 1
        room, stored = Room(keeper, operation, book_id, limit), False
        try:
            room.take(sum(size for digest, size in (coming or {}).items() if digest in new))
            yield room
            stored = True
        finally:
            room.leave(stored)
            if not keeper.visitors:
                self._keepers.pop((book_id, incarnation), None)
