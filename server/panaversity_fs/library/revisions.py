"""The past of a whole book: its revisions, newest first, each with who made it, when, and how much it changed.

A revision here is one that changed the base; commits to overlays raise the counter too and are nobody else's business.
Does not name paths: ``library.history`` does, one path at a time.
"""

from dataclasses import dataclass

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library.context import Context
from panaversity_fs.library.telling import require_book
from panaversity_fs.store.audit_holes import last_pruning
from panaversity_fs.store.revisions import Life, RevisionRow, revisions_of, told_at


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision; ``manifest_hash`` is None where nobody was told its manifest, or the retention is over.

    ``complete`` is False where entries of its time were pruned: it may have changed more than is told here.
    """

    row: RevisionRow
    manifest_hash: Digest | None
    complete: bool


async def revisions(context: Context, book_id: str, before: int | None, limit: int) -> tuple[list[Revision], bool]:
    """Revisions of the book's present life that were made before entry ``before``; and whether there are more.

    Raises ``NotFound`` and ``BookGone``.
    """
    operation = "history"
    require_book_id(book_id, operation)
    async with context.database.read(operation) as connection:
        book = await require_book(connection, book_id, operation)
        newest = book.chain_seq + 1
        life = Life(book_id, book.incarnation, newest if before is None else min(before, newest))
        rows = await revisions_of(connection, life, limit + 1)
        told = await told_at(connection, book_id, book.incarnation, [row.revision for row in rows[:limit]])
        pruned = await last_pruning(connection, book_id, book.incarnation)
    upto = pruned.upto if pruned else 0
    return [Revision(row, told.get(row.revision), row.first_seq > upto) for row in rows[:limit]], len(rows) > limit
