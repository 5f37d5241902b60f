"""``panaversity cache``: what is kept is told truly, what goes is what was asked for, and the store stays."""

import os
import re
import shutil
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.site_copies import SiteCopy, Wanted, choose, let_go, site_copies
from panaversity_builder.book.site_phase import build_lock
from panaversity_fs.core.digest import digest_of
from support.build_desk import BuildDesk


@pytest.fixture
def desk(tmp_path):
    desk = BuildDesk(tmp_path)
    store = tmp_path / ".panaversity/store/blobs/x"
    store.parent.mkdir(parents=True)
    store.write_text("the book itself")
    return desk


def built(desk, *texts):
    """Build a site for each text; the copies, the first one first."""
    found = []
    for text in texts:
        desk.write("README.md", text)
        assert desk.run("build").status == 0
        found += [path for path in desk.kept if path not in found]
    return found


def blobs(desk, *texts):
    cache = BlobCache(str(desk.place / "cache" / "panaversity"))
    for text in texts:
        assert cache.put_bytes(digest_of(text), text)
    return cache


def used(path, seconds_ago):
    when = time.time() - seconds_ago
    os.utime(path, (when, when))


def names(body):
    return {copy["name"] for copy in body["sites"]}


def test_an_empty_project_has_an_empty_cache(desk):
    outcome = desk.run("cache", "list")
    assert outcome.out.splitlines() == [
        "sites: 0 copies, 0 B",
        f"blobs: 0 files, 0 B in {desk.place}/cache/panaversity",
    ]
    assert desk.run("cache", "prune", "--all").status == 0


def test_list_tells_site_state_files_size_age_and_use(desk):
    first, second = built(desk, "# 1", "# 2")
    used(first, 3 * 86400)
    records = desk.build_dir / "phases/book/5.json"
    status, body = desk.json("cache", "list")
    assert (status, [c["site"] for c in body["sites"]]) == (0, ["site", "site"])
    assert [c["name"] for c in body["sites"]] == [second.name, first.name], "the last used first"
    assert {c["state"] for c in body["sites"]} == {"in use"}
    assert body["sites"][0]["files"] == sum(p.is_file() for p in second.rglob("*"))
    assert body["site_bytes"] == sum(c["bytes"] for c in body["sites"])
    assert body["sites"][1]["used_seconds"] // 86400 == 3
    assert body["sites"][1]["age_seconds"] < 600
    lines = desk.run("cache", "list").out.splitlines()
    assert lines[0].split() == ["site", "copy", "state", "files", "size", "age", "used"]
    assert re.fullmatch(rf"site  {second.name[:12]}  in use  \d+ +\d+ B +\d+ s +\d+ s", lines[1])
    records.unlink()
    assert desk.run("cache", "list").out.splitlines()[3].endswith("2 of them no build asks for")


def test_a_build_that_finds_its_site_unchanged_has_used_the_copy(desk):
    (copy,) = built(desk, "# 1")
    used(copy, 9000)
    desk.run("build")
    assert time.time() - copy.stat().st_mtime < 600


def test_prune_without_an_option_takes_orphans_and_remains_only(desk):
    first, second = built(desk, "# 1", "# 2")
    remains = desk.build_dir / "kept/new.partial"
    remains.mkdir()
    orphan = desk.build_dir / "kept" / ("0" * 64)
    shutil.copytree(first, orphan)
    cache = blobs(desk, b"kept").usage()
    foreseen = desk.json("cache", "prune", "--dry-run")[1]
    assert names(foreseen) == {remains.name, orphan.name}
    assert orphan.exists()
    assert names(desk.json("cache", "prune")[1]) == names(foreseen)
    assert desk.kept == sorted([first, second])
    assert blobs(desk).usage() == cache


def test_the_copies_of_a_site_that_is_gone_are_orphans(desk):
    (copy,) = built(desk, "# 1")
    desk.site.folder.rename(desk.place / "elsewhere")
    assert [c.state for c in site_copies(str(desk.place / ".panaversity"))] == ["orphan"]
    assert names(desk.json("cache", "prune")[1]) == {copy.name}


