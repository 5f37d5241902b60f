"""A connection no cancellation reaches in the middle of a statement, whatever the engine (F26).

Knows SQLAlchemy's connection; does not know how a transaction of one engine begins or ends.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.store.uncut import uncut


class Steady(AsyncConnection):
    """Statements run to their end: a driver that is left in the middle of one keeps its lock, or its connection."""

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        return await uncut(super().execute(*arguments, **options))

    async def run_sync(self, *arguments: Any, **options: Any) -> Any:
        return await uncut(super().run_sync(*arguments, **options))

    async def begun(self) -> None:
        """Take a connection of the pool and begin SQLAlchemy's transaction on it."""
        await self.start()
        await self.begin()
