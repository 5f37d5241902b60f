"""Hydrate as its user sees it: first run, later runs, what is moved and what is said."""

import json
import os
from datetime import UTC, datetime

import pytest

from panaversity_builder.book.hydrate import hydrate
from panaversity_builder.client import TEXT_WITHIN
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import InvalidArgument, NotFound
from panaversity_fs.core.mapping import Numbering
from support.hydrated import BOOK, IMAGE, LESSON, OTHER, SMALL_BOOK, Desk, folders_of


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_FR_103_the_first_run_fetches_everything_and_saves_the_manifest(desk):
    result = desk.hydrate()
    assert desk.tree == SMALL_BOOK
    assert (result.mode, result.reason, result.added) == ("full", "nothing was hydrated here before", 6)
    assert (desk.state / "manifest.txt").exists()


def test_FR_104_FR_105_a_later_run_sends_the_stored_hash_and_fetches_only_what_changed(desk):
    first = desk.hydrate()
    desk.put(LESSON, b"# One, better\n")
    result = desk.hydrate()
    assert (result.mode, result.updated, result.added, result.deleted, result.unchanged) == ("delta", 1, 0, 0, 5)
    assert result.files_downloaded == 1
    assert desk.tree == desk.wanted
    assert result.manifest_hash != first.manifest_hash


def test_FR_106_FR_301_FR_302_the_manifest_is_updated_with_the_specified_keys_first(desk):
    desk.hydrate()
    desk.put(LESSON, b"new")
    result = hydrate(desk.server, desk.options(), clock=lambda: datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    stored = json.loads((desk.state / "manifest.json").read_text())
    assert list(stored)[:4] == ["book_id", "manifest_hash", "timestamp", "file_count"]
    assert (stored["book_id"], stored["manifest_hash"], stored["file_count"]) == (BOOK, result.manifest_hash, 6)
    assert stored["timestamp"] == "2030-01-02T03:04:05Z"
    assert stored["numbering"] == "number-name"


def test_FR_102_the_manifest_file_moves_and_nothing_else_does(desk):
    moved = desk.place / "elsewhere" / "m.json"
    desk.hydrate(manifest_file=str(moved))
    assert moved.exists()
    assert not (desk.state / "manifest.json").exists()
    assert (desk.state / "manifest.txt").exists()
    assert desk.hydrate(manifest_file=str(moved)).mode == "unchanged"


def test_FR_107_FR_304_a_full_rebuild_forgets_the_manifest_and_still_removes_what_is_ours(desk):
    desk.hydrate()
    desk.remove(OTHER)
    result = desk.hydrate(full_rebuild=True)
    assert (result.mode, result.reason, result.deleted) == ("full", "a full rebuild was asked for", 1)
    assert desk.tree == desk.wanted


def test_FR_107_a_full_rebuild_reads_every_file_and_downloads_only_what_is_not_whole(desk):
    desk.hydrate()
    desk.age()
    desk.hydrate()
    status = os.stat(desk.out / LESSON)
    (desk.out / LESSON).unlink()
    assert desk.hydrate(full_rebuild=True).files_downloaded == 1
    assert (desk.out / LESSON).stat().st_size == status.st_size


def test_nothing_changed_means_one_request_and_nothing_written(desk):
    desk.hydrate()
    desk.age()
    desk.hydrate()  # remembers the signatures of files that have rested
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in desk.out.rglob("*") if p.is_file()}
    requests = desk.server.traffic.requests
    result = desk.hydrate()
    after = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in desk.out.rglob("*") if p.is_file()}
    lock = desk.state / "lock"
    assert (result.mode, result.reason, result.files_downloaded) == ("unchanged", "", 0)
    assert desk.server.traffic.requests - requests == 1
    assert {k: v for k, v in before.items() if k != lock} == {k: v for k, v in after.items() if k != lock}


@pytest.mark.parametrize("count", [10, 1000, pytest.param(10_000, marks=pytest.mark.full)])
def test_any_delta_is_two_requests_and_no_change_is_one(tmp_path, count):
    book = {f"{n // 100:02d}-Part/{n % 100:02d}-lesson.md": b"lesson %d" % n for n in range(min(count, 10_000))}
    desk = Desk(tmp_path, book)
    desk.hydrate()
    assert desk.requests() == 1
    for path in list(book)[:5]:
        desk.put(path, b"changed " + path.encode())
    desk.remove(list(book)[7])
    assert desk.requests() == 2
    assert desk.tree == desk.wanted


def test_a_first_run_is_two_requests(desk):
    assert desk.requests() == 2


def test_a_small_change_comes_along_with_the_plan_in_one_request(desk):
    desk.hydrate()
    desk.server.texts = True
    desk.put(LESSON, b"# One, better\n")
    desk.remove(OTHER)
    before = desk.server.traffic.requests
    result = desk.hydrate()
    assert desk.server.traffic.requests - before == 1
    assert (result.updated, result.deleted, result.files_downloaded) == (1, 1, 1)
    assert desk.tree == desk.wanted
    desk.put(LESSON, b"x" * (TEXT_WITHIN + 1))
    assert desk.requests() == 2
    assert desk.tree == desk.wanted


