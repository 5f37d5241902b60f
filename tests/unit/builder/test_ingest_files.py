"""``ingest --files``: only what is named is written or deleted, and what everybody believes stays true."""

import os
from pathlib import Path

import pytest

from panaversity_builder.book.selection import Selection
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import Conflict, InvalidArgument, SourceRefused
from support.together import FILES, LESSON, SECOND, Desk, write_tree

LESSON_PATH = "content/01-Part/01-Chapter/01-a.md"
SECOND_PATH = "content/01-Part/01-Chapter/02-b.md"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.ingest()
    write_tree(desk.docs, {LESSON: b"changed", SECOND: b"changed too", "new.md": b"new"})
    return desk


def test_only_what_is_named_is_written(desk: Desk) -> None:
    result = desk.ingest(LESSON)
    assert [(file.path, file.change) for file in result.files] == [(LESSON_PATH, "updated")]
    assert result.unchanged == 0
    assert desk.book == {**FILES, LESSON: b"changed"}


def test_the_rest_comes_with_the_next_whole_ingest(desk: Desk) -> None:
    desk.ingest(LESSON)
    assert {file.source for file in desk.ingest().files} == {SECOND, "new.md"}
    assert desk.spent(desk.ingest) == 1


def test_the_last_ingest_is_replaced_only_where_it_was_asked_for(desk: Desk) -> None:
    before = desk.last
    desk.ingest(LESSON)
    assert desk.last == {**before, LESSON_PATH: digest_of(b"changed")}


def test_a_named_file_that_is_gone_is_deleted_and_others_that_are_gone_stay(desk: Desk) -> None:
    (desk.docs / LESSON).unlink()
    (desk.docs / SECOND).unlink()
    result = desk.ingest(LESSON)
    assert [(file.path, file.change) for file in result.files] == [(LESSON_PATH, "deleted")]
    assert SECOND in desk.book
    assert LESSON_PATH not in desk.last
    assert SECOND_PATH in desk.last


def test_a_folder_means_everything_below_it_also_what_is_gone(desk: Desk) -> None:
    (desk.docs / SECOND).unlink()
    write_tree(desk.docs, {"Part-02/Chapter-01/01-a.md": b"not asked for"})
    assert [file.change for file in desk.ingest("Part-01").files] == ["updated", "deleted"]
    assert desk.book["Part-02/Chapter-01/01-a.md"] == b""
    assert "new.md" not in desk.book


def test_a_folder_that_is_gone_altogether_can_be_named(desk: Desk) -> None:
    (desk.docs / "Part-02/Chapter-01/01-a.md").unlink()
    os.removedirs(desk.docs / "Part-02/Chapter-01")
    assert desk.ingest("Part-02").count("deleted") == 1


def test_a_conflict_elsewhere_stops_nobody_and_one_here_does(desk: Desk) -> None:
    desk.agent(SECOND, b"agent")
    assert desk.ingest(LESSON).changed == 1
    with pytest.raises(Conflict) as caught:
        desk.ingest(SECOND)
    assert [one["source"] for one in caught.value.details["conflicts"]] == [SECOND]
    with pytest.raises(Conflict):
        desk.ingest()


def test_overwrite_wins_only_where_it_was_asked_for(desk: Desk) -> None:
    for lesson in (LESSON, SECOND):
        desk.agent(lesson, b"agent")
    desk.ingest(LESSON, overwrite=True)
    assert (desk.book[LESSON], desk.book[SECOND]) == (b"changed", b"agent")
    with pytest.raises(Conflict) as caught:
        desk.ingest()
    assert [one["source"] for one in caught.value.details["conflicts"]] == [SECOND]


def test_F31_an_agents_edit_of_a_named_file_is_left_alone(desk: Desk) -> None:
    write_tree(desk.docs, {LESSON: b"one"})
    desk.agent(LESSON, b"agent")
    assert desk.ingest(LESSON).diverged_files == (LESSON_PATH,)
    assert desk.book[LESSON] == b"agent"


def test_a_name_that_means_nothing_is_a_usage_error_and_nothing_is_written(desk: Desk) -> None:
    before = desk.book
    with pytest.raises(InvalidArgument, match=r"typo\.md") as caught:
        desk.ingest(LESSON, "typo.md")
    assert caught.value.exit_status == 2
    assert desk.book == before


def test_no_file_at_all_is_nothing_to_do(desk: Desk) -> None:
    before = desk.last
    assert desk.ingest(files=Selection(frozenset())).changed == 0
    assert desk.last == before


def test_an_ignored_name_is_reported_and_not_written(desk: Desk) -> None:
    write_tree(desk.docs, {".bookignore": b"new.md\n", "other.tmp~": b""})
    result = desk.ingest("new.md")
    assert [one.source for one in result.ignored_files] == ["new.md"]
    assert "new.md" not in desk.book


def test_F58_what_is_refused_elsewhere_stops_nobody(desk: Desk) -> None:
    (desk.docs / "link.md").symlink_to("README.md")
    assert desk.ingest(LESSON).changed == 1
    with pytest.raises(SourceRefused):
        desk.ingest("link.md")


def test_F47_P10_a_folder_that_cannot_be_read_does_not_count_as_gone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from panaversity_builder.book import source

    real = os.open

    def refusing(path: object, *arguments: object, **more: object) -> int:
        if path == "Chapter-01":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(source.os, "open", refusing)
    with pytest.raises(SourceRefused, match="Chapter-01 cannot be read"):
        desk.ingest(LESSON)


def test_F47_P10_many_deletions_are_refused_for_named_folders_too(desk: Desk) -> None:
    write_tree(desk.docs, {f"Part-03/{n}.md": b"" for n in range(12)})
    desk.ingest()
    for file in (desk.docs / "Part-03").iterdir():
        file.unlink()
    with pytest.raises(SourceRefused, match="--max-deletes 12"):
        desk.ingest("Part-03")
    assert desk.ingest("Part-03", max_deletes="12").count("deleted") == 12


def test_F43_a_case_only_rename_needs_both_names(desk: Desk) -> None:
    (desk.docs / "README.md").rename(desk.docs / "Readme.md")
    assert [file.change for file in desk.ingest("README.md", "Readme.md").files] == ["deleted", "added"]
    assert "Readme.md" in desk.book


def test_into_a_book_nobody_ingested_only_the_named_file_is_claimed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ingest(LESSON)
    assert desk.book == {LESSON: b"one"}
    assert desk.last == {LESSON_PATH: digest_of(b"one")}
    assert desk.ingest().count("added") == len(FILES) - 1


def test_a_forgotten_last_ingest_is_asked_for(desk: Desk) -> None:
    import shutil

    desk.agent(SECOND, b"agent")
    shutil.rmtree(desk.ingesting.state_dir)
    assert desk.spent(lambda: desk.ingest(LESSON)) == 3
    assert desk.book[LESSON] == b"changed"


def test_I2_the_same_files_again_cost_one_request(desk: Desk) -> None:
    assert desk.spent(lambda: desk.ingest(LESSON)) == 2
    assert desk.spent(lambda: desk.ingest(LESSON)) == 1
