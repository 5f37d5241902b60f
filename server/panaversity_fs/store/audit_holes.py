"""Rows of ``audit_holes``: the entry hashes of audit entries whose particulars were pruned (S38), and how these go.

Knows which rows of a log stay and how to take the others out past the triggers that forbid it; does not decide how far
is pruned, nor what is said about it (``library.pruning``). Everything here belongs inside one transaction, so that no
other connection ever sees the log unguarded, or an entry without the hole it leaves.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.pruning import PRUNE, Pruning, pruning_in
from panaversity_fs.store.tables import audit_holes, audit_log

_GUARD = "tr_audit_log_no_delete"


def of_life(table: Any, book_id: str, incarnation: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The rows of one life of a book."""
    return table.c.book_id == book_id, table.c.incarnation == incarnation


async def last_pruning(connection: AsyncConnection, book_id: str, incarnation: int) -> Pruning | None:
    """The furthest pruning of this life that its book's log owns up to; a later life's log may do so."""
    query = select(audit_log.c.path).where(
        audit_log.c.book_id == book_id, audit_log.c.operation == PRUNE, audit_log.c.status == "success"
    )
    said = [pruning_in(path) for path in (await connection.execute(query)).scalars()]
    ours = [pruning for pruning in said if pruning is not None and pruning.incarnation == incarnation]
    return max(ours, key=lambda pruning: pruning.upto, default=None)


async def lives(connection: AsyncConnection, book_id: str) -> list[int]:
    """The lives of a book that have a log, ascending."""
    query = select(audit_log.c.incarnation).where(audit_log.c.book_id == book_id).distinct()
    return sorted((await connection.execute(query)).scalars())


async def last_before(connection: AsyncConnection, book_id: str, incarnation: int, moment: datetime) -> int:
    """The number of the last entry that was written before this moment; 0 where there is none."""
    query = select(func.max(audit_log.c.seq)).where(
        *of_life(audit_log, book_id, incarnation), audit_log.c.timestamp < moment
    )
    return (await connection.execute(query)).scalar() or 0


def _staying(book_id: str, incarnation: int, upto: int) -> Select[Any]:
    """The numbers of the entries that stay: the last change of every path that still holds something, which says who
    wrote it and where its next change begins (R6); and what owns up to earlier prunings."""
    log, of_book = audit_log.c, of_life(audit_log, book_id, incarnation)
    changed = or_(
        and_(log.prev_hash.is_(None), log.new_hash.is_not(None)),
        and_(log.prev_hash.is_not(None), log.new_hash.is_(None)),
        log.prev_hash != log.new_hash,
    )
    last = select(func.max(log.seq).label("seq")).where(*of_book, log.seq <= upto, log.status == "success", changed)
    last_of_each = last.group_by(log.path, log.user_id).subquery()
    holding = and_(log.seq.in_(select(last_of_each.c.seq)), log.new_hash.is_not(None))
    return select(log.seq).where(*of_book, log.seq <= upto, or_(holding, log.operation == PRUNE))


async def prunable(connection: AsyncConnection, book_id: str, incarnation: int, upto: int) -> int:
    """How many entries up to this number could go."""
    query = select(func.count()).where(*_going(book_id, incarnation, upto))
    return int((await connection.execute(query)).scalar_one())


def _going(book_id: str, incarnation: int, upto: int) -> tuple[ColumnElement[bool], ...]:
    stays = audit_log.c.seq.in_(_staying(book_id, incarnation, upto))
    return (*of_life(audit_log, book_id, incarnation), audit_log.c.seq <= upto, not_(stays))


async def dig(connection: AsyncConnection, book_id: str, incarnation: int, upto: int) -> tuple[int, list[int]]:
    """Let entries up to this number go, each leaving a hole. Answers how many went and which numbers stayed."""
    log, of_book = audit_log.c, of_life(audit_log, book_id, incarnation)
    columns = (log.book_id, log.incarnation, log.seq, log.entry_hash)
    leaving = select(*columns).where(*_going(book_id, incarnation, upto))
    dug = await connection.execute(insert(audit_holes).from_select([c.name for c in columns], leaving))
    await _take_out(connection, book_id, incarnation, upto)
    kept = await connection.execute(select(log.seq).where(*of_book, log.seq <= upto).order_by(log.seq))
    return dug.rowcount, list(kept.scalars())


async def _take_out(connection: AsyncConnection, book_id: str, incarnation: int, upto: int) -> None:
    """Delete the entries that have their hole."""
    if connection.dialect.name != "sqlite":  # the owner's function is the only way past the guard (migrations.guards)
        await connection.execute(select(func.prune_audit_log(book_id, incarnation, literal(upto, BigInteger))))
        return
    log, of_book = audit_log.c, of_life(audit_log, book_id, incarnation)
    holes = select(audit_holes.c.seq).where(*of_life(audit_holes, book_id, incarnation), audit_holes.c.seq <= upto)
    async with _unguarded(connection):
        await connection.execute(delete(audit_log).where(*of_book, log.seq <= upto, log.seq.in_(holes)))


@asynccontextmanager
async def _unguarded(connection: AsyncConnection) -> AsyncIterator[None]:
    """Take SQLite's trigger away that forbids deleting, and put the very same back, in this transaction (S16)."""
    guard = (
        await connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": _GUARD})
    ).scalar_one()
    await connection.execute(text(f"DROP TRIGGER {_GUARD}"))
    yield
    await connection.execute(text(guard.replace(":", r"\:")))


async def read_holes(
    connection: AsyncConnection, book_id: str, incarnation: int, after: int | None, limit: int | None
) -> list[tuple[int, str]]:
    """(number, entry hash) of the next ``limit`` holes above ``after``, ascending; None: from the first on, all."""
    hole = audit_holes.c
    query = select(hole.seq, hole.entry_hash).where(*of_life(audit_holes, book_id, incarnation))
    if after is not None:
        query = query.where(hole.seq > after)
    return [(seq, stored) for seq, stored in await connection.execute(query.order_by(hole.seq).limit(limit))]


async def hole_hashes(
    connection: AsyncConnection, book_id: str, incarnation: int, after: int, to: int
) -> list[tuple[int, Digest]]:
    """(number, entry hash) of the holes above ``after`` up to ``to``."""
    hole = audit_holes.c
    query = select(hole.seq, hole.entry_hash).where(
        *of_life(audit_holes, book_id, incarnation), hole.seq > after, hole.seq <= to
    )
    return [(seq, Digest(stored)) for seq, stored in await connection.execute(query)]


async def count_holes(connection: AsyncConnection, book_id: str, incarnation: int) -> int:
    """How many holes one life's log has."""
    query = select(func.count()).select_from(audit_holes).where(*of_life(audit_holes, book_id, incarnation))
    return int((await connection.execute(query)).scalar_one())
