"""Asynchronous tests run on asyncio; databases are files, since two engines share each."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panaversity_fs.store.database import Database
from panaversity_fs.store.migrate import migrate


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a database that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A database with this version's tables."""
    opened = Database(url)
    await migrate(opened)
    yield opened
    await opened.close()
