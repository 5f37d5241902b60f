"""What somebody may still ask for in one life of a book, so that its bytes stay (DESIGN 6, RELIABILITY 4).

Named by: the living journal of all namespaces · pins · promises (told manifests: their text, and every digest it names
unless it is a source's) · the source last ingested · successful audit entries of the retention. Decides nothing about
deleting; ``library.collecting`` does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from panaversity_fs.core.digest import EMPTY, Digest
from panaversity_fs.core.errors import IntegrityError, PanaversityError, Unavailable
from panaversity_fs.core.manifest import parse
from panaversity_fs.library.context import Context
from panaversity_fs.library.lives import LIVE
from panaversity_fs.store.blob_rows import Pin, all_pins, find_blobs
from panaversity_fs.store.blob_states import Place, all_told, named_by_journal, named_by_log
from panaversity_fs.store.blobs import verified
from panaversity_fs.store.books import BookRow
from panaversity_fs.store.database import Connection
from panaversity_fs.store.told import ToldRow


@dataclass(frozen=True, slots=True)
class Policy:
    """For how long what is kept. ``told`` and ``logged`` are the retention, counted from the last telling and from the
    audit entry; ``most`` bounds the deletions of one run; ``unknown_books`` lets bytes go that
    belong to no book (None: unless rows were ever rebuilt in this store)."""

    told: timedelta = timedelta(days=30)
    logged: timedelta = timedelta(days=30)
    requests: timedelta = timedelta(days=7)
    most: int = 10_000
    unknown_books: bool | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What protects bytes, as one transaction sees it, and what of it has run out at this time."""

    pins: Sequence[Pin]
    told: Sequence[ToldRow]
    expired: Sequence[Pin]
    forgotten: Sequence[ToldRow]


class NotRead(Exception):
    """A promise was made whose text was not read yet: read it outside the lock and look again."""


class Keeper:
    """One life of a book, and the texts of its promises read so far.

    A digest of a promise that is taken back meanwhile only stays a run longer.
    """

    def __init__(self, context: Context, place: Place, policy: Policy) -> None:
        self._context, self._place, self._policy = context, place, policy
        self._read: set[Digest] = {EMPTY}
        self._named: set[Digest] = set()

    async def standing(self, connection: Connection, book: BookRow | None, now: datetime) -> Standing:
        """Pins and promises of this life; ``book`` is its row when this is the present life."""
        pins = await all_pins(connection, *self._place)
        told = await all_told(connection, *self._place)
        always: set[Digest | None] = set()
        if book is not None and book.state == LIVE:
            view = await self._context.views.load(connection, book)
            always = {view.manifest_hash, book.ingest_manifest}
        forgotten = [
            row for row in told if row.last_told_at + self._policy.told <= now and row.manifest_hash not in always
        ]
        return Standing(pins, told, [pin for pin in pins if pin.expires <= now], forgotten)

    async def read_promises(self, told: Iterable[ToldRow]) -> None:
        """Read the texts of these promises that are not known yet. Raises ``IntegrityError`` for one that is damaged:
        then nobody knows what it named."""
        for row in told:
            if row.of_source or row.manifest_hash in self._read:
                continue
            async with self._context.database.read("gc") as connection:
                found = await find_blobs(connection, *self._place, [row.manifest_hash])
            text = found.get(row.manifest_hash)
            if text is None:
                raise Unavailable("gc", self._place[0], f"the text of the manifest {row.manifest_hash} has no row")
            data = b"".join([piece async for piece in verified(self._context.blobs, text.key, text.size)])
            self._named.update(parse(data, "gc").values())
            self._read.add(row.manifest_hash)

    async def kept(
        self, connection: Connection, book: BookRow | None, pins: Iterable[Pin], told: Iterable[ToldRow], now: datetime
    ) -> set[Digest]:
        """Every digest that stays. Raises ``NotRead``."""
        kept = {pin.sha256 for pin in pins}
        for row in told:
            kept.add(row.manifest_hash)
            if not row.of_source and row.manifest_hash not in self._read:
                raise NotRead
        kept |= self._named
        kept |= await named_by_log(connection, *self._place, now - self._policy.logged)
        if book is not None and book.state == LIVE:
            kept |= await named_by_journal(connection, book.book_id)
            if book.ingest_manifest is not None:
                kept.add(book.ingest_manifest)
        return kept


READING_FAULTS = (IntegrityError, Unavailable)
"""What a text that cannot be read raises, besides ``NotFound``."""


def reason(fault: PanaversityError) -> str:
    """Why this life of a book was left alone, for the report."""
    return f"{fault.subject}: {fault.problem}"
