"""How much a book, and the store, holds: what quotas are judged by (S22). Counts rows; judges nothing."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.store.blob_rows import find_blobs
from panaversity_fs.store.tables import blobs, books, file_journal, uploads


@dataclass(frozen=True, slots=True)
class Usage:
    """``size`` counts every object kept for one life of a book once, in bytes: present, earlier and uploaded ones;
    ``files`` the living entries of the base and of all overlays."""

    size: int
    files: int


async def usage_of(connection: AsyncConnection, book_id: str, incarnation: int) -> Usage:
    """What one life of a book holds now."""
    of_blobs = (blobs.c.book_id == book_id, blobs.c.incarnation == incarnation)
    stored = select(func.sum(blobs.c.size)).where(*of_blobs, blobs.c.state != "deleted")
    # Uploaded and not named yet; what has a row is counted there, what is still being sent has no size.
    unnamed = select(uploads.c.sha256, func.max(uploads.c.size).label("size")).where(
        uploads.c.book_id == book_id, uploads.c.incarnation == incarnation, uploads.c.size.is_not(None),
        uploads.c.sha256.not_in(select(blobs.c.sha256).where(*of_blobs, blobs.c.state != "deleted")),
    )  # fmt: skip
    pinned = select(func.sum(unnamed.group_by(uploads.c.sha256).subquery().c.size))
    living = select(func.count()).where(file_journal.c.book_id == book_id, ~file_journal.c.deleted)
    sizes = [(await connection.execute(query)).scalar() or 0 for query in (stored, pinned)]
    return Usage(int(sum(sizes)), int((await connection.execute(living)).scalar_one()))


async def count_books(connection: AsyncConnection) -> int:
    """How many living books there are."""
    query = select(func.count()).where(books.c.state == "live")
    return int((await connection.execute(query)).scalar_one())


async def unknown(
    connection: AsyncConnection, book_id: str, incarnation: int, digests: Collection[Digest]
) -> set[Digest]:
    """Those of these digests that this life of the book keeps no bytes of."""
    rows = await find_blobs(connection, book_id, incarnation, digests)
    return set(digests) - {digest for digest, row in rows.items() if row.state != "deleted"}
