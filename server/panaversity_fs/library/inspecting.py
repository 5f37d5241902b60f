"""``fsck``: does every name still lead to its bytes? Finds and names damage; changes nothing (P16, F14–F16).

Works beside a running server: what is called missing or unreferenced was so before *and* after the listing. Repairing
is ``library.repairing``.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import HashMismatch, NotFound, Unavailable
from panaversity_fs.core.manifest import parse
from panaversity_fs.library.auditing import verify
from panaversity_fs.library.context import Context
from panaversity_fs.store import audit_rows
from panaversity_fs.store.blob_rows import BlobRow, Pin, all_pins
from panaversity_fs.store.blob_states import Named, Place, all_told, known_places, named_entries, rows_of
from panaversity_fs.store.blobs import BlobKey, verified
from panaversity_fs.store.books import BookRow, find_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.soundness import damage
from panaversity_fs.store.told import ToldRow

Kind = Literal["corrupt", "missing", "unverified", "audit", "unreferenced"]
EXIT: Mapping[str, int] = {"corrupt": 1, "missing": 2, "unverified": 4, "audit": 8, "unreferenced": 16}


@dataclass(frozen=True, slots=True)
class Depth:
    """How far to look. Rows and heads always; ``structure``: listing against rows, promises against their texts;
    ``wanted``: read the bytes of the digests it picks out of all (None: none); ``audit``: verify the logs."""

    structure: bool = False
    wanted: "Callable[[Sequence[BlobRow]], set[Digest]] | None" = None
    audit: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: ``paths`` name it for people (an overlay's with its user), ``key`` is the object."""

    kind: Kind
    book_id: str
    incarnation: int
    problem: str
    digest: Digest | None = None
    paths: tuple[str, ...] = ()
    key: BlobKey | None = None

    def to_wire(self) -> dict[str, Any]:
        """The JSON line."""
        return {
            "kind": self.kind, "book": self.book_id, "incarnation": self.incarnation, "digest": self.digest,
            "paths": list(self.paths), "problem": self.problem,
        }  # fmt: skip


