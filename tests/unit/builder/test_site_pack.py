"""A built site as one stream: equal folders give equal streams, and whoever unpacks believes nothing (S23)."""

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book import site_pack
from panaversity_builder.book.site_pack import LIST_MEMBER, NotShareable, SiteFile, fault_of, pack_site, unpack_site
from panaversity_builder.book.trees import marks_digest, tree_digest
from panaversity_fs.core import pack
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashMismatch

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
FILES = {
    "index.html": b"<h1>home</h1>",
    "docs/a/index.html": b"one",
    "docs/b/index.html": b"one",
    "empty.txt": b"",
    "assets/größe & Co (1).js": bytes(range(256)) * 5,
    ".nojekyll": b"",
}


def folder_of(place, files=FILES):
    for path, data in files.items():
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return str(place)


def files_in(folder):
    found = {}
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


@pytest.fixture
def site(tmp_path):
    return folder_of(tmp_path / "site")


def stream_of(site):
    return b"".join(pack_site(site, tree_digest(site)))


def unpack(stream, target, output, step=1000):
    unpack_site(iter([stream[i : i + step] for i in range(0, len(stream), step)]), str(target), output)


@pytest.mark.parametrize("step", [1, 511, 512, 100_000])
def test_a_site_comes_out_as_it_went_in(site, tmp_path, step):
    unpack(stream_of(site), tmp_path / "out", tree_digest(site), step)
    assert files_in(tmp_path / "out") == FILES
    assert tree_digest(str(tmp_path / "out")) == tree_digest(site)


def test_equal_folders_give_equal_streams_and_equal_files_travel_once(site, tmp_path):
    twin = folder_of(tmp_path / "twin", dict(reversed(FILES.items())))
    os.utime(os.path.join(twin, "index.html"), (1, 1))
    assert stream_of(twin) == stream_of(site)
    assert stream_of(site).count(b"<h1>home</h1>") == 1
    members = [e.name for e in pack.PackReader(10).feed(stream_of(site)) if isinstance(e, pack.Begin)]
    assert len(members) == 1 + len(set(FILES.values()))
    # The form is what builders of different versions share: a change of it is a change of this line.
    assert digest_of(stream_of(site)) == "bfb2ded534c52d04623c8f3062fa224994a568168b573c81bd5addba10269487"


def test_a_folder_with_a_symbolic_link_is_not_sent(site):
    os.symlink("/etc/passwd", os.path.join(site, "link.html"))
    with pytest.raises(NotShareable, match="symbolic link"):
        stream_of(site)


def test_a_folder_that_is_not_the_one_that_was_built_is_not_sent(site):
    output = tree_digest(site)
    folder_of(Path(site), {"index.html": b"other"})
    with pytest.raises(NotShareable, match="after it was built"):
        list(pack_site(site, output))


@pytest.mark.parametrize("data", [b"<h1>hoMe</h1>", b"<h1>h", b"<h1>home</h1> and more"], ids=["other", "less", "more"])
def test_a_file_that_changes_while_it_is_sent_breaks_the_stream_off(site, data):
    stream = pack_site(site, tree_digest(site))
    next(stream)
    with open(os.path.join(site, "index.html"), "wb") as file:
        file.write(data)
    with pytest.raises(NotShareable, match="while it was sent"):
        list(stream)


def test_a_name_that_is_no_unicode_is_not_sent(site):
    with open(os.fsencode(site) + b"/bad\xff.html", "wb"):
        pass
    with pytest.raises(NotShareable, match="not allowed"):
        stream_of(site)


def forged(files, bodies=None, form=1):
    """A stream with any list; ``files`` are [path, digest, size]."""
    document = json.dumps({"format": form, "files": files}).encode()
    parts = [pack.member(LIST_MEMBER, document)]
    parts += [pack.member(name, data) for name, data in (bodies or [])]
    return b"".join(parts) + pack.END


def output_of(files):
    return marks_digest({str(path): f"file {digest}" for path, digest, _ in files})


