"""PostgreSQL behind the two doors: ``read`` is one REPEATABLE READ snapshot, ``write`` a READ COMMITTED transaction
that holds its book's advisory lock before it looks at anything.

A transaction is begun, with its limits and its lock, by one message, and ended by one of ours, so it is known whether
COMMIT was sent when a connection is lost. Everything is of the transaction (SET LOCAL, transaction advisory locks), so
a transaction pooler may stand in between. Knows engines and the life of a connection; what PostgreSQL's errors mean is
``postgres_faults``; does not know what is stored.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
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
"""After that nobody begins again to wait for a connection or for a book: all waits of one transaction have one end, and
the last of them takes at most ``LOCK_MS`` more."""
CONNECT_SECONDS = 10.0
LOCK_MS, STATEMENT_MS, IDLE_MS = 10_000, 60_000, 20_000
"""Limits of a transaction. It is idle less than a book is waited for: who lost a connection can learn the outcome."""
_ANSWER_SECONDS = STATEMENT_MS / 1000 + 30
"""After that the other side is taken for gone."""
_SLACK_SECONDS = 5.0
"""What the way there and back is given beside what the other side may take."""

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_TIMEOUTS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")


class PostgresDoors:
    """One database for one process; any number of processes may share it."""

    def __init__(self, url: str) -> None:
        try:
            target = target_of(url)
        except ValueError as problem:
            raise ConfigInvalid(
                "start", "DATABASE_URL", str(problem), "Correct it", key="DATABASE_URL", reason=str(problem)
            ) from None
        self._target = target
        self._engine = _engine(target, CONNECTIONS, _ANSWER_SECONDS)
        self._turns = Turns(CONNECTIONS, WRITERS)

    @asynccontextmanager
    async def write(self, operation: str, book_id: str | None) -> AsyncIterator[AsyncConnection]:
        """One transaction, alone with its book; nothing of it is done unless the block ends well.

        Raises ``Undecided`` where the answer to COMMIT was lost.
        """
        begin = _begin(_WRITE, None if book_id is None else book_key(book_id))
        until = anyio.current_time() + WAIT_SECONDS
        async with (
            self._turns.writing(operation, book_id, until),
            _begun(lambda: _Transaction(self._engine, operation), begin, until) as connection,
        ):
            if book_id is not None:
                connection.locked.add(book_id)
            yield connection
            await uncut(connection.make_it_so())

    @asynccontextmanager
    async def read(self, operation: str) -> AsyncIterator[AsyncConnection]:
        """One snapshot; never waits for a writer. Who loses the connection at its end has read all there is to read."""
        begin, until = _begin(_READ, None), anyio.current_time() + WAIT_SECONDS
        async with (
            self._turns.reading(operation, until),
            _begun(lambda: _Reading(self._engine, operation), begin, until) as connection,
        ):
            yield connection

    @asynccontextmanager
    async def rewrite(self, operation: str, lock: int) -> AsyncIterator[AsyncConnection]:
        """A write on a connection of its own that may take, and wait for this lock, as long as it needs."""
        engine, begin = _engine(self._target, 1, None), _begin(_WRITE, lock, limited=False)
        try:
            until = anyio.current_time() + WAIT_SECONDS
            async with _begun(lambda: _Unhurried(engine, operation), begin, until) as connection:
                yield connection
                await uncut(connection.make_it_so())
        finally:
            await engine.dispose()

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()

    def fault(self, fault: SQLAlchemyError, operation: str) -> PanaversityError:
        """The typed error for what PostgreSQL said."""
        return faults.typed(fault, operation)


class _Transaction(Steady):
    """One transaction on one connection of the pool."""

    ending = "ROLLBACK"
    """What ends it where nobody committed."""

    def __init__(self, engine: AsyncEngine, operation: str) -> None:
        super().__init__(engine)
        self.locked: set[str] = set()
        """The books whose locks it holds."""
        self.operation = operation
        self._silent = False
        """True when an answer did not come in time: it could still come, and be taken for another's."""

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        with self._typed():
            return await super().execute(*arguments, **options)

    async def run_sync(self, *arguments: Any, **options: Any) -> Any:
        with self._typed():
            return await super().run_sync(*arguments, **options)

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """The driver's own words for a connection that is gone become ours."""
        try:
            yield
        except (OSError, TimeoutError) as fault:
            self._silent = isinstance(fault, TimeoutError)
            raise faults.typed(fault, self.operation) from fault

    async def begin_with(self, begin: str) -> None:
        """Take a connection and begin."""
        await self.start()
        try:
            await self._driver.execute(begin, timeout=LOCK_MS / 1000 + _SLACK_SECONDS)
        except TimeoutError:
            self._silent = True
            raise

    async def make_it_so(self) -> None:
        """Commit. Raises ``Undecided`` when nobody can say whether it happened."""
        try:
            answer = await self._driver.execute("COMMIT")
        except Exception as fault:
            self._silent = isinstance(fault, TimeoutError)
            raise faults.of_commit(fault, self.operation) from fault
        if answer != "COMMIT":  # an error in it was swallowed on the way: PostgreSQL rolls back and says so
            problem = "had given the transaction up"
            raise NothingDone(self.operation, "database", problem, "Try again", backend="sql")

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
        if self._silent:
            return False
        driver = self._driver
        try:
            if not driver.is_closed() and driver.is_in_transaction():
                await driver.execute(self.ending, timeout=_SLACK_SECONDS)
        except faults.driver_errors():
            return False
        return not driver.is_closed()

    @property
    def _driver(self) -> Any:
        """asyncpg's connection."""
        assert self.sync_connection is not None
        return self.sync_connection.connection.driver_connection


