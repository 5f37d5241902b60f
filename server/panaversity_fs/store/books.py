"""Rows of ``books``: which books there are, and the one row whose lock serialises a book's changes (D5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.merkle import Edge
from panaversity_fs.core.schema import Schema
from panaversity_fs.store.locks import lock_book
from panaversity_fs.store.tables import books
from panaversity_fs.store.upsert import upsert, values_of


@dataclass(frozen=True, slots=True)
class BookRow:
    """One book's present state. ``state`` is "live" or "deleted" (a tombstone that keeps its incarnation).

    ``chain_seq``, ``chain_head`` and ``chain_edge`` are the audit log's length, last entry hash and right edge.
    """

    book_id: str
    incarnation: int
    state: str
    schema: Schema
    numbering: Numbering | None
    revision: int
    base_revision: int
    ingest_manifest: Digest | None
    chain_seq: int
    chain_head: Digest
    created_at: datetime
    changed_at: datetime
    chain_edge: Edge = ()


def _row(values: Sequence[object]) -> BookRow:
    fields = dict(zip(books.c.keys(), values, strict=True))
    fields["schema"] = Schema(str(fields["schema"]))
    fields["numbering"] = Numbering(str(fields["numbering"])) if fields["numbering"] else None
    fields["chain_edge"] = tuple(map(Digest, str(fields["chain_edge"]).split()))
    return BookRow(**fields)  # type: ignore[arg-type]


async def find_book(connection: AsyncConnection, book_id: str, lock: bool = False) -> BookRow | None:
    """The book's row, or None. ``lock`` holds the book, row or not, until the transaction ends (SQLite locks everything
    anyway)."""
    if lock:
        await lock_book(connection, book_id)
    query = select(books).where(books.c.book_id == book_id)
    found = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if found is None else _row(found)


async def all_books(connection: AsyncConnection) -> list[BookRow]:
    """Every book, tombstones included, by id."""
    found = await connection.execute(select(books))
    return sorted((_row(values) for values in found), key=lambda book: book.book_id)


async def save_book(connection: AsyncConnection, book: BookRow) -> None:
    """Insert the book or bring its row to these values."""
    await upsert(connection, books, [values_of(book) | {"chain_edge": " ".join(book.chain_edge)}])
