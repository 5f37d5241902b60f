"""One trip to the driver's thread a statement, and everything a cursor owes its reader all the same."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.errors import Unavailable
from panaversity_fs.store.database import Database
from panaversity_fs.store.one_hop import OneHopConnection, connect

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    async with database.write("test") as connection:
        await connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"))
    yield database
    await database.close()


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    real = OneHopConnection._execute

    async def counted(self: Any, call: Any, *arguments: Any) -> Any:
        made.append(call)
        return await real(self, call, *arguments)

    monkeypatch.setattr(OneHopConnection, "_execute", counted)
    return made


async def add(connection: AsyncConnection, *names: str) -> int:
    rows = [{"name": name} for name in names]
    return (await connection.execute(text("INSERT INTO t (name) VALUES (:name)"), rows)).rowcount


async def run(door: Any, *statements: str) -> None:
    async with door("test") as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def test_a_transaction_of_two_statements_makes_four_trips(database: Database, trips: list[Any]) -> None:
    async with database.write("test") as connection:
        await add(connection, "one", "two")
        rows = (await connection.execute(text("SELECT name FROM t ORDER BY id"))).all()
    assert [row.name for row in rows] == ["one", "two"]
    assert len(trips) == 4, "begin, insert, select, commit"


async def test_rows_counts_and_names_of_columns_come_along(database: Database) -> None:
    async with database.write("test") as connection:
        assert await add(connection, *map(str, range(1000))) == 1000
        changed = await connection.execute(text("UPDATE t SET name = 'x' WHERE id <= 10"))
        assert changed.rowcount == 10
        found = await connection.execute(text("SELECT id, name FROM t WHERE name = 'x'"))
        assert list(found.keys()) == ["id", "name"]
        assert len(found.all()) == 10
        assert (await connection.execute(text("SELECT 1 FROM t WHERE id < 0"))).all() == []


async def test_a_refused_statement_raises_and_the_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(Unavailable, match="refused") as caught:
        await run(database.write, "INSERT INTO t (name) VALUES ('stays?')", "INSERT INTO t (name) VALUES (NULL)")
    assert isinstance(caught.value.__cause__, IntegrityError)
    async with database.write("test") as connection:
        assert (await connection.execute(text("SELECT count(*) FROM t"))).scalar_one() == 0


async def test_no_transaction_stays_open_after_a_block_that_failed(database: Database) -> None:
    """Connections are not reset when they go back: whoever began must have ended (F26)."""
    for door in (database.write, database.read):
        with pytest.raises(Unavailable):
            await run(door, "SELECT 1", "no statement")
        async with door("test") as connection:
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            assert isinstance(driver, OneHopConnection)
            assert driver.in_transaction, "this block's own"
        assert not driver.in_transaction


async def test_its_thread_does_not_keep_a_process_alive(tmp_path: Path) -> None:
    connection = connect(str(tmp_path / "y.db"))
    assert connection._thread.daemon
    await connection
    with pytest.raises(sqlite3.OperationalError):
        await connection.cursor().execute("no statement")
    await connection.close()
