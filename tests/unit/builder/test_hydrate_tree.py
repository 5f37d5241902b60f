"""The stat cache: when a file is read, when its signature is believed, when it is not (D6)."""

import os

import pytest

from panaversity_builder.book.hydrate import tree
from panaversity_builder.book.hydrate.folder import Folder
from panaversity_builder.book.hydrate.records import parse_index
from panaversity_builder.book.hydrate.tree import TICK_NS, believable, parents
from panaversity_fs.core.errors import LocalEdits
from support.hydrated import LESSON, OTHER, Desk


@pytest.fixture
def read(monkeypatch):
    """The paths whose bytes were read, in order."""
    paths: list[str] = []
    digest = Folder.digest

    def noted(self, path):
        paths.append(path)
        return digest(self, path)

    monkeypatch.setattr(Folder, "digest", noted)
    return paths


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.hydrate()
    return desk


@pytest.fixture
def rested(desk, monkeypatch):
    """A desk whose files count as long at rest, remembered by a run of their own."""
    monkeypatch.setattr(tree, "TICK_NS", -(10**15))
    desk.hydrate()
    return desk


def test_a_signature_is_believed_only_two_seconds_after_both_its_times():
    now = 10**18
    assert believable((1, now - TICK_NS - 1, now - TICK_NS - 1, 5), now)
    assert not believable((1, now - TICK_NS, 0, 5), now)
    assert not believable((1, 0, now - TICK_NS, 5), now)
    assert not believable((1, now + TICK_NS, now + TICK_NS, 5), now)


def test_files_just_written_are_read_again_and_not_remembered(desk, read):
    desk.hydrate()
    assert sorted(read) == sorted(desk.wanted)
    index = parse_index((desk.state / "index").read_bytes())
    assert {owned.signature for owned in index.files.values()} == {None}


def test_files_at_rest_are_not_read(rested, read):
    assert rested.hydrate().mode == "unchanged"
    assert read == []


def test_verify_and_full_rebuild_read_every_file(rested, read):
    rested.hydrate(verify=True)
    assert sorted(read) == sorted(rested.wanted)
    rested.hydrate(full_rebuild=True)
    assert sorted(read) == sorted(list(rested.wanted) * 2)


def same_size_same_mtime(path, change):
    status = os.stat(path)
    change(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (os.stat(path).st_size, os.stat(path).st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def replace_file(path):
    beside = path.with_name("beside")
    beside.write_bytes(b"# Own\r\n")
    os.replace(beside, path)


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"# Own\r\n"), replace_file])
def test_F51_an_edit_that_keeps_size_and_mtime_is_seen_by_ctime_or_inode(rested, read, change):
    same_size_same_mtime(rested.out / LESSON, change)
    with pytest.raises(LocalEdits):
        rested.hydrate()
    assert read == [LESSON]


def test_a_touched_file_is_read_once_and_kept(rested, read):
    os.utime(rested.out / OTHER, (1, 1))
    assert rested.hydrate().mode == "unchanged"
    assert read == [OTHER]
    assert rested.hydrate().mode == "unchanged"
    assert read == [OTHER]
    assert (rested.out / OTHER).stat().st_mtime == 1


def test_nothing_at_all_is_written_when_nothing_changed(rested):
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in rested.out.rglob("*")}
    rested.hydrate()
    after = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in rested.out.rglob("*")}
    assert {p for p in before | after if before.get(p) != after.get(p)} <= {rested.state / "lock"}


def test_an_index_restored_with_other_files_does_not_hide_them(rested, read):
    for path in rested.wanted:
        data = (rested.out / path).read_bytes()
        (rested.out / path).unlink()
        (rested.out / path).write_bytes(data)
    assert rested.hydrate().mode == "unchanged"
    assert sorted(read) == sorted(rested.wanted)


def test_parents_are_every_folder_above():
    assert parents(["a/b/c", "a/d", "e"]) == {"", "a", "a/b"}
