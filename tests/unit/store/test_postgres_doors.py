"""PostgreSQL's two doors: no update is lost, nothing waits for ever, no connection is left dirty (F23–F27)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from panaversity_fs.core.audit import GENESIS
from panaversity_fs.core.errors import StorageFull, Unavailable
from panaversity_fs.core.schema import Schema
from panaversity_fs.store import postgres as doors
from panaversity_fs.store.books import BookRow, find_book, save_book
from panaversity_fs.store.database import Connection, Database
from panaversity_fs.store.journal import JournalRow, record
from panaversity_fs.store.outcomes import NothingDone, Undecided
from support import postgres
from support.postgres_proxy import cuttable

pytestmark = pytest.mark.anyio
CASES = ["Task.cancel", "cancel scope"]


@pytest.fixture
def url() -> str:
    return postgres.new_database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A database that nobody left anything running in."""
    opened = Database(url)
    yield opened
    assert await idle_in_transaction(opened) == 0
    await opened.close()


async def ask(database: Database, query: str) -> object:
    async with database.read("test") as connection:
        return (await connection.execute(text(query))).scalar()


async def idle_in_transaction(database: Database) -> object:
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    return await ask(database, f"{ours} AND state LIKE 'idle in transaction%'")


async def backend_of(connection: Connection) -> int:
    return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


def terminate(backend: int) -> None:
    postgres.admin().run(f"SELECT pg_terminate_backend({backend})")


async def count_up(database: Database, times: int, book: str | None = "a-book") -> None:
    async def once() -> None:
        async with database.write("test", book) as connection:
            query = text("SELECT value FROM store_facts WHERE name = 'count'")
            value = (await connection.execute(query)).scalar()
            await asyncio.sleep(0)
            await connection.execute(
                text("INSERT INTO store_facts VALUES ('count', :v) ON CONFLICT (name) DO UPDATE SET value = :v"),
                {"v": str(int(value or 0) + 1)},
            )

    async with anyio.create_task_group() as tasks:
        for _ in range(times):
            tasks.start_soon(once)


async def set_to_99(database: Database, then: Callable[[Connection], Awaitable[None]]) -> None:
    async with database.write("commit", "a-book") as connection:
        await connection.execute(text("INSERT INTO store_facts VALUES ('count', '99')"))
        await then(connection)


async def counted(database: Database) -> int:
    return int(str(await ask(database, "SELECT value FROM store_facts WHERE name = 'count'") or 0))


async def test_FR_030_F24_writers_of_two_servers_lose_nothing(database: Database, url: str) -> None:
    other = Database(url)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_up, database, 25)
        tasks.start_soon(count_up, other, 25)
    assert await counted(database) == 50
    await other.close()


def newborn(book_id: str) -> BookRow:
    now = datetime.now(UTC)
    return BookRow(book_id, 1, "live", Schema.STRICT, None, 0, 0, None, 0, GENESIS, now, now)


async def test_F24_a_book_that_is_born_twice_at_once_is_born_once(database: Database, url: str) -> None:
    other, born = Database(url), []

    async def bear(by: Database) -> None:
        async with by.write("test", "a-book") as connection:
            if await find_book(connection, "a-book", lock=True) is None:
                await asyncio.sleep(0.01)
                await save_book(connection, newborn("a-book"))
                born.append(by)

    async with anyio.create_task_group() as tasks:
        for by in [database, other] * 4:
            tasks.start_soon(bear, by)
    assert len(born) == 1
    await other.close()


async def test_a_book_that_was_not_named_at_the_door_is_locked_when_it_is_asked_for(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "LOCK_MS", 50)
    monkeypatch.setattr(doors, "WAIT_SECONDS", 0.1)
    other = Database(url)
    async with database.write("test") as connection:
        await find_book(connection, "a-book", lock=True)
        with pytest.raises(NothingDone, match="held by another transaction"):
            async with other.write("test", "a-book"):
                pytest.fail("two at once")
    async with other.write("test", "a-book"):
        pass
    await other.close()


async def test_a_read_is_one_snapshot_cannot_write_and_waits_for_nobody(database: Database) -> None:
    await count_up(database, 1)
    async with database.read("test") as before:
        query = text("SELECT value FROM store_facts WHERE name = 'count'")
        assert (await before.execute(query)).scalar_one() == "1"
        await count_up(database, 3)
        assert (await before.execute(query)).scalar_one() == "1"
    with pytest.raises(Unavailable, match="read-only transaction"):
        async with database.read("test") as connection:
            await connection.execute(text("DELETE FROM store_facts"))


