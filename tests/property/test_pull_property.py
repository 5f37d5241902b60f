"""Whole histories of authors, agents, ingests and pulls: nobody's work is lost, and both ends meet."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from panaversity_builder.book.three_way import decide, settled
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import Conflict
from panaversity_fs.core.mapping import Numbering, encode
from support.together import BOOK, Desk

PATHS = ["README.md", "Part-01/a.md", "Part-01/img/x.png", "Part-02/b.mdx"]
BYTES = st.sampled_from([b"", b"one", b"two\r\n", b"three"])
EDITS = st.tuples(st.sampled_from(["author", "agent"]), st.sampled_from(PATHS), st.one_of(st.none(), BYTES))
DEEDS = st.sampled_from(["ingest", "pull", "forget"])
SOME = st.tuples(st.sampled_from(["ingest", "pull"]), st.sampled_from(PATHS))
STEPS = st.lists(st.one_of(EDITS, DEEDS, SOME), max_size=14)

ENTRIES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([digest_of(b"1"), digest_of(b"2"), digest_of(b"3")]))
AMONG = st.one_of(st.none(), st.frozensets(st.sampled_from("abcd")))


def _edit(desk: Desk, who: str, path: str, data: bytes | None) -> None:
    if who == "author":
        (desk.docs / path).parent.mkdir(parents=True, exist_ok=True)
        (desk.docs / path).unlink(missing_ok=True) if data is None else (desk.docs / path).write_bytes(data)
    elif data is not None or encode(path, Numbering.NAME_NUMBER) in desk.sim.books[BOOK].entries:
        desk.agent(path, data)


def _model(mine: dict[str, bytes], theirs: dict[str, bytes], last: dict[str, bytes], deed: str, path: str) -> bool:
    """What a deed makes of one path; answers whether that is a conflict."""
    s, b, base = mine.get(path), theirs.get(path), last.get(path)
    if s == b:
        return False
    if s != base and b != base:
        return True
    target = theirs if deed == "ingest" and b == base else mine if deed == "pull" and s == base else None
    if target is not None:
        value = s if target is theirs else b
        target.pop(path, None) if value is None else target.update({path: value})
    return False


def _settle(mine: dict[str, bytes], theirs: dict[str, bytes], last: dict[str, bytes], path: str) -> None:
    if mine.get(path) == theirs.get(path):
        last.pop(path, None)
        if path in mine:
            last[path] = mine[path]


@settings(max_examples=max(25, settings.default.max_examples // 2))
@given(STEPS)
def test_FR_203_every_history_ends_as_the_three_way_rules_say(steps: list[object]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        desk = Desk(folder)
        shutil.rmtree(desk.docs)
        (desk.docs / "kept.md").parent.mkdir()
        (desk.docs / "kept.md").write_bytes(b"always there")
        desk.ingest(numbering=Numbering.NAME_NUMBER)
        mine, theirs, last = desk.source, desk.book, desk.source
        for step in steps:
            _step(desk, step, mine, theirs, last)
            assert desk.source == mine
            assert desk.book == theirs
    finally:
        shutil.rmtree(folder)


def _step(desk: Desk, step: object, mine: dict[str, bytes], theirs: dict[str, bytes], last: dict[str, bytes]) -> None:
    if isinstance(step, tuple) and len(step) == 3:
        who, path, data = step
        _edit(desk, who, path, data)
        side = mine if who == "author" else theirs
        side.pop(path, None) if data is None else side.update({path: data})
        return
    if step == "forget":
        shutil.rmtree(desk.folder / ".panaversity", ignore_errors=True)
        return
    deed, files = step if isinstance(step, tuple) else (str(step), None)
    known = mine.keys() | theirs.keys() | last.keys()
    if files is not None and files not in known:
        return
    paths = known if files is None else {files}
    before = (dict(mine), dict(theirs))
    if any(_model(mine, theirs, last, deed, path) for path in paths):
        for side, old in zip((mine, theirs), before, strict=True):
            side.clear()
            side.update(old)
        _expect_conflict(desk, deed, files)
        return
    for path in paths:
        _settle(mine, theirs, last, path)
    wishes = {"max_deletes": "100%"}
    if deed == "ingest":
        desk.ingest(*([files] if files else []), **wishes)
    else:
        desk.pull(*([files] if files else []), **wishes)


def _expect_conflict(desk: Desk, deed: str, files: str | None) -> None:
    try:
        (desk.ingest if deed == "ingest" else desk.pull)(*([files] if files else []), max_deletes="100%")
    except Conflict:
        return
    raise AssertionError("a conflict was not seen")


@given(ENTRIES, ENTRIES, ENTRIES, AMONG)
def test_settling_never_loses_what_differs(
    source: dict[str, Digest], book: dict[str, Digest], last: dict[str, Digest], among: frozenset[str] | None
) -> None:
    base = settled(source, book, last, among)
    for path in "abcd":
        alike = source.get(path) == book.get(path) and (among is None or path in among)
        assert base.get(path) == (source.get(path) if alike else last.get(path))
    assert decide(source, book, base).conflicts == decide(source, book, last).conflicts


@given(ENTRIES, ENTRIES, ENTRIES)
def test_after_a_whole_ingest_the_last_ingest_is_the_source(
    source: dict[str, Digest], book: dict[str, Digest], last: dict[str, Digest]
) -> None:
    decision = decide(source, book, last)
    if decision.conflicts:
        return
    after = {path: d for path, d in book.items() if path not in decision.deletes}
    after |= {path: source[path] for path in decision.writes}
    assert settled(source, after, last) == source