class _Reading(_Transaction):
    """A transaction that changes nothing, so that it cannot fail at its end."""

    ending = "COMMIT"  # the server counts what was rolled back, and people watch that figure


class _Unhurried(_Transaction):
    """A transaction without limits on either side."""

    async def begin_with(self, begin: str) -> None:
        await self.start()
        await self._driver.execute(begin)


@asynccontextmanager
async def _begun(make: Callable[[], _Transaction], begin: str, until: float) -> AsyncIterator[_Transaction]:
    """A transaction that has begun, given back afterwards."""
    connection = await _begin_one(make, begin, until)
    try:
        yield connection
    finally:
        await uncut(connection.give_back())


async def _begin_one(make: Callable[[], _Transaction], begin: str, until: float) -> _Transaction:
    """Begin. Connections that died in the pool are replaced, and a book that is held too long is waited for again until
    then; nothing was read yet, so that nobody notices."""
    for attempt in count(1):
        connection = make()
        try:
            await uncut(connection.begin_with(begin))
        except faults.driver_errors() as fault:
            await uncut(connection.give_back())
            if not faults.passes(fault) or anyio.current_time() > until or attempt > 2 * CONNECTIONS:
                raise faults.typed(fault, connection.operation) from fault
            await anyio.sleep(0 if faults.is_lost(fault) else pause_after(attempt))
        except BaseException:
            await uncut(connection.give_back())
            raise
        else:
            break
    return connection


def _begin(begin: str, lock: int | None, *, limited: bool = True) -> str:
    """The message that begins: with the limits of the transaction, which end with it, and its lock.

    Statements of one message each have a snapshot of their own: what is read later was committed before the lock came.
    """
    limits = (LOCK_MS, STATEMENT_MS, IDLE_MS) if limited else (0, 0, 0)
    parts = [begin, *(f"SET LOCAL {name} = {value}" for name, value in zip(_TIMEOUTS, limits, strict=True))]
    if lock is not None:
        parts.append(f"SELECT pg_advisory_xact_lock({lock})")
    return "; ".join(parts)


def _engine(target: Target, connections: int, answer: float | None) -> AsyncEngine:
    """Connections that begin and end transactions only when they are told to; ``answer`` is in seconds.

    Nothing is reset when one goes back: ``_Transaction`` ends what it began, on every way out.
    """
    pooled = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""} if target.pooled else {}
    engine = create_async_engine(
        POSTGRES, pool_size=connections, max_overflow=0, pool_timeout=WAIT_SECONDS, pool_reset_on_return=None,
        connect_args={"async_creator_fn": _creator(target, answer), **pooled},
    )  # fmt: skip

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.set_isolation_level("autocommit")

    return engine


def _creator(target: Target, answer: float | None) -> Any:
    """What SQLAlchemy awaits for a new connection."""
    driver = _asyncpg()

    async def create(*_arguments: Any, **_options: Any) -> Any:
        try:
            return await driver.connect(
                host=target.host, port=target.port, user=target.user, password=target.password,
                database=target.database, ssl=target.ssl, timeout=CONNECT_SECONDS, command_timeout=answer,
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
