"""A whole source tree as a book: numbering, mapping and refusals."""

import pytest

from panaversity_builder.book.mapping import detect_numbering, map_tree
from panaversity_fs.core.errors import SourceRefused
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema

NAME, NUMBER = Numbering.NAME_NUMBER, Numbering.NUMBER_NAME


def reasons(
    sources: list[str], numbering: Numbering | None = NUMBER, schema: Schema = Schema.DOCUSAURUS
) -> dict[str, str]:
    return {refusal.source: refusal.reason for refusal in map_tree(sources, numbering, schema).refused}


def test_FR_202_name_number_folders_become_number_name() -> None:
    sources = ["Part-01/Chapter-02/03-x.md", "Part-01/Chapter-02/img/d.png", "README.md"]
    assert map_tree(sources, NAME, Schema.DOCUSAURUS).paths == {
        "Part-01/Chapter-02/03-x.md": "content/01-Part/02-Chapter/03-x.md",
        "Part-01/Chapter-02/img/d.png": "static/img/01-Part/02-Chapter/d.png",
        "README.md": "content/README.md",
    }


@pytest.mark.parametrize(
    ("tops", "numbering"),
    [
        (["Part-01", "Part-02", "intro"], NAME),
        (["01-Part", "02-Part", "intro"], NUMBER),
        (["intro", "guide"], NUMBER),
        ([], NUMBER),
        (["01-Part-01"], NUMBER),
    ],
)
def test_numbering_is_read_from_the_top_folders(tops: list[str], numbering: Numbering) -> None:
    assert detect_numbering(["README-01.md", *(f"{top}/Inner-07/07-x/a.md" for top in tops)]) is numbering


def test_F45_a_tree_numbered_both_ways_is_refused_naming_one_of_each() -> None:
    with pytest.raises(SourceRefused) as caught:
        detect_numbering(["Part-01/a.md", "01-Part/a.md"])
    assert caught.value.exit_status == 12
    assert "01-Part" in str(caught.value)
    assert "Part-01" in str(caught.value)
    assert "--numbering" in caught.value.hint


@pytest.mark.parametrize(
    ("met", "new", "reason"),
    [
        ("A.md", "a.md", "collides with A.md"),
        ("Intro/a.md", "intro/b.md", "collides with Intro"),
        ("x/a.md", "x.md/b.md", None),
        ("a", "a/b.md", "is a folder where a is a file"),
        ("ﬁle.md", "file.md", "collides with"),
    ],
)
def test_F45_names_that_meet_are_refused_naming_both(met: str, new: str, reason: str | None) -> None:
    found = reasons([met, new])
    if reason is None:
        assert found == {}
        return
    [(source, said)] = found.items()
    other = ({met, new} - {source}).pop()
    assert reason.split()[0] in said
    assert other.partition("/")[0] in said


@pytest.mark.parametrize(
    "source",
    [
        "a//b.md",
        "../x.md",
        "/abs.md",
        "a\\b.md",
        "CON.md",
        "a/b .md/",
        "e\u0301.md",
        "a\u202eb.md",
        "x/\x00.md",
        "d" * 121,
    ],
)
def test_R1_hostile_names_are_refused_with_a_reason(source: str) -> None:
    assert set(reasons([source, "fine.md"])) == {source}


def test_the_reserved_folder_is_refused() -> None:
    assert "reserved" in reasons(["@/x.md"])["@/x.md"]


def test_all_refusals_come_at_once() -> None:
    assert set(reasons(["CON.md", "A.md", "a.md", "@/b.md", "ok.md"])) == {"CON.md", "a.md", "@/b.md"}


def test_FR_202_what_a_strict_book_cannot_take_is_listed_with_its_reason() -> None:
    mapped = map_tree(["01-A/02-B/03-c.md", "README.md", "01-A/d.md"], NUMBER, Schema.STRICT)
    assert [misfit.source for misfit in mapped.misfits] == ["01-A/d.md", "README.md"]
    assert all("content/{NN-Name}" in misfit.reason for misfit in mapped.misfits)
    assert mapped.refused == ()