def test_prune_by_age_goes_by_the_last_use(desk):
    first, second = built(desk, "# 1", "# 2")
    used(first, 3 * 86400)
    assert names(desk.json("cache", "prune", "--older-than", "2d")[1]) == {first.name}
    assert desk.kept == [second]


def test_prune_by_size_takes_what_was_used_longest_ago_of_copies_and_blobs_each(desk):
    first, second = built(desk, "# 1", "# 2")
    used(first, 100)
    size = sum(p.stat().st_size for p in second.rglob("*") if p.is_file())
    body = desk.json("cache", "prune", "--max-size", str(size))[1]
    assert names(body) == {first.name}
    assert blobs(desk).usage()[1] <= size
    desk.run("cache", "prune", "--max-size", "0")
    assert (desk.kept, blobs(desk).usage()) == ([], (0, 0))


def test_prune_all_leaves_the_store_the_records_and_a_build_that_works(desk):
    built(desk, "# 1")
    before = desk.site.built()
    body = desk.json("cache", "prune", "--all")[1]
    assert len(body["sites"]) == 1
    assert desk.kept == []
    assert (desk.place / ".panaversity/store/blobs/x").read_text() == "the book itself"
    assert desk.why() == "unchanged"
    assert desk.site.built() == before


def test_a_site_that_is_being_built_keeps_its_copies_and_that_is_told(desk):
    (copy,) = built(desk, "# 1")
    with build_lock(str(desk.build_dir), "site"):
        outcome = desk.run("cache", "prune", "--all")
    assert outcome.status == 0
    assert f"warning: cache: {desk.build_dir.name} is being built; its copies are left alone" in outcome.err
    assert "cache: 0 copies (0 B)" in outcome.out
    assert copy.exists()


@pytest.mark.parametrize(("option", "value"), [("--older-than", "soon"), ("--older-than", "3"), ("--max-size", "big")])
def test_an_age_or_size_that_is_none_is_a_usage_error(desk, option, value):
    outcome = desk.run("cache", "prune", option, value)
    assert outcome.status == 2
    assert option in outcome.err


COPIES = st.lists(
    st.builds(
        SiteCopy,
        st.sampled_from(["a", "b"]),
        st.none(),
        st.uuids().map(str),
        st.just(1),
        st.integers(0, 100),
        st.none(),
        st.floats(0, 1000),
        st.sampled_from(["in use", "orphan", "remains"]),
    ),
    max_size=8,
)


@given(COPIES, st.booleans(), st.none() | st.floats(0, 1000), st.none() | st.integers(0, 300))
def test_what_stays_is_wanted_and_what_goes_has_a_reason(copies, orphans, older_than, max_size):
    wanted = Wanted(orphans=orphans, older_than=older_than, max_size=max_size)
    gone = choose(copies, wanted, 1000.0)
    left = [copy for copy in copies if copy not in gone]
    assert all(copy.state != "remains" for copy in left)
    assert not orphans or all(copy.state == "in use" for copy in left)
    assert older_than is None or all(1000.0 - copy.used_at <= older_than for copy in left)
    assert max_size is None or sum(copy.size for copy in left) <= max_size
    if max_size is None and older_than is None and not orphans:
        assert all(copy.state == "remains" for copy in gone)
    assert choose(copies, Wanted(everything=True), 0.0) == copies


def test_a_copy_that_cannot_be_removed_is_a_warning(desk, monkeypatch):
    (copy,) = built(desk, "# 1")
    heard = []

    class Ear:
        def warn(self, text):
            heard.append(text)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("panaversity_builder.kept.os.rename", refuse)
    state = str(desk.place / ".panaversity")
    assert let_go(state, site_copies(state), Ear()) == []
    assert "cannot be removed ([Errno 13] Permission denied)" in heard[0]
    assert copy.exists()
