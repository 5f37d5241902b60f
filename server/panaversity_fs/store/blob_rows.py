"""Rows of ``blobs`` (bytes some commit named) and ``uploads`` (pins of bytes no commit has named yet, D18)."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.store.blobs import BlobKey, Stored
from panaversity_fs.store.tables import blobs, uploads
from panaversity_fs.store.upsert import upsert

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
    await upsert(connection, blobs, [asdict(row) for row in rows])


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


async def save_pins(connection: AsyncConnection, pins: Iterable[Pin]) -> None:
    """Insert the pins or bring them to these values."""
    rows = []
    for pin in pins:
        size, crc32 = (pin.stored.size, pin.stored.crc32) if pin.stored else (None, None)
        rows.append({
            "upload_id": pin.upload_id, "sha256": pin.sha256, "book_id": pin.book_id, "incarnation": pin.incarnation,
            "subject": pin.subject, "size": size, "crc32": crc32, "expires": pin.expires,
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
        for upload_id, sha256, book, number, subject, size, crc32, expires in await connection.execute(query):
            stored = None if size is None else Stored(size, crc32)
            pins.append(Pin(upload_id, Digest(sha256), book, number, subject, stored, expires))
    return pins


async def drop_upload(connection: AsyncConnection, upload_id: str) -> None:
    """Forget all pins of one upload."""
    await connection.execute(delete(uploads).where(uploads.c.upload_id == upload_id))


async def drop_pins(
    connection: AsyncConnection, book_id: str, incarnation: int, subject: str, digests: Collection[Digest]
) -> None:
    """Forget one subject's pins of digests that a commit names now."""
    for some in _in_parts(digests):
        await connection.execute(
            delete(uploads).where(
                uploads.c.book_id == book_id, uploads.c.incarnation == incarnation,
                uploads.c.subject == subject, uploads.c.sha256.in_(some),
            )
        )  # fmt: skip
