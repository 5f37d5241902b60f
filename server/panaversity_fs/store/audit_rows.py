"""Rows of ``audit_log``: appended and read, never changed (FR-020..024).

Turns rows into ``core.audit`` entries and back without losing a bit of what was hashed; does not chain them itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, insert, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.audit import AuditEntry, Line
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.paths import BASE
from panaversity_fs.core.pruning import Hole
from panaversity_fs.store.audit_holes import count_holes, hole_hashes, read_holes
from panaversity_fs.store.tables import audit_log
from panaversity_fs.store.upsert import values_of


async def append(connection: AsyncConnection, entries: Iterable[tuple[AuditEntry, Digest]]) -> None:
    """Insert entries with their entry hashes."""
    rows = [
        values_of(entry) | {"timestamp": datetime.fromisoformat(entry.timestamp), "entry_hash": digest}
        for entry, digest in entries
    ]
    if rows:
        await connection.execute(insert(audit_log), rows)


Logged = tuple[AuditEntry, str]
"""An entry with the entry hash that was stored."""


async def read_all(connection: AsyncConnection, book_id: str, incarnation: int) -> list[Logged]:
    """Every entry of one life of a book in sequence, with the entry hash that was stored; holes are left out."""
    return await read_some(connection, book_id, incarnation, None, None)


async def read_some(
    connection: AsyncConnection, book_id: str, incarnation: int, after: int | None, limit: int | None
) -> list[Logged]:
    """The next ``limit`` entries whose sequence number is above ``after``; None: from the first on, all of them.

    Raises ``ValueError`` or ``TypeError`` for a row that is no entry: somebody else wrote there.
    """
    query = select(audit_log).where(*_of_life(book_id, incarnation)).order_by(audit_log.c.seq).limit(limit)
    if after is not None:
        query = query.where(audit_log.c.seq > after)
    return [_logged(row) for row in await connection.execute(query)]


async def read_log(
    connection: AsyncConnection, book_id: str, incarnation: int, after: int | None, limit: int | None
) -> list[Line]:
    """As ``read_some``, with the holes that pruned entries left in their places."""
    entries: list[Line] = list(await read_some(connection, book_id, incarnation, after, limit))
    holes = await read_holes(connection, book_id, incarnation, after, limit)
    if not holes:
        return entries
    entries += [(Hole(seq), stored) for seq, stored in holes]
    return sorted(entries, key=lambda line: line[0].seq)[:limit]


async def count(connection: AsyncConnection, book_id: str, incarnation: int) -> int:
    """How many entries one life of a book has had, the pruned ones included."""
    query = select(func.count()).select_from(audit_log).where(*_of_life(book_id, incarnation))
    living = int((await connection.execute(query)).scalar_one())
    return living + await count_holes(connection, book_id, incarnation)


async def read_hashes(connection: AsyncConnection, book_id: str, incarnation: int, after: int, to: int) -> list[Digest]:
    """The stored entry hashes with sequence numbers above ``after`` up to ``to``, those of holes as well."""
    seq = audit_log.c.seq
    query = select(seq, audit_log.c.entry_hash).where(*_of_life(book_id, incarnation), seq > after, seq <= to)
    found = [(number, Digest(stored)) for number, stored in await connection.execute(query.order_by(seq))]
    if len(found) < to - after:
        found = sorted([*found, *await hole_hashes(connection, book_id, incarnation, after, to)])
    return [stored for _, stored in found]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries of a book are wanted (FR-024); None: any. ``path`` is exact, or a folder when it ends with a slash,
    or a beginning and an end around one ``*``; case counts. ``since`` belongs to the time asked for, ``until`` not."""

    path: str | None = None
    agent_id: str | None = None
    operation: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    users: tuple[str, ...] | None = None
    """Of which namespaces, for callers who may not see every overlay (S12)."""


async def find(
    connection: AsyncConnection, book_id: str, wanted: AuditFilter, after: tuple[int, int], limit: int
) -> list[Logged]:
    """The next ``limit`` entries of all lives of a book that come after (incarnation, sequence) and are wanted."""
    log = audit_log.c
    rules = [log.book_id == book_id, tuple_(log.incarnation, log.seq) > tuple_(*after), *matching(log, wanted)]
    if wanted.users is not None:
        rules.append(log.user_id.in_(wanted.users))
    query = select(audit_log).where(*rules).order_by(log.incarnation, log.seq).limit(limit)
    return [_logged(row) for row in await connection.execute(query)]


def matching(columns: Any, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    """The filter over a table with these columns. Nothing of what was given is a pattern to the database (S21)."""
    rules: list[ColumnElement[bool]] = []
    if wanted.agent_id is not None:
        rules.append(columns.agent_id == wanted.agent_id)
    if wanted.operation is not None:
        rules.append(columns.operation == wanted.operation)
    if wanted.since is not None:
        rules.append(columns.timestamp >= wanted.since)
    if wanted.until is not None:
        rules.append(columns.timestamp < wanted.until)
    if wanted.path is not None:
        rules.append(_path_rule(columns.path, wanted.path))
    return rules


def _path_rule(column: ColumnElement[str], wanted: str) -> ColumnElement[bool]:
    """Compared piece by piece: LIKE folds case on one engine, and would take wildcards from the caller."""
    start, star, end = (wanted, "*", "") if wanted.endswith("/") else wanted.partition("*")
    if not star:
        return column == wanted
    rules = [func.length(column) >= len(start) + len(end), func.substr(column, 1, len(start)) == start]
    if end:
        rules.append(func.substr(column, func.length(column) - len(end) + 1) == end)
    return and_(*rules)


def _of_life(book_id: str, incarnation: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return audit_log.c.book_id == book_id, audit_log.c.incarnation == incarnation


_NAMES = audit_log.c.keys()


def _logged(row: Row[Any]) -> Logged:
    fields = dict(zip(_NAMES, row, strict=True))
    stored = fields.pop("entry_hash")
    if not isinstance(fields["timestamp"], datetime):
        raise TypeError("an entry without a time")
    fields["timestamp"] = fields["timestamp"].isoformat(timespec="microseconds")
    return AuditEntry(**fields), stored


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
