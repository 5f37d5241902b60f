"""Damaged, missing and foreign build state: a miss with its reason, never a crash and never a wrong tree (F48–F50)."""

import itertools
import os
import random
import shutil

import pytest

from panaversity_builder.book.hydrate.state import LARGEST
from panaversity_fs.core.errors import LocalEdits
from support.hydrated import BOOK, LESSON, OTHER, Desk

pytestmark = pytest.mark.timeout(3600)  # the exhaustive counts take their time

STATE_FILES = ["manifest.json", "manifest.txt", "index"]


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.hydrate()
    return desk


def cuts_and_flips(data: bytes, count: int):
    rng = random.Random(len(data))
    ends = sorted(rng.sample(range(len(data)), min(count, len(data))))
    for end in ends:
        yield data[:end]
    for at in ends:
        yield data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


@pytest.mark.parametrize("name", STATE_FILES)
def test_F48_F8_every_cut_and_flip_ends_in_the_right_tree(desk, name):
    good = (desk.state / name).read_bytes()
    for damaged in cuts_and_flips(good, 40):
        (desk.state / name).write_bytes(damaged)
        result = desk.hydrate()
        assert desk.tree == desk.wanted
        assert result.files_downloaded == 0
        assert (desk.state / name).read_bytes()[:20] == good[:20]


@pytest.mark.full
@pytest.mark.parametrize("name", STATE_FILES)
def test_F48_every_truncation_and_every_flipped_byte(desk, name):
    good = (desk.state / name).read_bytes()
    for at in range(len(good)):
        for damaged in (good[:at], good[:at] + bytes([good[at] ^ 0x11]) + good[at + 1 :]):
            (desk.state / name).write_bytes(damaged)
            desk.hydrate()
            assert desk.tree == desk.wanted


@pytest.mark.parametrize("name", [*STATE_FILES, "plan.json"])
@pytest.mark.parametrize(
    "odd",
    [b"", b"\x00", b"{}", b"[]", b"null", b"NaN", b"\xef\xbb\xbf{}", b'{"a":1,"a":2}', b"[" * 200_000, b"\xff" * 99],
)
def test_F48_an_odd_state_file_is_a_miss_and_is_kept_aside(desk, name, odd):
    (desk.state / name).write_bytes(odd)
    result = desk.hydrate()
    assert desk.tree == desk.wanted
    if name != "plan.json":
        assert result.mode == "full"
        assert name in result.reason
    assert (desk.state / f"{name}.bad").read_bytes() == odd
    again = desk.hydrate()
    assert (again.mode, again.files_downloaded) == ("unchanged", 0)


def test_F48_a_huge_state_file_is_not_read(desk, monkeypatch):
    for name in STATE_FILES:
        with open(desk.state / name, "r+b") as file:
            file.truncate(LARGEST[name] + 1)
        assert "is larger than" in desk.plan().reason
        assert desk.hydrate().mode == "full"


@pytest.mark.parametrize("name", STATE_FILES)
def test_F48_a_state_file_that_is_a_folder_a_link_or_a_fifo_is_a_miss(desk, name):
    for make in (os.mkdir, lambda p: os.symlink(desk.canary, p), os.mkfifo):
        (desk.state / name).unlink()
        make(desk.state / name)
        assert desk.hydrate().mode == "full"
        assert desk.tree == desk.wanted
        bad = desk.state / f"{name}.bad"
        bad.rmdir() if bad.is_dir() and not bad.is_symlink() else bad.unlink()
    assert desk.canary.read_bytes() == b"not yours"


def test_F49_a_manifest_the_server_does_not_know_is_a_full_plan_that_downloads_nothing(desk):
    desk.book.told.clear()
    desk.put(LESSON, b"changed")
    result = desk.hydrate()
    assert (result.mode, result.reason) == ("full", "the server does not know the stored manifest")
    assert result.files_downloaded == 1
    assert desk.tree == desk.wanted


def test_F49_the_state_of_another_store_or_incarnation_is_a_miss(desk):
    desk.server.store_id = "another"
    assert desk.hydrate().reason == "the folder was hydrated from another store"
    assert desk.hydrate().mode == "unchanged"
    desk.book.incarnation = 2
    assert desk.hydrate().reason == "the book was deleted and made again since"
    assert desk.hydrate().mode == "unchanged"


def test_F49_another_book_replaces_what_is_ours_and_leaves_the_authors_files(desk):
    (desk.out / "mine.txt").write_bytes(b"author's")
    desk.server.put("another", "content/README.md", b"another")
    result = desk.hydrate(book_id="another")
    assert result.reason == f"the folder holds another book, {BOOK}"
    assert desk.tree == {"README.md": b"another", "mine.txt": b"author's"}


@pytest.mark.parametrize(("manifest", "index"), list(itertools.product(["present", "absent", "stale"], repeat=2)))
@pytest.mark.parametrize("files", ["present", "absent", "partial", "stale"])
def test_F50_the_tree_decides_whatever_is_remembered(tmp_path, manifest, index, files):
    desk = Desk(tmp_path)
    desk.hydrate()
    old = {name: (desk.state / name).read_bytes() for name in STATE_FILES}
    old_tree = desk.tree
    desk.put(LESSON, b"changed")
    desk.remove(OTHER)
    desk.put("new.md", b"new")
    desk.hydrate()
    for name, state in {"manifest.json": manifest, "manifest.txt": manifest, "index": index}.items():
        if state == "absent":
            (desk.state / name).unlink()
        elif state == "stale":
            (desk.state / name).write_bytes(old[name])
    if files == "stale":
        for path in desk.tree:
            (desk.out / path).unlink()
        for path, data in old_tree.items():
            (desk.out / path).parent.mkdir(parents=True, exist_ok=True)
            (desk.out / path).write_bytes(data)
    elif files != "present":
        for path in list(desk.tree)[:: 1 if files == "absent" else 2]:
            (desk.out / path).unlink()
    outcome = desk.attempt()
    if isinstance(outcome, LocalEdits):
        # honest only where nothing says any more that the old files are ours
        assert files == "stale"
        assert {p["path"] for p in outcome.details["paths"]} <= {LESSON, OTHER}
        assert desk.tree == old_tree
        return
    left_behind = {OTHER} if files == "stale" and index != "stale" else set()
    assert {p: b for p, b in desk.tree.items() if p not in left_behind} == desk.wanted
    assert desk.hydrate().mode == "unchanged"


def test_show_7_everything_deleted_but_the_state_makes_the_tree_whole_again(desk):
    for path in desk.out.iterdir():
        if path.name != ".panaversity":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    result = desk.hydrate()
    assert desk.tree == desk.wanted
    assert result.mode == "delta"
    assert result.reason == "6 files of the folder were missing or altered"


def test_FR_303_a_cached_manifest_without_index_and_files_takes_two_requests(desk):
    for path in desk.out.iterdir():
        if path.name != ".panaversity":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (desk.state / "index").unlink()
    assert desk.requests() == 2
    assert desk.tree == desk.wanted