def exit_status(kinds: Iterable[str]) -> int:
    """The sum RELIABILITY 4 asks for; unreferenced bytes count only where nothing is wrong."""
    found = set(kinds)
    return sum(EXIT[kind] for kind in found if kind != "unreferenced" or found == {"unreferenced"})


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the rows of one life of a book say, at one moment."""

    book: BookRow | None
    blobs: Mapping[Digest, BlobRow]
    named: Sequence[Named]
    told: Sequence[ToldRow]
    pins: Sequence[Pin]

    @property
    def held(self) -> set[BlobKey]:
        """The keys of all objects that ought to be there."""
        return {row.key for row in self.blobs.values() if row.state != "deleted"}


async def inspect(context: Context, depth: Depth, book_id: str | None = None) -> AsyncIterator[Finding]:
    """Every damage found, book by book."""
    for line in await damage(context.database, limit=20, thorough=True):
        yield Finding("corrupt", "", 0, f"the database says: {line}")
    async with context.database.read("fsck") as connection:
        places = await known_places(connection)
    for place in sorted(places | await context.blobs.places()):
        if book_id in (None, place[0]):
            async for finding in Inspection(context, place, depth).findings():
                yield finding


class Inspection:
    """One look at one life of a book."""

    def __init__(self, context: Context, place: Place, depth: Depth) -> None:
        self._context, self._place, self._depth = context, place, depth
        self._paths: dict[Digest, tuple[str, ...]] = {}
        self._read: set[Digest] = set()

    async def findings(self) -> AsyncIterator[Finding]:
        """What is wrong here, each damaged object once for each thing that is wrong with it."""
        before = await self._rows()
        self._paths = _paths_of(before)
        for finding in self._rows_agree(before):
            yield finding
        if self._depth.structure or self._depth.wanted:
            async for finding in self._listing_agrees(before):
                yield finding
            async for finding in self._promises_hold(before):
                yield finding
        if self._depth.wanted:
            async for finding in self._bytes_are_right(before):
                yield finding
        async for finding in self._log_is_honest(before):
            yield finding

    async def _rows(self) -> _Rows:
        async with self._context.database.read("fsck") as connection:
            book = await find_book(connection, self._place[0])
            present = book if book is not None and book.incarnation == self._place[1] else None
            named = await named_entries(connection, self._place[0]) if present else []
            rows = await rows_of(connection, *self._place)
            told = await all_told(connection, *self._place)
            pins = await all_pins(connection, *self._place)
        return _Rows(present, {row.sha256: row for row in rows}, named, told, pins)

    def _found(self, kind: Kind, problem: str, digest: Digest | None = None, key: BlobKey | None = None) -> Finding:
        paths = self._paths.get(digest, ()) if digest else ()
        return Finding(kind, *self._place, problem, digest, paths, key)

    def _rows_agree(self, rows: _Rows) -> Iterable[Finding]:
        for entry in rows.named:
            row = rows.blobs.get(entry.sha256)
            if row is None or row.state == "deleted":
                yield self._found("missing", "an entry names bytes that have no row", entry.sha256)
            elif row.size != entry.size:
                problem = f"an entry counts {entry.size} bytes where the blob's row counts {row.size}"
                yield self._found("corrupt", problem, entry.sha256)
        for promise in rows.told:
            text = rows.blobs.get(promise.manifest_hash)
            if promise.file_count and (text is None or text.state == "deleted"):
                yield self._found("missing", "the text of a told manifest has no row", promise.manifest_hash)

    async def _listing_agrees(self, before: _Rows) -> AsyncIterator[Finding]:
        listed = {found.key: found.size async for found in self._context.blobs.keys(*self._place)}
        leftovers = await self._context.blobs.leftovers(*self._place)
        after = await self._rows()
        for row in after.blobs.values():
            if row.key not in before.held or row.key not in after.held:
                continue
            if row.key not in listed:
                yield self._found("missing", "the bytes are not in the store", row.sha256, row.key)
            elif listed[row.key] != row.size:
                problem = f"the store holds {listed[row.key]} bytes instead of {row.size}"
                yield self._found("corrupt", problem, row.sha256, row.key)
        coming = {pin.key for pin in (*before.pins, *after.pins)}
        wanted = before.held | after.held | coming
        for key in sorted(listed.keys() - wanted, key=lambda key: key.name):
            yield self._found("unreferenced", "nobody names these bytes; gc takes them", key.digest, key)
        owners = {pin.upload_id for pin in (*before.pins, *after.pins)}
        for leftover in leftovers:
            if leftover.owner not in owners and leftover.key not in coming:
                yield self._found("unreferenced", f"an upload left {leftover.name}; gc takes it")

    async def _promises_hold(self, rows: _Rows) -> AsyncIterator[Finding]:
        for promise in rows.told:
            text = rows.blobs.get(promise.manifest_hash)
            if text is None or text.state == "deleted" or promise.of_source:
                continue
            data: list[bytes] = []
            finding = await self._judge(text, data)
            if finding is not None:
                yield finding
            if finding is not None or not data:
                continue
            entries = parse(b"".join(data), "fsck")
            if len(entries) != promise.file_count:
                problem = f"a told manifest counts {promise.file_count} files and names {len(entries)}"
                yield self._found("corrupt", problem, promise.manifest_hash)
            for digest in {d for d in entries.values() if d not in rows.blobs or rows.blobs[d].state == "deleted"}:
                yield self._found("missing", "a told manifest names bytes that have no row", digest)

    async def _bytes_are_right(self, rows: _Rows) -> AsyncIterator[Finding]:
        assert self._depth.wanted is not None
        there = [row for row in rows.blobs.values() if row.state != "deleted"]
        wanted = self._depth.wanted(there)
        for row in there:
            if row.sha256 in wanted and row.sha256 not in self._read:
                finding = await self._judge(row)
                if finding is not None:
                    yield finding

    async def _judge(self, row: BlobRow, data: list[bytes] | None = None) -> Finding | None:
        """Read one object and compare it with its name; ``data`` takes its bytes in when they are right.

        One that is absent or has another length was found by the listing, or was collected since the rows were read.
        """
        self._read.add(row.sha256)
        pieces: list[bytes] = []
        try:
            if await self._context.blobs.size(row.key) != row.size:
                return None
            async for piece in verified(self._context.blobs, row.key, row.size):
                if data is not None:
                    pieces.append(piece)
        except HashMismatch as fault:
            return self._found("corrupt", f"the stored bytes are others: it {fault.problem}", row.sha256, row.key)
        except NotFound:
            return None
        except Unavailable as fault:
            return self._found("unverified", f"the bytes cannot be read: {fault.problem}", row.sha256, row.key)
        if data is not None:
            data += pieces
        return None

    async def _log_is_honest(self, rows: _Rows) -> AsyncIterator[Finding]:
        if rows.book is None:
            return
        if not self._depth.audit:
            async with self._context.database.read("fsck") as connection:
                book = await find_book(connection, self._place[0])
                if book is not None and not await _ends_at_head(connection, book):
                    yield self._found("audit", "the audit log does not end where the book's row says")
            return
        report = await verify(self._context, self._place[0], None)
        if report.found is not None:
            broken = report.found
            yield self._found("audit", f"the audit log breaks at entry {broken.seq}: {broken.fault}")


async def _ends_at_head(connection: Connection, book: BookRow) -> bool:
    place = (connection, book.book_id, book.incarnation)
    if await audit_rows.count(*place) != book.chain_seq:
        return False
    return book.chain_seq == 0 or await audit_rows.read_hashes(*place, book.chain_seq - 1, book.chain_seq) == [
        book.chain_head
    ]


def _paths_of(rows: _Rows) -> dict[Digest, tuple[str, ...]]:
    """Digest → the names people know it by: paths, told manifests, and the source last ingested."""
    names: dict[Digest, list[str]] = {}
    for entry in rows.named:
        names.setdefault(entry.sha256, []).append(entry.label)
    for promise in rows.told:
        kind = "source manifest" if promise.of_source else "manifest"
        names.setdefault(promise.manifest_hash, []).append(f"({kind} of revision {promise.revision})")
    return {digest: tuple(sorted(found)) for digest, found in names.items()}
