"""What keeps blobs, and how they leave: the questions and changes of state of a collection (RELIABILITY 4).

Rows only; what is kept for how long is decided by ``library``. All changes belong inside a transaction that holds the
book's lock.

**The floor.** A blob without a living row is put under the floor of its place as generation, and whoever decides to
delete an object raises the floor above its generation in the transaction of that decision (``give_up``). So a deletion
that comes late, after others finished it and the bytes came back, can only meet the old object: no living key with its
generation can come into being any more. One number for a life of a book remembers that for all digests.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, bindparam, delete, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.paths import BASE
from panaversity_fs.store.blob_rows import BlobRow
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.tables import audit_log, blob_floors, blobs, books, file_journal, manifests, requests, uploads
from panaversity_fs.store.told import ToldRow
from panaversity_fs.store.upsert import upsert

Place = tuple[str, int]
"""(book id, incarnation): one life of a book."""


async def floor_of(connection: AsyncConnection, book_id: str, incarnation: int) -> int:
    """The generation under which a digest without a living row is put."""
    query = select(blob_floors.c.floor).where(
        blob_floors.c.book_id == book_id, blob_floors.c.incarnation == incarnation
    )
    return (await connection.execute(query)).scalar_one_or_none() or 0


async def give_up(connection: AsyncConnection, book_id: str, incarnation: int, keys: Collection[BlobKey]) -> None:
    """Let these objects never be anybody's again: after the commit they may be removed at any time."""
    if keys:
        floor = max(max(key.generation for key in keys) + 1, await floor_of(connection, book_id, incarnation))
        row = {"book_id": book_id, "incarnation": incarnation, "floor": floor}
        await upsert(connection, blob_floors, [row])


async def known_places(connection: AsyncConnection) -> set[Place]:
    """Every life of a book that any row speaks of."""
    found: set[Place] = set()
    for table in (books, blobs, uploads, manifests):
        rows = await connection.execute(select(table.c.book_id, table.c.incarnation).distinct())
        found |= {(book_id, number) for book_id, number in rows}
    return found


async def rows_of(connection: AsyncConnection, book_id: str, incarnation: int) -> list[BlobRow]:
    """All blob rows of one life of a book, whatever their state."""
    query = select(blobs).where(blobs.c.book_id == book_id, blobs.c.incarnation == incarnation)
    return [BlobRow(*values) for values in await connection.execute(query)]


async def set_state(connection: AsyncConnection, rows: Iterable[BlobRow], state: str) -> None:
    """Bring these rows, as they were read under this lock, to another state."""
    which = [_named(row) for row in rows]
    if which:
        await connection.execute(update(blobs).where(*_ROW).values(state=state), which)


async def drop_deleted(connection: AsyncConnection, rows: Iterable[BlobRow]) -> None:
    """Forget the rows whose objects are gone, unless the digest came back as another generation meanwhile."""
    which = [_named(row) | {"with_generation": row.generation} for row in rows]
    if which:
        same = (*_ROW, blobs.c.state == "deleted", blobs.c.generation == bindparam("with_generation"))
        await connection.execute(delete(blobs).where(*same), which)


_ROW = (
    blobs.c.book_id == bindparam("of_book"),
    blobs.c.incarnation == bindparam("of_life"),
    blobs.c.sha256 == bindparam("of_digest"),
)


def _named(row: BlobRow) -> dict[str, Any]:
    return {"of_book": row.book_id, "of_life": row.incarnation, "of_digest": row.sha256}


async def named_by_journal(connection: AsyncConnection, book_id: str) -> set[Digest]:
    """What the living entries of all namespaces of a book name now."""
    query = select(file_journal.c.sha256).where(file_journal.c.book_id == book_id, ~file_journal.c.deleted)
    return await _digests(connection, query.distinct())


@dataclass(frozen=True, slots=True)
class Named:
    """A living entry of any namespace, with the bytes it counts."""

    label: str
    sha256: Digest
    size: int


async def named_entries(connection: AsyncConnection, book_id: str) -> list[Named]:
    """Every living entry of all namespaces; an overlay's label says whose it is."""
    table = file_journal.c
    query = select(table.user_id, table.path, table.sha256, table.size).where(table.book_id == book_id, ~table.deleted)
    return [
        Named(path if user_id == BASE else f"{path} ({user_id})", Digest(sha256), size)
        for user_id, path, sha256, size in await connection.execute(query)
    ]


async def named_by_log(connection: AsyncConnection, book_id: str, incarnation: int, since: datetime) -> set[Digest]:
    """What successful entries of the audit log at or after ``since`` name, as before or after."""
    of_book = (
        audit_log.c.book_id == book_id, audit_log.c.incarnation == incarnation,
        audit_log.c.status == "success", audit_log.c.timestamp >= since,
    )  # fmt: skip
    columns = (audit_log.c.prev_hash, audit_log.c.new_hash)
    return await _digests(connection, union(*(select(c).where(*of_book, c.is_not(None)) for c in columns)))


async def _digests(connection: AsyncConnection, query: Executable) -> set[Digest]:
    return {Digest(digest) for digest in (await connection.execute(query)).scalars()}


async def all_told(connection: AsyncConnection, book_id: str, incarnation: int) -> list[ToldRow]:
    """Every promise of one life of a book."""
    query = select(manifests).where(manifests.c.book_id == book_id, manifests.c.incarnation == incarnation)
    return [ToldRow(*values) for values in await connection.execute(query)]


async def forget_told(connection: AsyncConnection, rows: Iterable[ToldRow]) -> None:
    """Take promises back that are older than the retention."""
    for row in rows:
        of_row = (
            manifests.c.book_id == row.book_id, manifests.c.incarnation == row.incarnation,
            manifests.c.manifest_hash == row.manifest_hash,
        )  # fmt: skip
        await connection.execute(delete(manifests).where(*of_row))


async def forget_expired(connection: AsyncConnection, book_id: str, incarnation: int, now: datetime) -> int:
    """Drop the pins that ran out; from here on a pin that is in the table protects, whatever the clock says."""
    of_book = (uploads.c.book_id == book_id, uploads.c.incarnation == incarnation, uploads.c.expires <= now)
    return (await connection.execute(delete(uploads).where(*of_book))).rowcount


async def forget_requests(connection: AsyncConnection, book_id: str, incarnation: int, before: datetime) -> int:
    """Drop the answers kept for idempotency keys since before ``before``."""
    of_book = (requests.c.book_id == book_id, requests.c.incarnation == incarnation, requests.c.created_at < before)
    return (await connection.execute(delete(requests).where(*of_book))).rowcount
