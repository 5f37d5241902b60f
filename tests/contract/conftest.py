"""The contract of the blob port is judged on every medium."""

from pathlib import Path

import pytest

from support.stores import MEDIA, InFolder, Medium


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=sorted(MEDIA))
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Medium:
    """One medium after the other, empty."""
    return MEDIA[request.param](tmp_path / "blobs")


@pytest.fixture
def folder(tmp_path: Path) -> InFolder:
    """The medium that has files and so their troubles; its root exists."""
    (tmp_path / "blobs").mkdir()
    return InFolder(tmp_path / "blobs")
