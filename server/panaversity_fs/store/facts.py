"""Facts about a store as a whole, by name. Knows no meaning of any; ``store_id`` belongs to ``store.migrate``."""

from sqlalchemy import select

from panaversity_fs.store.database import Database
from panaversity_fs.store.outcomes import again
from panaversity_fs.store.tables import store_facts
from panaversity_fs.store.upsert import upsert

REBUILT = "rebuilt"
"""When rows were made again from blobs: other books' bytes may be there without rows, and are no strays."""


@again(undecided=True)
async def remember(database: Database, name: str, value: str) -> None:
    """Set a fact."""
    async with database.write("remember") as connection:
        await upsert(connection, store_facts, [{"name": name, "value": value}])


async def recall(database: Database, name: str) -> str | None:
    """A fact, or None."""
    async with database.read("remember") as connection:
        found = await connection.execute(select(store_facts.c.value).where(store_facts.c.name == name))
        value: str | None = found.scalar_one_or_none()
        return value
