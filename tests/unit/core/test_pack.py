"""Packs: pinned bytes, agreement with Python's ``tarfile`` in both directions, and every malformed kind refused."""

import hashlib
import io
import tarfile
from collections.abc import Iterable

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashMismatch
from panaversity_fs.core.pack import BLOCK, CHANGESET_MEMBER, END, Begin, Event, Finish, PackReader, header, member

NAMES = [digest_of(bytes([n])) for n in range(4)]
BODIES = [b"", b"x", b"y" * 512, b"z" * 1300]
PACK = b"".join(member(name, body) for name, body in zip(NAMES, BODIES, strict=True)) + END


def read(chunks: Iterable[bytes], max_members: int = 100) -> list[Event]:
    reader = PackReader(max_members, "hydrate")
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    reader.close()
    return events


def members(events: list[Event]) -> list[tuple[str, int, bytes]]:
    """Events as (name, promised size, bytes); fails when their order is not Begin, bytes…, Finish."""
    found: list[tuple[str, int, bytes]] = []
    open_member: tuple[str, int] | None = None
    body = b""
    for event in events:
        if isinstance(event, Begin):
            assert open_member is None
            open_member, body = (event.name, event.size), b""
        elif isinstance(event, Finish):
            assert open_member is not None
            found.append((*open_member, body))
            open_member = None
        else:
            assert open_member is not None
            assert event
            body += event
    assert open_member is None
    return found


EXPECTED = [(name, len(body), body) for name, body in zip(NAMES, BODIES, strict=True)]


def test_the_bytes_of_a_pack_are_pinned() -> None:
    golden = member(CHANGESET_MEMBER, b'{"version":1}') + member(NAMES[1], b"x") + END
    assert len(golden) == 2 * (BLOCK + BLOCK) + 2 * BLOCK
    assert hashlib.sha256(golden).hexdigest() == "da8994f5ea235e07bc0100722b96e0989d468f763408409565900e90e94ed858"


def test_a_pack_read_at_once_gives_its_members() -> None:
    assert members(read([PACK])) == EXPECTED


def test_an_empty_pack_has_no_members() -> None:
    assert read([END]) == []


def test_python_reads_what_we_write() -> None:
    with tarfile.open(fileobj=io.BytesIO(PACK), mode="r:") as tar:
        assert [(m.name, m.size, tar.extractfile(m).read()) for m in tar] == EXPECTED  # type: ignore[union-attr]
        for info in tar.getmembers():
            assert (info.mode, info.mtime, info.uid, info.gid, info.uname, info.gname) == (0o644, 0, 0, 0, "", "")
            assert info.isreg()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_we_read_what_python_writes(form: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, body in zip(NAMES, BODIES, strict=True):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname = len(body), 1_700_000_000, "someone"
            tar.addfile(info, io.BytesIO(body))
    assert members(read([buffer.getvalue()])) == EXPECTED


def test_a_size_beyond_the_octal_field_is_written_and_read() -> None:
    size = 9 * 1024**3
    assert next(iter(PackReader(1).feed(header(NAMES[0], size)))) == Begin(NAMES[0], size)


def refused(data: bytes, max_members: int = 100) -> str:
    with pytest.raises(HashMismatch) as caught:
        read([data], max_members)
    assert str(caught.value).startswith("hydrate: pack: ")
    return caught.value.problem


def test_a_pack_cut_anywhere_is_refused() -> None:
    for cut in range(len(PACK)):
        assert refused(PACK[:cut]) == "ends early"


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.DIRTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.AREGTYPE,
        tarfile.CONTTYPE,
        tarfile.GNUTYPE_SPARSE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
    ],
)
def test_only_regular_files_are_members(kind: bytes) -> None:
    info = tarfile.TarInfo(NAMES[0])
    info.type, info.linkname = kind, "/etc/passwd"
    assert refused(info.tobuf(tarfile.GNU_FORMAT) + END) == "holds a member that is not a regular file"


def test_an_old_style_folder_is_not_a_regular_file() -> None:
    info = tarfile.TarInfo("folder/")
    info.type = tarfile.AREGTYPE
    assert refused(info.tobuf(tarfile.USTAR_FORMAT) + END) == "holds a member that is not a regular file"


def test_a_name_that_a_pack_cannot_frame_in_one_header_is_refused() -> None:
    assert refused(member("x" * 200, b"") + END) == "holds a member that is not a regular file"


def test_too_many_members_are_refused_at_the_first_too_many() -> None:
    assert members(read([PACK], max_members=4)) == EXPECTED
    assert refused(PACK, max_members=3) == "has too many members"


def test_a_flipped_bit_of_a_header_is_refused_unless_it_changes_nothing() -> None:
    honest, unnoticed = member(NAMES[1], b"x") + END, 0
    for at in range(BLOCK):
        for bit in range(8):
            flipped = bytearray(honest)
            flipped[at] ^= 1 << bit
            try:
                assert members(read([bytes(flipped)])) == [(NAMES[1], 1, b"x")]
            except HashMismatch:
                continue
            unnoticed += 1
            assert 148 <= at < 156  # the spelling of the checksum field itself
    assert unnoticed <= 16


def test_a_negative_size_is_refused() -> None:
    info = tarfile.TarInfo(NAMES[0])
    info.size = -1
    assert refused(info.tobuf(tarfile.GNU_FORMAT) + END) == "holds a member that is not a regular file"


def test_noise_is_a_broken_header() -> None:
    assert refused(b"<html>502 Bad Gateway</html>".ljust(BLOCK)) == "has a broken member header"
    assert refused(b"\xff" * BLOCK) == "has a broken member header"


def test_a_name_that_is_not_utf_8_is_a_broken_header() -> None:
    block = bytearray(header("x", 0))
    block[0] = 0xFF
    total = sum(block[:148]) + sum(block[156:]) + 8 * 0x20
    block[148:156] = b"%06o\0 " % total
    assert refused(bytes(block) + END) == "has a broken member header"


def test_an_empty_block_between_members_is_refused() -> None:
    assert refused(member(NAMES[0], b"") + bytes(BLOCK) + member(NAMES[1], b"") + END) == (
        "holds an empty block between members"
    )


def test_after_the_end_only_the_zeros_of_a_tar_record_may_follow() -> None:
    assert members(read([PACK, bytes(10240)])) == EXPECTED
    assert refused(PACK + b"\x00\x01") == "bytes follow the end of the pack"
    assert refused(PACK + member(NAMES[0], b"")) == "bytes follow the end of the pack"


def test_the_name_is_handed_over_as_it_came_and_never_judged_here() -> None:
    assert members(read([member("../../etc/passwd", b"x") + END])) == [("../../etc/passwd", 1, b"x")]


def test_a_large_member_passes_through_in_the_pieces_it_came_in() -> None:
    piece = b"p" * 65536
    reader = PackReader(1)
    assert list(reader.feed(header(NAMES[0], 4 * len(piece)))) == [Begin(NAMES[0], 4 * len(piece))]
    assert [len(e) for _ in range(3) for e in reader.feed(piece) if isinstance(e, bytes)] == [65536] * 3
    assert list(reader.feed(memoryview(piece))) == [piece, Finish()]
    assert not reader.ended
    list(reader.feed(END))
    assert reader.ended
