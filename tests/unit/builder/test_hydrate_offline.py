"""Hydrate with the shared cache, and without a server: whole from what was told and kept before, or exit 10."""

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.hydrate import hydrate, plan_hydrate
from panaversity_builder.client.offline import NoServer
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ChainBroken, InvalidArgument, LocalEdits, ServerUnreachable
from panaversity_fs.core.mapping import Numbering
from support.hydrated import BOOK, IMAGE, LESSON, OTHER, SMALL_BOOK, Desk, tree_of


class Cached(Desk):
    """A desk whose hydrates use a cache; ``away`` are the ones that ask nobody."""

    def __init__(self, place):
        super().__init__(place)
        self.cache = BlobCache(str(place / "cache"))

    def hydrate(self, **changed):
        return hydrate(self.server, self.options(server_name="http://one", **changed), cache=self.cache)

    def away(self, **changed):
        wanted = self.options(**{"server_name": "http://one", "offline": True, **changed})
        return hydrate(NoServer(), wanted, cache=self.cache)

    def plan_away(self, **changed):
        wanted = self.options(**{"server_name": "http://one", "offline": True, **changed})
        return plan_hydrate(NoServer(), wanted, cache=self.cache)

    def blob_of(self, data):
        return self.place / "cache" / "blobs" / digest_of(data)


@pytest.fixture
def desk(tmp_path):
    desk = Cached(tmp_path)
    desk.hydrate()
    return desk


def lost(desk):
    """Lose the whole output folder."""
    shutil.rmtree(desk.out)


def test_what_is_downloaded_is_kept_and_used_by_the_next_checkout(desk):
    before = desk.server.traffic.received
    result = desk.hydrate(output_dir=str(desk.place / "second"))
    assert (result.files_downloaded, result.files_from_cache, result.added) == (0, 6, 6)
    assert tree_of(desk.place / "second") == desk.wanted
    assert desk.server.calls[-1] == "plan_build"
    assert desk.server.traffic.received - before < 5000


def test_files_of_two_checkouts_and_the_cache_are_apart_on_disk(desk):
    desk.hydrate(output_dir=str(desk.place / "second"))
    (desk.place / "second" / LESSON).write_bytes(b"edited")
    assert (desk.out / LESSON).read_bytes() == SMALL_BOOK[LESSON]
    assert desk.blob_of(SMALL_BOOK[LESSON]).read_bytes() == SMALL_BOOK[LESSON]
    assert {p.stat().st_nlink for p in desk.place.rglob("*") if p.is_file()} == {1}


def test_S32_a_damaged_cached_blob_is_downloaded_again_and_kept_anew(desk):
    desk.blob_of(SMALL_BOOK[LESSON]).write_bytes(b"# Own\r\n")
    lost(desk)
    result = desk.hydrate()
    assert (result.files_downloaded, result.files_from_cache) == (1, 5)
    assert desk.tree == desk.wanted
    assert desk.blob_of(SMALL_BOOK[LESSON]).read_bytes() == SMALL_BOOK[LESSON]


def test_offline_makes_a_lost_folder_whole_and_says_as_of_when(desk):
    lost(desk)
    result = desk.away()
    assert desk.tree == desk.wanted
    assert (result.mode, result.added, result.requests, result.files_from_cache) == ("offline", 6, 0, 6)
    assert abs((datetime.fromisoformat(result.as_of) - datetime.now(UTC)).total_seconds()) < 60
    assert result.reason == f"the book as of {result.as_of}; the server was not asked"
    assert result.numbering == Numbering.NUMBER_NAME


def test_offline_never_says_unchanged_about_the_server(desk):
    desk.put(LESSON, b"changed on the server")
    result = desk.away()
    assert result.mode == "offline"
    assert result.to_json()["as_of"] == result.as_of is not None
    assert desk.hydrate().to_json()["as_of"] is None
    assert desk.tree == desk.wanted


def test_offline_repairs_with_the_builds_own_manifest_where_nothing_else_is_known(tmp_path):
    desk = Desk(tmp_path)
    desk.hydrate()
    wanted = desk.options(offline=True, verify=True)
    assert hydrate(NoServer(), wanted).mode == "offline"
    (desk.out / LESSON).unlink()
    with pytest.raises(ServerUnreachable, match="1 blob is neither in the folder nor in the cache"):
        hydrate(NoServer(), wanted)


def test_offline_with_missing_blobs_exits_10_names_how_many_and_writes_nothing(desk):
    desk.blob_of(SMALL_BOOK[LESSON]).unlink()
    desk.blob_of(SMALL_BOOK[OTHER]).unlink()
    for path in (LESSON, OTHER, IMAGE):
        (desk.out / path).unlink()
    before = desk.tree
    with pytest.raises(ServerUnreachable) as caught:
        desk.away()
    assert caught.value.exit_status == 10
    assert "2 blobs are neither" in str(caught.value)
    assert "without --offline" in str(caught.value)
    assert caught.value.details["missing"] == 2
    assert desk.tree == before
    assert not (desk.state / "plan.json").exists()
    plan = desk.plan_away()
    assert (plan.files_to_download, plan.files_from_cache, plan.mode) == (2, 1, "offline")


def test_offline_with_a_damaged_blob_exits_10_too(desk):
    desk.blob_of(SMALL_BOOK[LESSON]).write_bytes(b"# Own\r\n")
    (desk.out / LESSON).unlink()
    before = desk.tree
    with pytest.raises(ServerUnreachable, match="1 blob is neither"):
        desk.away()
    assert desk.tree == before
    assert desk.hydrate().files_downloaded == 1
    assert desk.tree == desk.wanted


