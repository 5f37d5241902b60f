"""Where source, last ingest, book and docs folder stand to each other; nothing is written while looking."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.compare.status import status
from panaversity_builder.book.hydrate import HydrateOptions, hydrate
from panaversity_builder.book.ingest import IngestOptions, ingest
from panaversity_fs.core.errors import SourceRefused
from panaversity_fs.core.mapping import Numbering
from support.hydrated import everything
from support.simulator import Simulator

BOOK = "guide"
ONE, TWO, THREE = "01-A/01-one.md", "01-A/02-two.md", "01-A/03-three.md"


class Table:
    """An author, a book, a docs folder."""

    def __init__(self, place):
        self.place, self.server = place, Simulator()
        self.source, self.out = place / "docs", place / "book"
        self.options = IngestOptions(BOOK, str(self.source), str(place / ".panaversity"))
        for path in (ONE, TWO, THREE):
            self.write(path, path)

    def write(self, path, text):
        file = self.source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def agent(self, path, text):
        self.server.put(BOOK, f"content/{path}", text.encode())

    def settle(self):
        ingest(self.server, self.options)
        hydrate(self.server, HydrateOptions(BOOK, str(self.out)))

    def status(self, **changed):
        output = changed.pop("output", str(self.out))
        return status(self.server, IngestOptions(**{**vars_of(self.options), **changed}), output)

    def lines(self):
        return [(f.source, f.side, f.mine, f.theirs) for f in self.status().files]


def vars_of(options):
    return {name: getattr(options, name) for name in options.__dataclass_fields__}


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


def test_before_the_first_ingest_everything_is_mine(table):
    found = table.status()
    assert [(f.source, f.mine, f.theirs) for f in found.files] == [(p, "A", None) for p in (ONE, TWO, THREE)]
    assert (found.last_ingest, found.output.state, found.settled) == (None, "absent", False)


def test_after_ingest_and_hydrate_everything_is_alike(table):
    table.settle()
    found = table.status()
    assert (found.files, found.unchanged, found.output.state, found.settled) == ((), 3, "current", True)
    assert found.to_json()["changed"] is False


def test_FR_203_what_is_mine_what_is_an_agents_and_what_conflicts(table):
    table.settle()
    table.write(ONE, "mine")
    os.unlink(table.source / TWO)
    table.write("01-A/04-new.md", "mine")
    table.agent(THREE, "theirs")
    table.agent("01-A/05-agent.md", "theirs")
    assert table.lines() == [
        (ONE, "mine", "M", None),
        (TWO, "mine", "D", None),
        (THREE, "theirs", None, "M"),
        ("01-A/04-new.md", "mine", "A", None),
        ("01-A/05-agent.md", "theirs", None, "A"),
    ]
    table.agent(ONE, "theirs")
    table.server.remove(BOOK, f"content/{TWO}")
    table.write(THREE, "mine too")
    assert table.lines() == [
        (ONE, "conflict", "M", "M"),
        (THREE, "conflict", "M", "M"),
        ("01-A/04-new.md", "mine", "A", None),
        ("01-A/05-agent.md", "theirs", None, "A"),
    ]
    body = table.status().to_json()
    assert [body[side] for side in ("mine", "theirs", "conflicts", "unchanged")] == [1, 1, 2, 0]
    assert (body["output"]["state"], body["output"]["files"]) == ("behind", 4)


def test_a_file_that_one_side_deleted_and_the_other_edited_is_a_conflict(table):
    table.settle()
    os.unlink(table.source / ONE)
    table.agent(ONE, "theirs")
    table.write(TWO, "mine")
    table.server.remove(BOOK, f"content/{TWO}")
    assert table.lines() == [(ONE, "conflict", "D", "M"), (TWO, "conflict", "M", "D")]


def test_D17_a_book_that_was_never_ingested_and_differs_is_a_conflict(table):
    table.agent(ONE, "theirs")
    assert table.lines()[0] == (ONE, "conflict", "A", "A")


def test_looking_writes_nothing_anywhere(table):
    table.settle()
    table.write(ONE, "mine")
    table.agent(TWO, "theirs")
    before, book = everything(table.place), dict(table.server.books[BOOK].entries)
    for _ in range(2):
        table.status()
    assert everything(table.place) == before
    assert (table.server.books[BOOK].entries, table.server.books[BOOK].revision) == (book, 2)
    assert not [call for call in table.server.calls[-2:] if call != "plan_build"]


def test_a_change_of_numbering_is_told_and_not_done(table):
    table.settle()
    found = table.status(numbering=Numbering.NAME_NUMBER)
    assert (found.renumbers, found.settled) == (True, False)
    assert table.server.books[BOOK].numbering == Numbering.NUMBER_NAME


def test_a_docs_folder_whose_record_is_damaged_is_said_to_be(table):
    table.settle()
    (table.out / ".panaversity" / "manifest.txt").write_text("?")
    assert table.status().output.state == "damaged"
    assert table.status(output=None).output is None


def test_a_source_that_an_ingest_would_refuse_is_refused_here(table, tmp_path):
    with pytest.raises(SourceRefused):
        table.status(source_dir=str(tmp_path / "nowhere"))


texts = st.sampled_from([None, "a", "b", "c"])


@given(st.dictionaries(st.sampled_from([ONE, TWO, THREE]), st.tuples(texts, texts, texts)))
def test_FR_203_every_path_has_the_side_that_an_ingest_would_give_it(tmp_path_factory, fates):
    """Last ingest, source and book in every combination; then the ingest does what was said of it."""
    place = tmp_path_factory.mktemp("fates")
    table = Table(place)
    for path in (ONE, TWO, THREE):
        os.unlink(table.source / path)
    table.write("README.md", "stays")
    for number, write in enumerate((table.write, table.write, table.agent)):
        for path, fate in fates.items():
            if fate[number] is not None:
                write(path, fate[number])
            elif number < 2:
                (table.source / path).unlink(missing_ok=True)
            elif f"content/{path}" in table.server.books[BOOK].entries:
                table.server.remove(BOOK, f"content/{path}")
        if number == 0:
            ingest(table.server, table.options)
    found = {f.source: f for f in table.status(output=None).files}
    for path, (last, source, book) in fates.items():
        if source == book:
            assert path not in found
            continue
        changed = (source != last, book != last)
        side = {(True, False): "mine", (False, True): "theirs", (True, True): "conflict"}[changed]
        assert (found[path].side, found[path].mine is not None, found[path].theirs is not None) == (side, *changed)
