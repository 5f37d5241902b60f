"""Rows of ``access_log``: reads and early refusals, kept for a while (S39). Not part of any chain.

Turns values into rows and back; does not know who notes what, or when.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.store.audit_rows import AuditFilter, matching
from panaversity_fs.store.tables import access_log


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One call that changed nothing. ``book_id`` and ``path`` are empty where none was named, ``code`` is the error's
    (None: it was answered), ``execution_time_ms`` whole milliseconds. Texts of callers are escaped and cut."""

    id: str
    timestamp: datetime
    agent_id: str | None
    operation: str
    book_id: str
    path: str
    code: str | None
    execution_time_ms: int


async def append(connection: AsyncConnection, rows: Sequence[AccessRow]) -> None:
    """Insert a batch."""
    if rows:
        await connection.execute(insert(access_log), [asdict(row) for row in rows])


async def forget(connection: AsyncConnection, before: datetime) -> None:
    """Remove what is older."""
    await connection.execute(delete(access_log).where(access_log.c.timestamp < before))


async def find(
    connection: AsyncConnection, book_id: str, wanted: AuditFilter, after: tuple[datetime, str] | None, limit: int
) -> list[AccessRow]:
    """The next ``limit`` rows of a book after (time, id) that are wanted, oldest first."""
    log = access_log.c
    rules = [log.book_id == book_id, *matching(log, wanted)]
    if after is not None:
        rules.append(tuple_(log.timestamp, log.id) > tuple_(*after))
    query = select(access_log).where(*rules).order_by(log.timestamp, log.id).limit(limit)
    return [AccessRow(*row) for row in await connection.execute(query)]
