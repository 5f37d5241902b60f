"""The contract of the blob port is judged on every medium."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fault_s3 import FaultStore
from support.object_store import InBucket
from support.stores import MEDIA, InFolder, Medium


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


_SAMPLED = [name for name in sorted(MEDIA) if name != "rclone"]
"""One object store in every run: the one that keeps conditions; the one that checks signatures with all counts."""


@pytest.fixture(
    params=[*_SAMPLED, *(pytest.param(name, marks=pytest.mark.full) for name in ("rclone", "honest fault store"))]
)
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Medium:
    """One medium after the other, empty. The fault store, when told no trouble, is one: so is it seen to be honest."""
    if request.param not in MEDIA:
        return InBucket(request.getfixturevalue("fault_store").server)
    return MEDIA[request.param](tmp_path / "blobs")


@pytest.fixture
def fault_store() -> Iterator[FaultStore]:
    """An object store that misbehaves when it is told to."""
    with FaultStore().running() as store:
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> InFolder:
    """The medium that has files and so their troubles; its root exists."""
    (tmp_path / "blobs").mkdir()
    return InFolder(tmp_path / "blobs")
