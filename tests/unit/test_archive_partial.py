"""The archive that goes on: what is bad, missing or late is left out, listed and told (FR-014, F37)."""

import io
import zipfile
from collections.abc import Iterator

import pytest

from panaversity_fs.archive import Member, Patience, Trouble
from panaversity_fs.archive.whole import SMALL
from panaversity_fs.core.errors import NotFound
from support.archives import FakeSource, members_of, partly, whole

FILES = {
    "content/a.md": b"a" * 100,
    "content/b.md": b"b" * 100,
    "content/c.bin": b"c" * (SMALL + 1),
    "content/d.md": b"",
    "static/img/@/e.png": b"e" * (SMALL + 100_000),
}
MEMBERS = members_of(FILES)


def still() -> float:
    """A clock that stands."""
    return 0.0


def opened(data: bytes) -> tuple[dict[str, bytes], bytes]:
    """(files by name, comment); every CRC-32 is checked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}, archive.comment


def test_without_trouble_it_is_the_whole_archive() -> None:
    data, troubles = partly(MEMBERS, FakeSource(MEMBERS, FILES), Patience(60, still))
    assert data == whole(FILES)
    assert troubles == []


@pytest.mark.parametrize("bad", [[name] for name in FILES] + [["content/b.md", "content/c.bin"], list(FILES)], ids=str)
def test_FR_014_damaged_files_are_left_out_and_listed(bad: list[str]) -> None:
    data, troubles = partly(MEMBERS, FakeSource(MEMBERS, FILES, bad=bad), Patience(60, still))
    files, comment = opened(data)
    errors = files.pop("errors.json").decode().split("\n")
    assert files == {name: text for name, text in FILES.items() if name not in bad}
    assert errors == [f"{name} HASH_MISMATCH" for name in sorted(bad)]
    assert [t.member.name for t in troubles] == sorted(bad)
    assert comment == f"incomplete: {len(bad)} of 5 files are missing; see errors.json".encode()


def test_files_known_to_be_missing_are_listed_with_the_others() -> None:
    gone = Trouble(Member("content/aa.md", 0, 0), NotFound("read", "blob", "is not in the store"))
    data, troubles = partly(MEMBERS, FakeSource(MEMBERS, FILES, bad=["content/b.md"]), Patience(60, still), [gone])
    assert [t.member.name for t in troubles] == ["content/aa.md", "content/b.md"]
    assert opened(data)[1].startswith(b"incomplete: 2 of 6 files")


def test_FR_014_what_is_not_read_in_time_is_late() -> None:
    """The clock jumps by 25 s a look: two files fit into a minute, nothing is read afterwards."""
    ticks: Iterator[int] = iter(range(0, 10_000, 25))
    source = FakeSource(MEMBERS, FILES)
    data, troubles = partly(MEMBERS, source, Patience(60, lambda: float(next(ticks))))
    files, comment = opened(data)
    late = [t.member.name for t in troubles]
    assert late == ["static/img/@/e.png"]
    assert {t.error.code for t in troubles} == {"TIMEOUT"}
    assert files.keys() - {"errors.json"} == FILES.keys() - set(late)
    assert "static/img/@/e.png" not in source.read
    assert b"incomplete: 1 of 5" in comment


def test_FR_014_a_read_that_hangs_is_given_up() -> None:
    source = FakeSource(MEMBERS, FILES, delay=lambda name: 30.0 if name == "content/c.bin" else 0.0)
    clock = iter([0.0, 0.0, 0.0, 0.05])
    data, troubles = partly(MEMBERS, source, Patience(0.05, lambda: next(clock)))
    assert [t.member.name for t in troubles] == ["content/c.bin", "content/d.md", "static/img/@/e.png"]
    assert opened(data)[0].keys() == {"content/a.md", "content/b.md", "errors.json"}


def test_time_that_the_receiver_takes_does_not_count() -> None:
    """Only looks around reads move this clock; a slow download makes no file late."""
    looks = [0]

    def clock() -> float:
        looks[0] += 1
        return 0.0

    assert partly(MEMBERS, FakeSource(MEMBERS, FILES), Patience(1, clock))[1] == []
    assert looks[0] == 2 * 4, "two looks a group: a+b, c, d, e"
