"""Bring a database to this version's tables, under the write lock, so that servers starting together take turns (F28).

The current step is read first and Alembic imported only when there is something to do: an up-to-date start is quick.
"""

import secrets
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, text

from panaversity_fs.core.errors import ConfigInvalid
from panaversity_fs.store.database import Database
from panaversity_fs.store.locks import MIGRATING
from panaversity_fs.store.outcomes import again
from panaversity_fs.store.tables import store_facts

HEAD = "0003"
"""The newest step; a test compares it with the scripts."""


@again(undecided=True)
async def migrate(database: Database) -> None:
    """Run the missing steps when nobody else does, however long that takes. Raises ``ConfigInvalid`` for a database of
    a newer version."""
    async with database.read("migrate") as connection:
        if await connection.run_sync(current) == HEAD:
            return
    async with database.rewrite("migrate", MIGRATING) as connection:
        await connection.run_sync(_upgrade)


def current(connection: Connection) -> str | None:
    """The step this database is at, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    if current(connection) == HEAD:
        return
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError as fault:
        raise ConfigInvalid(
            "migrate", "database", "was made by another version", "Use that version, or another database"
        ) from fault
    if connection.execute(select(store_facts.c.value).where(store_facts.c.name == "store_id")).scalar() is None:
        connection.execute(insert(store_facts).values(name="store_id", value=secrets.token_hex(16)))


async def store_id(database: Database) -> str:
    """The random name this store got at its birth; builders tell stores apart by it, not by address."""
    async with database.read("start") as connection:
        found = await connection.execute(select(store_facts.c.value).where(store_facts.c.name == "store_id"))
        return str(found.scalar_one())