async def test_every_transaction_has_its_limits_and_leaves_none_behind(database: Database) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    async with database.write("test") as connection:
        assert [await ask_in(connection, f"SHOW {name}") for name in names] == ["10s", "1min", "20s"]
        driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    assert [await driver.fetchval(f"SHOW {name}") for name in names] == ["0", "0", "0"]


async def ask_in(connection: Connection, query: str) -> object:
    return (await connection.execute(text(query))).scalar()


async def test_a_write_that_fails_changes_nothing(database: Database) -> None:
    async def fail(_connection: Connection) -> None:
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await set_to_99(database, fail)
    await count_up(database, 1)
    assert await counted(database) == 1


async def test_an_error_that_was_swallowed_on_the_way_is_no_success(database: Database) -> None:
    async def swallow(connection: Connection) -> None:
        with pytest.raises(DBAPIError, match="does_not_exist"):
            await connection.execute(text("SELECT does_not_exist"))

    with pytest.raises(NothingDone, match="given the transaction up"):
        await set_to_99(database, swallow)
    assert await counted(database) == 0


async def test_connections_that_died_in_the_pool_fail_nobody(database: Database, url: str) -> None:
    async def read(opened: asyncio.Barrier) -> None:
        async with database.read("test") as connection:
            await backend_of(connection)
            await opened.wait()

    barrier = asyncio.Barrier(8)
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(read, barrier)
    name = url.partition("?")[0].rpartition("/")[2]
    postgres.admin().run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    await count_up(database, 8)
    assert await counted(database) == 8


async def test_F23_a_backend_that_ends_before_commit_was_sent_did_nothing(database: Database) -> None:
    async def end(connection: Connection) -> None:
        terminate(await backend_of(connection))
        await connection.execute(text("SELECT 1"))

    with pytest.raises(NothingDone):
        await set_to_99(database, end)
    assert await counted(database) == 0


async def test_F23_a_backend_that_ends_while_it_commits_leaves_a_doubt_and_a_clean_pool(database: Database) -> None:
    async def end(connection: Connection) -> None:
        terminate(await backend_of(connection))

    with pytest.raises(Undecided, match="may have happened") as doubt:
        await set_to_99(database, end)
    assert doubt.value.code == "UNAVAILABLE"
    assert doubt.value.retryable
    await count_up(database, 1)


@pytest.mark.parametrize("how", CASES)
async def test_F26_writes_cancelled_at_any_moment_hold_no_lock(database: Database, how: str) -> None:
    for tenths in range(0, 60, 2):
        if how == "Task.cancel":
            task = asyncio.create_task(count_up(database, 1))
            await asyncio.sleep(tenths / 10_000)
            task.cancel()
            await asyncio.wait([task])
        else:
            with anyio.move_on_after(tenths / 10_000):
                await count_up(database, 1)
        before = await counted(database)
        with anyio.fail_after(5):
            await count_up(database, 1)
        assert await counted(database) == before + 1


async def test_F27_two_hundred_at_once_share_twenty_connections(database: Database) -> None:
    async def one(number: int) -> None:
        if number % 4:
            async with database.read("test") as connection:
                await connection.execute(text("SELECT 1"))
        else:
            await count_up(database, 1, f"book-{number}")

    async with anyio.create_task_group() as tasks:
        for number in range(1, 200):
            tasks.start_soon(one, number)
    used = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    assert int(str(await ask(database, used))) <= doors.CONNECTIONS == 20


async def test_sixteen_writers_of_one_book_hold_one_connection_while_they_wait(database: Database) -> None:
    async with anyio.create_task_group() as tasks, database.write("test", "a-book"):
        for _ in range(15):
            tasks.start_soon(count_up, database, 1)
        await asyncio.sleep(0.05)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
        assert await ask(database, waiting) == 2  # the writer's, and this question's
    assert await counted(database) == 15


async def test_a_statement_that_takes_too_long_is_ended(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "STATEMENT_MS", 30)
    with pytest.raises(Unavailable, match="took too long"):
        async with database.write("test") as connection:
            await connection.execute(text("SELECT pg_sleep(10)"))


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [
        ("40001", NothingDone, "used by another"), ("40P01", NothingDone, "used by another"),
        ("55P03", NothingDone, "held by another"), ("53100", StorageFull, "no space left"),
        ("53200", Unavailable, "is out of memory"),
    ],
)  # fmt: skip
async def test_F12_F24_what_postgresql_says_has_our_type(
    database: Database, state: str, kind: type[Unavailable], words: str
) -> None:
    async def fail(connection: Connection) -> None:
        body = f"BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{state}'; END"
        await connection.execute(text(f"DO $$ {body} $$"))

    with pytest.raises(kind, match=words) as fault:
        await set_to_99(database, fail)
    assert fault.value.message.startswith("commit: database: ")
    assert "secret" not in str(fault.value)


