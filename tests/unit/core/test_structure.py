"""A book's paths as a whole, and the characters nobody sees (FR-010, S7)."""

import pytest

from panaversity_fs.core.invisible import invisible_in
from panaversity_fs.core.schema import Schema
from panaversity_fs.core.structure import judge_structure, parts_and_chapters

A = "content/01-Part/01-Chapter/"


def told(*paths: str, schema: Schema = Schema.DOCUSAURUS) -> list[tuple[str, str, str]]:
    return [(f.level, f.code, f.path) for f in judge_structure(paths, schema, None)]


def test_FR_010_a_good_book_has_no_findings() -> None:
    good = [f"{A}01-a.md", f"{A}01-a.summary.md", f"{A}02-b.md", "content/01-Part/02-Chapter/01-x.md",
            "static/img/01-Part/01-Chapter/d.png"]  # fmt: skip
    assert told(*good, schema=Schema.STRICT) == []


@pytest.mark.parametrize(
    ("paths", "finding"),
    [
        (["content/README.md"], ("error", "SCHEMA_VIOLATION", "content/README.md")),
        ([f"{A}01-a.md", f"{A}01-b.md"], ("error", "DUPLICATE_NUMBER", A)),
        ([f"{A}01-a.md", f"{A}03-b.md"], ("warning", "NUMBER_GAP", A)),
        ([f"{A}02-a.md"], ("warning", "NUMBER_GAP", A)),
        ([f"{A}01-a.md", "content/01-Other/01-C/01-x.md"], ("error", "DUPLICATE_NUMBER", "content/")),
        ([f"{A}01-a.md", "content/03-Third/01-C/01-x.md"], ("warning", "NUMBER_GAP", "content/")),
        ([f"{A}01-a.md", "content/01-Part/03-Chapter/01-x.md"], ("warning", "NUMBER_GAP", "content/01-Part/")),
        ([f"{A}01-a.md", "static/img/01-Part/02-Empty/d.png"],
         ("warning", "EMPTY_CHAPTER", "content/01-Part/02-Empty/")),
    ],
)  # fmt: skip
def test_FR_010_each_fault_of_a_strict_book_is_found(paths: list[str], finding: tuple[str, str, str]) -> None:
    assert told(*paths, schema=Schema.STRICT) == [finding]


def test_FR_010_a_docusaurus_book_is_warned_only() -> None:
    found = told(f"{A}01-a.md", f"{A}01-b.mdx", "content/README.md", "content/01-Part/02-Empty/_category_.json")
    assert found == [
        ("warning", "EMPTY_CHAPTER", "content/01-Part/02-Empty/"),
        ("warning", "DUPLICATE_NUMBER", A),
    ]


def test_lessons_and_folders_are_numbered_apart_and_a_zeroth_is_fine() -> None:
    assert told(f"{A}00-a.md", f"{A}01-b.md", f"{A}00-deep/00-x.md", f"{A}README.md") == []


def test_a_long_gap_is_told_in_short() -> None:
    (finding,) = judge_structure([f"{A}01-a.md", f"{A}99-b.md"], Schema.STRICT, None)
    assert finding.problem == "leaves out 02, 03, 04, 05, 06, 07, 08, 09, 10, 11 …"


def test_parts_and_chapters_are_the_first_two_levels() -> None:
    paths = [f"{A}01-a.md", f"{A}deep/x.md", "content/x.md", "content/02-P/y.md", "static/img/01-Z/02-Y/d.png"]
    assert parts_and_chapters(paths) == ({"content/01-Part/", "content/02-P/"}, {A})


@pytest.mark.parametrize("point", [0x200B, 0x200F, 0x202A, 0x202E, 0x2066, 0x2069, 0xE0000, 0xE0041, 0xE007F])
def test_S7_every_kind_of_invisible_character_is_seen(point: int) -> None:
    found = invisible_in(f"a\nb{chr(point)}c")
    assert found is not None
    assert (found.count, found.line, found.kinds) == (1, 2, (f"U+{point:04X}",))


@pytest.mark.parametrize("text", ["", "plain ä 日本 é", "\u200a\u2010\u2029\u202f\u2065\u206a\ufeff\U000e0080"])
def test_S7_what_is_visible_or_harmless_is_let_be(text: str) -> None:
    assert invisible_in(text) is None
