"""The archive of known files as every other program sees it: zipfile, unzip, sizes, dates, zip64."""

import io
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from panaversity_fs.archive import Layout, Member
from panaversity_fs.archive.zip_format import MAX_16, MAX_32, central_header, end_records, local_header, local_length
from support.archives import FakeSource, drained, members_of, whole

FILES = {
    "content/01-Part/a.md": b"# A\r\n",
    "content/empty.md": b"",
    "content/ünï-日本.md": "日本".encode(),
    "static/img/@/big.png": bytes(range(256)) * 3_000,
    "static/img/@/small.png": b"\x00\xff" * 700,
}
GIB = 1 << 30


def test_FR_011_zipfile_reads_what_was_written() -> None:
    data = whole(FILES)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == sorted(FILES)
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        for info in archive.infolist():
            assert (info.date_time, info.compress_type) == ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)
            assert info.external_attr >> 16 == 0o100644
            assert info.flag_bits & 0x08 == 0, "no data descriptor: the header tells all beforehand"


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
@pytest.mark.parametrize("files", [FILES, {"content/a.md": b""}], ids=["several", "one empty"])
def test_unzip_finds_nothing_to_complain_about(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "a.zip").write_bytes(whole(files))
    tested = subprocess.run(["unzip", "-t", str(tmp_path / "a.zip")], capture_output=True, text=True)
    assert (tested.returncode, tested.stderr) == (0, ""), tested.stdout


def test_an_archive_of_nothing_is_valid() -> None:
    data = whole({})
    assert len(data) == 22
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == []


def test_the_length_is_known_before_the_first_byte() -> None:
    assert Layout(members_of(FILES)).size == len(whole(FILES))


def test_the_same_members_give_the_same_bytes() -> None:
    assert whole(FILES) == whole(dict(reversed(FILES.items())))
    assert whole(FILES) != whole({**FILES, "content/empty.md": b"x"})


@pytest.mark.parametrize(
    ("size", "offset", "large"),
    [(MAX_32 - 1, 0, False), (MAX_32, 0, True), (0, MAX_32 - 1, False), (0, MAX_32, True), (MAX_32, MAX_32, True)],
)
def test_numbers_move_to_zip64_exactly_where_their_field_ends(size: int, offset: int, large: bool) -> None:
    member = Member("content/a.md", size, 7)
    local, central = local_header(member), central_header(member, offset)
    assert len(local) == local_length(member)
    assert (len(local) > 30 + len(member.name)) is (size >= MAX_32)
    assert (len(central) > 46 + len(member.name)) is large
    assert int.from_bytes(central[6:8], "little") == (45 if large else 20)


@pytest.mark.parametrize(("count", "start", "size"), [(MAX_16, 0, 0), (1, MAX_32, 0), (1, 0, MAX_32)])
def test_the_end_record_points_to_zip64_exactly_where_its_fields_end(count: int, start: int, size: int) -> None:
    assert len(end_records(count, start, size)) == 22 + 20 + 56
    assert len(end_records(min(count, MAX_16 - 1), min(start, MAX_32 - 1), min(size, MAX_32 - 1))) == 22


def test_zip64_by_many_members_is_read_by_zipfile() -> None:
    names = [f"content/{number:05}.md" for number in range(MAX_16)]
    data = whole(dict.fromkeys(names, b""))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == names
        assert archive.read(names[-1]) == b""
    (end64,) = struct.unpack("<Q", data[-22 - 20 + 8 : -22 - 20 + 16])
    assert data[end64 : end64 + 4] == b"PK\6\6", "the locator points to the record"


def test_zip64_by_large_members_is_read_by_zipfile(tmp_path: Path) -> None:
    """Nothing of the 5 GiB is read or written: the file has a hole, and the range begins behind it."""
    behind = b"behind four gigabytes"
    members = [Member("content/hole.bin", 5 * GIB, 0), *members_of({"content/z.md": behind})]
    layout = Layout(members)
    source = FakeSource(members, {"content/z.md": behind})
    tail = drained(layout, source, layout.offsets[1], layout.size)
    with (tmp_path / "a.zip").open("wb") as file:
        file.write(local_header(members[0]))
        file.seek(layout.offsets[1])
        file.write(tail)
    assert (tmp_path / "a.zip").stat().st_size == layout.size
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.getinfo("content/hole.bin").file_size == 5 * GIB
        assert archive.read("content/z.md") == behind
        with archive.open("content/hole.bin") as hole:
            assert hole.read(10) == bytes(10)
    assert source.read == ["content/z.md"]
