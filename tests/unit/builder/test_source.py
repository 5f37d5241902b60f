"""Reading the author's folder: digests, the stat cache, and everything that is not a plain file."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from panaversity_builder.book import source as source_module
from panaversity_builder.book.source import SourceChanged, SourceFile, read_chunks, scan
from panaversity_builder.book.stat_cache import Mark, StatCache
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import SourceRefused

LATER = 10**10
"""Nanoseconds: a scan whose clock stands that much later than the files."""


def later() -> int:
    return time.time_ns() + LATER


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    (root / "Part-01" / "img").mkdir(parents=True)
    (root / "README.md").write_bytes(b"hello\r\n")
    (root / "Part-01" / "01-a.md").write_bytes(b"")
    (root / "Part-01" / "img" / "d.png").write_bytes(b"\x89PNG")
    return root


def test_FR_201_a_scan_names_every_file_with_digest_and_size(tree: Path) -> None:
    assert scan(str(tree)).files == {
        "README.md": SourceFile(digest_of(b"hello\r\n"), 7),
        "Part-01/01-a.md": SourceFile(digest_of(b""), 0),
        "Part-01/img/d.png": SourceFile(digest_of(b"\x89PNG"), 4),
    }


def test_the_source_is_never_written(tree: Path) -> None:
    before = sorted((str(p), p.lstat().st_mtime_ns, p.lstat().st_ctime_ns) for p in [tree, *tree.rglob("*")])
    scan(str(tree), StatCache())
    assert before == sorted((str(p), p.lstat().st_mtime_ns, p.lstat().st_ctime_ns) for p in [tree, *tree.rglob("*")])


def test_an_unchanged_file_is_not_read_again(tree: Path) -> None:
    cache = StatCache()
    assert scan(str(tree), cache, clock=later).hashed == 3
    again = scan(str(tree), cache, clock=later)
    assert again.hashed == 0
    assert len(again.files) == 3


def test_a_file_written_within_two_seconds_of_the_cache_is_read_again(tree: Path) -> None:
    cache = StatCache()
    scan(str(tree), cache)
    os.utime(tree / "README.md", ns=(0, 0))
    scan(str(tree), cache)
    assert scan(str(tree), cache).hashed == 2


@pytest.mark.parametrize("keep_times", [True, False])
def test_a_changed_file_of_equal_length_is_seen(tree: Path, keep_times: bool) -> None:
    cache, file = StatCache(), tree / "README.md"
    scan(str(tree), cache, clock=later)
    status = file.stat()
    time.sleep(0.02)
    file.write_bytes(b"HELLO\r\n")
    if keep_times:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert scan(str(tree), cache, clock=later).files["README.md"].digest == digest_of(b"HELLO\r\n")


def test_a_cache_survives_its_file_form_and_anything_odd_is_an_empty_one(tree: Path) -> None:
    cache = StatCache()
    scan(str(tree), cache, clock=later)
    data = cache.to_bytes()
    assert scan(str(tree), StatCache.from_bytes(data), clock=later).hashed == 0
    for cut in range(0, len(data), 7):
        assert scan(str(tree), StatCache.from_bytes(data[:cut]), clock=later).hashed == 3
    for odd in (b"null", b"[]", b'{"version":1}', b'{"version":1,"written_ns":1,"files":{"a":[1]}}', b"[" * 100_000):
        assert StatCache.from_bytes(odd).to_bytes() == StatCache().to_bytes()


def test_a_cache_is_dirty_only_when_it_learned_something(tree: Path) -> None:
    cache = StatCache()
    scan(str(tree), cache, clock=later)
    assert cache.dirty
    cache = StatCache.from_bytes(cache.to_bytes())
    scan(str(tree), cache, clock=later)
    assert not cache.dirty
    (tree / "README.md").unlink()
    scan(str(tree), cache, clock=later)
    assert cache.dirty


def test_working_files_are_ignored_and_reported(tree: Path) -> None:
    (tree / ".DS_Store").write_bytes(b"x")
    (tree / ".git").mkdir()
    (tree / ".git" / "config").write_bytes(b"x")
    (tree / "notes.md~").write_bytes(b"x")
    (tree / ".bookignore").write_text("drafts/\n")
    (tree / "drafts").mkdir()
    (tree / "drafts" / "x.md").write_bytes(b"x")
    found = scan(str(tree))
    assert len(found.files) == 3
    assert {ignored.source for ignored in found.ignored} == {".DS_Store", ".git", "notes.md~", ".bookignore", "drafts"}


def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def _loop(path: Path) -> None:
    path.symlink_to(path.parent)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # socket paths are short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [_link, _loop, _dangling, os.mkfifo, _socket])
def test_F58_links_and_special_files_are_refused_and_never_followed(tree: Path, make: Callable[[Path], None]) -> None:
    make(tree / "odd.md")
    found = scan(str(tree))
    assert [refusal.source for refusal in found.refused] == ["odd.md"]
    assert len(found.files) == 3


@pytest.mark.timeout(10)
def test_F58_a_pipe_put_in_the_place_of_a_file_does_not_hang(tree: Path) -> None:
    found = scan(str(tree))
    (tree / "README.md").unlink()
    os.mkfifo(tree / "README.md")
    with pytest.raises(SourceChanged):
        list(read_chunks(str(tree), "README.md", found.files["README.md"]))


def test_F58_a_folder_swapped_for_a_link_is_not_followed_when_sending(tree: Path, tmp_path: Path) -> None:
    found = scan(str(tree))
    (tree / "Part-01").rename(tmp_path / "elsewhere")
    (tree / "Part-01").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceChanged):
        list(read_chunks(str(tree), "Part-01/01-a.md", found.files["Part-01/01-a.md"]))


def test_F59_folders_deeper_than_the_grammar_are_refused_without_being_walked(tree: Path) -> None:
    (tree / "/".join(["d"] * 40)).mkdir(parents=True)
    assert [r.source for r in scan(str(tree)).refused] == ["/".join(["d"] * 16)]


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "ignored only"])
def test_F47_a_wrong_or_empty_source_is_refused(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "docs"
    if kind == "file":
        root.write_bytes(b"")
    elif kind != "missing":
        root.mkdir()
    if kind == "ignored only":
        (root / ".DS_Store").write_bytes(b"")
    with pytest.raises(SourceRefused) as caught:
        scan(str(root))
    assert caught.value.exit_status == 12
    assert "--source-dir" in caught.value.hint


def test_F47_an_unreadable_folder_or_file_is_a_refusal(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def refuse(path: str, flags: int, *rest: int, **named: int) -> int:
        if path in ("img", "README.md"):
            raise PermissionError(13, "Permission denied", path)
        return really(path, flags, *rest, **named)

    monkeypatch.setattr(source_module.os, "open", refuse)
    found = scan(str(tree))
    assert {(r.source, r.reason) for r in found.refused} == {
        ("README.md", "cannot be read (Permission denied)"),
        ("Part-01/img", "cannot be read (Permission denied)"),
    }


def test_F46_a_file_that_changes_while_it_is_read_is_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = _interfere(tree / "README.md", monkeypatch, times=2)
    found = scan(str(tree))
    assert found.files["README.md"].digest == digest_of((tree / "README.md").read_bytes())
    assert len(reads) == 2
    assert found.refused == []


def test_F46_a_file_that_never_rests_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _interfere(tree / "README.md", monkeypatch, times=3)
    found = scan(str(tree))
    assert [refusal.source for refusal in found.refused] == ["README.md"]
    assert "README.md" not in found.files


def _interfere(file: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let somebody write the file each time it has been read, ``times`` times."""
    done: list[int] = []
    really = source_module._digest

    def read_and_write(descriptor: int, size: int) -> tuple[Digest, int]:
        answer = really(descriptor, size)
        if os.fstat(descriptor).st_ino == file.stat().st_ino and len(done) < times:
            done.append(1)
            file.write_bytes(b"version %d, longer than before" % len(done))
        return answer

    monkeypatch.setattr(source_module, "_digest", read_and_write)
    return done


