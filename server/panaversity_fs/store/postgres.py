"""PostgreSQL behind the two doors: ``read`` is one REPEATABLE READ snapshot, ``write`` a READ COMMITTED transaction
that holds its book's advisory lock before it looks at anything.

A transaction is begun, with its limits and its lock, by one message, and ended by one of ours, so it is known whether
COMMIT was sent when a connection is lost. Everything is of the transaction (SET LOCAL, transaction advisory locks), so
a transaction pooler may stand in between. Knows engines and the life of a connection; what PostgreSQL's errors mean is
``postgres_faults``; does not know what is stored.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import anyio
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from panaversity_fs.core.errors import ConfigInvalid, PanaversityError
from panaversity_fs.database_url import POSTGRES, Target, target_of
from panaversity_fs.store import postgres_faults as faults
from panaversity_fs.store.locks import book_key
from panaversity_fs.store.outcomes import NothingDone, pause_after
from panaversity_fs.store.steady import Steady
from panaversity_fs.store.turns import Turns
from panaversity_fs.store.uncut import uncut

CONNECTIONS = 20
WRITERS = 14
"""Of the connections, those that writers may hold at once: reads never wait for writers (invariant 5)."""
WAIT_SECONDS = 30.0
"""How long anybody waits for a connection or for a book, all in all."""
CONNECT_SECONDS = 10.0
LOCK_MS, STATEMENT_MS, IDLE_MS = 10_000, 60_000, 20_000
"""Limits of a transaction. It is idle less than a book is waited for: who lost a connection can learn the outcome."""
_ANSWER_SECONDS = STATEMENT_MS / 1000 + 30
"""After that the other side is taken for gone."""

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"


class PostgresDoors:
    """One database for one process; any number of processes may share it."""

    def __init__(self, url: str) -> None:
        try:
            target = target_of(url)
        except ValueError as problem:
            raise ConfigInvalid(
                "start", "DATABASE_URL", str(problem), "Correct it", key="DATABASE_URL", reason=str(problem)
            ) from None
        self._engine = _engine(target)
        self._turns = Turns(CONNECTIONS, WRITERS, WAIT_SECONDS)

    @asynccontextmanager
    async def write(self, operation: str, book_id: str | None) -> AsyncIterator[AsyncConnection]:
        """One transaction, alone with its book; nothing of it is done unless the block ends well.

        Raises ``Undecided`` where the answer to COMMIT was lost.
        """
        lock = None if book_id is None else book_key(book_id)
        begin = _begin(_WRITE, lock)
        async with self._turns.writing(operation, book_id), self._transaction(operation, begin) as connection:
            if book_id is not None:
                connection.locked.add(book_id)
            yield connection

    @asynccontextmanager
    async def read(self, operation: str) -> AsyncIterator[AsyncConnection]:
        """One snapshot; never waits for a writer."""
        async with self._turns.reading(operation), self._transaction(operation, _begin(_READ, None)) as connection:
            yield connection

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()

    def fault(self, fault: SQLAlchemyError, operation: str) -> PanaversityError:
        """The typed error for what PostgreSQL said."""
        return faults.typed(fault, operation)

    @asynccontextmanager
    async def _transaction(self, operation: str, begin: str) -> AsyncIterator["_Transaction"]:
        connection = await self._begun(operation, begin)
        try:
            yield connection
            await uncut(connection.make_it_so())
        finally:
            await uncut(connection.give_back())

    async def _begun(self, operation: str, begin: str) -> "_Transaction":
        """A transaction that has begun. Connections that died in the pool are replaced, and a book that is held too
        long is waited for again; nothing was read yet, so that nobody notices."""
        deadline = anyio.current_time() + WAIT_SECONDS
        for attempt in count(1):
            connection = _Transaction(self._engine, operation)
            try:
                await uncut(connection.begin_with(begin))
            except faults.driver_errors() as fault:
                await uncut(connection.give_back())
                if not faults.passes(fault) or anyio.current_time() > deadline or attempt > 2 * CONNECTIONS:
                    raise faults.typed(fault, operation) from fault
                await anyio.sleep(0 if faults.is_lost(fault) else pause_after(attempt))
            except BaseException:
                await uncut(connection.give_back())
                raise
            else:
                break
        return connection


class _Transaction(Steady):
    """One transaction on one connection of the pool."""

    def __init__(self, engine: AsyncEngine, operation: str) -> None:
        super().__init__(engine)
        self.locked: set[str] = set()
        """The books whose locks it holds."""
        self._operation = operation

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        try:
            return await super().execute(*arguments, **options)
        except (OSError, TimeoutError) as fault:  # the driver's own words for a connection that is gone
            raise faults.typed(fault, self._operation) from fault

    async def begin_with(self, begin: str) -> None:
        """Take a connection and begin."""
        await self.start()
        await self._driver.execute(begin)

    async def make_it_so(self) -> None:
        """Commit. Raises ``Undecided`` when nobody can say whether it happened."""
        try:
            answer = await self._driver.execute("COMMIT")
        except Exception as fault:
            raise faults.of_commit(fault, self._operation) from fault
        if answer != "COMMIT":  # an error in it was swallowed on the way: PostgreSQL rolls back and says so
            problem = "had given the transaction up"
            raise NothingDone(self._operation, "database", problem, "Try again", backend="sql")

    async def give_back(self) -> None:
        """Let nothing be that was not committed. Back to the pool, or away when it is of no use any more."""
        if self.sync_connection is None:
            return
        try:
            if not self.invalidated and not await self._is_clean():
                await self.invalidate()
        finally:
            await self.close()

    async def _is_clean(self) -> bool:
        driver = self._driver
        try:
            if not driver.is_closed() and driver.is_in_transaction():
                await driver.execute("ROLLBACK")
        except faults.driver_errors():
            return False
        return not driver.is_closed()

    @property
    def _driver(self) -> Any:
        """asyncpg's connection."""
        assert self.sync_connection is not None
        return self.sync_connection.connection.driver_connection


