"""Files that are there entirely or not at all."""

import os
import stat
from pathlib import Path

import pytest

from panaversity_builder import durable
from panaversity_builder.durable import sync_filesystem, write_all, write_beside


def test_a_file_is_written_with_its_bytes_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_beside(str(tmp_path / "state"), b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"state": b"new"}


def test_an_old_file_is_replaced_never_written_in_place(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"old")
    os.link(tmp_path / "state", tmp_path / "elsewhere")
    write_beside(str(tmp_path / "state"), b"new")
    assert (tmp_path / "elsewhere").read_bytes() == b"old"
    assert (tmp_path / "state").read_bytes() == b"new"


def test_a_symbolic_link_is_replaced_and_what_it_points_to_is_left(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"mine")
    (tmp_path / "state").symlink_to("target")
    write_beside(str(tmp_path / "state"), b"new")
    assert (tmp_path / "target").read_bytes() == b"mine"
    assert not (tmp_path / "state").is_symlink()


def test_a_path_may_be_relative_to_a_folder_descriptor(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        write_beside("state", b"new", dir_fd=folder)
    finally:
        os.close(folder)
    assert (tmp_path / "state").read_bytes() == b"new"


def test_the_mode_is_0644_less_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_beside(str(tmp_path / "state"), b"new")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o640


def test_F9_a_failed_flush_keeps_the_old_file_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_bytes(b"old")

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable.os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_beside(str(tmp_path / "state"), b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"state": b"old"}


def test_short_writes_are_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bytes] = []

    def three_bytes(_: int, data: bytes) -> int:
        taken.append(bytes(data[:3]))
        return len(taken[-1])

    monkeypatch.setattr(durable.os, "write", three_bytes)
    write_all(0, b"0123456789")
    assert b"".join(taken) == b"0123456789"


def test_a_file_system_is_flushed_and_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    sync_filesystem(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        sync_filesystem(str(tmp_path / "absent"))