def test_F46_what_is_sent_is_a_whole_version_or_ends_before_its_last_byte(tree: Path) -> None:
    big, stop = tree / "big.md", threading.Event()
    versions = [bytes([65 + i]) * 3_000_000 for i in range(4)]
    big.write_bytes(versions[0])

    def writer() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            with open(big, "r+b") as file:
                file.write(versions[turn % 4])

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        for _ in range(30):
            with_whole = SourceFile(digest_of(versions[0]), 3_000_000)
            try:
                chunks = list(read_chunks(str(tree), "big.md", with_whole))
                assert b"".join(chunks) == versions[0]
            except SourceChanged:
                continue
    finally:
        stop.set()
        thread.join()


def test_F46_a_changed_file_never_arrives_whole(tree: Path) -> None:
    expected = scan(str(tree)).files["README.md"]
    (tree / "README.md").write_bytes(b"HELLO\r\n")
    received = bytearray()

    def receive(chunks: Iterator[bytes]) -> None:
        for chunk in chunks:
            received.extend(chunk)

    with pytest.raises(SourceChanged):
        receive(read_chunks(str(tree), "README.md", expected))
    assert received == b""


@pytest.mark.parametrize("now", [b"", b"hello", b"hello\r\n and more"])
def test_F46_a_file_that_shrank_or_grew_is_not_sent(tree: Path, now: bytes) -> None:
    expected = scan(str(tree)).files["README.md"]
    (tree / "README.md").write_bytes(now)
    with pytest.raises(SourceChanged):
        list(read_chunks(str(tree), "README.md", expected))


def test_a_name_that_is_not_utf8_is_left_to_the_grammar(tree: Path) -> None:
    (tree / os.fsdecode(b"bad\xff.md")).write_bytes(b"x")
    assert os.fsdecode(b"bad\xff.md") in scan(str(tree)).files


def test_a_mark_is_believed_only_when_all_four_numbers_agree(tree: Path) -> None:
    status = (tree / "README.md").stat()
    mark = Mark.of(status, digest_of(b"hello\r\n"))
    cache = StatCache({"README.md": mark}, written_ns=later())
    assert cache.believed("README.md", status) == mark
    assert cache.believed("other.md", status) is None
    (tree / "copy.md").write_bytes(b"hello\r\n")
    os.utime(tree / "copy.md", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cache.believed("README.md", (tree / "copy.md").stat()) is None
