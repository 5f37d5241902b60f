"""The oracle of RELIABILITY section 2: is this store one that only complete, acknowledged work has touched?

``assert_store_ok`` looks from outside, with its own connection and without the library's caches, and is called after
every injected fault. It repairs nothing and answers what it saw, so that a test can compare it with what was promised.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

from sqlalchemy import select, text

from panaversity_fs.core.audit import first_break
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.manifest import parse, render
from panaversity_fs.core.mapping import decode
from panaversity_fs.core.merkle import extend
from panaversity_fs.core.paths import BASE, NameIndex, fold
from panaversity_fs.core.pruning import Hole
from panaversity_fs.store import audit_rows
from panaversity_fs.store.audit_holes import last_pruning
from panaversity_fs.store.blob_rows import BlobRow
from panaversity_fs.store.books import BookRow, all_books
from panaversity_fs.store.database import Connection, Database
from panaversity_fs.store.journal import JournalRow
from panaversity_fs.store.tables import blobs, file_journal, manifests, uploads
from panaversity_fs.store.told import ToldRow
from support.stores import Store

State = dict[str, dict[str, Digest]]
"""Book → base path → digest."""


@dataclass(frozen=True)
class Seen:
    """What the oracle found: the living base entries, and how much of everything there was."""

    state: State
    entries: int
    blobs: int
    told: int
    pinned: int
    leftovers: int
    overlays: Mapping[tuple[str, str], dict[str, Digest]]
    """(book, user) → overlay path → digest."""


async def assert_store_ok(
    store: Store, *, holds: Mapping[str, Mapping[str, Digest]] | None = None, killed: bool = False, strays: bool = False
) -> Seen:
    """Raise ``AssertionError`` naming the first broken promise; answer what is there.

    ``holds`` is the state the acknowledged calls made. ``killed`` allows what a killed process may leave: temporary
    files, pins and what they pin, the one blob that was put under its lock, rows whose objects a collector was about to
    remove.
    ``strays`` allows more of these, and what one leaves that died while taking back bytes: unnamed, for gc to take.
    """
    database = Database(store.url)
    try:
        async with database.read("oracle") as connection:
            return await _Oracle(store, connection).judge(holds, killed, strays)
    finally:
        await database.close()


class _Oracle:
    def __init__(self, store: Store, connection: Connection) -> None:
        self._store = store
        self._connection = connection
        self._bytes: dict[str, bytes] = {}

    async def judge(self, holds: Mapping[str, Mapping[str, Digest]] | None, killed: bool, strays: bool) -> Seen:
        if self._connection.dialect.name == "sqlite":
            assert (await self._connection.execute(text("PRAGMA integrity_check"))).scalar() == "ok"
            assert (await self._connection.execute(text("PRAGMA foreign_key_check"))).all() == []
        books = {book.book_id: book for book in await all_books(self._connection)}
        rows = [JournalRow(*values) for values in await self._connection.execute(select(file_journal))]
        known = [BlobRow(*values) for values in await self._connection.execute(select(blobs))]
        pinned = set((await self._connection.execute(select(uploads.c.sha256))).scalars())
        by_place = {(row.book_id, row.incarnation, row.sha256): row for row in known}
        self._names = self._store.medium.names()
        for row in known:
            if row.state == "deleted":
                assert killed, f"blob {row.key.name} is given up and its row still there"
            else:
                await self._blob_holds_its_name(row)
        for row in rows:
            self._row_is_backed(row, books[row.book_id], by_place)
        state = {book_id: _living(rows, book_id) for book_id in books}
        entries = sum([await self._log_is_honest(book, rows) for book in books.values()])
        told = [ToldRow(*values) for values in await self._connection.execute(select(manifests))]
        for promise in told:
            await self._promise_holds(promise, books[promise.book_id], state, by_place)
        self._nothing_is_left(known, pinned, killed, strays)
        if holds is not None:
            wanted = {book: dict(paths) for book, paths in holds.items()}
            assert state == wanted, "the state is not what was acknowledged"
        overlays: dict[tuple[str, str], dict[str, Digest]] = {}
        for row in rows:
            if row.user_id != BASE and not row.deleted:
                overlays.setdefault((row.book_id, row.user_id), {})[row.path] = row.sha256
        left = len(self._store.medium.leftovers())
        return Seen(state, entries, len(known), len(told), len(pinned), left, overlays)

    async def _blob_holds_its_name(self, row: BlobRow) -> None:
        assert row.key.name in self._names, f"blob {row.key.name} is named and not there"
        (data,) = await self._store.medium.blobs.read_many([row.key])
        assert digest_of(data) == row.sha256, f"blob {row.key.name} holds other bytes"
        assert (len(data), crc32(data)) == (row.size, row.crc32), f"blob {row.key.name}: its row is wrong"
        self._bytes[row.key.name] = data

    def _row_is_backed(self, row: JournalRow, book: BookRow, by_place: Mapping[object, BlobRow]) -> None:
        if row.deleted:
            assert row.size == 0, f"{row.path} is a tombstone with a size"
            return
        backing = by_place.get((row.book_id, book.incarnation, row.sha256))
        assert backing is not None, f"{row.path} names bytes that no blob row has"
        assert (backing.state, backing.size) == ("live", row.size), f"{row.path} and its blob disagree"
        source = decode(row.path, book.numbering)
        assert source is not None, f"{row.path} has no source path"
        if row.user_id != BASE:
            assert row.path_fold == row.path, f"{row.path} of an overlay depends on the book's numbering"
            assert row.revision <= book.revision, f"{row.path} is newer than its book"
            return
        name = fold(source)
        expected = name if len(name.encode()) <= 1000 else f"/{digest_of(name.encode())}"
        assert row.path_fold == expected, f"{row.path} is folded for another numbering"
        assert row.revision <= book.base_revision, f"{row.path} is newer than its book"

    async def _log_is_honest(self, book: BookRow, rows: Collection[JournalRow]) -> int:
        lines = await audit_rows.read_log(self._connection, book.book_id, book.incarnation, None, None)
        broken = first_break(lines, await last_pruning(self._connection, book.book_id, book.incarnation))
        assert broken is None, f"{book.book_id}: the audit chain breaks at {broken}"
        assert len(lines) == book.chain_seq, f"{book.book_id}: the head counts {book.chain_seq} of {len(lines)} entries"
        assert not lines or lines[-1][1] == book.chain_head, f"{book.book_id}: the head is not the last entry's hash"
        edge = extend((), 0, [Digest(stored) for _, stored in lines])
        assert book.chain_edge == edge, f"{book.book_id}: another tree"
        log = [(entry, stored) for entry, stored in lines if not isinstance(entry, Hole)]
        for (before, _), (after, _) in pairwise(log):
            assert (before.timestamp, before.revision) <= (after.timestamp, after.revision), "time or revision fell"
        said = {(e.path, e.user_id): e.new_hash for e, _ in log if e.status == "success" and e.path}
        held = {(r.path, r.user_id): None if r.deleted else r.sha256 for r in rows if r.book_id == book.book_id}
        assert {k: v for k, v in said.items() if v} == {k: v for k, v in held.items() if v}, "log and journal disagree"
        return len(lines)

    async def _promise_holds(
        self, promise: ToldRow, book: BookRow, state: State, by_place: Mapping[object, BlobRow]
    ) -> None:
        place = (promise.book_id, promise.incarnation)
        backing = by_place.get((*place, promise.manifest_hash))
        assert backing is not None, f"the told manifest {promise.manifest_hash} has no text"
        entries = parse(self._bytes[backing.key.name])
        assert len(entries) == promise.file_count, "a told manifest counts other files than it names"
        if promise.total_bytes is None:
            return  # a source tree's: its files need not all be in the book
        sizes = [by_place[(*place, digest)].size for digest in entries.values()]
        assert sum(sizes) == promise.total_bytes, "a told manifest's total is wrong"
        if (promise.revision, promise.incarnation) == (book.base_revision, book.incarnation):
            now = render(state[promise.book_id])
            assert self._bytes[backing.key.name] == now, "the current manifest is not the journal's"

    def _nothing_is_left(self, known: Collection[BlobRow], pinned: set[str], killed: bool, strays: bool) -> None:
        orphans = self._names - {row.key.name for row in known}
        if killed:
            orphans = {name for name in orphans if name.rsplit("/", 1)[1].partition(".")[0] not in pinned}
            orphans = set() if len(orphans) <= 1 else orphans  # what was put under the lock that died with its holder
        else:
            assert not pinned, f"{len(pinned)} pins are left"
            assert not self._store.medium.leftovers(), f"left on the way in: {self._store.medium.leftovers()}"
        assert strays or not orphans, f"{len(orphans)} blobs nobody names: {sorted(orphans)[:3]}"


def _living(rows: Collection[JournalRow], book_id: str) -> dict[str, Digest]:
    base = [row for row in rows if row.book_id == book_id and row.user_id == BASE and not row.deleted]
    entries = {row.path: row.sha256 for row in base}
    sources = [row.path_fold for row in base]
    index = NameIndex()
    for source in sources:
        clash = index.add(source)
        assert clash is None, f"{book_id}: {source} {clash}"
    return entries
