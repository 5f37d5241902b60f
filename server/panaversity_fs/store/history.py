"""What the audit log says of the past of one path: its changes, and what it held at a revision.

Reads ``audit_log``; a change is a successful entry that left another digest than it found. Does not know whether the
bytes of the past still exist, and nothing of refusals.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.paths import BASE
from panaversity_fs.store.tables import audit_log


@dataclass(frozen=True, slots=True)
class PathLife:
    """One path of one namespace in one life of a book."""

    book_id: str
    incarnation: int
    path: str
    user_id: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change of a path; ``before`` and ``after`` are None where nothing was or is there."""

    seq: int
    revision: int
    timestamp: datetime
    agent_id: str
    operation: str
    before: Digest | None
    after: Digest | None


_COLUMNS = (
    audit_log.c.seq, audit_log.c.revision, audit_log.c.timestamp, audit_log.c.agent_id, audit_log.c.operation,
    audit_log.c.prev_hash, audit_log.c.new_hash,
)  # fmt: skip


def _changed() -> ColumnElement[bool]:
    prev, new = audit_log.c.prev_hash, audit_log.c.new_hash
    return or_(and_(prev.is_(None), new.is_not(None)), and_(prev.is_not(None), new.is_(None)), prev != new)


def _of(life: PathLife) -> Select[Any]:
    return select(*_COLUMNS).where(
        audit_log.c.book_id == life.book_id, audit_log.c.incarnation == life.incarnation,
        audit_log.c.path == life.path, audit_log.c.user_id == life.user_id,
        audit_log.c.status == "success", _changed(),
    )  # fmt: skip


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[ChangeRow]:
    return [ChangeRow(*values) for values in await connection.execute(query)]


async def changes_of(
    connection: AsyncConnection, life: PathLife, before_seq: int | None, limit: int
) -> list[ChangeRow]:
    """At most ``limit`` changes, newest first, older than the entry ``before_seq``."""
    query = _of(life).order_by(audit_log.c.seq.desc()).limit(limit)
    return await _rows(connection, query if before_seq is None else query.where(audit_log.c.seq < before_seq))


async def last_change(connection: AsyncConnection, life: PathLife, revision: int) -> ChangeRow | None:
    """The last change at or before ``revision``, or None when there was none yet."""
    query = _of(life).where(audit_log.c.revision <= revision).order_by(audit_log.c.seq.desc()).limit(1)
    found = await _rows(connection, query)
    return found[0] if found else None


async def change_to(connection: AsyncConnection, life: PathLife, digest: Digest) -> ChangeRow | None:
    """The last change that left this digest, or None when the path never held it."""
    query = _of(life).where(audit_log.c.new_hash == digest).order_by(audit_log.c.seq.desc()).limit(1)
    found = await _rows(connection, query)
    return found[0] if found else None


async def held_before(
    connection: AsyncConnection, book_id: str, incarnation: int, since: datetime
) -> dict[str, Digest | None]:
    """Base path → what it held at ``since``, of every base path that changed later."""
    of_book = (
        audit_log.c.book_id == book_id, audit_log.c.incarnation == incarnation, audit_log.c.user_id == BASE,
        audit_log.c.status == "success", audit_log.c.timestamp > since, _changed(),
    )  # fmt: skip
    first = select(func.min(audit_log.c.seq).label("seq")).where(*of_book).group_by(audit_log.c.path).subquery()
    query = select(audit_log.c.path, audit_log.c.prev_hash).where(
        audit_log.c.book_id == book_id, audit_log.c.incarnation == incarnation, audit_log.c.seq.in_(select(first.c.seq))
    )
    return {row.path: row.prev_hash for row in await connection.execute(query)}
