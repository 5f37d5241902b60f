"""Whole histories of authors, agents and ingests: the book always follows, and nobody's work is lost."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from panaversity_builder.book.ingest import IngestOptions, ingest
from panaversity_fs.core.errors import Conflict, SourceRefused
from panaversity_fs.core.mapping import Numbering, encode
from support.simulator import Simulator

PATHS = ["README.md", "Part-01/a.md", "Part-01/img/x.png", "Part-02/x.png", "Part-02/b.mdx"]
BYTES = st.sampled_from([b"", b"one", b"two\r\n", b"three"])
EDITS = st.tuples(st.sampled_from(["author", "agent"]), st.sampled_from(PATHS), st.one_of(st.none(), BYTES))
STEPS = st.lists(st.one_of(EDITS, st.just("ingest"), st.just("forget")), max_size=14)
NUMBERING = Numbering.NAME_NUMBER


@contextmanager
def _desk() -> Iterator[tuple[Path, IngestOptions]]:
    folder = Path(tempfile.mkdtemp())
    try:
        yield (
            folder / "docs",
            IngestOptions("book", str(folder / "docs"), str(folder / "state"), numbering=NUMBERING, max_deletes="100%"),
        )
    finally:
        shutil.rmtree(folder)


def _write(docs: Path, path: str, data: bytes | None) -> None:
    file = docs / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(data)


def _source(docs: Path) -> dict[str, bytes]:
    return {str(f.relative_to(docs)): f.read_bytes() for f in docs.rglob("*") if f.is_file()}


def _agent(sim: Simulator, path: str, data: bytes | None) -> None:
    book_path = encode(path, NUMBERING)
    assert book_path is not None
    if data is not None:
        sim.put("book", book_path, data)
    elif book_path in sim.books["book"].entries:
        sim.remove("book", book_path)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_FR_203_I2_every_history_ends_as_the_three_way_rules_say(steps: list[object]) -> None:
    sim = Simulator()
    sim.create("book", numbering=NUMBERING)
    last: dict[str, bytes] = {}
    with _desk() as (docs, options):
        _write(docs, "always.md", b"here")
        for step in steps:
            if step == "forget":
                shutil.rmtree(options.state_dir, ignore_errors=True)
            elif isinstance(step, tuple):
                who, path, data = step
                _write(docs, path, data) if who == "author" else _agent(sim, path, data)
            else:
                last = _ingest_and_judge(sim, options, docs, last)


def _ingest_and_judge(sim: Simulator, options: IngestOptions, docs: Path, last: dict[str, bytes]) -> dict[str, bytes]:
    """One ingest, compared with the rules told path by path; answers the source as last ingested."""
    source, before = _source(docs), sim.tree("book")
    expected, peaceful = dict(before), True
    for path in source.keys() | before.keys():
        s, b, known = source.get(path), before.get(path), last.get(path)
        if s in (b, known):
            continue
        if b != known:
            peaceful = False
        elif s is None:
            del expected[path]
        else:
            expected[path] = s
    try:
        ingest(sim, options)
    except Conflict:
        assert not peaceful
        assert sim.tree("book") == before
        return last
    assert peaceful
    assert sim.tree("book") == expected
    requests, revision = sim.traffic.requests, sim.books["book"].revision
    again = ingest(sim, options)
    assert (again.changed, sim.books["book"].revision, sim.traffic.requests - requests) == (0, revision, 1)
    return source


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(PATHS), BYTES), st.sampled_from(list(Numbering)))
def test_I2_D8_any_tree_arrives_byte_for_byte_under_both_numberings(
    files: dict[str, bytes], numbering: Numbering
) -> None:
    sim = Simulator()
    with _desk() as (docs, options):
        for path, data in files.items():
            _write(docs, path, data)
        options = IngestOptions(options.book_id, options.source_dir, options.state_dir, numbering=numbering)
        try:
            ingest(sim, options)
        except SourceRefused:
            assert not files
            return
        assert sim.tree("book") == files
