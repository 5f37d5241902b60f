"""When the team's sites are asked for and offered, and what is said when they cannot be."""

import os
from contextlib import contextmanager

import pytest

from panaversity_builder.book.remote_site import RemoteSite, SharedRecords, SitePlace
from panaversity_builder.book.site_pack import pack_site
from panaversity_builder.book.trees import copy_tree, tree_digest
from panaversity_builder.client import FetchedSite
from panaversity_builder.kept import KeptFolders
from panaversity_builder.lifecycle import KeyDocument
from panaversity_builder.progress import Silent
from panaversity_builder.snapshots import Record
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import (
    Conflict,
    Forbidden,
    HashMismatch,
    NotFound,
    ReadOnly,
    ServerUnreachable,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from panaversity_fs.core.site_meta import SiteMeta

DOCUMENT = KeyDocument("book", 1, "5", {"node": "v20"}, "previous")
DOCS = {"a.md": b"one", "b/c.md": b"two"}


class Cache:
    """Sites in memory; ``trouble`` is raised instead."""

    def __init__(self):
        self.kept, self.calls, self.trouble = {}, [], None

    @contextmanager
    def fetch(self, book_id, key):
        self.calls.append("fetch")
        if self.trouble:
            raise self.trouble
        meta, data = self.kept.get((book_id, key), (None, None))
        yield None if meta is None else FetchedSite(meta, len(data), iter([data]))

    def store(self, book_id, meta, chunks, spool):
        self.calls.append("store")
        if self.trouble:
            raise self.trouble
        self.kept[book_id, meta.key] = (meta, b"".join(chunks()))
        return True


class Local:
    """Records in a list."""

    def __init__(self, *records):
        self.records = list(records)

    def find(self, document):
        return next((r for r in self.records if r.document.key == document.key), None)

    def latest(self, phase_id):
        return next((r for r in self.records if r.document.phase == phase_id), None)

    def remember(self, record):
        self.records.insert(0, record)


class Heard(Silent):
    def __init__(self):
        self.notes, self.warnings = [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)


class Desk:
    """A docs folder, a built folder, a cache, and what was said."""

    def __init__(self, place):
        self.place = place
        self.cache, self.heard = Cache(), Heard()
        self.put("docs", DOCS)
        self.put("docs", {".panaversity/manifest.json": b"{}"})
        self.put("build", {"index.html": b"<h1>", "a/index.html": b"a"})
        self.kept = KeptFolders(str(place / "kept"), copy_tree)
        self.target = {path: digest_of(data) for path, data in DOCS.items()}
        self.remote = self.new_remote()

    def put(self, folder, files):
        for path, data in files.items():
            target = self.place / folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

    def new_remote(self):
        place = SitePlace("guide", str(self.place / "docs"), str(self.place / "build"), str(self.place))
        return RemoteSite(self.cache, place, lambda: self.target, self.kept, self.heard)

    @property
    def output(self):
        return tree_digest(str(self.place / "build"))

    def record(self):
        return Record(DOCUMENT, self.output, "2030-01-01T00:00:00+00:00", 1.5)

    def offered(self, **changes):
        """A site in the cache as another member of the team would have left it."""
        said = {"document": DOCUMENT.canonical().decode(), "output": self.output, "build_ms": 1500, "agent": "alice",
                "stored_at": "2030-01-01T00:00:00+00:00"}  # fmt: skip
        meta = SiteMeta(**{**said, **changes})
        self.cache.kept["guide", DOCUMENT.key] = (meta, b"".join(pack_site(str(self.place / "build"), self.output)))

    @property
    def said(self):
        return self.heard.notes + self.heard.warnings


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_what_is_offered_can_be_brought(desk):
    desk.remote.offer(desk.record())
    record = desk.new_remote().bring(DOCUMENT)
    assert (record.output, record.seconds, record.document) == (desk.output, 1.5, DOCUMENT)
    assert desk.kept.has(desk.output)
    assert desk.heard.warnings == []


def test_a_copy_that_is_here_is_not_transferred_again(desk):
    desk.kept.keep(str(desk.place / "build"))
    desk.offered()
    meta, _ = desk.cache.kept["guide", DOCUMENT.key]
    desk.cache.kept["guide", DOCUMENT.key] = (meta, b"never read")
    assert desk.remote.bring(DOCUMENT).output == desk.output
    assert desk.remote.origin(desk.output) == "built by alice, 2030-01-01T00:00:00+00:00"


def test_a_copy_that_is_here_and_damaged_is_transferred(desk):
    desk.offered()
    output = desk.output
    desk.kept.keep(str(desk.place / "build"))
    assert desk.remote.bring(DOCUMENT) is not None
    desk.kept.discard(output)
    assert desk.remote.bring_again(desk.record())
    assert desk.kept.has(output)
    assert not desk.remote.bring_again(desk.record()), "once is enough"


@pytest.mark.parametrize("folder", ["docs", "docs/b"])
@pytest.mark.parametrize("verb", ["bring", "offer"])
def test_a_docs_folder_with_anything_of_an_authors_own_is_nobody_elses_business(desk, folder, verb):
    desk.offered()
    desk.put(folder, {"own.md": b"mine"})
    if verb == "bring":
        assert desk.remote.bring(DOCUMENT) is None
    else:
        desk.remote.offer(desk.record())
    assert desk.cache.calls == []
    assert "own.md" in desk.said[0]
    assert desk.heard.warnings == []


@pytest.mark.parametrize("harm", [lambda p: (p / "a.md").unlink(), lambda p: (p / "a.md").write_bytes(b"edited"),
                                  lambda p: os.symlink("a.md", p / "link.md")])  # fmt: skip
def test_a_docs_folder_that_is_not_the_manifests_is_not_asked_for(desk, harm):
    harm(desk.place / "docs")
    assert desk.remote.bring(DOCUMENT) is None
    assert desk.cache.calls == []


@pytest.mark.parametrize(
    "trouble",
    [
        Forbidden("site cache", "guide", "insufficient scope"),
        Unauthenticated("site cache", "guide", "no token"),
        ReadOnly("site cache", "guide", "read-only"),
        Conflict("site cache", "guide", "another one is kept"),
        TooLarge("site cache", "guide", "too large"),
        NotFound("request", "/x", "there is no such route", kind="route"),
    ],
    ids=lambda trouble: trouble.code,
)
@pytest.mark.parametrize("verb", ["bring", "offer"])
def test_a_refusal_is_no_failure_and_no_news(desk, trouble, verb):
    desk.cache.trouble = trouble
    if verb == "bring":
        assert desk.remote.bring(DOCUMENT) is None
    desk.remote.offer(desk.record())
    desk.remote.offer(desk.record())
    assert len(desk.cache.calls) == 1, "it is left alone afterwards"
    assert desk.heard.warnings == []
    assert len(desk.heard.notes) == 1
    assert trouble.problem in desk.heard.notes[0]


@pytest.mark.parametrize(
    "trouble",
    [
        Unavailable("remote cache", "x", "cannot be reached"),
        HashMismatch("remote cache", "x", "its bytes have another digest"),
        ServerUnreachable("remote cache", "x", "gave no good answer"),
        OSError(28, "No space left on device"),
    ],
    ids=lambda trouble: type(trouble).__name__,
)
@pytest.mark.parametrize("verb", ["bring", "offer"])
def test_trouble_is_said_once_and_the_cache_left_alone(desk, trouble, verb):
    desk.cache.trouble = trouble
    if verb == "bring":
        assert desk.remote.bring(DOCUMENT) is None
    desk.remote.offer(desk.record())
    assert len(desk.cache.calls) == 1
    (line,) = desk.heard.warnings
    assert line.endswith("the site is built here" if verb == "bring" else "the site is not kept there")


@pytest.mark.parametrize("lie", [{"document": "another"}, {"output": digest_of(b"another")}], ids=str)
def test_S32_a_lie_is_not_believed_and_leaves_nothing(desk, lie):
    desk.offered(**lie)
    assert desk.remote.bring(DOCUMENT) is None
    assert desk.kept.entries() == []
    assert len(desk.heard.warnings) == 1


def test_a_bug_of_ours_is_not_hidden(desk):
    desk.cache.trouble = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        desk.remote.bring(DOCUMENT)


def shared(desk, *records, present=True, forced=False):
    return SharedRecords(Local(*records), desk.remote, "5", lambda _: present, forced)


def test_a_record_whose_output_is_here_is_believed_without_asking(desk):
    desk.offered()
    record = desk.record()
    assert shared(desk, record).find(DOCUMENT) is record
    assert desk.cache.calls == []


def test_a_record_whose_output_is_gone_is_asked_for_and_kept_when_nobody_has_it(desk):
    record = desk.record()
    assert shared(desk, record, present=False).find(DOCUMENT) is record
    assert desk.cache.calls == ["fetch"]


def test_other_phases_are_nobodys_business(desk):
    other = KeyDocument("book", 1, "4", {}, None)
    records = shared(desk)
    assert records.find(other) is None
    records.remember(Record(other, "x", "", 0.1))
    assert desk.cache.calls == []
    assert records.latest("4").output == "x"


def test_what_was_brought_or_known_is_not_offered_again(desk):
    desk.offered()
    records = shared(desk)
    brought = records.find(DOCUMENT)
    records.remember(brought)
    known = shared(desk, desk.record())
    known.remember(known.find(DOCUMENT))
    assert desk.cache.calls == ["fetch"]


def test_what_was_built_is_offered_without_asking_twice(desk):
    records = shared(desk)
    assert records.find(DOCUMENT) is None
    records.remember(desk.record())
    assert desk.cache.calls == ["fetch", "store"]


def test_a_forced_build_is_not_restored_and_offered_only_where_there_is_none(desk):
    records = shared(desk, forced=True)
    assert records.find(DOCUMENT) is None
    records.remember(desk.record())
    assert desk.cache.calls == ["fetch", "store"]
    desk.remote = desk.new_remote()
    again = shared(desk, forced=True)
    again.remember(desk.record())
    assert desk.cache.calls == ["fetch", "store", "fetch"]
