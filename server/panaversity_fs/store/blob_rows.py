"""Rows of ``blobs`` (bytes some commit named) and ``uploads`` (pins of bytes no commit has named yet, D18)."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.store.blobs import BlobKey, Stored
from panaversity_fs.store.tables import blobs, uploads
from panaversity_fs.store.upsert import upsert, values_of

_IN_LIMIT = 500
"""Digests a query names at once; databases bound the number of parameters."""


def _in_parts(digests: Collection[Digest]) -> Iterator[list[Digest]]:
    rest = list(digests)
    for start in range(0, len(rest), _IN_LIMIT):
        yield rest[start : start + _IN_LIMIT]


@dataclass(frozen=True, slots=True)
class BlobRow:
    """One blob of one book. ``state`` is live, condemned or deleted (RELIABILITY 4)."""

    book_id: str
    incarnation: int
    sha256: Digest
    generation: int
    size: int
    crc32: int
    state: str
    created_at: datetime

    @property
    def key(self) -> BlobKey:
        return BlobKey(self.book_id, self.incarnation, self.sha256, self.generation)


async def find_blobs(
    connection: AsyncConnection, book_id: str, incarnation: int, digests: Collection[Digest]
) -> dict[Digest, BlobRow]:
    """The rows there are of these digests."""
    found: dict[Digest, BlobRow] = {}
    for some in _in_parts(digests):
        query = select(blobs).where(
            blobs.c.book_id == book_id, blobs.c.incarnation == incarnation, blobs.c.sha256.in_(some)
        )
        found.update({row.sha256: row for row in (BlobRow(*values) for values in await connection.execute(query))})
    return found


async def save_blobs(connection: AsyncConnection, rows: Iterable[BlobRow]) -> None:
    """Insert the rows or bring them to these values: naming a blob revives it."""
    await upsert(connection, blobs, [values_of(row) for row in rows])


@dataclass(frozen=True, slots=True)
class Pin:
    """Bytes somebody is sending or has sent. ``stored`` is None until they are durable."""

    upload_id: str
    sha256: Digest
    book_id: str
    incarnation: int
    subject: str
    stored: Stored | None
    expires: datetime
    generation: int = 0

    @property
    def key(self) -> BlobKey:
        """Where the bytes are, or will be."""
        return BlobKey(self.book_id, self.incarnation, self.sha256, self.generation)


async def save_pins(connection: AsyncConnection, pins: Iterable[Pin]) -> None:
    """Insert the pins or bring them to these values."""
    rows = []
    for pin in pins:
        size, crc32 = (pin.stored.size, pin.stored.crc32) if pin.stored else (None, None)
        rows.append({
            "upload_id": pin.upload_id, "sha256": pin.sha256, "book_id": pin.book_id, "incarnation": pin.incarnation,
            "subject": pin.subject, "size": size, "crc32": crc32, "expires": pin.expires, "generation": pin.generation,
        })  # fmt: skip
    await upsert(connection, uploads, rows)


async def find_pins(
    connection: AsyncConnection, book_id: str, incarnation: int, digests: Collection[Digest]
) -> list[Pin]:
    """All pins of these digests, whoever holds them, expired ones included."""
    pins: list[Pin] = []
    for some in _in_parts(digests):
        query = select(uploads).where(
            uploads.c.book_id == book_id, uploads.c.incarnation == incarnation, uploads.c.sha256.in_(some)
        )
        pins += [_pin(values) for values in await connection.execute(query)]
    return pins


def _pin(values: Sequence[Any]) -> Pin:
    upload_id, sha256, book_id, incarnation, subject, size, crc32, expires, generation = values
    stored = None if size is None else Stored(size, crc32)
    return Pin(upload_id, Digest(sha256), book_id, incarnation, subject, stored, expires, generation)


async def all_pins(connection: AsyncConnection, book_id: str, incarnation: int) -> list[Pin]:
    """Every pin of one life of a book."""
    query = select(uploads).where(uploads.c.book_id == book_id, uploads.c.incarnation == incarnation)
    return [_pin(values) for values in await connection.execute(query)]


async def drop_upload(connection: AsyncConnection, upload_id: str) -> None:
    """Forget all pins of one upload."""
    await connection.execute(delete(uploads).where(uploads.c.upload_id == upload_id))


async def drop_pins(
    connection: AsyncConnection,
    book_id: str,
    incarnation: int,
    subject: str,
    digests: Collection[Digest],
    upload_id: str | None = None,
) -> None:
    """Forget one subject's pins of digests that a commit names now: those of this upload, and those of bytes that were
    put for later. What another upload is still sending stays pinned, or a collector could take it meanwhile."""
    for some in _in_parts(digests):
        await connection.execute(
            delete(uploads).where(
                uploads.c.book_id == book_id, uploads.c.incarnation == incarnation,
                uploads.c.subject == subject, uploads.c.sha256.in_(some),
                or_(uploads.c.upload_id == upload_id, uploads.c.size.is_not(None)),
            )
        )  # fmt: skip
