"""A real disk that fills up: a small tmpfs, where root may mount one (F10, F12)."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import StorageFull
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, InFolder, Store, ingest, lesson

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte; not run where it cannot be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("not run: only root can mount a small tmpfs")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"not run: tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_F10_a_full_blob_disk_is_storage_full_and_recovers_by_itself(small_disk: Path, tmp_path: Path) -> None:
    store = Store(tmp_path, InFolder(small_disk / "blobs"))
    async with store.open() as library:
        await ingest(library, {lesson(1): b"small"})
        files = {lesson(n): os.urandom(100_000) for n in range(2, 22)}
        with pytest.raises(StorageFull) as fault:
            await ingest(library, files)
        assert fault.value.http_status == 507
        assert not fault.value.retryable
        await assert_store_ok(store, holds={BOOK: {lesson(1): digest_of(b"small")}})
        assert await library.read_bytes(BOOK, digest_of(b"small"), 10) == b"small"
        await ingest(library, dict(list(files.items())[:5]))
    await assert_store_ok(store)


async def test_F12_a_full_database_disk_is_storage_full_and_recovers_by_itself(
    small_disk: Path, tmp_path: Path
) -> None:
    store = Store(small_disk, InFolder(tmp_path / "blobs"))
    filler = small_disk / "filler"
    async with store.open() as library:
        await ingest(library, {lesson(1): b"small"})
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler.write_bytes(bytes(free - 8192))
        with pytest.raises(StorageFull):
            await ingest(library, {lesson(n, 2): b"x" * n for n in range(90)})
        assert (await library.entry(BOOK, lesson(1))).size == 5
        filler.unlink()
        await library.write(BOOK, lesson(2), b"after", CALLER, expected=None)
    # With no room for any row, clean-up could not say what it removed: pinned leftovers are gc's.
    seen = await assert_store_ok(store, killed=True)
    assert set(seen.state[BOOK]) == {lesson(1), lesson(2)}
