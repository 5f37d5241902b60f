"""The quick way of a run that has nothing to do: taken only where looking closer would come to the same end."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from panaversity_builder.book.hydrate import HydrateResult, entry, hydrate, plan_hydrate, tree
from panaversity_builder.book.hydrate.records import Glance, parse_glance, render_glance
from panaversity_builder.book.sealed import Miss
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import PanaversityError
from support.hydrated import IMAGE, LESSON, OTHER, Desk, everything


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder that was found whole and at rest, and about which a note was left."""
    monkeypatch.setattr(tree, "TICK_NS", -(10**15))
    desk = Desk(tmp_path)
    for _ in range(2):
        quick(desk)
    assert (desk.state / "glance").is_file()
    return desk


def quick(desk: Desk, **changed) -> HydrateResult:
    return hydrate(desk.server, desk.options(**changed), glance=True)


@pytest.fixture
def closer(monkeypatch):
    """How often a run looked closer than at a glance."""
    looks = []
    real = entry.StateFiles.read
    monkeypatch.setattr(entry.StateFiles, "read", lambda self: looks.append(self) or real(self))
    return looks


def test_P7_a_run_with_nothing_to_do_asks_once_reads_no_file_and_changes_nothing(desk, closer):
    before, asked = everything(desk.out), desk.server.traffic.requests
    result = quick(desk)
    assert (result.mode, result.unchanged, result.requests) == ("unchanged", 6, 1)
    assert (desk.server.traffic.requests - asked, closer) == (1, [])
    state = {path: seen for path, seen in everything(desk.out).items() if not path.endswith("lock")}
    assert state == {path: seen for path, seen in before.items() if not path.endswith("lock")}


def test_a_glance_answers_what_a_closer_look_does(desk, closer):
    seen, looked = quick(desk), desk.hydrate()
    assert len(closer) == 1
    assert seen.to_json() == looked.to_json()


def shrink(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def same_size_and_time(path: Path) -> None:
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


TOUCHES: dict[str, Callable[[Desk], object]] = {
    "a lesson is edited": lambda d: (d.out / LESSON).write_bytes(b"mine"),
    "a lesson is edited and its time put back": lambda d: same_size_and_time(d.out / LESSON),
    "a lesson is gone": lambda d: (d.out / LESSON).unlink(),
    "a lesson became a link": lambda d: ((d.out / LESSON).unlink(), (d.out / LESSON).symlink_to(d.canary)),
    "a lesson became a folder": lambda d: ((d.out / LESSON).unlink(), (d.out / LESSON).mkdir()),
    "a folder is gone": lambda d: shutil.rmtree(d.out / "01-Part"),
    "an image is replaced": lambda d: os.replace(d.out / OTHER, d.out / IMAGE),
    "another file is there": lambda d: (d.out / "01-Part" / "mine.md").write_bytes(b"mine"),
    "the index is cut": lambda d: shrink(d.state / "index"),
    "the index is gone": lambda d: (d.state / "index").unlink(),
    "the manifest's text is cut": lambda d: shrink(d.state / "manifest.txt"),
    "the manifest's text is gone": lambda d: (d.state / "manifest.txt").unlink(),
    "the manifest is gone": lambda d: (d.state / "manifest.json").unlink(),
    "the manifest is cut": lambda d: shrink(d.state / "manifest.json"),
    "a run was interrupted": lambda d: (d.state / "plan.json").write_bytes(b"{}"),
    "the note is cut": lambda d: shrink(d.state / "glance"),
    "the note is empty": lambda d: (d.state / "glance").write_bytes(b""),
    "the note is gone": lambda d: (d.state / "glance").unlink(),
    "the note is a folder": lambda d: ((d.state / "glance").unlink(), (d.state / "glance").mkdir()),
    "the book has a lesson more": lambda d: d.put("01-Part/01-Chapter/03-new.md", b"new"),
    "the book has a lesson less": lambda d: d.remove(OTHER),
}


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("on_edit", ["stop", "backup"])
def test_D6_whatever_was_touched_a_run_that_glances_ends_as_one_that_does_not(desk, closer, touch, on_edit):
    """The twin: the same folder, hydrated without the quick way."""
    TOUCHES[touch](desk)
    twin = Path(shutil.copytree(desk.out, desk.place / "twin", symlinks=True))
    ends = []
    for folder, glance in ((desk.out, True), (twin, False)):
        options = desk.options(output_dir=str(folder), on_edit=on_edit)
        try:
            done = hydrate(desk.server, options, glance=glance)
            ends.append((done.mode, done.added, done.updated, done.deleted, done.unchanged, done.changes))
        except PanaversityError as refusal:
            ends.append((type(refusal), refusal.exit_status))
    assert ends[0] == ends[1]
    assert len(closer) == 2
    assert _content(desk.out) == _content(twin)


@pytest.mark.parametrize("touch", ["nothing", *TOUCHES])
def test_FR_107_a_plan_that_glances_says_what_one_that_looks_closer_says(desk, closer, touch):
    TOUCHES.get(touch, lambda desk: desk)(desk)
    before, asked = everything(desk.out), desk.server.traffic.requests
    quickly = plan_hydrate(desk.server, desk.options(), glance=True)
    assert len(closer) == (touch != "nothing")
    spent = desk.server.traffic.requests - asked
    assert quickly == plan_hydrate(desk.server, desk.options())
    assert spent <= 1 + desk.server.traffic.requests - asked - spent
    assert everything(desk.out) == before


def _content(folder: Path) -> dict[str, tuple[str, bytes]]:
    kept = {path: seen[:2] for path, seen in everything(folder).items() if ".panaversity" not in path}
    return kept | {"manifest.txt": ("", (folder / ".panaversity" / "manifest.txt").read_bytes())} if kept else kept


@pytest.mark.parametrize("asked", [{"verify": True}, {"full_rebuild": True}, {"scope": "content"}, {"tree": "storage"}])
def test_a_run_that_asks_for_more_looks_closer(desk, closer, asked):
    quick(desk, **asked)
    assert len(closer) == 1


def test_a_glance_that_fails_costs_no_second_question(desk, closer):
    (desk.out / LESSON).unlink()
    before = desk.server.traffic.requests
    assert quick(desk).added == 1
    assert desk.server.traffic.requests - before == 2  # the plan, and the bytes


def test_F49_a_book_older_than_the_folder_is_no_glance(desk, closer):
    desk.book.revision -= 1
    with pytest.raises(PanaversityError):
        quick(desk)


def test_the_note_of_a_folder_that_does_not_rest_is_not_left(tmp_path):
    desk = Desk(tmp_path)
    for _ in range(3):
        quick(desk)
    assert not (desk.state / "glance").exists()


def test_F48_a_note_with_any_byte_flipped_is_a_miss():
    data = render_glance(Glance({"index": digest_of(b"1")}, ["a", "a/b"], 2, digest_of(b"2")))
    assert parse_glance(data).files == 2
    for at in range(len(data)):
        for flip in (1, 32):
            with pytest.raises(Miss):
                parse_glance(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
