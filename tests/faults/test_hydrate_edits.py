"""What people and programs do to the output folder: nothing of theirs is changed, nothing outside is reached."""

import os
import shutil
import socket
import stat
import threading

import pytest

from panaversity_builder.book.hydrate.folder import Folder
from panaversity_fs.core.errors import LocalEdits, PanaversityError
from support.hydrated import IMAGE, LESSON, OTHER, Desk, everything


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.hydrate()
    return desk


def refused(desk, **options):
    """Hydrate must stop with exit 3 and leave every file as it was; answers the paths it lists."""
    before = {p: v for p, v in everything(desk.place).items() if ".panaversity" not in p}
    with pytest.raises(LocalEdits) as caught:
        desk.hydrate(**options)
    after = {p: v for p, v in everything(desk.place).items() if ".panaversity" not in p}
    assert before == after
    assert caught.value.exit_status == 3
    return [o["path"] for o in caught.value.details["paths"]]


def test_F51_edits_stop_a_hydrate_that_lists_all_of_them(desk):
    (desk.out / LESSON).write_bytes(b"edited")
    (desk.out / OTHER).write_bytes(b"edited too")
    desk.put(LESSON, b"changed")
    desk.put(IMAGE, b"changed")
    assert refused(desk) == [LESSON, OTHER]
    assert [o.path for o in desk.plan().obstacles] == [LESSON, OTHER]


