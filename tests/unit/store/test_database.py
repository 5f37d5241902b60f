"""The two doors: no update is lost, no acknowledged commit rides on a lazy disk, every error has our type."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from panaversity_fs.core.errors import ConfigInvalid, StorageFull, Unavailable
from panaversity_fs.library import open_library
from panaversity_fs.store.database import Database
from panaversity_fs.store.migrate import migrate
from panaversity_fs.store.sqlite import database_fault

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A database whose every connection's thread ends (F26): one that was forgotten holds its lock for ever."""
    yield f"sqlite+aiosqlite:///{tmp_path / 'store.db'}"
    deadline = time.monotonic() + 5
    while any("_connection_worker" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a connection was never closed"
        time.sleep(0.01)


async def pragma(database: Database, name: str, door: str) -> object:
    async with getattr(database, door)("test") as connection:
        return (await connection.execute(text(f"PRAGMA {name}"))).scalar()


@pytest.mark.parametrize("door", ["read", "write"])
async def test_planted_bug_3_every_connection_is_durable_patient_and_checks_references(
    database: Database, door: str
) -> None:
    assert await pragma(database, "journal_mode", door) == "wal"
    assert await pragma(database, "synchronous", door) == 2, "FULL: a power cut takes no acknowledged commit"
    assert await pragma(database, "foreign_keys", door) == 1
    assert await pragma(database, "busy_timeout", door) == 10_000


async def test_all_eight_reading_connections_have_the_pragmas(database: Database) -> None:
    found = []

    async def one(opened: asyncio.Barrier) -> None:
        async with database.read("test") as connection:
            await opened.wait()  # all at once, so eight different connections
            found.append((await connection.execute(text("PRAGMA synchronous"))).scalar())

    barrier = asyncio.Barrier(8)
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(one, barrier)
    assert found == [2] * 8


async def count_up(database: Database, times: int) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(times):
            tasks.start_soon(_count_once, database)


async def _count_once(database: Database) -> None:
    async with database.write("test") as connection:
        value = (await connection.execute(text("SELECT value FROM store_facts WHERE name = 'count'"))).scalar_one()
        await asyncio.sleep(0)
        await connection.execute(text("UPDATE store_facts SET value = :v WHERE name = 'count'"), {"v": int(value) + 1})


async def start_counting(database: Database) -> None:
    async with database.write("test") as connection:
        await connection.execute(text("INSERT INTO store_facts VALUES ('count', '0')"))


async def counted(database: Database) -> int:
    async with database.read("test") as connection:
        return int((await connection.execute(text("SELECT value FROM store_facts WHERE name = 'count'"))).scalar_one())


async def test_FR_030_F25_fifty_concurrent_read_modify_writes_lose_nothing(database: Database) -> None:
    await start_counting(database)
    await count_up(database, 50)
    assert await counted(database) == 50


async def test_F25_writers_of_two_servers_over_one_file_lose_nothing(database: Database, url: str) -> None:
    await start_counting(database)
    other = Database(url)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_up, database, 25)
        tasks.start_soon(count_up, other, 25)
    assert await counted(database) == 50
    await other.close()


async def test_a_write_takes_its_lock_before_it_reads(database: Database, tmp_path: Path) -> None:
    async with database.write("test"):
        other = sqlite3.connect(tmp_path / "store.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


async def test_a_read_is_one_snapshot_and_waits_for_nobody(database: Database) -> None:
    await start_counting(database)
    async with database.read("test") as before:
        query = text("SELECT value FROM store_facts WHERE name = 'count'")
        assert (await before.execute(query)).scalar_one() == "0"
        await count_up(database, 3)
        assert (await before.execute(query)).scalar_one() == "0"
    assert await counted(database) == 3


async def test_a_write_that_fails_changes_nothing_and_gives_the_lock_back(database: Database) -> None:
    await start_counting(database)

    async def fail() -> None:
        async with database.write("test") as connection:
            await connection.execute(text("UPDATE store_facts SET value = '99' WHERE name = 'count'"))
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await fail()
    assert await counted(database) == 0
    await count_up(database, 1)
    assert await counted(database) == 1


@pytest.mark.parametrize("how", ["Task.cancel", "cancel scope"])
@pytest.mark.parametrize("warm", [True, False])
async def test_F26_writes_cancelled_at_any_moment_hold_no_lock(url: str, how: str, warm: bool) -> None:
    prepared = Database(url)
    await migrate(prepared)
    await start_counting(prepared)
    await prepared.close()
    for millis in range(0, 50):
        database = Database(url)
        if warm:
            await counted(database)
            await count_up(database, 1)
        if how == "Task.cancel":
            task = asyncio.create_task(_count_once(database))
            await asyncio.sleep(millis / 10_000)
            task.cancel()
            await asyncio.wait([task])
        else:
            with anyio.move_on_after(millis / 10_000):
                await _count_once(database)
        before = await counted(database)
        with anyio.fail_after(5):
            await count_up(database, 1)
        assert await counted(database) == before + 1
        await database.close()


async def test_F27_reads_beyond_the_pool_wait_their_turn(database: Database) -> None:
    done = 0

    async def one() -> None:
        nonlocal done
        async with database.read("test") as connection:
            await connection.execute(text("SELECT 1"))
            await asyncio.sleep(0.001)
            done += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(one)
    assert done == 100


def fault_of(kind: type[DBAPIError], words: str) -> Exception:
    return database_fault(kind("SELECT secret", {"token": "secret"}, sqlite3.Error(words)), "commit")


def test_F12_a_full_disk_is_storage_full() -> None:
    fault = fault_of(OperationalError, "database or disk is full")
    assert isinstance(fault, StorageFull)
    assert str(fault) == "commit: database: has no space left. Free some space, then repeat."


@pytest.mark.parametrize("kind", [OperationalError, IntegrityError])
def test_statements_and_parameters_stay_out_of_errors(kind: type[DBAPIError]) -> None:
    fault = fault_of(kind, "database is locked")
    assert isinstance(fault, Unavailable)
    assert "secret" not in str(fault)
    assert fault.retryable


@pytest.mark.parametrize("damage", ["header", "all of it", "a folder"])
async def test_F16_a_damaged_database_is_refused_and_not_replaced(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "store.db"
    url = f"sqlite+aiosqlite:///{path}"
    if damage == "a folder":
        path.mkdir()
    else:
        async with open_library(url, str(tmp_path / "blobs")):
            pass
        data = path.read_bytes()
        path.write_bytes(b"\xff" * (100 if damage == "header" else len(data)) + data[100:])
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(Unavailable if damage == "a folder" else ConfigInvalid, match="database"):
        async with open_library(url, str(tmp_path / "blobs")):
            pytest.fail("opened a damaged database")
    await asyncio.sleep(0.05)  # the driver's thread ends a moment after its error
    assert path.is_dir() or path.read_bytes() == before


async def test_a_database_in_a_folder_that_is_missing_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open"):
        async with open_library(f"sqlite+aiosqlite:///{tmp_path / 'no' / 'store.db'}", str(tmp_path)):
            pytest.fail("opened")
    await asyncio.sleep(0.05)
