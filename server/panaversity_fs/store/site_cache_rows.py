"""Rows of ``site_cache`` (built sites somebody keeps for the team) and ``site_uploads`` (those on their way in).

Rows only: what may stay and for how long is decided by ``library``. The bytes lie in a part of the blob store of their
own (``BlobStore.apart``), under their digest and a generation drawn at random for every upload, so that a name is never
used twice and a removal that comes late can only meet what nobody names any more. Several keys may name one object.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.store.blob_states import Place
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.tables import site_cache, site_uploads

PART = "site-cache"
"""The part of the blob store that holds nothing but kept sites."""


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One kept site: what went in (``key``, the digest of ``document``), what came out (``output``, the digest of the
    built folder), the object that holds it (``sha256``, ``generation``, ``size`` in bytes), who built it and in how
    many milliseconds, when it was stored and when it was last used (known to the hour)."""

    book_id: str
    incarnation: int
    key: Digest
    document: str
    output: Digest
    sha256: Digest
    generation: int
    size: int
    build_ms: int
    agent_id: str
    created_at: datetime
    last_used_at: datetime

    @property
    def object(self) -> BlobKey:
        """Where the bytes are."""
        return BlobKey(self.book_id, self.incarnation, self.sha256, self.generation)


@dataclass(frozen=True, slots=True)
class SiteUpload:
    """Bytes of a site that no row names yet; they are protected until ``expires``."""

    upload_id: str
    book_id: str
    incarnation: int
    sha256: Digest
    generation: int
    expires: datetime

    @property
    def object(self) -> BlobKey:
        """Where the bytes are, or will be."""
        return BlobKey(self.book_id, self.incarnation, self.sha256, self.generation)


async def find_site(connection: AsyncConnection, book_id: str, incarnation: int, key: Digest) -> SiteRow | None:
    """The site kept under this key."""
    query = select(site_cache).where(*_of(site_cache, (book_id, incarnation)), site_cache.c.key == key)
    found = (await connection.execute(query)).one_or_none()
    return None if found is None else _site(found)


async def sites_of(connection: AsyncConnection, place: Place) -> list[SiteRow]:
    """Every site kept for one life of a book."""
    found = await connection.execute(select(site_cache).where(*_of(site_cache, place)))
    return [_site(values) for values in found]


def _site(values: Sequence[Any]) -> SiteRow:
    return SiteRow(*values)


async def save_site(connection: AsyncConnection, row: SiteRow) -> None:
    """Insert a row whose key is not there."""
    await connection.execute(insert(site_cache).values(asdict(row)))


async def touch_site(connection: AsyncConnection, row: SiteRow, now: datetime) -> None:
    """Say that it was used; nothing when it went meanwhile."""
    which = (*_of(site_cache, (row.book_id, row.incarnation)), site_cache.c.key == row.key)
    await connection.execute(update(site_cache).where(*which, site_cache.c.last_used_at < now).values(last_used_at=now))


async def drop_sites(connection: AsyncConnection, rows: Iterable[SiteRow]) -> None:
    """Forget these rows, as they were read in this transaction."""
    for row in rows:
        which = (*_of(site_cache, (row.book_id, row.incarnation)), site_cache.c.key == row.key)
        await connection.execute(delete(site_cache).where(*which))


async def drop_object(connection: AsyncConnection, key: BlobKey) -> int:
    """Forget every row that names this object; how many there were."""
    which = (
        *_of(site_cache, (key.book_id, key.incarnation)),
        site_cache.c.sha256 == key.digest, site_cache.c.generation == key.generation,
    )  # fmt: skip
    return (await connection.execute(delete(site_cache).where(*which))).rowcount


async def forget_sites(connection: AsyncConnection, book_id: str) -> list[BlobKey]:
    """Forget all kept sites of all lives of a book; the objects nobody names any more, without those on their way."""
    found = await connection.execute(select(site_cache).where(site_cache.c.book_id == book_id))
    objects = {_site(values).object for values in found}
    await connection.execute(delete(site_cache).where(site_cache.c.book_id == book_id))
    return sorted(objects, key=lambda key: key.name)


async def save_upload(connection: AsyncConnection, upload: SiteUpload) -> None:
    """Protect bytes that are about to come."""
    await connection.execute(insert(site_uploads).values(asdict(upload)))


async def drop_upload(connection: AsyncConnection, upload_id: str) -> bool:
    """End the protection; False when it had run out and was collected."""
    return bool((await connection.execute(delete(site_uploads).where(site_uploads.c.upload_id == upload_id))).rowcount)


async def drop_expired(connection: AsyncConnection, place: Place, now: datetime) -> int:
    """End the protection of uploads that ran out of time; how many there were."""
    which = (*_of(site_uploads, place), site_uploads.c.expires <= now)
    return (await connection.execute(delete(site_uploads).where(*which))).rowcount


async def uploads_of(connection: AsyncConnection, place: Place) -> list[SiteUpload]:
    """Everything on its way into one life of a book."""
    found = await connection.execute(select(site_uploads).where(*_of(site_uploads, place)))
    return [SiteUpload(*values) for values in found]


async def site_places(connection: AsyncConnection) -> set[Place]:
    """Every life of a book that a row here speaks of."""
    found: set[Place] = set()
    for table in (site_cache, site_uploads):
        rows = await connection.execute(select(table.c.book_id, table.c.incarnation).distinct())
        found |= {(book_id, number) for book_id, number in rows}
    return found


async def usage(connection: AsyncConnection) -> tuple[int, int]:
    """(kept sites, bytes of the objects that hold them, each counted once) of the whole store."""
    count = (await connection.execute(select(func.count()).select_from(site_cache))).scalar_one()
    names = (site_cache.c.book_id, site_cache.c.incarnation, site_cache.c.sha256, site_cache.c.generation)
    objects = select(*names, func.max(site_cache.c.size).label("size")).group_by(*names).subquery()
    size = (await connection.execute(select(func.sum(objects.c.size)))).scalar_one()
    return count, int(size or 0)


def objects_of(rows: Collection[SiteRow | SiteUpload]) -> set[BlobKey]:
    """The objects these rows name."""
    return {row.object for row in rows}


def _of(table: Table, place: Place) -> tuple[Any, ...]:
    return table.c.book_id == place[0], table.c.incarnation == place[1]
