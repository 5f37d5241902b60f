"""What witnesses of a log say back: that somebody goes on although the log does not continue what he saw (DESIGN 9).

The acceptance of a rollback belongs into the log itself, where the next reader of it looks. Knows when there is
something to accept; proofs are ``library.auditing``'s.
"""

from dataclasses import replace

from panaversity_fs.core.audit import AuditEntry, Checkpoint, continues
from panaversity_fs.core.errors import ChainBroken
from panaversity_fs.core.paths import BASE
from panaversity_fs.library import rows
from panaversity_fs.library.answers import Caller
from panaversity_fs.library.auditing import AuditFilter, checkpoint_of, proof_since
from panaversity_fs.library.context import require_writer
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.telling import require_book
from panaversity_fs.store import audit_rows
from panaversity_fs.store.books import BookRow, find_book, save_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.outcomes import again

OPERATION = "accept_rollback"


class Witnessing(Facade):
    """Accepting what became of a log."""

    @again(undecided=True)
    async def accept_rollback(self, book_id: str, seen: Checkpoint, caller: Caller) -> bool:
        """Write down that this agent goes on although the log does not continue the checkpoint it saw. Answers False,
        and writes nothing, where the log does, or where this agent said so before. Raises ``ReadOnly``,
        ``AgentRequired``, ``NotFound``."""
        agent = require_writer(self._context, book_id, caller, OPERATION)
        path = f"checkpoint:{seen.incarnation}:{seen.size}:{seen.root}"
        async with self._context.database.write(OPERATION, book_id) as connection:
            await require_book(connection, book_id, OPERATION)
            book = await find_book(connection, book_id, lock=True)
            assert book is not None
            said = AuditFilter(path=path, agent_id=agent, operation=OPERATION)
            if await audit_rows.find(connection, book_id, said, (book.incarnation, 0), 1):
                return False
            if not await self._is_rolled_back(connection, book, seen):
                return False
            now = rows.time_of_commit(self._context.clock(), book)
            entry = AuditEntry(
                id=self._context.token(), book_id=book_id, incarnation=book.incarnation, seq=book.chain_seq + 1,
                revision=book.revision, timestamp=now.isoformat(timespec="microseconds"), agent_id=agent,
                operation=OPERATION, path=path, user_id=BASE, prev_hash=None, new_hash=None, status="success",
                error_message=None, execution_time_ms=0,
            )  # fmt: skip
            grown = await rows.append_audit(connection, book, [entry])
            await save_book(connection, replace(grown, changed_at=now))
        return True

    async def _is_rolled_back(self, connection: Connection, book: BookRow, seen: Checkpoint) -> bool:
        try:
            proof = await proof_since(self._context, connection, book, seen, OPERATION)
        except ChainBroken:
            return True  # a log that lost its tree continues nothing
        return bool(continues(seen, checkpoint_of(book), proof))
