"""Migrations make exactly the described tables, forwards and backwards, and servers starting together take turns."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, DateTime, bindparam, inspect, text

import panaversity_fs.store.migrate as migrating
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ConfigInvalid
from panaversity_fs.core.merkle import extend
from panaversity_fs.store.books import all_books
from panaversity_fs.store.database import Database
from panaversity_fs.store.migrate import HEAD, current, migrate, store_id
from panaversity_fs.store.tables import metadata
from support import postgres

pytestmark = pytest.mark.anyio

SCRIPTS = Path(migrating.__file__).parent / "migrations"


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Name → the address of a database of one engine that holds nothing yet."""
    if request.param == "sqlite":
        return lambda name: f"sqlite+aiosqlite:///{tmp_path / name}"
    return lambda _name: postgres.new_database(empty=True)


@pytest.fixture
def url(new_url: Callable[[str], str]) -> str:
    return new_url("store.db")


def config(connection: Connection) -> Config:
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS))
    made.attributes["connection"] = connection
    return made


def description(connection: Connection) -> list[tuple[str, str]]:
    """Everything there is but Alembic's own table, guards included."""
    rows = connection.execute(text(_EVERYTHING[connection.dialect.name]))
    return [(name, sql) for name, sql in rows if not name.startswith("alembic")]


_EVERYTHING = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name",
    "postgresql": """
        SELECT table_name || '.' || column_name, concat_ws(' ', data_type, character_maximum_length, is_nullable,
            column_default, collation_name) FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT c.conrelid::regclass || ' ' || c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c
            WHERE c.connamespace = 'public'::regnamespace
        UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT proname, pg_get_functiondef(oid) || proacl::text FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        ORDER BY 1, 2""",
}


async def test_FR_001_FR_031_migrations_make_the_tables_that_are_described_on_the_first_run(database: Database) -> None:
    async with database.read("test") as connection:
        found = await connection.run_sync(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    assert found == []


async def test_migrations_make_the_very_constraints_and_indexes_that_are_described(
    database: Database, new_url: Callable[[str], str]
) -> None:
    described = Database(new_url("described.db"))
    async with described.write("test") as connection:
        await connection.run_sync(metadata.create_all)

    def rules(connection: Connection) -> dict[str, object]:
        looking = inspect(connection)
        return {
            table: (
                sorted((c["name"] or "", c["sqltext"]) for c in looking.get_check_constraints(table)),
                looking.get_pk_constraint(table)["constrained_columns"],
                sorted(
                    (i["name"] or "", tuple(i["column_names"]), bool(i["unique"])) for i in looking.get_indexes(table)
                ),
                sorted(c["name"] or "" for c in looking.get_unique_constraints(table)),
                [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in looking.get_columns(table)],
            )
            for table in looking.get_table_names()
            if table != "alembic_version"
        }

    async with described.read("test") as one, database.read("test") as other:
        assert await one.run_sync(rules) == await other.run_sync(rules)
    await described.close()


def test_the_known_head_is_the_newest_script() -> None:
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(made).get_heads() == [HEAD]


async def test_every_step_can_be_undone_and_done_again(database: Database) -> None:
    async with database.write("test") as connection:
        before = await connection.run_sync(description)
        await connection.run_sync(lambda c: command.downgrade(config(c), "base"))
        assert await connection.run_sync(description) == []
    await migrate(database)
    async with database.read("test") as connection:
        assert await connection.run_sync(description) == before


async def test_migrating_again_changes_nothing_and_keeps_the_name_of_the_store(database: Database) -> None:
    name = await store_id(database)
    await migrate(database)
    assert await store_id(database) == name
    assert len(name) == 32


@pytest.mark.parametrize("_round", range(3))
async def test_F28_four_servers_starting_on_one_empty_database_take_turns(url: str, _round: int) -> None:
    opened = [Database(url) for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        for database in opened:
            tasks.start_soon(migrate, database)
    names = {await store_id(database) for database in opened}
    assert len(names) == 1
    for database in opened:
        await database.close()


_START = """
import asyncio, sys
from panaversity_fs.library import open_library
async def main():
    async with open_library(sys.argv[1], sys.argv[2]) as library:
        print((await library.plan("a-book", None)).store_id)
asyncio.run(main())
"""


def test_F28_processes_starting_on_one_empty_database_take_turns(url: str, tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _START, url, str(tmp_path / "blobs")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4 if url.startswith("sqlite") else 2)
    ]  # fmt: skip
    answers = [process.communicate(timeout=60) for process in started]
    assert {process.returncode for process in started} == {0}, answers
    assert len({out for out, _ in answers}) == 1


async def test_F6_a_migration_that_breaks_off_leaves_an_empty_database(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(size: int) -> str:
        raise RuntimeError("broken off")

    database = Database(url)
    with monkeypatch.context() as patched:
        patched.setattr(migrating.secrets, "token_hex", failing)
        with pytest.raises(RuntimeError, match="broken off"):
            await migrate(database)
    async with database.read("test") as connection:
        assert await connection.run_sync(current) is None
        assert await connection.run_sync(description) == []
    await migrate(database)
    assert await store_id(database)
    await database.close()


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(database: Database) -> None:
    async with database.write("test") as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        before = await connection.run_sync(description)
    with pytest.raises(ConfigInvalid) as refusal:
        await migrate(database)
    assert refusal.value.exit_status == 15
    assert str(refusal.value) == (
        "migrate: database: was made by another version. Use that version, or another database."
    )
    async with database.read("test") as connection:
        assert await connection.run_sync(description) == before
        assert await connection.run_sync(current) == "9999"


async def test_a_database_of_the_first_version_gets_the_tree_of_its_logs_and_loses_nothing(url: str) -> None:
    database = Database(url)
    hashes = [digest_of(bytes([number])) for number in range(7)]
    row = (
        "INSERT INTO audit_log (book_id, incarnation, seq, id, revision, timestamp, agent_id, operation, path, user_id,"
        " status, execution_time_ms, entry_hash) VALUES ('a-book', :life, :seq, :id, 1, :now,"
        " 'tester', 'write_content', '', '__base__', 'success', 0, :digest)"
    )
    book = (
        "INSERT INTO books (book_id, incarnation, state, schema, revision, base_revision, chain_seq, chain_head,"
        " created_at, changed_at) VALUES (:id, 2, 'live', 'strict', 0, 0, :size, :head, :now, :now)"
    )
    now = bindparam("now", datetime(2030, 1, 1, tzinfo=UTC), DateTime(timezone=True))
    async with database.write("test") as connection:
        await connection.run_sync(lambda c: command.upgrade(config(c), "0001"))
        insert = text(book).bindparams(now)
        await connection.execute(insert, {"id": "a-book", "size": 7, "head": hashes[-1]})
        await connection.execute(insert, {"id": "empty-book", "size": 0, "head": "0" * 64})
        for life in (1, 2):  # an earlier life has its own log
            for seq, digest in enumerate(hashes if life == 2 else hashes[:3], 1):
                values = {"life": life, "seq": seq, "id": f"{life}-{seq}", "digest": digest}
                await connection.execute(text(row).bindparams(now), values)
    await migrate(database)
    async with database.read("test") as connection:
        found = {one.book_id: one for one in await all_books(connection)}
    await database.close()
    assert found["a-book"].chain_edge == extend((), 0, hashes)
    assert found["empty-book"].chain_edge == ()
