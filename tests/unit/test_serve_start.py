"""What a server that cannot open its store says: whose trouble it is, and which setting to look at (P14)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from panaversity_fs.core.errors import ConfigInvalid, StorageFull, Unavailable
from panaversity_fs.serve import _opened

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Broken:
    """A service whose library cannot be opened."""

    fault: Exception

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        raise self.fault
        yield


async def refusal(fault: Exception) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as refused:
        async with _opened(Broken(fault)):  # type: ignore[arg-type]
            pass
    return refused.value


@pytest.mark.parametrize(
    ("backend", "key"),
    [("sql", "DATABASE_URL"), ("fs", "PANAVERSITY_STORAGE_ROOT"), ("s3", "PANAVERSITY_S3_BUCKET")],
)
async def test_P14_trouble_with_a_store_names_the_setting_of_that_store(backend: str, key: str) -> None:
    said = await refusal(Unavailable("start", "store", "cannot be used now", backend=backend))
    assert said.details["key"] == key
    assert said.hint == f"Check {key}"
    full = await refusal(StorageFull("start", "store", "has no space left", "Make room", backend=backend))
    assert (full.details["key"], full.hint) == (key, "Make room")


async def test_P14_what_knows_its_setting_is_said_as_it_is() -> None:
    known = ConfigInvalid("start", "x", "is wrong", "Correct it", key="PANAVERSITY_S3_REGION", reason="wrong")
    assert await refusal(known) is known


async def test_P14_an_error_of_the_operating_system_is_one_about_the_folder() -> None:
    said = await refusal(PermissionError(13, "Permission denied"))
    assert said.details["key"] == "PANAVERSITY_STORAGE_ROOT"
    assert "cannot be opened (Permission denied)" in str(said)