def test_F51_an_edit_of_the_same_size_and_time_is_seen(desk):
    desk.age()
    desk.hydrate()
    status = os.stat(desk.out / LESSON)
    (desk.out / LESSON).write_bytes(b"# Own\r\n")
    os.utime(desk.out / LESSON, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert refused(desk) == [LESSON]


def test_F51_an_edit_right_after_a_hydrate_is_seen(desk):
    (desk.out / LESSON).write_bytes(b"# Own\r\n")
    assert refused(desk) == [LESSON]


@pytest.mark.parametrize("make", ["folder", "link", "fifo", "socket"])
def test_F51_a_file_of_ours_replaced_by_something_else_stops_and_is_listed(desk, make):
    path = desk.out / LESSON
    path.unlink()
    if make == "folder":
        path.mkdir()
        (path / "mine").write_bytes(b"mine")
    elif make == "link":
        path.symlink_to(desk.canary)
    elif make == "fifo":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(path.parent)
            server.bind(path.name)
    assert refused(desk) == [LESSON]


def test_F51_deleted_files_are_fetched_again_and_changed_modes_are_left(desk):
    (desk.out / LESSON).unlink()
    (desk.out / OTHER).chmod(0o600)
    assert desk.hydrate().added == 1
    assert desk.tree == desk.wanted
    assert stat.S_IMODE((desk.out / OTHER).stat().st_mode) == 0o600


def test_F51_backup_keeps_edited_files_aside(desk):
    (desk.out / LESSON).write_bytes(b"edited")
    (desk.out / OTHER).unlink()
    (desk.out / OTHER).symlink_to(desk.canary)
    desk.put(LESSON, b"changed")
    desk.hydrate(on_edit="backup")
    assert desk.tree == desk.wanted
    kept = list((desk.state / "edits").iterdir())
    assert sorted(p.read_bytes() for p in kept if not p.is_symlink()) == [b"edited"]
    assert [os.readlink(p) for p in kept if p.is_symlink()] == [str(desk.canary)]
    assert desk.canary.read_bytes() == b"not yours"


def test_F51_a_folder_in_the_place_of_a_file_stops_under_every_policy(desk):
    (desk.out / OTHER).unlink()
    (desk.out / OTHER).mkdir()
    (desk.out / OTHER / "mine").write_bytes(b"mine")
    for on_edit in ("stop", "backup", "overwrite"):
        assert refused(desk, on_edit=on_edit) == [OTHER]


def test_F51_overwrite_replaces_edited_files_only_when_asked(desk):
    (desk.out / LESSON).write_bytes(b"edited")
    (desk.out / OTHER).unlink()
    (desk.out / OTHER).symlink_to(desk.canary)
    desk.hydrate(on_edit="overwrite")
    assert desk.tree == desk.wanted
    assert desk.canary.read_bytes() == b"not yours"


def test_F42_an_edited_file_that_left_the_book_is_not_deleted(desk):
    (desk.out / LESSON).write_bytes(b"edited")
    for path in desk.source_paths():
        desk.remove(path)
    assert refused(desk) == [LESSON]


def test_F52_an_authors_file_where_a_new_one_should_go_stops_under_every_policy(desk):
    (desk.out / "02-Part/notes.md").write_bytes(b"author's")
    desk.put("02-Part/notes.md", b"the book's")
    for on_edit in ("stop", "backup", "overwrite"):
        assert refused(desk, on_edit=on_edit) == ["02-Part/notes.md"]


def test_F52_an_authors_file_that_appears_between_check_and_rename_is_not_replaced(desk, monkeypatch):
    desk.put("02-Part/notes.md", b"the book's")
    place = Folder.place_new

    def appear(self, source, path):
        (desk.out / path).write_bytes(b"author's")
        place(self, source, path)

    monkeypatch.setattr(Folder, "place_new", appear)
    with pytest.raises(LocalEdits, match="changed while hydrate was at work"):
        desk.hydrate()
    assert (desk.out / "02-Part/notes.md").read_bytes() == b"author's"


@pytest.mark.parametrize("change", ["put", "remove"])
def test_F52_a_file_edited_between_check_and_rename_is_not_replaced(desk, monkeypatch, change):
    desk.put(LESSON, b"changed") if change == "put" else desk.remove(LESSON)
    status = Folder.status

    def edit(self, path):
        if path == LESSON:
            (desk.out / path).write_bytes(b"edited")
        return status(self, path)

    monkeypatch.setattr(Folder, "status", edit)
    with pytest.raises(LocalEdits):
        desk.hydrate()
    assert (desk.out / LESSON).read_bytes() == b"edited"


def test_an_authors_own_files_stay_as_they_are(desk):
    mine = {"mine.md": b"1", "01-Part/01-Chapter/mine.md": b"2", "own/deep/x.png": b"3", ".hidden": b"4"}
    for path, data in mine.items():
        (desk.out / path).parent.mkdir(parents=True, exist_ok=True)
        (desk.out / path).write_bytes(data)
        os.utime(desk.out / path, (7, 7))
    (desk.out / "link").symlink_to(desk.canary)
    desk.put(LESSON, b"changed")
    desk.remove(OTHER)
    desk.hydrate()
    desk.hydrate(full_rebuild=True)
    for path, data in mine.items():
        assert (desk.out / path).read_bytes() == data
        assert (desk.out / path).stat().st_mtime == 7
    assert (desk.out / "link").is_symlink()
    assert {p: b for p, b in desk.tree.items() if p not in mine} == desk.wanted


def test_without_an_index_a_file_equal_to_the_book_is_adopted(desk):
    (desk.state / "index").unlink()
    desk.put(LESSON, b"changed")
    desk.remove(OTHER)
    result = desk.hydrate()
    assert (result.updated, result.deleted, result.files_downloaded) == (1, 1, 1)
    assert desk.tree == desk.wanted


@pytest.mark.parametrize("target", ["file", "folder", "dangling", "parent", "loop", "proc"])
@pytest.mark.parametrize("where", [LESSON, "01-Part/01-Chapter", "01-Part", "02-Part"])
def test_F56_a_planted_link_is_never_followed(desk, target, where):
    outside = desk.place / "outside"
    outside.mkdir()
    (outside / "01-one.md").write_bytes(b"# One\r\n")
    path = desk.out / where
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    points = {"file": desk.canary, "folder": outside, "dangling": "nowhere", "parent": "..", "loop": path.name}
    path.symlink_to(points.get(target, "/proc/self/cwd"))
    desk.put(LESSON, b"changed")
    desk.remove("02-Part/01-Chapter/01-last.mdx")
    before = everything(desk.place)
    outcome = desk.attempt()
    if isinstance(outcome, LocalEdits):
        assert outcome.details["paths"][0]["path"] == where
    else:
        assert where == "02-Part"  # nothing of the book is left below it
        assert outcome.mode == "delta"
    assert os.path.islink(path)
    after = everything(desk.place)
    assert {p: v for p, v in before.items() if not p.startswith("book/")} == {
        p: v for p, v in after.items() if not p.startswith("book/")
    }


@pytest.mark.parametrize("target", ["outside", "nowhere", "."])
def test_F56_a_state_folder_that_is_a_link_is_refused(tmp_path, target):
    desk = Desk(tmp_path)
    desk.out.mkdir()
    (tmp_path / "outside").mkdir()
    (desk.out / ".panaversity").symlink_to(tmp_path / target)
    with pytest.raises(LocalEdits):
        desk.hydrate()
    with pytest.raises(LocalEdits):
        desk.plan()
    assert not list((tmp_path / "outside").iterdir())


def test_F56_links_planted_in_the_state_folder_are_never_written_through(desk):
    staging = desk.state / "staging"
    staging.rmdir()
    (desk.place / "outside").mkdir()
    staging.symlink_to(desk.place / "outside")
    desk.put(LESSON, b"changed")
    with pytest.raises(PanaversityError):
        desk.hydrate()
    assert not list((desk.place / "outside").iterdir())
    staging.unlink()
    for name in ("manifest.json", "manifest.txt", "index", "lock", "plan.json"):
        (desk.state / name).unlink(missing_ok=True)
        (desk.state / name).symlink_to(desk.canary)
        try:
            desk.hydrate()
        except PanaversityError:
            assert name == "lock"
            (desk.state / name).unlink()
        assert desk.canary.read_bytes() == b"not yours"
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_F56_G14_a_folder_swapped_for_a_link_while_we_write_never_leads_outside(desk):
    outside = desk.place / "outside"
    outside.mkdir()
    part, aside = desk.out / "01-Part", desk.out / "aside"
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            try:
                part.rename(aside)
                part.symlink_to(outside)
                part.unlink()
                aside.rename(part)
            except OSError:
                continue

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(150):
            desk.put(f"01-Part/new/{number % 7:02d}.md", b"%d" % number)
            desk.attempt()
    finally:
        stop.set()
        thread.join()
    assert not list(outside.rglob("*"))


def test_F57_a_hard_link_to_a_file_elsewhere_is_replaced_and_never_written_through(desk):
    elsewhere = desk.place / "elsewhere.md"
    os.link(desk.out / LESSON, elsewhere)
    desk.put(LESSON, b"changed")
    desk.hydrate()
    assert elsewhere.read_bytes() == b"# One\r\n"
    assert desk.tree == desk.wanted


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o000, 0o644, 0o755), (0o022, 0o644, 0o755), (0o077, 0o600, 0o700)]
)
def test_F60_modes_are_ours_less_the_umask(tmp_path, umask, file, folder):
    old = os.umask(umask)
    try:
        desk = Desk(tmp_path)
        desk.hydrate()
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in desk.out.rglob("*.md")}
    assert modes == {file}
    assert stat.S_IMODE((desk.out / "01-Part").stat().st_mode) == folder
