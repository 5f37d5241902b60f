"""Bytes that wait to be sent: few in memory, the rest in a file without a name (P13, F10)."""

import errno
import os
import tempfile

import pytest

from panaversity_fs.core.errors import PanaversityError, StorageFull, Unavailable
from panaversity_fs.store.object_spool import IN_MEMORY, Spool

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_few_bytes_stay_in_memory_and_many_go_to_a_file_and_all_come_back() -> None:
    spool = Spool()
    spans, sent = [], []
    for number in range(30):
        data = bytes([number]) * (IN_MEMORY // 10 + number)
        spans.append(await spool.keep(data))
        sent.append(data)
    held = [span for span in spans if span.held is not None]
    assert 0 < sum(span.size for span in held) <= IN_MEMORY
    assert len(held) < len(spans)
    assert [await spool.whole(span) for span in spans] == sent
    spool.clear()


async def test_F35_the_file_has_no_name_that_a_dead_process_could_leave(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = Spool()
    await spool.write(bytes(IN_MEMORY))
    assert os.listdir(str(tmp_path)) == []
    before = len(os.listdir("/proc/self/fd"))
    spool.clear()
    assert len(os.listdir("/proc/self/fd")) == before - 1


async def test_what_was_written_last_can_be_taken_back() -> None:
    spool = Spool()
    await spool.write(b"kept")
    end = spool.end
    await spool.write(b"taken back")
    spool.cut(end)
    span = await spool.keep(b"x" * (IN_MEMORY + 1))
    assert span.start == end
    assert (await spool.whole(span)) == b"x" * (IN_MEMORY + 1)
    spool.clear()


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, StorageFull, "temporary folder: has no space left. Make room there or set TMPDIR"),
        (errno.EACCES, Unavailable, "temporary folder: cannot be used (Permission denied). Look at it or set TMPDIR"),
    ],
)
async def test_F10_a_temporary_folder_that_takes_nothing_is_named_and_not_the_store(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: type[PanaversityError], words: str
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(kind) as fault:
        await Spool().write(b"x")
    assert words in str(fault.value)
