"""The revisions of a book's base as its audit log tells them: one row a commit that changed something.

Reads ``audit_log``, ``blobs`` and ``manifests``. Knows neither paths nor overlays, and nothing of refusals: what did
not change the base made no revision of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.paths import BASE
from panaversity_fs.store.tables import audit_log, blobs, manifests

_SETTINGS = "set_book"
"""The operation of an entry that changed schema or numbering, and no file."""


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One commit. ``first_seq`` is its first entry's number, ``settings`` whether schema or numbering changed.

    ``written`` and ``gone`` are bytes: of what the changed paths hold since, and of what they held before. None where
    the size of one of them is no longer known, because its blob was collected.
    """

    revision: int
    first_seq: int
    when: datetime
    agent_id: str
    operation: str
    added: int
    modified: int
    deleted: int
    settings: bool
    written: int | None
    gone: int | None


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a book and the part of its log that is meant: entries before ``before``."""

    book_id: str
    incarnation: int
    before: int

    def since(self, low: int) -> tuple[ColumnElement[bool], ...]:
        """The entries from ``low`` on that made a revision of the base."""
        log = audit_log.c
        changed = or_(_is_new(), _is_gone(), log.prev_hash != log.new_hash, log.operation == _SETTINGS)
        return (
            log.book_id == self.book_id, log.incarnation == self.incarnation, log.seq >= low, log.seq < self.before,
            log.user_id == BASE, log.status == "success", changed,
        )  # fmt: skip


def _is_new() -> ColumnElement[bool]:
    return and_(audit_log.c.prev_hash.is_(None), audit_log.c.new_hash.is_not(None))


def _is_gone() -> ColumnElement[bool]:
    return and_(audit_log.c.prev_hash.is_not(None), audit_log.c.new_hash.is_(None))


async def revisions_of(connection: AsyncConnection, life: Life, limit: int) -> list[RevisionRow]:
    """At most ``limit`` revisions, newest first. Costs what is answered, not what the log holds.

    Revisions never fall along the log, so those wanted lie together at its end; how far back is found by doubling.
    """
    log, new, old = audit_log.c, blobs.alias("new"), blobs.alias("old")
    joined = audit_log
    for blob, digest in ((new, log.new_hash), (old, log.prev_hash)):
        place = and_(blob.c.book_id == log.book_id, blob.c.incarnation == log.incarnation, blob.c.sha256 == digest)
        joined = joined.outerjoin(blob, place)  # type: ignore[assignment]
    query = (
        select(
            log.revision, func.min(log.seq), func.max(log.timestamp), func.max(log.agent_id),
            func.coalesce(func.max(case((log.operation != _SETTINGS, log.operation))), _SETTINGS),
            _count(_is_new()), _count(log.prev_hash != log.new_hash), _count(_is_gone()),
            _count(log.operation == _SETTINGS),
            func.coalesce(func.sum(new.c.size), 0), _count(and_(log.new_hash.is_not(None), new.c.size.is_(None))),
            func.coalesce(func.sum(old.c.size), 0), _count(and_(log.prev_hash.is_not(None), old.c.size.is_(None))),
        )
        .select_from(joined).where(*life.since(await _reach(connection, life, limit)))
        .group_by(log.revision).order_by(log.revision.desc()).limit(limit)
    )  # fmt: skip
    return [_row(values) for values in await connection.execute(query)]


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _row(values: Sequence[object]) -> RevisionRow:
    revision, seq, when, agent, operation, *numbers = values
    # PostgreSQL sums to decimals, which spell themselves 7E+4 where they like.
    added, modified, deleted, settings, written, lost, gone, lost_before = map(int, numbers)  # type: ignore[arg-type]
    assert isinstance(when, datetime)
    return RevisionRow(
        int(str(revision)), int(str(seq)), when, str(agent), str(operation), added, modified, deleted, settings > 0,
        None if lost else written, None if lost_before else gone,
    )  # fmt: skip


async def _reach(connection: AsyncConnection, life: Life, limit: int) -> int:
    """An entry from which on at least ``limit`` revisions are whole; 1 where there are not so many."""
    span = 4 * limit
    while span < life.before:
        low = life.before - span
        query = select(func.count(audit_log.c.revision.distinct())).where(*life.since(low))
        if (await connection.execute(query)).scalar_one() > limit:  # the oldest of them may be cut in two
            return low
        span *= 4
    return 1


async def told_at(
    connection: AsyncConnection, book_id: str, incarnation: int, revisions: Sequence[int]
) -> dict[int, Digest]:
    """Revision → manifest hash, of those whose manifest somebody was told and which is still kept."""
    query = select(manifests.c.revision, manifests.c.manifest_hash).where(
        manifests.c.book_id == book_id, manifests.c.incarnation == incarnation,
        manifests.c.total_bytes.is_not(None), manifests.c.revision.in_(revisions),
    )  # fmt: skip
    return {revision: Digest(digest) for revision, digest in await connection.execute(query)}
