"""Locks that end with the transaction that took them: of a book, whether it has a row yet or not, and of the store.

SQLite has one writer at a time, who needs none of them. Elsewhere two transactions that begin the life of one book have
no row to meet at, so a number made of the book's id is locked. Order: a book's lock first, then one of the store's, and
never two books: so nobody waits in a ring.
"""

from hashlib import sha256

from sqlalchemy import BigInteger, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

MIGRATING = "migrating"
BIRTHS = "births"
TIDYING = "tidying"


def book_key(book_id: str) -> int:
    """The number of a book's lock: 64 bits with a sign, as PostgreSQL wants it."""
    return _key(f"book {book_id}")


def store_key(what: str) -> int:
    """The number of a lock of the store as a whole."""
    return _key(what)


def _key(name: str) -> int:
    return int.from_bytes(sha256(f"panaversity_fs {name}".encode()).digest()[:8], signed=True)


async def lock_book(connection: AsyncConnection, book_id: str) -> None:
    """Wait until nobody else changes this book; nothing where the transaction began with this lock."""
    held: set[str] = getattr(connection, "locked", set())
    if connection.dialect.name == "postgresql" and book_id not in held:
        await _lock(connection, book_key(book_id))
        held.add(book_id)


async def lock_store(connection: AsyncConnection, what: str) -> None:
    """Wait until nobody else does this to the store as a whole."""
    if connection.dialect.name == "postgresql":
        await _lock(connection, store_key(what))


async def _lock(connection: AsyncConnection, key: int) -> None:
    await connection.execute(select(func.pg_advisory_xact_lock(literal(key, BigInteger))))
