"""Ingest against a simulated server: what is sent, what is refused, what is left alone, and what it costs."""

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panaversity_builder.book import ingest_send, source
from panaversity_builder.book.ingest import IngestOptions, IngestResult, ingest
from panaversity_builder.book.sealed import seal
from panaversity_builder.client import LARGE
from panaversity_builder.progress import Silent
from panaversity_fs.core.changes import Changeset, Delete, Write
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import (
    BookGone,
    Conflict,
    HashMismatch,
    InvalidArgument,
    SchemaViolation,
    ServerUnreachable,
    SourceRefused,
)
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema
from support.simulator import Simulator, Trouble

BOOK = "my-book"
FILES = {
    "README.md": b"# Book\r\n",
    "Part-01/_category_.json": b"{}",
    "Part-01/Chapter-01/01-a.md": b"one",
    "Part-01/Chapter-01/02-b.md": b"two  \n",
    "Part-01/Chapter-01/img/d.png": b"\x89PNG\r\n",
    "Part-02/Chapter-01/01-a.md": b"",
}


def write_tree(root: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


class Desk:
    """An author at work: a source folder, a project state and a simulated server."""

    def __init__(self, folder: Path) -> None:
        self.docs = folder / "docs"
        self.sim = Simulator()
        self.options = IngestOptions(BOOK, str(self.docs), str(folder / ".panaversity"))
        write_tree(self.docs, FILES)

    def ingest(self, **wishes: Any) -> IngestResult:
        return ingest(self.sim, replace(self.options, **wishes))

    def spent(self, call: Callable[[], object]) -> int:
        before = self.sim.traffic.requests
        call()
        return self.sim.traffic.requests - before

    @property
    def book(self) -> dict[str, bytes]:
        return self.sim.tree(BOOK)

    def path(self, source_path: str) -> str:
        """The book path of a lesson of this name-number tree."""
        return "content/" + source_path.replace("Part-01", "01-Part").replace("Chapter-01", "01-Chapter")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


LESSON = "Part-01/Chapter-01/01-a.md"


def test_FR_201_D8_the_book_holds_exactly_the_bytes_of_the_source(desk: Desk) -> None:
    result = desk.ingest()
    assert desk.book == FILES
    assert result.numbering is Numbering.NAME_NUMBER
    assert set(desk.sim.books[BOOK].entries) >= {
        "content/01-Part/01-Chapter/01-a.md",
        "static/img/01-Part/01-Chapter/d.png",
    }


def test_a_book_born_by_ingest_is_docusaurus_and_has_its_numbering(desk: Desk) -> None:
    desk.ingest()
    assert (desk.sim.books[BOOK].schema, desk.sim.books[BOOK].numbering) == (Schema.DOCUSAURUS, Numbering.NAME_NUMBER)


def test_I2_a_second_ingest_changes_nothing_and_costs_one_request(desk: Desk) -> None:
    assert desk.spent(desk.ingest) == 2
    revision = desk.sim.books[BOOK].revision
    results: list[IngestResult] = []
    assert desk.spent(lambda: results.append(desk.ingest())) == 1
    assert (results[0].changed, results[0].unchanged) == (0, len(FILES))
    assert desk.sim.books[BOOK].revision == results[0].revision == revision


def test_I2_on_a_machine_without_memory_an_unchanged_source_costs_one_request_too(desk: Desk) -> None:
    desk.ingest()
    shutil.rmtree(desk.options.state_dir)
    assert desk.spent(desk.ingest) == 1


def test_FR_206_the_summary_counts_what_changed(desk: Desk) -> None:
    desk.ingest()
    write_tree(desk.docs, {LESSON: b"changed", "Part-03/new.md": b"new", ".DS_Store": b"x"})
    (desk.docs / "Part-01/Chapter-01/02-b.md").unlink()
    body = desk.ingest().to_json()
    assert next(iter(body)) == "schema_version"
    assert {k: body[k] for k in ("added", "updated", "deleted", "unchanged", "diverged", "ignored")} == {
        "added": 1, "updated": 1, "deleted": 1, "unchanged": 4, "diverged": 0, "ignored": 1,
    }  # fmt: skip
    assert body["files"] == [
        {"path": "content/01-Part/01-Chapter/01-a.md", "source": LESSON, "change": "updated"},
        {"path": "content/01-Part/01-Chapter/02-b.md", "source": None, "change": "deleted"},
        {"path": "content/03-Part/new.md", "source": "Part-03/new.md", "change": "added"},
    ]
    assert body["manifest_hash"] == desk.sim.books[BOOK].tell()
    gone = "Part-01/Chapter-01/02-b.md"
    assert desk.book == {p: d for p, d in FILES.items() if p != gone} | {LESSON: b"changed", "Part-03/new.md": b"new"}


def test_FR_206_deletions_are_synced_with_their_expected_hashes(desk: Desk) -> None:
    desk.ingest()
    (desk.docs / LESSON).unlink()
    desk.ingest()
    assert LESSON not in desk.book
    assert desk.sim.changesets[-1].operations == (Delete(desk.path(LESSON), digest_of(b"one")),)


def test_only_changed_bytes_are_sent(desk: Desk) -> None:
    write_tree(desk.docs, {"Part-01/big.md": b"x" * 100_000})
    desk.ingest()
    write_tree(desk.docs, {LESSON: b"changed"})
    before = desk.sim.traffic.sent
    desk.ingest()
    assert desk.sim.traffic.sent - before < 2_000
    assert [o.path for o in desk.sim.changesets[-1].operations] == [desk.path(LESSON)]


def test_a_rename_sends_no_bytes_and_a_case_only_rename_works(desk: Desk) -> None:
    write_tree(desk.docs, {"Part-01/big.md": b"x" * 100_000})
    desk.ingest()
    (desk.docs / "Part-01/big.md").rename(desk.docs / "Part-01/BIG.md")
    before = desk.sim.traffic.sent
    result = desk.ingest()
    assert (result.count("added"), result.count("deleted")) == (1, 1)
    assert desk.sim.traffic.sent - before < 2_000
    assert "Part-01/BIG.md" in desk.book
    assert "Part-01/big.md" not in desk.book


def test_F44_bytes_that_many_files_share_are_sent_once(desk: Desk) -> None:
    write_tree(desk.docs, {f"Part-01/{n}.png": b"p" * 50_000 for n in range(20)})
    desk.ingest()
    assert desk.sim.traffic.sent < 60_000


def test_FR_205_a_dry_run_lists_and_writes_nothing(desk: Desk) -> None:
    results: list[IngestResult] = []
    assert desk.spent(lambda: results.append(desk.ingest(dry_run=True))) == 1
    assert results[0].count("added") == len(FILES)
    assert results[0].to_json()["dry_run"] is True
    assert desk.sim.books == {}
    assert desk.ingest().count("added") == len(FILES)


def test_F31_an_agents_edit_is_left_alone_and_listed(desk: Desk) -> None:
    desk.ingest()
    desk.sim.put(BOOK, desk.path(LESSON), b"agent")
    for _ in range(2):
        results: list[IngestResult] = []
        assert desk.spent(lambda: results.append(desk.ingest())) == 1  # noqa: B023
        assert results[0].diverged_files == (desk.path(LESSON),)
        assert results[0].changed == 0
        assert desk.book[LESSON] == b"agent"


def test_F31_an_edit_survives_an_ingest_of_other_files_and_the_next_one(desk: Desk) -> None:
    desk.ingest()
    desk.sim.put(BOOK, desk.path(LESSON), b"agent")
    desk.sim.put(BOOK, "content/01-Part/99-agent.md", b"new by agent")
    write_tree(desk.docs, {"README.md": b"changed"})
    results: list[IngestResult] = []
    assert desk.spent(lambda: results.append(desk.ingest())) == 2
    assert results[0].diverged_files == (desk.path(LESSON),)
    assert results[0].kept_files == ("content/01-Part/99-agent.md",)
    assert desk.spent(lambda: results.append(desk.ingest())) == 1
    assert results[1].changed == 0
    assert (desk.book[LESSON], desk.book["Part-01/99-agent.md"]) == (b"agent", b"new by agent")
    shutil.rmtree(desk.options.state_dir)
    assert desk.spent(lambda: results.append(desk.ingest())) == 1  # S = L: its text is the source itself
    assert results[2].diverged_files == (desk.path(LESSON),)


def test_FR_204_a_file_changed_on_both_sides_is_a_conflict_and_nothing_is_written(desk: Desk) -> None:
    desk.ingest()
    desk.sim.put(BOOK, desk.path(LESSON), b"agent")
    write_tree(desk.docs, {LESSON: b"author", "README.md": b"author too"})
    before = desk.book
    with pytest.raises(Conflict) as caught:
        desk.ingest()
    assert caught.value.exit_status == 11
    [conflict] = caught.value.details["conflicts"]
    assert (conflict["path"], conflict["source"]) == (desk.path(LESSON), LESSON)
    assert conflict["reason"] == "was changed here and changed in the book"
    assert f"since the last ingest: {LESSON}. Nothing was written." in str(caught.value)
    assert conflict["current_hash"] == digest_of(b"agent")
    assert conflict["expected_hash"] == digest_of(b"one")
    assert desk.book == before


def test_FR_204_all_conflicts_are_listed_at_once(desk: Desk) -> None:
    desk.ingest()
    lessons = [LESSON, "Part-01/Chapter-01/02-b.md", "README.md"]
    for lesson in lessons:
        desk.sim.put(BOOK, desk.path(lesson), b"agent " + lesson.encode())
    write_tree(desk.docs, dict.fromkeys(lessons, b"author"))
    with pytest.raises(Conflict) as caught:
        desk.ingest()
    assert len(caught.value.details["conflicts"]) == 3


def test_overwrite_lets_the_source_win(desk: Desk) -> None:
    desk.ingest()
    desk.sim.put(BOOK, desk.path(LESSON), b"agent")
    desk.sim.put(BOOK, "content/README.md", b"agent")
    desk.sim.put(BOOK, "content/agents-own.md", b"agent")
    write_tree(desk.docs, {LESSON: b"author"})
    result = desk.ingest(overwrite=True)
    assert result.count("updated") == 2
    assert result.kept_files == ("content/agents-own.md",)
    assert desk.book == {**FILES, LESSON: b"author", "agents-own.md": b"agent"}
    assert desk.spent(desk.ingest) == 1


def test_memory_follows_the_book_through_divergence_and_back(desk: Desk) -> None:
    desk.ingest()
    desk.sim.put(BOOK, desk.path(LESSON), b"agent")
    write_tree(desk.docs, {"README.md": b"changed"})
    desk.ingest()
    desk.ingest(overwrite=True)
    assert desk.book == {**FILES, "README.md": b"changed"}
    received = desk.sim.traffic.received
    assert desk.spent(desk.ingest) == 1
    assert desk.sim.traffic.received - received < 400
    desk.sim.put(BOOK, desk.path(LESSON), b"agent again")
    write_tree(desk.docs, {"README.md": b"once more"})
    assert desk.spent(desk.ingest) == 2
    write_tree(desk.docs, {"README.md": b"and more"})
    assert desk.spent(desk.ingest) == 2


def test_a_book_nobody_ingested_that_differs_is_a_conflict(desk: Desk) -> None:
    desk.sim.create(BOOK, numbering=Numbering.NAME_NUMBER)
    desk.sim.put(BOOK, desk.path(LESSON), b"agent")
    with pytest.raises(Conflict):
        desk.ingest()
    write_tree(desk.docs, {LESSON: b"agent"})
    assert desk.ingest().unchanged == 1


def test_F30_who_loses_a_race_of_two_ingests_gets_a_conflict(desk: Desk) -> None:
    desk.ingest()
    write_tree(desk.docs, {LESSON: b"mine"})
    really = desk.sim.send_changeset

    def another_first(*arguments: Any) -> Any:
        desk.sim.put(BOOK, desk.path(LESSON), b"theirs")
        return really(*arguments)

    desk.sim.send_changeset = another_first  # type: ignore[method-assign]
    with pytest.raises(Conflict) as caught:
        desk.ingest()
    assert caught.value.exit_status == 11
    assert desk.book[LESSON] == b"theirs"


@pytest.mark.parametrize(("gone", "refused"), [(10, False), (11, True)])
def test_F47_D10_more_than_ten_deletions_of_a_small_book_are_refused(desk: Desk, gone: int, refused: bool) -> None:
    write_tree(desk.docs, {f"Part-02/{n}.md": b"%d" % n for n in range(40)})
    desk.ingest()
    for n in range(gone):
        (desk.docs / f"Part-02/{n}.md").unlink()
    if not refused:
        assert desk.ingest().count("deleted") == gone
        return
    with pytest.raises(SourceRefused) as caught:
        desk.ingest()
    assert caught.value.exit_status == 12
    assert len(caught.value.details["deleted"]) == gone
    assert len(desk.book) == 40 + len(FILES)
    assert desk.ingest(dry_run=True).count("deleted") == gone
    assert desk.ingest(max_deletes="11").count("deleted") == gone


def test_F47_D10_ten_percent_of_a_large_book_may_go(desk: Desk) -> None:
    write_tree(desk.docs, {f"Part-02/{n}.md": b"%d" % n for n in range(194)})
    desk.ingest()
    for n in range(20):
        (desk.docs / f"Part-02/{n}.md").unlink()
    assert desk.ingest().count("deleted") == 20


@pytest.mark.parametrize("root", ["Part-01", "one level up"])
def test_F47_a_root_that_is_off_by_one_level_is_refused(desk: Desk, tmp_path: Path, root: str) -> None:
    write_tree(desk.docs, {f"Part-01/Chapter-02/{n}.md": b"%d" % n for n in range(20)})
    desk.ingest()
    before = desk.book
    wrong = desk.docs / root if root == "Part-01" else desk.docs.parent / "above"
    if not wrong.exists():
        wrong.mkdir()
        shutil.copytree(desk.docs, wrong / "docs")
    with pytest.raises(SourceRefused) as caught:
        desk.ingest(source_dir=str(wrong))
    assert "--max-deletes" in caught.value.hint
    assert desk.book == before


def test_F47_a_source_with_one_part_missing_is_refused(desk: Desk) -> None:
    write_tree(desk.docs, {f"Part-01/Chapter-02/{n}.md": b"%d" % n for n in range(20)})
    desk.ingest()
    shutil.rmtree(desk.docs / "Part-01")
    with pytest.raises(SourceRefused):
        desk.ingest()
    assert "Part-01/Chapter-02/7.md" in desk.book


@pytest.mark.parametrize(("limit", "refused"), [("0", True), ("1", True), ("2", False), ("50%", False), ("20%", True)])
def test_max_deletes_takes_a_number_or_a_share(desk: Desk, limit: str, refused: bool) -> None:
    desk.ingest()
    (desk.docs / LESSON).unlink()
    (desk.docs / "README.md").unlink()
    if refused:
        with pytest.raises(SourceRefused):
            desk.ingest(max_deletes=limit)
    else:
        desk.ingest(max_deletes=limit)


@pytest.mark.parametrize("limit", ["", "x", "-1", "5 %", "1.5", "%", "²", "9" * 40])
def test_a_limit_that_is_none_is_refused_before_anything_is_asked(desk: Desk, limit: str) -> None:
    with pytest.raises(InvalidArgument, match="--max-deletes"):
        desk.ingest(max_deletes=limit)
    assert desk.sim.traffic.requests == 0


def test_F47_an_empty_source_never_empties_a_book_whatever_is_allowed(desk: Desk) -> None:
    desk.ingest()
    shutil.rmtree(desk.docs)
    desk.docs.mkdir()
    with pytest.raises(SourceRefused):
        desk.ingest(max_deletes="100%")
    assert desk.book == FILES


def test_FR_202_F45_what_cannot_be_taken_is_listed_and_nothing_is_written(desk: Desk) -> None:
    write_tree(desk.docs, {"Part-01/CON.md": b"", "Part-01/a.md": b"", "Part-01/A.md": b""})
    (desk.docs / "link.md").symlink_to("README.md")
    with pytest.raises(SourceRefused) as caught:
        desk.ingest()
    assert {refusal["source"] for refusal in caught.value.details["refused"]} == {
        "Part-01/CON.md", "Part-01/a.md", "link.md",
    }  # fmt: skip
    assert "Part-01/A.md" in str(caught.value.details["refused"])
    assert caught.value.exit_status == 12
    assert desk.sim.books == {}


def test_F45_a_tree_with_both_numberings_asks_which(desk: Desk) -> None:
    write_tree(desk.docs, {"02-Part/a.md": b""})
    with pytest.raises(SourceRefused, match="--numbering"):
        desk.ingest()
    assert desk.ingest(numbering=Numbering.NUMBER_NAME).numbering is Numbering.NUMBER_NAME
    assert desk.ingest().changed == 0


def test_FR_202_a_strict_book_is_widened_only_when_asked(desk: Desk) -> None:
    desk.sim.create(BOOK, Schema.STRICT)
    with pytest.raises(SchemaViolation) as caught:
        desk.ingest()
    assert caught.value.exit_status == 12
    assert "--schema docusaurus" in caught.value.hint
    assert {r["source"] for r in caught.value.details["refused"]} == {"README.md", "Part-01/_category_.json"}
    assert desk.ingest(schema=Schema.DOCUSAURUS).count("added") == len(FILES)
    assert desk.sim.books[BOOK].schema is Schema.DOCUSAURUS
    assert desk.sim.books[BOOK].revision == 1


def test_a_strict_book_takes_a_strict_tree_and_stays_strict(desk: Desk) -> None:
    desk.sim.create(BOOK, Schema.STRICT)
    shutil.rmtree(desk.docs)
    write_tree(desk.docs, {LESSON: b"one"})
    desk.ingest()
    assert desk.sim.books[BOOK].schema is Schema.STRICT


def test_the_first_ingest_into_an_unset_book_sets_its_numbering(desk: Desk) -> None:
    desk.sim.put(BOOK, desk.path(LESSON), b"one")
    desk.ingest()
    assert desk.sim.books[BOOK].numbering is Numbering.NAME_NUMBER
    assert desk.book == FILES


def test_a_change_of_numbering_is_a_commit_of_its_own_that_keeps_every_source_path(desk: Desk) -> None:
    desk.ingest()
    desk.sim.put(BOOK, desk.path(LESSON), b"agent")
    desk.sim.put(BOOK, "content/01-Part/77-agent.md", b"kept")
    write_tree(desk.docs, {"README.md": b"changed"})
    revision = desk.sim.books[BOOK].revision
    result = desk.ingest(numbering=Numbering.NUMBER_NAME)
    book = desk.sim.books[BOOK]
    assert (book.numbering, book.revision) == (Numbering.NUMBER_NAME, revision + 2)
    assert desk.book == {**FILES, "README.md": b"changed", LESSON: b"agent", "Part-01/77-agent.md": b"kept"}
    assert result.diverged_files == ("content/" + LESSON,)
    assert (result.count("updated"), result.count("added"), result.count("deleted")) == (1, 0, 0)
    assert result.moved == 6
    renumbering = desk.sim.changesets[-2]
    assert renumbering.numbering is Numbering.NUMBER_NAME
    assert all(o.expected for o in renumbering.operations if isinstance(o, Delete))
    assert desk.spent(desk.ingest) == 1
    assert desk.ingest().diverged_files == ("content/" + LESSON,)


def test_a_change_of_numbering_may_swap_two_folders(desk: Desk) -> None:
    write_tree(desk.docs, {"01-Part/Chapter-01/01-a.md": b"other"})
    desk.ingest(numbering=Numbering.NAME_NUMBER)
    before = desk.book
    desk.ingest(numbering=Numbering.NUMBER_NAME)
    assert desk.book == before
    assert desk.sim.books[BOOK].numbering is Numbering.NUMBER_NAME


def test_a_refused_source_changes_no_numbering(desk: Desk) -> None:
    desk.ingest()
    desk.sim.put(BOOK, desk.path(LESSON), b"agent")
    write_tree(desk.docs, {LESSON: b"author"})
    with pytest.raises(Conflict):
        desk.ingest(numbering=Numbering.NUMBER_NAME)
    assert desk.sim.books[BOOK].numbering is Numbering.NAME_NUMBER


def test_a_large_file_goes_ahead_of_the_changeset_in_one_request_more(desk: Desk) -> None:
    write_tree(desk.docs, {"Part-01/film.mp4": bytes(LARGE + 1), "Part-01/small.mp4": bytes(LARGE)})
    assert desk.spent(desk.ingest) == 3
    assert desk.sim.calls == ["plan_build", "put_blob", "send_changeset"]
    assert desk.book["Part-01/film.mp4"] == bytes(LARGE + 1)


def test_bytes_the_server_misses_are_sent_again(desk: Desk) -> None:
    desk.ingest()
    (desk.docs / LESSON).rename(desk.docs / "Part-01/moved.md")
    really = desk.sim.plan_build

    def lose_afterwards(*arguments: Any) -> Any:
        plan = really(*arguments)
        del desk.sim.blobs[digest_of(b"one")]
        desk.sim.plan_build = really  # type: ignore[method-assign]
        return plan

    desk.sim.plan_build = lose_afterwards  # type: ignore[method-assign]
    assert desk.spent(desk.ingest) == 3
    assert desk.book["Part-01/moved.md"] == b"one"
    assert desk.sim.keys[-1] == desk.sim.keys[-2]


def test_F23_a_lost_answer_is_asked_for_with_the_same_key_and_has_one_effect(desk: Desk) -> None:
    desk.sim.trouble = Trouble(lost_answers=2)
    result = desk.ingest()
    assert len(set(desk.sim.keys)) == 1
    assert len(desk.sim.keys) == 3
    assert result.revision == desk.sim.books[BOOK].revision == 1


def test_F23_after_a_lost_answer_the_next_run_finds_the_book_as_it_is(desk: Desk) -> None:
    desk.sim.trouble = Trouble(lost_answers=3)
    with pytest.raises(ServerUnreachable) as caught:
        desk.ingest()
    assert caught.value.exit_status == 10
    assert desk.ingest().changed == 0
    assert desk.sim.books[BOOK].revision == 1


def test_F23_an_old_key_is_never_used_for_a_new_wish(desk: Desk) -> None:
    desk.ingest()
    write_tree(desk.docs, {LESSON: b"two"})
    desk.sim.trouble = Trouble(lost_answers=3)
    with pytest.raises(ServerUnreachable):
        desk.ingest()
    book = desk.sim.books[BOOK]
    desk.sim.put(BOOK, desk.path(LESSON), b"one")  # somebody takes it back: the same operations are due again
    book.ingest_manifest = next(c.ingest_manifest for c in desk.sim.changesets)
    desk.ingest()
    assert desk.book[LESSON] == b"two"


def test_a_key_that_was_sent_before_anything_happened_is_used_again(desk: Desk) -> None:
    really, keys = desk.sim.send_changeset, []

    def unreachable(book: str, changeset: Changeset, blobs: object, key: str) -> Any:
        keys.append(key)
        raise ServerUnreachable("ingest", "http://simulator", "is gone")

    desk.sim.send_changeset = unreachable  # type: ignore[assignment,method-assign]
    for _ in range(2):
        with pytest.raises(ServerUnreachable):
            desk.ingest()
    desk.sim.send_changeset = really  # type: ignore[method-assign]
    desk.ingest()
    write_tree(desk.docs, {LESSON: b"next"})
    desk.ingest()
    assert keys[0] == keys[1] == desk.sim.keys[0] != desk.sim.keys[1]


def test_a_server_that_is_away_for_a_moment_is_asked_again(desk: Desk) -> None:
    desk.sim.trouble = Trouble(unavailable=2)
    desk.ingest()
    assert desk.book == FILES


def test_a_server_that_stays_away_ends_with_exit_10_and_nothing_written(desk: Desk) -> None:
    desk.sim.trouble = Trouble(unavailable=99)
    with pytest.raises(ServerUnreachable) as caught:
        desk.ingest()
    assert caught.value.exit_status == 10
    assert desk.sim.traffic.requests == 3
    assert desk.sim.books == {}


def test_F62_a_plan_that_does_not_lead_to_its_own_hash_is_refused(desk: Desk) -> None:
    desk.ingest()
    desk.sim.put(BOOK, desk.path(LESSON), b"agent")
    desk.sim.trouble = Trouble(lie_in_plan={desk.path(LESSON): digest_of(b"lie")})
    with pytest.raises(HashMismatch) as caught:
        desk.ingest()
    assert caught.value.exit_status == 13


def test_F41_a_deleted_book_is_gone_and_not_made_again(desk: Desk) -> None:
    desk.ingest()
    desk.sim.books[BOOK].gone = True
    with pytest.raises(BookGone):
        desk.ingest()


def test_another_store_behind_the_same_memory_is_simply_filled(desk: Desk) -> None:
    desk.ingest()
    desk.sim = Simulator("another")
    assert desk.ingest().count("added") == len(FILES)
    assert desk.book == FILES


@pytest.mark.parametrize("name", ["book.txt", "stat.json", "source.txt", "pending.json"])
def test_damaged_memory_costs_time_and_nothing_else(desk: Desk, name: str) -> None:
    desk.ingest()
    [folder] = (Path(desk.options.state_dir) / "ingest").iterdir()
    for damage in (b"", b"\x00\xff", b"{}", b"a:b\n", b"[" * 100_000):
        (folder / name).write_bytes(damage)
        assert desk.ingest().changed == 0
    write_tree(desk.docs, {LESSON: b"new"})
    (folder / name).write_bytes(b"]")
    desk.ingest()
    assert desk.book[LESSON] == b"new"


def test_a_stat_cache_that_lies_is_found_out_and_forgotten(desk: Desk) -> None:
    write_tree(desk.docs, {LESSON: b"first"})
    os.utime(desk.docs / LESSON, (0, 0))
    desk.ingest()
    [marks] = (Path(desk.options.state_dir) / "ingest").glob("*/stat.json")
    lie = marks.read_text().replace(digest_of(b"first"), digest_of(b"lie"))
    body = json.loads(lie)
    del body["checksum"]  # who can write there can seal, too
    marks.write_bytes(seal(body))
    assert desk.ingest().changed == 0
    assert desk.book[LESSON] == b"first"


def test_memory_that_cannot_be_written_is_a_warning(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    desk.ingest(state_dir=str(tmp_path / "file" / "state"))
    assert desk.book == FILES


def test_the_state_folder_is_kept_out_of_git(desk: Desk) -> None:
    desk.ingest()
    assert (Path(desk.options.state_dir) / ".gitignore").read_bytes() == b"*\n"


def test_F46_a_file_that_changes_between_scan_and_sending_is_scanned_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, turns = source.read_chunks, []

    def changing(root: str, path: str, expected: source.SourceFile) -> Any:
        if path == LESSON and not turns:
            turns.append(1)
            write_tree(desk.docs, {LESSON: b"newer"})
        return really(root, path, expected)

    monkeypatch.setattr(ingest_send, "read_chunks", changing)
    desk.ingest()
    assert desk.book == {**FILES, LESSON: b"newer"}


def test_F46_a_file_that_keeps_changing_is_refused_and_nothing_is_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, turns = source.read_chunks, []

    def changing(root: str, path: str, expected: source.SourceFile) -> Any:
        turns.append(1)
        write_tree(desk.docs, {LESSON: b"version %d" % len(turns)})
        return really(root, path, expected)

    monkeypatch.setattr(ingest_send, "read_chunks", changing)
    with pytest.raises(SourceRefused) as caught:
        desk.ingest()
    assert caught.value.exit_status == 12
    assert desk.sim.books == {}


def test_F46_while_somebody_writes_every_committed_file_is_some_whole_version(desk: Desk) -> None:
    versions, stop = [bytes([65 + n]) * 200_000 for n in range(5)], threading.Event()
    write_tree(desk.docs, {LESSON: versions[0]})

    def writer() -> None:
        turn = 0
        while not stop.wait(0.002):
            turn += 1
            with open(desk.docs / LESSON, "r+b") as file:
                file.write(versions[turn % 5])

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        for _ in range(20):
            with contextlib.suppress(SourceRefused):
                desk.ingest()
                assert desk.book[LESSON] in versions
    finally:
        stop.set()
        thread.join()
    desk.ingest()
    assert desk.book[LESSON] in versions


def test_a_manifest_the_server_forgot_makes_differences_conflicts_not_losses(desk: Desk) -> None:
    desk.ingest()
    desk.sim.books[BOOK].ingest_manifest = digest_of(b"forgotten")
    assert desk.ingest().changed == 0
    desk.sim.books[BOOK].ingest_manifest = digest_of(b"forgotten")
    write_tree(desk.docs, {LESSON: b"author"})
    with pytest.raises(Conflict):
        desk.ingest()


@pytest.mark.parametrize("count", [10, 1000, pytest.param(10_000, marks=pytest.mark.full)])
def test_requests_are_two_for_any_delta_and_one_for_none(desk: Desk, count: int) -> None:
    write_tree(desk.docs, {f"Part-01/Chapter-{n // 500 + 1:02}/{n:05}.md": b"lesson %d" % n for n in range(count)})
    assert desk.spent(desk.ingest) == 2
    assert desk.spent(desk.ingest) == 1
    write_tree(desk.docs, {f"Part-01/Chapter-01/{n:05}.md": b"new %d" % n for n in range(5)})
    assert desk.spent(desk.ingest) == 2
    assert [type(o) for o in desk.sim.changesets[-1].operations] == [Write] * 5
    assert desk.spent(desk.ingest) == 1


def test_a_truncated_plan_costs_one_request_more(desk: Desk) -> None:
    write_tree(desk.docs, {f"Part-01/Chapter-{n // 500 + 1:02}/{n:05}.md": b"lesson %d" % n for n in range(6000)})
    desk.ingest()
    shutil.rmtree(desk.options.state_dir)
    write_tree(desk.docs, {LESSON: b"changed"})
    results: list[IngestResult] = []
    assert desk.spent(lambda: results.append(desk.ingest())) == 3
    assert [file.path for file in results[0].files] == [desk.path(LESSON)]


def test_a_wrong_book_id_is_refused_before_anything_is_read(desk: Desk) -> None:
    with pytest.raises(InvalidArgument):
        desk.ingest(book_id="Not A Book")
    assert desk.sim.traffic.requests == 0


class Warnings(Silent):
    """Keeps what everybody should see."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def team(tmp_path: Path) -> tuple[Desk, Desk]:
    """Two checkouts of one book on one server, both ingested."""
    alice, bob = Desk(tmp_path / "alice"), Desk(tmp_path / "bob")
    bob.sim = alice.sim
    alice.ingest()
    bob.ingest()
    return alice, bob


def warned(desk: Desk, **wishes: Any) -> list[str]:
    heard = Warnings()
    ingest(desk.sim, replace(desk.options, **wishes), heard)
    return heard.said


def test_D17_a_checkout_that_lags_behind_another_is_told_what_it_would_put_back(team: tuple[Desk, Desk]) -> None:
    alice, bob = team
    write_tree(alice.docs, {LESSON: b"newer", "Part-01/Chapter-01/09-new.md": b"new"})
    assert warned(alice) == []
    write_tree(bob.docs, {"README.md": b"bob's own"})
    said = warned(bob, dry_run=True)
    assert len(said) == 1
    assert said[0].startswith("ingest: my-book: 2 files are as this checkout last saw the book")
    assert f"changed since: {LESSON}, Part-01/Chapter-01/09-new.md. An ingest puts the older text back" in said[0]
    assert warned(bob) == said
    assert alice.book[LESSON] == FILES[LESSON]


def test_a_checkout_that_was_updated_or_whose_author_changed_the_file_hears_nothing(team: tuple[Desk, Desk]) -> None:
    alice, bob = team
    write_tree(alice.docs, {LESSON: b"newer", "README.md": b"newer"})
    alice.ingest()
    write_tree(bob.docs, {LESSON: b"newer", "README.md": b"another one's"})
    assert warned(bob) == []
    write_tree(bob.docs, {LESSON: FILES[LESSON]})
    assert warned(bob) == [], "what was newer here too is put back on purpose"


def test_a_server_without_the_book_was_changed_by_nobody(team: tuple[Desk, Desk]) -> None:
    alice, _ = team
    alice.sim = Simulator("another")
    assert warned(alice) == []
    assert alice.book == FILES


def test_a_file_whose_name_is_no_utf_8_is_refused_by_name(desk: Desk) -> None:
    (desk.docs / os.fsdecode(b"bad\xff.md")).write_bytes(b"x")
    for _ in range(2):
        with pytest.raises(SourceRefused, match="1 file cannot be taken"):
            desk.ingest()
