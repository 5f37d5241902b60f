"""The database as two doors, ``read`` (a snapshot) and ``write`` (the lock, then one transaction), and ``rewrite`` for
migrations.

Knows which engine a URL names and that every error leaves as one of ours; does not know engines from within
(``sqlite``, ``postgres``), nor what is stored.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.errors import InvalidArgument, PanaversityError
from panaversity_fs.database_url import POSTGRES, SQLITE, is_postgres
from panaversity_fs.store.locks import store_key

Connection = AsyncConnection
"""A running transaction, as use cases hand it from row module to row module."""


class Doors(Protocol):
    """One engine."""

    def write(self, operation: str, book_id: str | None) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that nobody else changing this book, or the store when None, is beside."""

    def read(self, operation: str) -> AbstractAsyncContextManager[AsyncConnection]:
        """A snapshot."""

    def rewrite(self, operation: str, lock: int) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction without limits of time that nobody else who names this lock is beside."""

    def fault(self, fault: SQLAlchemyError, operation: str) -> PanaversityError:
        """The typed error for an error of the engine. Statements and parameters stay out of it."""

    async def close(self) -> None:
        """Give all connections back."""


def doors_of(url: str) -> Doors:
    """The engine a URL names, which is imported only now. Raises ``InvalidArgument`` for none, ``ConfigInvalid``."""
    if is_postgres(url):
        from panaversity_fs.store.postgres import PostgresDoors

        return PostgresDoors(url)
    if not url.startswith(SQLITE):
        hint = f"Begin it with {SQLITE} or {POSTGRES}"
        raise InvalidArgument("start", "DATABASE_URL", "names a database this version cannot use", hint)
    from panaversity_fs.store.sqlite import SqliteDoors

    return SqliteDoors(url)


class Database:
    """One database for one process. Close it inside the event loop that used it."""

    def __init__(self, url: str) -> None:
        self._doors = doors_of(url)

    @asynccontextmanager
    async def write(self, operation: str, book_id: str | None = None) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed when the block ends well, rolled back otherwise. Whoever changes a book names it:
        nobody else changes that book meanwhile, born or not. (SQLite lets one writer in at a time in any case.)"""
        with _typed_errors(self._doors, operation):
            async with self._doors.write(operation, book_id) as connection:
                yield connection

    @asynccontextmanager
    async def read(self, operation: str) -> AsyncIterator[AsyncConnection]:
        """One snapshot; never waits for a writer."""
        with _typed_errors(self._doors, operation):
            async with self._doors.read(operation) as connection:
                yield connection

    @asynccontextmanager
    async def rewrite(self, operation: str, what: str) -> AsyncIterator[AsyncConnection]:
        """One transaction that may take, and wait for its turn, as long as it needs: for what rewrites tables. ``what``
        is the lock of the store under which nobody else does this."""
        with _typed_errors(self._doors, operation):
            async with self._doors.rewrite(operation, store_key(what)) as connection:
                yield connection

    async def close(self) -> None:
        """Give all connections back."""
        await self._doors.close()


class _typed_errors:  # noqa: N801 - a context manager reads as a verb
    """Translate the database's errors at the port; our own pass untouched."""

    def __init__(self, doors: Doors, operation: str) -> None:
        self._doors, self._operation = doors, operation

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, SQLAlchemyError):
            raise self._doors.fault(fault, self._operation) from fault