async def test_F24_a_second_row_of_one_key_is_no_race_and_is_not_tried_again(database: Database) -> None:
    async def twice(connection: Connection) -> None:
        await connection.execute(text("INSERT INTO store_facts VALUES ('count', 'secret')"))

    with pytest.raises(Unavailable, match="duplicate key") as fault:
        await set_to_99(database, twice)
    assert not isinstance(fault.value, NothingDone)
    assert "secret" not in str(fault.value)


async def test_F27_a_server_that_says_nothing_when_a_transaction_begins_is_left_for_another_connection(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "LOCK_MS", 20)
    monkeypatch.setattr(doors, "_SLACK_SECONDS", 0.2)
    async with cuttable(url) as (through, cutter):
        database = Database(through)
        await count_up(database, 1)
        cutter.silence()
        began = anyio.current_time()
        assert await counted(database) == 1
        await count_up(database, 1)
        assert anyio.current_time() - began < 10
        assert await counted(database) == 2
        await database.close()


async def test_F23_an_answer_that_does_not_come_is_a_lost_connection_also_where_tables_are_asked_about(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "_ANSWER_SECONDS", 0.05)
    impatient = Database(url)
    with pytest.raises(NothingDone, match="connection was lost"):
        async with impatient.read("test") as connection:
            await connection.run_sync(lambda plain: plain.execute(text("SELECT pg_sleep(1)")))
    await impatient.close()


async def test_F28_what_rewrites_tables_has_no_limit_of_time_on_either_side(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOCK_MS", "STATEMENT_MS", "IDLE_MS"):
        monkeypatch.setattr(doors, name, 30)
    monkeypatch.setattr(doors, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(doors, "WAIT_SECONDS", 0.1)
    first, second, order = Database(url), Database(url), []

    async def migrate(by: Database, name: str) -> None:
        async with by.rewrite("migrate", "test") as connection:
            order.append(name)
            await connection.execute(text("SELECT pg_sleep(0.15)"))
            await anyio.sleep(0.1)
            order.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(migrate, first, "first")
        await anyio.sleep(0.05)
        tasks.start_soon(migrate, second, "second")
    assert order in (["first", "first", "second", "second"], ["second", "second", "first", "first"])
    for one in (first, second):
        await one.close()


async def test_S21_values_stay_out_of_errors(database: Database) -> None:
    with pytest.raises(Unavailable) as fault:
        async with database.read("test") as connection:
            await connection.execute(text("SELECT :v + 1"), {"v": "secret"})
    assert "secret" not in str(fault.value)


async def test_a_path_of_a_thousand_bytes_in_any_script_fits_every_index(database: Database) -> None:
    """PostgreSQL bounds an index row to about 2,700 bytes; these do not compress."""
    import random

    chance = random.Random(1)
    path = "/".join("".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(39)) for _ in range(8))
    path = "content/" + path + "/" + "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(15))
    assert 970 <= len(path.encode()) <= 1000
    user = "".join(chance.choice("abcdefghij0123456789") for _ in range(128))
    now = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    row = JournalRow("b" * 63, path, user, "0" * 64, 1, 1, now, "me", "fs", path, deleted=False)  # type: ignore[arg-type]
    async with database.write("test", "b" * 63) as connection:
        await record(connection, [row])
        await record(connection, [replace(row, size=2)])
    query = "SELECT size || ' ' || to_char(last_written_at AT TIME ZONE 'UTC', 'SS.US') FROM file_journal"
    assert await ask(database, query) == "2 05.678901"


async def test_D16_paths_come_in_the_order_of_their_bytes(database: Database) -> None:
    names = ["content/Z.md", "content/a.md", "content/é.md", "content/_a.md", "content/a b.md", "content/a-b.md"]
    now = datetime.now(UTC)
    rows = [
        JournalRow("a-book", name, "__base__", "0" * 64, 1, 1, now, "me", "fs", name, deleted=False)  # type: ignore[arg-type]
        for name in names
    ]
    async with database.write("test", "a-book") as connection:
        await record(connection, rows)
        found = list((await connection.execute(text("SELECT path FROM file_journal ORDER BY path"))).scalars())
    assert found == sorted(names, key=str.encode)
