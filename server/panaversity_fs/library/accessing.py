"""What can be asked of the access log, and how doors note calls in it (FR-024, S39).

Knows the open library's notes and the stored rows; does not know what is worth noting.
"""

from dataclasses import dataclass
from datetime import datetime

from panaversity_fs.library.facade import Facade
from panaversity_fs.store import access_rows
from panaversity_fs.store.access_rows import AccessRow
from panaversity_fs.store.audit_rows import AuditFilter


@dataclass(frozen=True, slots=True)
class AccessPage:
    """Some rows, and where the next page begins (None: this was the last)."""

    rows: tuple[AccessRow, ...]
    following: tuple[datetime, str] | None


class Accessing(Facade):
    """Keeping and reading the access log."""

    def accessed(
        self, operation: str, book_id: str, path: str, agent: str | None, code: str | None, seconds: float
    ) -> None:
        """Note a call that changed nothing; never waits. Texts come escaped."""
        if self._context.access is not None:
            self._context.access.note(operation, book_id, path, agent, code, seconds)

    async def access_entries(
        self, book_id: str, wanted: AuditFilter, after: tuple[datetime, str] | None, limit: int
    ) -> AccessPage:
        """The next ``limit`` reads and early refusals of a book after (time, id), oldest first."""
        async with self._context.database.read("query_audit_log") as connection:
            found = await access_rows.find(connection, book_id, wanted, after, limit + 1)
        following = (found[limit - 1].timestamp, found[limit - 1].id) if len(found) > limit else None
        return AccessPage(tuple(found[:limit]), following)