X = digest_of(b"x")
NAMES = [
    "../x", "/etc/x", "a/../x", "a//x", "./x", "a/.", "", ".", "..", "a/", "/", "a\0b", "a\\..\\x", "x" * 256,
    "y/" * 2500, "\ud800", 7, None, ["a"],
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:20])
def test_S23_a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_written(tmp_path, name):
    files = [[name, X, 1]]
    with pytest.raises(HashMismatch, match="not allowed"):
        unpack(forged(files, [(X, b"x")]), tmp_path / "out", "0" * 64)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ([["a", X, -1]], "not allowed"),
        ([["a", X, True]], "not allowed"),
        ([["a", X, 1.0]], "not allowed"),
        ([["a", X.upper(), 1]], "not allowed"),
        ([["a", X, 1 << 40]], "not allowed"),
        ([["a", X, 1], ["a", X, 1]], "twice"),
        ([["a", X, 1], ["b", X, 2]], "twice"),
        ([["a", X, 1], ["a/b", X, 1]], "a folder too"),
        ([["a/b/c", X, 1], ["a", X, 1]], "a folder too"),
        ([[f"{n}", digest_of(b"%d" % n), 1 << 32] for n in range(3)], "more than"),
        ([["a", X]], "malformed"),
        ("abc", "malformed"),
        (7, "malformed"),
    ],
    ids=repr,
)
def test_S23_a_list_that_cannot_be_a_sites_is_refused(tmp_path, files, problem):
    with pytest.raises(HashMismatch, match=problem):
        unpack(forged(files), tmp_path / "out", "0" * 64)
    assert os.listdir(tmp_path) == []


def test_S23_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(site_pack, "MOST_FILES", 2)
    with pytest.raises(HashMismatch, match="more than 2 files"):
        unpack(forged([[f"{n}", X, 1] for n in range(3)]), tmp_path / "out", "0" * 64)


def test_S23_a_list_that_is_no_list_of_this_format_is_refused(tmp_path):
    files = [["a", X, 1]]
    for stream, problem in (
        (forged(files, form=2), "format"),
        (pack.member(LIST_MEMBER, b"[" * 50_000) + pack.END, "malformed"),
        (pack.member(LIST_MEMBER, b"\xff") + pack.END, "malformed"),
        (pack.member("other", b"{}") + pack.END, "begin with its list"),
        (pack.header(LIST_MEMBER, 1 << 30), "begin with its list"),
        (pack.END, "begin with its list"),
        (b"", "begin with its list"),
    ):
        with pytest.raises(HashMismatch, match=problem):
            unpack(stream, tmp_path / "out", output_of(files))
    assert os.listdir(tmp_path) == []


def test_a_true_list_of_another_site_is_refused(site, tmp_path):
    with pytest.raises(HashMismatch, match="another digest"):
        unpack(stream_of(site), tmp_path / "out", "0" * 64)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("bodies", "problem"),
    [
        ([(X, b"y")], "another digest than its list"),
        ([(digest_of(b"y"), b"y")], "in its place"),
        ([(X, b"xx")], "in its place"),
        ([], "in its place"),
        ([(X, b"x"), (X, b"x")], "more comes|too many"),
        ([("../../x", b"x")], "in its place"),
    ],
)
def test_S23_members_that_are_not_those_of_the_list_are_refused(tmp_path, bodies, problem):
    files = [["a", X, 1]]
    with pytest.raises(HashMismatch, match=problem):
        unpack(forged(files, bodies), tmp_path / "out", output_of(files))


def test_no_room_is_said_before_anything_is_written(site, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda _: type("Full", (), {"f_bavail": 1, "f_frsize": 10})())
    with pytest.raises(OSError, match="no room"):
        unpack(stream_of(site), tmp_path / "out", tree_digest(site))
    assert not (tmp_path / "out").exists()


def damages(stream):
    chance = random.Random(7)
    cuts, places = list(range(len(stream))), list(range(len(stream)))
    if not FULL:
        cuts, places = chance.sample(cuts, 60), chance.sample(places, 150)
    yield from (stream[:cut] for cut in cuts)
    for place in places:
        yield stream[:place] + bytes([stream[place] ^ (1 << chance.randrange(8))]) + stream[place + 1 :]


def test_P4_whatever_is_cut_or_flipped_nothing_but_the_true_site_comes_out_whole(site, tmp_path):
    """A flip may meet bytes that do not count (a header's unused fields): then the site is true all the same."""
    stream, output = stream_of(site), tree_digest(site)
    refused = 0
    for number, damaged in enumerate(damages(stream)):
        target = tmp_path / f"out-{number}"
        try:
            unpack(damaged, target, output, 4096)
        except HashMismatch:
            refused += 1
        else:
            assert files_in(target) == FILES
    assert refused > (len(stream) if FULL else 60)


segments = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=20).filter(
    lambda text: text not in (".", "..") and len(text.encode()) <= 255
)
paths = st.lists(segments, min_size=1, max_size=4).map("/".join)


@given(st.dictionaries(paths, st.binary(max_size=40), max_size=8))
def test_a_list_is_allowed_just_when_a_folder_can_hold_it(files):
    rows = [SiteFile(path, digest_of(data), len(data)) for path, data in files.items()]
    clash = any(other.startswith(path + "/") for path in files for other in files)
    assert (fault_of(rows) == "") is not clash
