"""Rows of ``audit_log``: appended and read, never changed (FR-020..023).

Turns rows into ``core.audit`` entries and back without losing a bit of what was hashed; does not chain them itself.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.audit import AuditEntry
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.paths import BASE
from panaversity_fs.store.tables import audit_log


async def append(connection: AsyncConnection, entries: Iterable[tuple[AuditEntry, Digest]]) -> None:
    """Insert entries with their entry hashes."""
    rows = [
        asdict(entry) | {"timestamp": datetime.fromisoformat(entry.timestamp), "entry_hash": digest}
        for entry, digest in entries
    ]
    if rows:
        await connection.execute(insert(audit_log), rows)


async def read_all(connection: AsyncConnection, book_id: str, incarnation: int) -> list[tuple[AuditEntry, str]]:
    """Every entry of one life of a book in sequence, with the entry hash that was stored."""
    query = (
        select(audit_log)
        .where(audit_log.c.book_id == book_id, audit_log.c.incarnation == incarnation)
        .order_by(audit_log.c.seq)
    )
    entries = []
    for row in await connection.execute(query):
        fields = dict(row._mapping)
        stored = fields.pop("entry_hash")
        fields["timestamp"] = fields["timestamp"].isoformat(timespec="microseconds")
        entries.append((AuditEntry(**fields), stored))
    return entries


async def last_writers(
    connection: AsyncConnection, book_id: str, incarnation: int, revision: int
) -> dict[str, tuple[datetime, str]]:
    """Base path → (when, by which agent) it was last written at or before ``revision``."""
    of_book = (
        audit_log.c.book_id == book_id,
        audit_log.c.incarnation == incarnation,
        audit_log.c.user_id == BASE,
        audit_log.c.status == "success",
        audit_log.c.new_hash.is_not(None),
        or_(audit_log.c.prev_hash.is_(None), audit_log.c.prev_hash != audit_log.c.new_hash),
        audit_log.c.revision <= revision,
    )
    last = select(func.max(audit_log.c.seq).label("seq")).where(*of_book).group_by(audit_log.c.path).subquery()
    query = select(audit_log.c.path, audit_log.c.timestamp, audit_log.c.agent_id).where(
        audit_log.c.book_id == book_id, audit_log.c.incarnation == incarnation, audit_log.c.seq.in_(select(last.c.seq))
    )
    return {path: (when, agent) for path, when, agent in await connection.execute(query)}