def test_P4_text_that_came_along_and_is_another_is_asked_for_again(desk):
    desk.hydrate()
    desk.server.texts = True
    desk.put(LESSON, b"# One, better\n")
    desk.server.trouble.wrong = {digest_of(b"# One, better\n")}
    desk.server.trouble.alterations = 1
    assert desk.requests() == 2
    assert desk.tree == desk.wanted


def test_text_nobody_asked_for_is_left_out(desk):
    desk.hydrate()
    desk.server.texts = True
    desk.put(LESSON, b"# One, better\n")
    desk.server._along = lambda plan, within: {digest_of(b"stray"): b"stray"}
    assert desk.requests() == 2
    assert desk.tree == desk.wanted


def test_I1_no_unnecessary_downloads_over_five_deltas(desk):
    desk.hydrate()
    for changed in range(5):
        for number in range(changed):
            desk.put(f"03-New/{number:02d}-x.md", b"%d of %d" % (number, changed))
        result = desk.hydrate()
        assert result.files_downloaded <= changed
        assert desk.tree == desk.wanted


def test_I2_a_second_hydrate_changes_nothing(desk):
    desk.hydrate()
    before = desk.tree
    assert desk.hydrate().mode == "unchanged"
    assert desk.tree == before


def test_SC_101_five_changed_files_of_a_thousand_cost_less_than_60_KB(tmp_path):
    desk = Desk(tmp_path, {f"{n // 50:02d}-Part/{n:04d}-x.md": os.urandom(4000) for n in range(1000)})
    desk.hydrate()
    for path in desk.source_paths()[:5]:
        desk.put(path, os.urandom(4000))
    assert desk.hydrate().bytes_transferred < 60_000


def test_equal_files_are_not_rewritten(desk):
    desk.hydrate()
    os.utime(desk.out / OTHER, (1, 1))
    desk.put(LESSON, b"new")
    desk.hydrate()
    assert (desk.out / OTHER).stat().st_mtime == 1


def test_F43_a_renamed_file_is_not_downloaded(desk):
    desk.hydrate()
    desk.put("02-Part/01-Chapter/09-moved.md", SMALL_BOOK[LESSON])
    desk.remove(LESSON)
    result = desk.hydrate()
    assert (result.files_downloaded, result.added, result.deleted) == (0, 1, 1)
    assert desk.tree == desk.wanted


def test_F44_one_asset_under_many_paths_is_downloaded_once_and_stays_apart_on_disk(tmp_path):
    desk = Desk(tmp_path, {f"01-Part/{n:02d}-Chapter/img/d.png": b"same" for n in range(20)})
    assert desk.hydrate().files_downloaded == 1
    assert desk.tree == desk.wanted
    assert {p.stat().st_nlink for p in desk.out.rglob("*.png")} == {1}


def test_a_change_of_numbering_moves_files_without_downloading_them(desk):
    desk.hydrate()
    desk.book.numbering = Numbering.NAME_NUMBER
    result = desk.hydrate()
    assert result.files_downloaded == 0
    assert desk.tree == desk.wanted
    assert "Part-01/Chapter-01/01-one.md" in desk.tree
    assert not (desk.out / "01-Part").exists()


def test_folders_that_became_empty_are_removed_and_an_authors_empty_folder_stays(desk):
    desk.hydrate()
    (desk.out / "notes").mkdir()
    desk.remove("02-Part/01-Chapter/01-last.mdx")
    desk.hydrate()
    assert "02-Part" not in folders_of(desk.out)
    assert "notes" in folders_of(desk.out)


def test_F59_a_file_becomes_a_folder_and_a_folder_a_file(desk):
    desk.put("01-Part/thing", b"file")
    desk.put("01-Part/other/deep/x.txt", b"deep")
    desk.hydrate()
    desk.remove("01-Part/thing")
    desk.remove("01-Part/other/deep/x.txt")
    desk.put("01-Part/thing/inside.md", b"now a folder")
    desk.put("01-Part/other", b"now a file")
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_F42_an_empty_book_is_valid_and_removes_what_is_ours(desk):
    desk.hydrate()
    (desk.out / "mine.txt").write_bytes(b"author's")
    for path in desk.source_paths():
        desk.remove(path)
    result = desk.hydrate()
    assert (result.deleted, result.added) == (6, 0)
    assert desk.tree == {"mine.txt": b"author's"}
    assert not folders_of(desk.out)


def test_a_book_nobody_created_is_an_error_and_nothing_is_written(desk):
    with pytest.raises(NotFound) as caught:
        desk.hydrate(book_id="mistyped")
    assert caught.value.exit_status == 2
    assert desk.tree == {}