def _begin(begin: str, lock: int | None) -> str:
    """The message that begins: with the limits of the transaction, which end with it, and its lock.

    Statements of one message each have a snapshot of their own: what is read later was committed before the lock came.
    """
    limits = {"lock": LOCK_MS, "statement": STATEMENT_MS, "idle_in_transaction_session": IDLE_MS}
    parts = [begin, *(f"SET LOCAL {name}_timeout = {value}" for name, value in limits.items())]
    if lock is not None:
        parts.append(f"SELECT pg_advisory_xact_lock({lock})")
    return "; ".join(parts)


def _engine(target: Target) -> AsyncEngine:
    """Connections that begin and end transactions only when they are told to.

    Nothing is reset when one goes back: ``_Transaction`` ends what it began, on every way out.
    """
    pooled = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""} if target.pooled else {}
    engine = create_async_engine(
        POSTGRES, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=WAIT_SECONDS, pool_reset_on_return=None,
        connect_args={"async_creator_fn": _creator(target), **pooled},
    )  # fmt: skip

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.set_isolation_level("autocommit")

    return engine


def _creator(target: Target) -> Any:
    """What SQLAlchemy awaits for a new connection."""
    driver = _asyncpg()

    async def create(*_arguments: Any, **_options: Any) -> Any:
        try:
            return await driver.connect(
                host=target.host, port=target.port, user=target.user, password=target.password,
                database=target.database, ssl=target.ssl, timeout=CONNECT_SECONDS, command_timeout=_ANSWER_SECONDS,
                statement_cache_size=0 if target.pooled else 100,
                server_settings={"application_name": target.application_name},
            )  # fmt: skip
        except Exception as fault:
            raise faults.of_connecting(fault, target) from fault

    return create


def _asyncpg() -> Any:
    try:
        import asyncpg  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigInvalid(
            "start", "DATABASE_URL", "names PostgreSQL, whose driver is not installed",
            "Install panaversity-fs[postgres]", key="DATABASE_URL", reason="asyncpg is not installed",
        ) from None  # fmt: skip
    return asyncpg