def test_offline_without_anything_known_exits_10_and_says_what_to_do(desk):
    for options in ({"book_id": "unknown"}, {"server_name": "http://two"}):
        with pytest.raises(ServerUnreachable, match="no manifest of this book is known here"):
            desk.away(**{"output_dir": str(desk.place / "third"), **options})
    assert desk.away(output_dir=str(desk.place / "third")).added == 6


def test_offline_a_damaged_note_or_manifest_text_is_a_miss(desk):
    lost(desk)
    text = desk.server.books[BOOK].told[desk.server.books[BOOK].tell()]
    for path in (*(desk.place / "cache" / "notes").iterdir(), desk.blob_of(text)):
        good = path.read_bytes()
        for bad in (b"", good[:-3], good.replace(b"a", b"b"), b"[]", b"null"):
            path.write_bytes(bad)
            with pytest.raises(ServerUnreachable, match="no manifest of this book is known"):
                desk.away()
        path.write_bytes(good)
    assert desk.away().added == 6


def test_offline_follows_a_change_of_scope_and_of_tree(desk):
    assert desk.away(scope="content").deleted == 1
    assert IMAGE not in desk.tree
    assert desk.away(scope="all", tree="storage").mode == "offline"
    assert set(desk.tree) == set(desk.book.entries)
    desk.away()
    assert desk.tree == desk.wanted
    assert desk.hydrate().mode == "unchanged"


def test_offline_an_edited_file_stops_as_ever(desk):
    (desk.out / LESSON).write_bytes(b"edited")
    with pytest.raises(LocalEdits):
        desk.away()
    desk.away(on_edit="backup")
    assert desk.tree == desk.wanted


def test_offline_after_an_interrupted_run_the_last_finished_manifest_holds(desk, monkeypatch):
    old = desk.wanted
    desk.put(LESSON, b"changed")

    def broken(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("panaversity_builder.book.hydrate.apply.Applier._prune", broken)
        with pytest.raises(KeyboardInterrupt):
            desk.hydrate()
    desk.away()
    assert desk.tree == old
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_offline_a_full_rebuild_is_a_contradiction(desk):
    with pytest.raises(InvalidArgument, match="--offline forbids") as caught:
        desk.away(full_rebuild=True)
    assert caught.value.exit_status == 2


def test_the_state_of_another_book_gives_way_to_the_note_of_this_one(desk):
    desk.server.put("another", "content/x.md", b"another")
    desk.hydrate(book_id="another", output_dir=str(desk.place / "second"))
    result = desk.away(output_dir=str(desk.place / "second"))
    assert tree_of(desk.place / "second") == desk.wanted
    assert result.book_id == BOOK


def test_a_cache_in_trouble_never_fails_a_hydrate(tmp_path):
    desk = Cached(tmp_path)
    said = []
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    desk.cache = BlobCache(str(tmp_path / "cache"), warn=said.append)
    desk.hydrate()
    assert desk.tree == desk.wanted
    assert len(said) == 1


def test_a_plan_counts_what_is_staged_and_what_the_cache_has(desk):
    desk.put(LESSON, b"changed")
    desk.put(OTHER, b"changed too")
    desk.put("new.md", SMALL_BOOK["README.md"])
    desk.cache.put_bytes(digest_of(b"changed"), b"changed")
    (desk.state / "staging" / digest_of(b"changed too")).write_bytes(b"changed too")
    wanted = desk.options(server_name="http://one")
    preview = plan_hydrate(desk.server, wanted, cache=desk.cache)
    assert (preview.files_to_download, preview.bytes_to_download, preview.files_from_cache) == (0, 0, 1)
    (desk.state / "plan.json").write_bytes(b"")
    assert desk.hydrate().files_downloaded == 0
    assert desk.tree == desk.wanted


def test_F49_a_book_older_than_the_folder_is_refused_until_the_rollback_is_accepted(desk):
    honest, old = desk.server.plan_build, desk.tree
    desk.put(LESSON, b"changed")
    desk.hydrate()
    desk.server.plan_build = lambda *arguments: replace(honest(*arguments), revision=1)
    before = desk.tree
    with pytest.raises(ChainBroken, match="revision 1, but this folder was made from revision") as caught:
        desk.hydrate()
    assert caught.value.exit_status == 13
    assert desk.tree == before != old
    assert desk.hydrate(accept_rollback=True).revision == 1
    assert desk.hydrate().mode == "unchanged"


def test_F51_backups_are_numbered_by_path_and_never_overwritten(desk):
    for turn in (b"first", b"second"):
        (desk.out / LESSON).write_bytes(turn)
        (desk.out / OTHER).write_bytes(turn + b" too")
        desk.hydrate(on_edit="backup")
    kept = {p.name: p.read_bytes() for p in (desk.state / "edits").iterdir()}
    assert sorted(kept.values()) == [b"first", b"first too", b"second", b"second too"]
    assert all(name.endswith(".edited") for name in kept)
    assert os.listdir(desk.state / "edits") != []
    assert desk.tree == desk.wanted


def test_F51_an_interrupted_backup_never_takes_the_edit_for_our_own_doing(desk, monkeypatch):
    (desk.out / LESSON).write_bytes(b"edited")
    desk.put(LESSON, b"changed")

    def broken(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("panaversity_builder.book.hydrate.apply.Applier.apply", broken)
        with pytest.raises(KeyboardInterrupt):
            desk.hydrate(on_edit="backup")
    with pytest.raises(LocalEdits):
        desk.hydrate()
    assert (desk.out / LESSON).read_bytes() == b"edited"
    desk.hydrate(on_edit="backup")
    assert [p.read_bytes() for p in (desk.state / "edits").iterdir()] == [b"edited"]
    assert desk.tree == desk.wanted
