"""SQLite behind the two doors. Facts it stands on: the driver's own transactions lose updates without any error, so
every write begins with BEGIN IMMEDIATE; all pragmas but the journal mode belong to a connection; WAL needs
``synchronous=FULL`` or a power cut takes acknowledged commits (RELIABILITY 6).

Knows engines, pragmas and what SQLite says of trouble; does not know what is stored, nor of other engines.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from panaversity_fs.core.errors import PanaversityError, StorageFull, Unavailable
from panaversity_fs.store.one_hop import connect
from panaversity_fs.store.steady import Steady
from panaversity_fs.store.uncut import uncut

BUSY_TIMEOUT_MS = 10_000
_SWITCH_MS = 20


class SqliteDoors:
    """One file: one writer at a time, eight readers beside it."""

    def __init__(self, url: str) -> None:
        self._write_engine = _engine(url, 1)
        self._read_engine = _engine(url, 8)
        _prepare(self._write_engine, "BEGIN IMMEDIATE")
        _prepare(self._read_engine, "BEGIN")
        # One queue for writers: SQLite's own waiting polls, and a poller can starve.
        self._queue = anyio.Lock()

    @asynccontextmanager
    async def write(self, _operation: str, _book_id: str | None) -> AsyncIterator[AsyncConnection]:
        """The one write lock of the file, and one transaction."""
        async with self._queue, _transaction(self._write_engine) as connection:
            yield connection

    @asynccontextmanager
    async def read(self, _operation: str) -> AsyncIterator[AsyncConnection]:
        """One snapshot; never waits for a writer."""
        async with _transaction(self._read_engine) as connection:
            yield connection

    def rewrite(self, operation: str, _lock: int) -> AbstractAsyncContextManager[AsyncConnection]:
        """As any write: there are no limits of time here, and one writer."""
        return self.write(operation, None)

    async def close(self) -> None:
        """Give all connections back."""
        await self._write_engine.dispose()
        await self._read_engine.dispose()

    def fault(self, fault: SQLAlchemyError, operation: str) -> PanaversityError:
        """The typed error for what SQLite said."""
        return database_fault(fault, operation)


def database_fault(fault: SQLAlchemyError, operation: str) -> PanaversityError:
    """The typed error for what the database said. Statements and parameters stay out of it."""
    said = str(fault.orig) if isinstance(fault, DBAPIError) else type(fault).__name__
    if "disk is full" in said or "disk full" in said:
        return StorageFull(operation, "database", "has no space left", "Free some space, then repeat", backend="sql")
    if isinstance(fault, OperationalError):
        return Unavailable(operation, "database", f"cannot be used now ({said})", "Try again", backend="sql")
    return Unavailable(operation, "database", f"refused ({said})", "Look at the server's log", backend="sql")


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction, committed when the block ends well; closing rolls back whatever is not committed."""
    connection = Steady(engine)
    try:
        await uncut(connection.begun())
        yield connection
        await uncut(connection.commit())
    except OperationalError as fault:
        # SQLite opens a file it cannot open for writing just now read-only, silently and for the connection's life.
        if "readonly database" in str(fault.orig) and connection.sync_connection is not None:
            await uncut(connection.invalidate())
        raise
    finally:
        if connection.sync_connection is not None:
            await uncut(connection.close())


def _engine(url: str, connections: int) -> AsyncEngine:
    """Nothing is reset when a connection goes back: ``_transaction`` ends what it began, on every way out."""
    return create_async_engine(
        url, pool_size=connections, max_overflow=0, pool_timeout=30, pool_reset_on_return=None,
        connect_args={"async_creator_fn": connect},
    )  # fmt: skip


def _prepare(engine: AsyncEngine, begin: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        try:
            _set_up(connection)
        except BaseException:
            connection.close()  # nobody else knows it yet: its thread would wait for ever
            raise

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)


def _set_up(connection: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    _switch_to_wal(connection, cursor)
    cursor.close()


def _switch_to_wal(connection: Any, cursor: Any) -> None:
    """Only the first connection ever has work here; SQLite does not wait for another that is switching too (F28)."""
    for left in reversed(range(BUSY_TIMEOUT_MS // _SWITCH_MS)):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as fault:
            if not left or "locked" not in str(fault):
                raise
            connection.run_async(lambda _: anyio.sleep(_SWITCH_MS / 1000))
        else:
            return
