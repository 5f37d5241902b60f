"""What can be asked of the audit log: entries (FR-024), whether it verifies, checkpoints and proofs (S36, S37).

Knows how to read a log in bounded steps and compare it with the book's row; the rules are ``core.audit`` and
``core.merkle``. Writing entries belongs to ``library.rows``; nothing here changes a log.
"""

from dataclasses import dataclass
from datetime import UTC

from panaversity_fs.core.audit import AuditEntry, Break, Checkpoint, Line, Verifier, continues
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.merkle import Proof, root_of
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library.absence import no_book
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.store import audit_rows
from panaversity_fs.store.audit_holes import last_pruning
from panaversity_fs.store.audit_rows import AuditFilter
from panaversity_fs.store.books import BookRow, find_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.uncut import in_thread

__all__ = ["AuditFilter", "AuditPage", "AuditReport", "Auditing", "Inclusion", "checkpoint_of", "proof_since", "verify"]

_STEP = 2_000
"""Entries verified at once."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some entries with their hashes, and where the next page begins (None: this was the last)."""

    entries: tuple[tuple[AuditEntry, str], ...]
    following: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What verifying a log found. ``entries`` were judged good; ``found`` is the first break in the stored log;
    ``rollback`` says why the log is not a continuation of the checkpoint that was given (empty: it is, or none was)."""

    entries: int
    checkpoint: Checkpoint
    found: Break | None
    rollback: str

    @property
    def valid(self) -> bool:
        """True when nothing is wrong."""
        return self.found is None and not self.rollback


@dataclass(frozen=True, slots=True)
class Inclusion:
    """One entry hash and the proof that it is entry number ``seq`` of the log with that checkpoint (a receipt)."""

    seq: int
    entry_hash: Digest
    checkpoint: Checkpoint
    proof: Proof


def checkpoint_of(book: BookRow) -> Checkpoint:
    """The log as the book's row has it: O(log n), no entry is read."""
    time = book.changed_at.astimezone(UTC).isoformat(timespec="microseconds")
    return Checkpoint(book.book_id, book.incarnation, book.chain_seq, root_of(book.chain_edge), time)


async def proof_since(
    context: Context,
    connection: Connection,
    book: BookRow,
    old: Checkpoint,
    operation: str,
    now: Checkpoint | None = None,
) -> Proof | None:
    """The proof that the log ``now`` was taken of (None: that of this row) begins with ``old``; None where there cannot
    be one.

    Whether ``old``'s root is right is for its keeper to judge. Raises ``ChainBroken`` for a log that lost its tree.
    """
    now = now or checkpoint_of(book)
    if not (old.incarnation == now.incarnation == book.incarnation and old.size <= now.size <= book.chain_seq):
        return None
    if old.size in (0, now.size):
        return ()
    tree = await context.trees.load(connection, book, operation)
    return tree.consistency(old.size, now.size)


async def verify(context: Context, book_id: str, since: Checkpoint | None) -> AuditReport:
    """Read the whole log on one snapshot and judge it. Raises ``NotFound`` for a book nobody created."""
    operation = "verify_audit"
    async with context.database.read(operation) as connection:
        book = await _book(connection, book_id, operation)
        verifier = Verifier(await last_pruning(connection, book_id, book.incarnation))
        while verifier.found is None:
            entries, unreadable = await _next(connection, book, verifier.size)
            await in_thread(verifier.follow, entries)
            if verifier.found is None:
                verifier.found = unreadable
            if not entries:
                break
        found = verifier.finish(book.chain_seq, book.chain_head, book.chain_edge)
        now = checkpoint_of(book)
        rollback = ""
        if since is not None and found is None:
            rollback = continues(since, now, await proof_since(context, connection, book, since, operation))
        elif since is not None:
            rollback = continues(since, now, None) if since.size > now.size else ""
    return AuditReport(verifier.size, now, found, rollback)


async def _next(connection: Connection, book: BookRow, after: int) -> tuple[list[Line], Break | None]:
    """The next lines, up to the first row that is no entry."""
    place = (connection, book.book_id, book.incarnation)
    first = None if after == 0 else after  # whatever stands before number 1 is read as well
    try:
        return await audit_rows.read_log(*place, first, _STEP), None
    except (ValueError, TypeError):
        entries: list[Line] = []
        while True:
            try:
                entries += await audit_rows.read_log(*place, entries[-1][0].seq if entries else first, 1)
            except (ValueError, TypeError) as fault:
                seq = (entries[-1][0].seq if entries else after) + 1
                return entries, Break(seq, "unreadable", "an audit entry", type(fault).__name__)


async def _book(connection: Connection, book_id: str, operation: str) -> BookRow:
    """The book's row; the log of a deleted book outlives it."""
    require_book_id(book_id, operation)
    book = await find_book(connection, book_id)
    if book is None:
        raise no_book(operation, book_id)
    return book


class Auditing(Facade):
    """The log of a book, to be read and checked."""

    async def audit_entries(self, book_id: str, wanted: AuditFilter, after: tuple[int, int], limit: int) -> AuditPage:
        """The next ``limit`` entries that are wanted after (incarnation, sequence), oldest first; deleted books too."""
        async with self._context.database.read("query_audit_log") as connection:
            await _book(connection, book_id, "query_audit_log")
            found = await audit_rows.find(connection, book_id, wanted, after, limit + 1)
        following = (found[limit - 1][0].incarnation, found[limit - 1][0].seq) if len(found) > limit else None
        return AuditPage(tuple(found[:limit]), following)

    async def verify_audit(self, book_id: str, since: Checkpoint | None = None) -> AuditReport:
        """Judge the whole log, and whether it continues a checkpoint kept elsewhere (P12)."""
        report = await verify(self._context, book_id, since)
        # A checkpoint is the caller's word: only what the log itself shows is a finding of ours.
        self._context.observer.verified(book_id, report.found is None)
        return report

    async def checkpoint(self, book_id: str) -> Checkpoint:
        """The log as it is now."""
        async with self._context.database.read("checkpoint") as connection:
            return checkpoint_of(await _book(connection, book_id, "checkpoint"))

    async def consistency(self, book_id: str, old: Checkpoint, now: Checkpoint) -> Proof | None:
        """The proof that the log ``now`` was taken of continues ``old``; None where there cannot be one."""
        async with self._context.database.read("checkpoint") as connection:
            book = await _book(connection, book_id, "checkpoint")
            return await proof_since(self._context, connection, book, old, "checkpoint", now)

    async def inclusion(self, book_id: str, seq: int) -> Inclusion:
        """The receipt of entry number ``seq`` of the book's present life. Raises ``InvalidArgument``."""
        async with self._context.database.read("verify_audit") as connection:
            book = await _book(connection, book_id, "verify_audit")
            if not 0 < seq <= book.chain_seq:
                raise InvalidArgument(
                    "verify_audit", "seq", f"is not between 1 and {book.chain_seq}", "Give the seq of an entry",
                    name="seq", reason=f"is not between 1 and {book.chain_seq}",
                )  # fmt: skip
            tree = await self._context.trees.load(connection, book, "verify_audit")
            (entry,) = await audit_rows.read_hashes(connection, book_id, book.incarnation, seq - 1, seq)
        return Inclusion(seq, entry, checkpoint_of(book), tree.inclusion(seq - 1, book.chain_seq))
