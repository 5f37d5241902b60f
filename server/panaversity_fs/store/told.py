"""Rows of ``manifests`` (hashes somebody was told) and ``requests`` (answers kept for idempotency keys)."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.store.tables import manifests, requests
from panaversity_fs.store.upsert import upsert


@dataclass(frozen=True, slots=True)
class ToldRow:
    """A manifest that stays answerable for the retention, counted from ``last_told_at``.

    ``total_bytes`` is None for the manifest of a source tree, whose sizes the book need not know.
    """

    book_id: str
    incarnation: int
    manifest_hash: Digest
    revision: int
    file_count: int
    total_bytes: int | None
    created_at: datetime
    last_told_at: datetime

    @property
    def of_source(self) -> bool:
        """True for a text that came from a writer: it is answered, but names no bytes anybody may read (S14)."""
        return self.total_bytes is None


async def find_told(connection: AsyncConnection, book_id: str, incarnation: int, manifest: Digest) -> ToldRow | None:
    """The row of a manifest of this very book, or None when nobody was told it."""
    query = select(manifests).where(
        manifests.c.book_id == book_id, manifests.c.incarnation == incarnation, manifests.c.manifest_hash == manifest
    )
    found = (await connection.execute(query)).one_or_none()
    return None if found is None else ToldRow(*found)


async def save_told(connection: AsyncConnection, row: ToldRow) -> None:
    """Insert or renew."""
    await upsert(connection, manifests, [asdict(row)])


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Scope of an idempotency key: one caller's, in one life of one book."""

    book_id: str
    incarnation: int
    subject: str
    idempotency_key: str


async def find_request(connection: AsyncConnection, key: RequestKey) -> tuple[Digest, dict[str, Any]] | None:
    """(payload hash, answer) of a request that was carried out, or None."""
    columns = (requests.c.payload_hash, requests.c.answer)
    query = select(*columns).where(*(requests.c[name] == value for name, value in asdict(key).items()))
    return decode_request((await connection.execute(query)).one_or_none())


def decode_request(row: Any) -> tuple[Digest, dict[str, Any]] | None:
    """(payload hash, answer) out of a row of ``requests``, or None for none."""
    return None if row is None else (Digest(row.payload_hash), json.loads(row.answer))


async def save_request(
    connection: AsyncConnection, key: RequestKey, payload: Digest, answer: dict[str, Any], now: datetime
) -> None:
    """Keep the answer in the transaction that earned it (P6)."""
    row = asdict(key) | {"payload_hash": payload, "answer": json.dumps(answer), "created_at": now}
    await upsert(connection, requests, [row])