def test_a_book_nobody_created_is_accepted_where_that_is_asked_for(desk):
    desk.hydrate()
    assert desk.hydrate(book_id="not-yet", allow_empty=True).mode == "full"
    assert desk.tree == {}


@pytest.mark.parametrize(("scope", "kept"), [("content", ".md"), ("assets", ".png")])
def test_a_scope_holds_its_part_of_the_book_and_the_whole_manifest(desk, scope, kept):
    result = desk.hydrate(scope=scope)
    assert desk.tree == {p: b for p, b in SMALL_BOOK.items() if p.endswith(".png") == (kept == ".png")}
    desk.put(LESSON, b"changed")
    desk.put(IMAGE, b"changed too")
    assert desk.hydrate(scope=scope).updated == 1
    assert result.manifest_hash != desk.hydrate(scope=scope).manifest_hash
    wider = desk.hydrate()
    assert wider.reason == f"the folder holds scope {scope}, all was asked for"
    assert desk.tree == desk.wanted


def test_the_storage_tree_is_laid_out_by_book_paths(desk):
    desk.hydrate(tree="storage")
    assert set(desk.tree) == set(desk.book.entries)
    assert desk.hydrate().reason.startswith("the folder is laid out as storage tree")
    assert desk.tree == desk.wanted


def test_a_plan_says_what_a_hydrate_would_do_and_writes_nothing(desk):
    preview = desk.plan()
    assert not desk.out.exists()
    assert (preview.mode, preview.files_to_download, len(preview.changes)) == ("full", 6, 6)
    desk.hydrate()
    desk.put(LESSON, b"changed")
    desk.remove(OTHER)
    before = {p: p.stat().st_mtime_ns for p in desk.out.rglob("*")}
    preview = desk.plan()
    assert preview.lines() == [f"M\t{LESSON}", f"D\t{OTHER}"]
    assert preview.differs
    assert preview.bytes_to_download == len(b"changed")
    assert before == {p: p.stat().st_mtime_ns for p in desk.out.rglob("*")}
    desk.hydrate()
    assert not desk.plan().differs


def test_a_plan_over_a_missing_or_broken_state_says_why_it_would_be_full(desk):
    desk.hydrate()
    (desk.state / "manifest.json").write_text("{")
    preview = desk.plan()
    assert (preview.mode, preview.reason) == ("full", "manifest.json does not end in its checksum")
    assert not (desk.state / "manifest.json.bad").exists()


def test_a_result_in_machine_form_has_the_named_metrics(desk):
    document = desk.hydrate().to_json()
    assert next(iter(document)) == "schema_version"
    assert document["hydrate_files_downloaded"] == 6
    assert document["hydrate_bytes_transferred"] > 0
    json.dumps(document)


def test_nothing_in_the_state_folder_looks_like_a_page_and_git_ignores_it(desk):
    desk.hydrate()
    names = [p.name for p in desk.state.rglob("*")]
    assert not [n for n in names if n.endswith((".md", ".mdx"))]
    assert (desk.state / ".gitignore").read_text() == "*\n"
    assert "plan.json" not in names


@pytest.mark.parametrize("place", ["/", "~", "", "x/.docusaurus/book", "book/.panaversity", "canary.txt", "source/in"])
def test_an_output_folder_that_cannot_be_meant_is_refused(desk, place, monkeypatch):
    monkeypatch.chdir(desk.place)
    place = os.path.expanduser(place)
    with pytest.raises(InvalidArgument) as caught:
        desk.hydrate(output_dir=place, source_dir="source")
    assert caught.value.exit_status == 2
    assert sorted(p.name for p in desk.place.iterdir()) == ["canary.txt"]


def test_a_manifest_file_in_the_place_of_a_lesson_is_refused(desk):
    with pytest.raises(InvalidArgument, match="one of the book's files"):
        desk.hydrate(manifest_file=str(desk.out / LESSON))


def test_a_large_file_is_fetched_alone(desk, monkeypatch):
    monkeypatch.setattr("panaversity_builder.book.hydrate.fetch.LARGE", 1000)
    desk.put("01-Part/videos/big.mp4", bytes(range(256)) * 40)
    desk.hydrate()
    assert desk.server.calls[-2:] == ["fetch_pack", "fetch_blob"]
    assert desk.tree == desk.wanted


def test_a_plan_too_long_to_list_is_completed_from_the_manifest_text(desk, monkeypatch):
    monkeypatch.setattr("support.simulator.TRUNCATE_ABOVE", 2)
    assert desk.requests() == 3
    assert desk.tree == desk.wanted
    for path in desk.source_paths()[:4]:
        desk.put(path, b"new " + path.encode())
    assert desk.requests() == 3
    assert desk.tree == desk.wanted
    assert desk.hydrate().mode == "unchanged"
