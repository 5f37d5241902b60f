"""``delta_build``: which base files changed since a moment, deletions included (DESIGN 7).

A question of time for those who keep no manifest; exact builds use ``plan_build``. Times are the book's own: strictly
increasing, taken under its lock. Does not know overlays.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id, shown
from panaversity_fs.library.answers import ChangeType
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.telling import require_book
from panaversity_fs.store.history import held_before
from panaversity_fs.store.journal import JournalRow, written_after

_OPERATION = "delta_build"
_TIME = re.compile(r"[0-9:.,+TZ -]{1,40}")


@dataclass(frozen=True, slots=True)
class DeltaFile:
    """One path whose last write or deletion lies after the moment asked for: ``current_hash`` is None and ``size`` 0
    when it was deleted, ``previous_hash`` is what it held at that moment (None: nothing)."""

    path: str
    change_type: ChangeType
    current_hash: Digest | None
    previous_hash: Digest | None
    size: int
    revision: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed in the base after ``since``, sorted by path. ``as_of`` is the book's time of this answer: asked
    with it next, nothing is missed and nothing told twice."""

    since: datetime
    as_of: datetime
    revision: int
    files: tuple[DeltaFile, ...]


def parse_since(text: str) -> datetime:
    """A moment in UTC out of ISO 8601 text. Raises ``InvalidArgument``, also for a time without a zone."""
    if not _TIME.fullmatch(text):  # the parser lets some characters pass that no time has, NUL among them
        raise _malformed(text, "is not a time of ISO 8601")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise _malformed(text, "has no zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _malformed(text, "is not a time of ISO 8601") from None


def _malformed(text: str, reason: str) -> InvalidArgument:
    return InvalidArgument(
        _OPERATION,
        "since",
        f"{shown(text)!r} {reason}",
        "Write it as 2030-01-31T12:00:00Z",
        name="since",
        reason=reason,
    )


def _file(row: JournalRow, before: Digest | None) -> DeltaFile:
    kind: ChangeType = "deleted" if row.deleted else "added" if before is None else "modified"
    return DeltaFile(
        row.path, kind, None if row.deleted else row.sha256, before, row.size, row.revision, row.last_written_at
    )


class Deltas(Facade):
    """What changed since a moment."""

    async def delta(self, book_id: str, since: str) -> Delta:
        """Base files written or deleted after ``since`` (ISO 8601 with zone). Raises ``InvalidArgument``, …"""
        require_book_id(book_id, _OPERATION)
        moment = parse_since(since)
        async with self._context.database.read(_OPERATION) as connection:
            book = await require_book(connection, book_id, _OPERATION)
            rows = await written_after(connection, book_id, moment)
            before = await held_before(connection, book_id, book.incarnation, moment)
        files = [_file(row, before.get(row.path)) for row in rows]
        return Delta(moment, book.changed_at, book.revision, tuple(sorted(files, key=lambda file: file.path)))
