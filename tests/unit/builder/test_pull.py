"""Pull: what others changed comes, what the author changed stays, and the next ingest has nothing to undo."""

import os
import stat
from pathlib import Path

import pytest

from panaversity_builder.book.hydrate.folder import Folder
from panaversity_builder.book.pull import place
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import (
    ConfigInvalid,
    Conflict,
    Forbidden,
    InvalidPath,
    NoSpace,
    NotFound,
    OutputLocked,
    ServerUnreachable,
    SourceRefused,
)
from support.simulator import Simulator
from support.together import BOOK, FILES, LESSON, SECOND, Desk, write_tree

NEW = "Part-01/Chapter-02/01-new.md"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.ingest()
    return desk


def test_changed_created_and_deleted_files_come_byte_for_byte(desk: Desk) -> None:
    desk.agent(LESSON, b"agent\r\n\xff\x00")
    desk.agent(NEW, b"")
    desk.agent(SECOND, None)
    result = desk.pull()
    assert [(source, change) for _, source, change in result.files] == [
        (LESSON, "updated"), (SECOND, "deleted"), (NEW, "added"),
    ]  # fmt: skip
    assert desk.source == desk.book
    assert desk.source[LESSON] == b"agent\r\n\xff\x00"


def test_after_a_pull_ingest_and_pull_have_nothing_to_do(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    desk.agent(NEW, b"new")
    assert desk.spent(desk.pull) == 3
    revision = desk.sim.books[BOOK].revision
    assert desk.spent(desk.pull) == 1
    assert desk.spent(lambda: desk.ingest()) == 1
    assert desk.sim.books[BOOK].revision == revision


def test_one_request_when_there_is_nothing_to_pull(desk: Desk) -> None:
    assert desk.spent(desk.pull) == 1
    assert desk.pull().to_json()["unchanged"] == len(FILES)


def test_the_authors_own_changes_stay_and_go_out_with_the_next_ingest(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    write_tree(desk.docs, {SECOND: b"author", "own.md": b"own"})
    (desk.docs / "README.md").unlink()
    assert desk.pull().outgoing == 3
    assert desk.ingest().changed == 3
    assert desk.source == desk.book
    assert (desk.book[LESSON], desk.book[SECOND]) == (b"agent", b"author")


def test_what_was_pulled_and_then_edited_is_no_conflict(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    desk.pull()
    write_tree(desk.docs, {LESSON: b"agent and author"})
    assert desk.ingest().count("updated") == 1


def test_what_was_pulled_and_then_deleted_is_deleted(desk: Desk) -> None:
    desk.agent(NEW, b"new")
    desk.pull()
    (desk.docs / NEW).unlink()
    assert desk.ingest().count("deleted") == 1
    assert NEW not in desk.book


def test_FR_204_a_file_both_changed_is_a_conflict_and_nothing_is_pulled(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    desk.agent(SECOND, b"agent")
    desk.agent("README.md", None)
    write_tree(desk.docs, {LESSON: b"author", "README.md": b"author"})
    before = desk.source
    with pytest.raises(Conflict) as caught:
        desk.pull()
    assert caught.value.exit_status == 11
    assert {one["source"]: one["reason"] for one in caught.value.details["conflicts"]} == {
        LESSON: "was changed here and changed in the book",
        "README.md": "was changed here and deleted in the book",
    }
    assert desk.source == before


def test_a_lesson_deleted_here_and_changed_in_the_book_is_a_conflict(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    (desk.docs / LESSON).unlink()
    with pytest.raises(Conflict) as caught:
        desk.pull()
    assert caught.value.details["conflicts"][0]["reason"] == "was deleted here and changed in the book"


def test_naming_files_pulls_only_these_conflicts_elsewhere_or_not(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    desk.agent(SECOND, b"agent")
    desk.agent(NEW, b"agent")
    write_tree(desk.docs, {LESSON: b"author"})
    desk.pull(SECOND)
    assert (desk.source[LESSON], desk.source[SECOND]) == (b"author", b"agent")
    assert NEW not in desk.source
    with pytest.raises(Conflict):
        desk.pull()


def test_a_conflict_ends_by_merging_and_overwriting_that_file(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    write_tree(desk.docs, {LESSON: b"author and agent"})
    desk.ingest(LESSON, overwrite=True)
    assert desk.spent(desk.pull) == 1
    assert desk.book[LESSON] == desk.source[LESSON] == b"author and agent"


def test_a_conflict_ends_by_putting_the_own_file_back(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    write_tree(desk.docs, {LESSON: b"author"})
    with pytest.raises(Conflict):
        desk.pull()
    write_tree(desk.docs, {LESSON: FILES[LESSON]})
    desk.pull()
    assert desk.source[LESSON] == b"agent"


def test_both_making_the_same_change_is_no_conflict_and_is_settled(desk: Desk) -> None:
    desk.agent(LESSON, b"same")
    write_tree(desk.docs, {LESSON: b"same"})
    assert desk.pull().files == ()
    assert desk.last["content/01-Part/01-Chapter/01-a.md"] == digest_of(b"same")


def test_a_dry_run_lists_and_writes_nothing_anywhere(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    before, last = desk.source, desk.last
    assert desk.spent(lambda: desk.pull(dry_run=True)) == 1
    assert desk.pull(dry_run=True).to_json()["updated"] == 1
    assert (desk.source, desk.last) == (before, last)


def test_a_dry_run_remembers_nothing_on_this_machine(tmp_path: Path) -> None:
    author = Desk(tmp_path / "author")
    author.ingest()
    other = Desk(tmp_path / "other", author.sim)
    other.pull(dry_run=True, accept_rollback=True)
    assert not (other.folder / ".panaversity").exists()


def test_F60_the_mode_of_a_file_stays_and_a_new_one_is_plain(desk: Desk) -> None:
    os.chmod(desk.docs / LESSON, 0o640)
    desk.agent(LESSON, b"agent")
    desk.agent(NEW, b"new")
    previous = os.umask(0o022)
    try:
        desk.pull()
    finally:
        os.umask(previous)
    assert stat.S_IMODE((desk.docs / LESSON).stat().st_mode) == 0o640
    assert stat.S_IMODE((desk.docs / NEW).stat().st_mode) == 0o644


def test_F57_a_hard_link_elsewhere_keeps_its_bytes(desk: Desk, tmp_path: Path) -> None:
    os.link(desk.docs / LESSON, tmp_path / "elsewhere.md")
    desk.agent(LESSON, b"agent")
    desk.pull()
    assert (tmp_path / "elsewhere.md").read_bytes() == b"one"


def test_folders_that_a_deletion_empties_go_and_others_stay(desk: Desk) -> None:
    desk.agent("Part-02/Chapter-01/01-a.md", None)
    desk.agent(SECOND, None)
    desk.pull()
    assert not (desk.docs / "Part-02").exists()
    assert (desk.docs / "Part-01/Chapter-01").is_dir()


def test_F43_a_case_only_rename_by_an_agent_comes(desk: Desk) -> None:
    desk.agent("README.md", None)
    desk.agent("Readme.md", b"# Book\r\n")
    desk.pull()
    assert desk.source == desk.book


def test_F59_a_file_that_became_a_folder_comes(desk: Desk) -> None:
    desk.agent("notes", b"file")
    desk.pull()
    desk.agent("notes", None)
    desk.agent("notes/a.md", b"in a folder")
    desk.pull()
    assert desk.source == desk.book


@pytest.mark.parametrize(
    ("own", "new"), [("Own/x.md", "own/y.md"), ("notes.md", "Notes.md"), ("guide", "guide/a.md"), ("a/b.md", "a")]
)
def test_F45_a_new_file_that_meets_one_of_the_authors_is_a_conflict(desk: Desk, own: str, new: str) -> None:
    write_tree(desk.docs, {own: b"author"})
    desk.agent(new, b"agent")
    before = desk.source
    with pytest.raises(Conflict) as caught:
        desk.pull()
    [conflict] = caught.value.details["conflicts"]
    assert conflict["source"] == new
    assert conflict["reason"].startswith("is new in the book and ")
    assert desk.source == before


def test_a_file_the_source_ignores_is_not_brought_and_said_so(desk: Desk) -> None:
    write_tree(desk.docs, {".bookignore": b"drafts/\n"})
    desk.agent("drafts/x.md", b"agent")
    desk.agent(LESSON, b"agent")
    result = desk.pull()
    assert [one.to_json() for one in result.ignored_files] == [
        {"source": "drafts/x.md", "reason": "lies in drafts, which is named in .bookignore"}
    ]
    assert not (desk.docs / "drafts").exists()
    assert desk.source[LESSON] == b"agent"
    desk.ingest()
    assert desk.book["drafts/x.md"] == b"agent"


def test_an_ignored_file_of_the_author_is_never_overwritten(desk: Desk) -> None:
    write_tree(desk.docs, {".bookignore": b"drafts/\n", "drafts/x.md": b"author"})
    desk.agent("drafts/x.md", b"agent")
    desk.pull()
    assert desk.source["drafts/x.md"] == b"author"


def test_F58_a_source_with_links_is_refused(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    (desk.docs / "link.md").symlink_to("README.md")
    with pytest.raises(SourceRefused, match="symbolic link"):
        desk.pull()


def test_F56_a_folder_swapped_for_a_link_leads_nowhere(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "01-a.md").write_bytes(b"one")
    desk.agent(LESSON, b"agent")
    real = Simulator.fetch_pack

    def swapping(self: Simulator, *arguments: object) -> object:
        (desk.docs / "Part-01/Chapter-01").rename(tmp_path / "aside")
        (desk.docs / "Part-01/Chapter-01").symlink_to(outside)
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Simulator, "fetch_pack", swapping)
    with pytest.raises((Conflict, ConfigInvalid)):
        desk.pull()
    assert (outside / "01-a.md").read_bytes() == b"one"
    assert os.listdir(outside) == ["01-a.md"]


@pytest.mark.parametrize("edit", ["write", "delete", "create"])
def test_F52_a_file_changed_while_pull_is_at_work_is_left_alone_and_the_others_come(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, edit: str
) -> None:
    desk.agent(LESSON, b"agent")
    desk.agent(SECOND, b"agent")
    desk.agent(NEW, b"agent")
    touched = NEW if edit == "create" else LESSON
    real = place.put

    def editing(folder: Folder, wanted: place.Put, pieces: object) -> None:
        if wanted.source == touched:
            (desk.docs / touched).unlink() if edit == "delete" else write_tree(desk.docs, {touched: b"author"})
        real(folder, wanted, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr(place, "put", editing)
    with pytest.raises(Conflict, match="cannot be pulled over") as caught:
        desk.pull()
    assert [one["source"] for one in caught.value.details["conflicts"]] == [touched]
    assert desk.source.get(touched) == (None if edit == "delete" else b"author")
    assert {p: d for p, d in desk.source.items() if p != touched} == {
        p: d for p, d in desk.book.items() if p != touched
    }
    monkeypatch.undo()
    with pytest.raises(Conflict):
        desk.ingest()  # the author and the agent both changed it: nobody's edit is lost


def test_F52_a_file_that_is_edited_while_pull_would_delete_it_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.agent(LESSON, None)
    desk.agent(SECOND, b"agent")
    real = place.drop

    def editing(folder: Folder, unwanted: place.Drop) -> None:
        write_tree(desk.docs, {LESSON: b"own"})
        real(folder, unwanted)

    monkeypatch.setattr(place, "drop", editing)
    with pytest.raises(Conflict):
        desk.pull()
    assert (desk.source[LESSON], desk.source[SECOND]) == (b"own", b"agent")


@pytest.mark.parametrize("late", ["content", "same length and times"])
def test_F52_a_change_in_the_last_moment_is_seen(desk: Desk, monkeypatch: pytest.MonkeyPatch, late: str) -> None:
    desk.agent(LESSON, b"agent")
    file, real = desk.docs / LESSON, place.require

    def editing(folder: Folder, source: str, digest: object) -> None:
        status = file.stat()
        file.write_bytes(b"own" if late != "content" else b"author")
        if late != "content":
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        real(folder, source, digest)  # type: ignore[arg-type]

    monkeypatch.setattr(place, "require", editing)
    with pytest.raises(Conflict):
        desk.pull()
    assert file.read_bytes() in (b"own", b"author")
    assert [name for name in os.listdir(file.parent) if name.startswith(".")] == []


def test_P10_a_book_that_was_emptied_empties_no_source(desk: Desk) -> None:
    write_tree(desk.docs, {f"Part-03/{n}.md": b"" for n in range(20)})
    desk.ingest()
    desk.sim.books[BOOK].entries.clear()
    with pytest.raises(SourceRefused, match="26 of 26"):
        desk.pull()
    with pytest.raises(SourceRefused):
        desk.pull(max_deletes="100%")
    assert len(desk.source) == 26


def test_P10_more_deletions_than_allowed_are_refused(desk: Desk) -> None:
    many = {f"Part-03/{n}.md": b"" for n in range(20)}
    write_tree(desk.docs, many)
    desk.ingest()
    for path in many:
        desk.agent(path, None)
    with pytest.raises(SourceRefused, match="--max-deletes 20"):
        desk.pull()
    assert desk.pull(max_deletes="20").to_json()["deleted"] == 20


def test_an_unknown_book_is_no_empty_one(desk: Desk) -> None:
    del desk.sim.books[BOOK]
    with pytest.raises(NotFound):
        desk.pull()
    assert desk.source == FILES


def test_a_book_that_agents_began_is_pulled_into_a_source_that_has_something_else(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.sim.create(BOOK)
    desk.sim.put(BOOK, "content/intro.md", b"agent")
    desk.pull()
    assert desk.source == {**FILES, "intro.md": b"agent"}
    assert desk.ingest().count("added") == len(FILES)


def test_a_book_nobody_ingested_that_differs_is_a_conflict(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.sim.put(BOOK, "content/README.md", b"agent")
    with pytest.raises(Conflict) as caught:
        desk.pull()
    assert "nobody ingested yet" in caught.value.details["conflicts"][0]["reason"]


@pytest.mark.parametrize("path", ["content/../../x.md", "content/.git/x.md", "content/a\x00.md", "else/x.md"])
def test_F55_a_server_that_names_what_is_no_book_path_writes_nothing(desk: Desk, path: str) -> None:
    book = desk.sim.books[BOOK]
    book.entries[path] = digest_of(b"x")
    desk.sim.blobs[digest_of(b"x")] = b"x"
    before = desk.source
    with pytest.raises(InvalidPath):
        desk.pull()
    assert desk.source == before


def test_P4_wrong_bytes_never_reach_the_source(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    desk.sim.trouble.wrong.add(digest_of(b"agent"))
    with pytest.raises(ServerUnreachable):
        desk.pull()
    assert desk.source == FILES
    desk.sim.trouble.wrong.clear()
    desk.pull()
    assert desk.source[LESSON] == b"agent"


def test_a_lost_answer_is_made_good_by_the_next_pull(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    desk.sim.trouble.lost_answers = 3
    with pytest.raises(ServerUnreachable):
        desk.pull()
    assert desk.source == desk.book
    desk.sim.trouble.lost_answers = 0
    desk.pull()
    write_tree(desk.docs, {LESSON: b"author"})
    assert desk.ingest().count("updated") == 1


def test_who_may_only_read_pulls_and_remembers_it_here(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.agent(LESSON, b"agent")

    def refusing(*_: object) -> None:
        raise Forbidden("ingest", BOOK, "this token may only read")

    monkeypatch.setattr(desk.sim, "send_changeset", refusing)
    desk.pull()
    assert desk.source == desk.book
    monkeypatch.undo()
    write_tree(desk.docs, {LESSON: b"author"})
    assert desk.ingest().count("updated") == 1


def test_F54_a_second_pull_at_the_same_time_is_told_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.agent(LESSON, b"agent")
    real = place.put
    seen: list[int] = []

    def pulling_too(folder: Folder, wanted: place.Put, pieces: object) -> None:
        with pytest.raises(OutputLocked) as caught:
            desk.pull()
        seen.append(caught.value.exit_status)
        real(folder, wanted, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr(place, "put", pulling_too)
    desk.pull()
    assert seen == [5]
    assert desk.source == desk.book


@pytest.mark.parametrize(("number", "kind"), [(28, NoSpace), (13, ConfigInvalid), (30, ConfigInvalid)])
def test_F11_a_file_system_that_refuses_leaves_every_file_whole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    desk.agent(LESSON, b"agent")

    def failing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(place, "write_all", failing)
    with pytest.raises(kind):
        desk.pull()
    assert desk.source == FILES
    monkeypatch.undo()
    desk.pull()
    assert desk.source[LESSON] == b"agent"


def test_a_change_of_numbering_in_the_book_does_not_confuse_a_pull(tmp_path: Path) -> None:
    from panaversity_fs.core.mapping import Numbering

    desk = Desk(tmp_path)
    desk.ingest()
    desk.ingest(numbering=Numbering.NUMBER_NAME)
    desk.sim.put(BOOK, "content/Part-01/Chapter-01/01-a.md", b"agent")
    desk.pull()
    assert desk.source[LESSON] == b"agent"
