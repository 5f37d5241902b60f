"""``audit prune``: the particulars of old audit entries go, what proves the log stays (S38, RELIABILITY 4).

Each step is one transaction under the book's lock: entries become holes, and an entry says so. Chain, tree and
checkpoints stay what they were. The last change of every path that still holds something keeps its particulars. A log
that does not verify is not pruned: it would be the end of the evidence. Does not know how entries are taken past the
triggers (``store.audit_holes``), nor how long is long enough (the command does).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime

from panaversity_fs.core.audit import AuditEntry, Verifier
from panaversity_fs.core.errors import ChainBroken, ReadOnly
from panaversity_fs.core.merkle import Tree
from panaversity_fs.core.paths import BASE
from panaversity_fs.core.pruning import PRUNE, Pruning, stated
from panaversity_fs.library import rows
from panaversity_fs.library.context import Context
from panaversity_fs.store import audit_holes, audit_rows
from panaversity_fs.store.books import BookRow, all_books, find_book, save_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.outcomes import again
from panaversity_fs.store.uncut import in_thread

OPERATION = "audit prune"
STEP = 20_000
"""Entries of one transaction: what one step holds writers up by."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one step did, or would do, to one life of a book: ``removed`` entries up to number ``upto`` lost their
    particulars."""

    book_id: str
    incarnation: int
    upto: int
    removed: int


async def prune(
    context: Context, before: datetime, agent: str, *, really: bool, book_id: str | None
) -> AsyncIterator[Pruned]:
    """Prune what was written before this moment in every life of every book, or of one; dry unless ``really``.

    Raises ``ReadOnly``, and ``ChainBroken`` for a log that does not verify.
    """
    if really and context.read_only:
        raise ReadOnly(OPERATION, "store", "the server is in read-only mode", "Run it without --yes")
    async with context.database.read(OPERATION) as connection:
        books = [book for book in await all_books(connection) if book_id in (None, book.book_id)]
        places = [(book, life) for book in books for life in await audit_holes.lives(connection, book.book_id)]
    for book, life in places:
        async for done in _Life(context, book.book_id, life, agent).prune(before, really):
            yield done


class _Life:
    """The log of one life of a book."""

    def __init__(self, context: Context, book_id: str, incarnation: int, agent: str) -> None:
        self._context, self._agent = context, agent
        self._book_id, self._incarnation = book_id, incarnation
        self._tree = Tree()

    async def prune(self, before: datetime, really: bool) -> AsyncIterator[Pruned]:
        async with self._context.database.read(OPERATION) as connection:
            done = await audit_holes.last_pruning(connection, self._book_id, self._incarnation)
            last = await audit_holes.last_before(connection, self._book_id, self._incarnation, before)
            count = await audit_holes.prunable(connection, self._book_id, self._incarnation, last)
        if not count:
            return
        await self._require_honest()
        if not really:
            yield Pruned(self._book_id, self._incarnation, last, count)
            return
        upto = done.upto if done else 0
        while upto < last:
            upto = min(upto + STEP, last)
            yield Pruned(self._book_id, self._incarnation, upto, await self._step(upto))

    async def _require_honest(self) -> None:
        """Judge the whole log; that of the present life against the book's row as well."""
        async with self._context.database.read(OPERATION) as connection:
            book = await find_book(connection, self._book_id)
            verifier = Verifier(await audit_holes.last_pruning(connection, self._book_id, self._incarnation))
            try:
                while lines := await audit_rows.read_log(
                    connection, self._book_id, self._incarnation, verifier.size or None, STEP
                ):
                    if await in_thread(verifier.follow, lines) is not None:
                        break
                if book is not None and book.incarnation == self._incarnation:
                    verifier.finish(book.chain_seq, book.chain_head, book.chain_edge)
                broken = verifier.found is not None
            except (ValueError, TypeError):  # a row that is no entry
                broken = True
        if broken:
            raise ChainBroken(
                OPERATION, self._book_id, "the audit log does not verify, and what is pruned is no evidence any more",
                "Run panaversity-fs audit verify", book_id=self._book_id,
            )  # fmt: skip

    async def _step(self, upto: int) -> int:
        """Let what goes up to this entry go, and own up to it, in one transaction. Answers how many went."""
        removed = await self._dig(upto)
        await self._context.pause("pruned")
        return removed

    @again(undecided=False)  # the tree may be ahead then: of hashes that never change
    async def _dig(self, upto: int) -> int:
        async with self._context.database.write(OPERATION, self._book_id) as connection:
            book = await find_book(connection, self._book_id, lock=True)
            assert book is not None
            removed, kept = await audit_holes.dig(connection, self._book_id, self._incarnation, upto)
            if removed:
                hashes = await audit_rows.read_hashes(
                    connection, self._book_id, self._incarnation, self._tree.size, upto
                )
                await in_thread(self._tree.append, hashes)
                statement = stated(self._incarnation, upto, self._tree.root(upto), kept)
                await self._own_up(connection, book, Pruning(self._incarnation, upto, statement))
        return removed

    async def _own_up(self, connection: Connection, book: BookRow, pruning: Pruning) -> None:
        now = rows.time_of_commit(self._context.clock(), book)
        entry = AuditEntry(
            id=self._context.token(), book_id=book.book_id, incarnation=book.incarnation, seq=book.chain_seq + 1,
            revision=book.revision, timestamp=now.isoformat(timespec="microseconds"), agent_id=self._agent,
            operation=PRUNE, path=pruning.path, user_id=BASE, prev_hash=None, new_hash=None,
            status="success", error_message=None, execution_time_ms=0,
        )  # fmt: skip
        grown = await rows.append_audit(connection, book, [entry])
        await save_book(connection, replace(grown, changed_at=now))
