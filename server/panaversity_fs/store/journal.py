"""Rows of ``file_journal``: which path holds which digest now, and since when (FR-001).

A deleted path keeps its row as a tombstone, so that "what changed since revision r" is one indexed question. Rows come
back unsorted: who needs an order sorts by bytes, since databases disagree about collation (D16).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.paths import BASE
from panaversity_fs.store.tables import file_journal
from panaversity_fs.store.upsert import upsert, values_of


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One path of one namespace. ``path_fold`` is unique among the living: the folded *source* path of a base row, the
    path itself of an overlay's (its names are judged in the commit; a new numbering must never fail on an overlay)."""

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


async def living(connection: AsyncConnection, book_id: str, user_id: str = BASE) -> list[tuple[str, Digest, int]]:
    """(path, digest, size in bytes) of every entry that is there, of the base or of one user's overlay."""
    columns = (file_journal.c.path, file_journal.c.sha256, file_journal.c.size)
    query = select(*columns).where(
        file_journal.c.book_id == book_id, file_journal.c.user_id == user_id, ~file_journal.c.deleted
    )
    return [(path, Digest(sha256), size) for path, sha256, size in await connection.execute(query)]


async def changed_since(connection: AsyncConnection, book_id: str, revision: int) -> list[JournalRow]:
    """Base rows written or deleted after ``revision``, tombstones included."""
    return await _rows(connection, _of(book_id, BASE).where(file_journal.c.revision > revision))


async def written_after(connection: AsyncConnection, book_id: str, moment: datetime) -> list[JournalRow]:
    """Base rows written or deleted later than ``moment``, tombstones included."""
    return await _rows(connection, _of(book_id, BASE).where(file_journal.c.last_written_at > moment))


async def find_layers(connection: AsyncConnection, book_id: str, path: str, user_id: str) -> dict[str, JournalRow]:
    """User id → row of this path in the base and in this user's overlay, tombstones included; no other user's."""
    query = select(file_journal).where(
        file_journal.c.book_id == book_id, file_journal.c.path == path, file_journal.c.user_id.in_({BASE, user_id})
    )
    return {row.user_id: row for row in await _rows(connection, query)}


async def entries_below(
    connection: AsyncConnection, book_id: str, prefix: str, user_id: str = BASE, *, tombstones: bool = False
) -> list[JournalRow]:
    """Rows of one namespace whose path begins with ``prefix``, taken literally; the living ones, or all."""
    query = _of(book_id, user_id).where(file_journal.c.path.startswith(prefix, autoescape=True))
    # LIKE folds ASCII case on SQLite and not on PostgreSQL: the exact prefix is judged here.
    rows = await _rows(connection, query if tombstones else query.where(~file_journal.c.deleted))
    return [row for row in rows if row.path.startswith(prefix)]


async def is_named(connection: AsyncConnection, book_id: str, user_id: str, digest: Digest) -> bool:
    """True when a living entry of this very namespace names the digest."""
    query = _of(book_id, user_id).where(~file_journal.c.deleted, file_journal.c.sha256 == digest).limit(1)
    return bool(await _rows(connection, query))


async def record(connection: AsyncConnection, rows: Sequence[JournalRow]) -> None:
    """Write the rows, tombstones first, so that a name is free before its next bearer takes it."""
    for deleted in (True, False):
        await upsert(connection, file_journal, [values_of(row) for row in rows if row.deleted is deleted])


async def totals(connection: AsyncConnection) -> dict[str, tuple[int, int]]:
    """Book id → (number of living base entries, their bytes)."""
    columns = (file_journal.c.book_id, func.count(), func.sum(file_journal.c.size))
    query = select(*columns).where(file_journal.c.user_id == BASE, ~file_journal.c.deleted)
    found = await connection.execute(query.group_by(file_journal.c.book_id))
    return {book_id: (count, int(total)) for book_id, count, total in found}


async def census(connection: AsyncConnection) -> dict[str, int]:
    """Book id → number of living entries, base and overlays."""
    query = select(file_journal.c.book_id, func.count()).where(~file_journal.c.deleted)
    return {str(row[0]): int(row[1]) for row in await connection.execute(query.group_by(file_journal.c.book_id))}


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
