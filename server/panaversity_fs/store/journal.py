"""Rows of ``file_journal``: which path holds which digest now, and since when (FR-001).

A deleted path keeps its row as a tombstone, so that "what changed since revision r" is one indexed question. Rows come
back unsorted: who needs an order sorts by bytes, since databases disagree about collation (D16).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.paths import BASE
from panaversity_fs.store.tables import file_journal
from panaversity_fs.store.upsert import upsert


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One path of one namespace. ``path_fold`` is the folded *source* path, unique among the living."""

    book_id: str
    path: str
    user_id: str
    sha256: Digest
    size: int
    revision: int
    last_written_at: datetime
    agent_id: str
    storage_backend: str
    path_fold: str
    deleted: bool


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[JournalRow]:
    return [JournalRow(*values) for values in await connection.execute(query)]


def _of(book_id: str, user_id: str) -> Select[Any]:
    return select(file_journal).where(file_journal.c.book_id == book_id, file_journal.c.user_id == user_id)


async def living(connection: AsyncConnection, book_id: str) -> list[tuple[str, Digest, int]]:
    """(path, digest, size in bytes) of every base entry that is there."""
    columns = (file_journal.c.path, file_journal.c.sha256, file_journal.c.size)
    query = select(*columns).where(
        file_journal.c.book_id == book_id, file_journal.c.user_id == BASE, ~file_journal.c.deleted
    )
    return [(path, Digest(sha256), size) for path, sha256, size in await connection.execute(query)]


async def changed_since(connection: AsyncConnection, book_id: str, revision: int) -> list[JournalRow]:
    """Base rows written or deleted after ``revision``, tombstones included."""
    return await _rows(connection, _of(book_id, BASE).where(file_journal.c.revision > revision))


async def find_entry(connection: AsyncConnection, book_id: str, path: str, user_id: str) -> JournalRow | None:
    """The living row of a path, or None."""
    rows = await _rows(connection, _of(book_id, user_id).where(file_journal.c.path == path, ~file_journal.c.deleted))
    return rows[0] if rows else None


async def entries_below(connection: AsyncConnection, book_id: str, prefix: str) -> list[JournalRow]:
    """Living base rows whose path begins with ``prefix``, taken literally."""
    query = _of(book_id, BASE).where(file_journal.c.path.startswith(prefix, autoescape=True), ~file_journal.c.deleted)
    # LIKE folds ASCII case on SQLite and not on PostgreSQL: the exact prefix is judged here.
    return [row for row in await _rows(connection, query) if row.path.startswith(prefix)]


async def record(connection: AsyncConnection, rows: Sequence[JournalRow]) -> None:
    """Write the rows, tombstones first, so that a name is free before its next bearer takes it."""
    for deleted in (True, False):
        await upsert(connection, file_journal, [asdict(row) for row in rows if row.deleted is deleted])


async def totals(connection: AsyncConnection) -> dict[str, tuple[int, int]]:
    """Book id → (number of living base entries, their bytes)."""
    columns = (file_journal.c.book_id, func.count(), func.sum(file_journal.c.size))
    query = select(*columns).where(file_journal.c.user_id == BASE, ~file_journal.c.deleted)
    found = await connection.execute(query.group_by(file_journal.c.book_id))
    return {book_id: (count, int(total)) for book_id, count, total in found}


async def refold(connection: AsyncConnection, book_id: str, folds: Mapping[str, str]) -> None:
    """Give base paths the folded source name they have after a change of numbering."""
    statement = update(file_journal).where(
        file_journal.c.book_id == book_id, file_journal.c.user_id == BASE, file_journal.c.path == bindparam("at")
    )
    # Two passes, since a name may pass from one living row to another; the sign belongs to no legal path.
    for mark in ("\x1f", ""):
        rows = [{"at": path, "path_fold": mark + name} for path, name in folds.items()]
        if rows:
            await connection.execute(statement, rows)
