"""Asynchronous tests run on asyncio; each gets an empty store and its library, and ends under the oracle."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panaversity_fs.library import Library
from support import stack
from support.oracle import assert_store_ok
from support.stores import Store, new_store


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with this version's tables and nothing else, to be copied: migrating is tested elsewhere."""
    store = new_store(tmp_path_factory.mktemp("empty"))

    async def make() -> None:
        async with store.open():
            pass

    asyncio.run(make())
    return store.folder / "store.db"


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> Store:
    """An empty store in memory and one database file."""
    stack.copy_database(empty_database, tmp_path)
    return new_store(tmp_path)


@pytest.fixture
async def library(store: Store) -> AsyncIterator[Library]:
    """The library over ``store``; whatever the test did, the store must satisfy the oracle afterwards."""
    async with store.open() as library:
        yield library
    await assert_store_ok(store)
