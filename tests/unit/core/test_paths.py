"""The grammar of names at both edges of every rule, the hostile corpus, and names that would meet on a disk."""

import pytest

from panaversity_fs.core.errors import InvalidArgument, InvalidPath
from panaversity_fs.core.paths import (
    NameIndex,
    fold,
    path_fault,
    require_book_id,
    require_path,
    require_user_id,
    shown,
)
from support.hostile_paths import HOSTILE

ACCEPTED = [
    "a",
    "README.md",
    "content/01-Part/02-Chapter/03-x.md",
    "content/01-A/01-B/01-c.summary.md",
    "static/img/01-A/images/@/x.png",
    "a b/c d.md",
    "._-()+,&'@~#!=".strip(".") + "x",
    "(draft) notes + more, you & me's @home ~1 #2 !=.md",
    "_category_.json",
    "-x/--y.md",
    "café/naïve.md",
    "第一部/第二章/课.md",
    "عربى/كتاب.md",
    "हिन्दी/पाठ.md",
    "１２/Ⅷ/½.md",
    "a.b.c/x..y.md",
    "console.md",
    "CON-1.md",
    "com10.md",
    "nulls/auxiliary/prnt.md",
    "COM.md",
    "x.CON",
    "a" * 120,
    "é" * 60,
    "/".join(["a"] * 16),
    "/".join(["c" * 99] * 10) + "d",
    "/".join(["é" * 49 + "x"] * 10) + "d",
]


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: ascii(path[:40]))
def test_a_safe_path_is_accepted_and_handed_back_unchanged(path: str) -> None:
    assert path_fault(path) is None
    assert require_path(path, "write") is path


def test_the_corpus_holds_a_hundred_different_cases() -> None:
    assert len({path for path, _ in HOSTILE}) == len(HOSTILE) >= 100


@pytest.mark.parametrize(("path", "why"), HOSTILE, ids=lambda text: ascii(text[:40]))
def test_FR_009_SC_005_a_hostile_path_is_refused_for_its_reason(path: str, why: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        require_path(path, "write")
    error = caught.value
    assert why in error.problem
    assert error.details["reason"] == error.problem
    assert str(error).isprintable()
    assert len(str(error)) < 2000
    str(error).encode()


def test_the_limits_are_exactly_the_promised_ones() -> None:
    ten = "/".join(["c" * 99] * 10)  # 999 bytes
    assert path_fault(ten + "d") is None
    assert path_fault(ten + "de") == "is longer than 1000 bytes"
    assert path_fault("/".join(["a"] * 17)) == "has more than 16 levels"
    assert path_fault("a" * 121) == "has a segment of more than 120 bytes"
    assert path_fault("é" * 60 + "a") == "has a segment of more than 120 bytes"


@pytest.mark.parametrize("book_id", ["ab", "00", "a-", "my-book-2", "a" * 63])
def test_a_legal_book_id_is_accepted(book_id: str) -> None:
    assert require_book_id(book_id, "plan") == book_id


@pytest.mark.parametrize(
    "book_id",
    ["", "a", "-a", "A-book", "a_b", "a.b", "a/b", "..", "a b", "ab\n", "é-book", "٣٣", "a" * 64, "a\x00b", "\ud800a"],
    ids=ascii,
)
def test_another_book_id_is_an_invalid_argument(book_id: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        require_book_id(book_id, "plan")
    assert caught.value.details == {"name": "book_id"}
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("user_id", ["u", "auth0|x", "a.b@c-d:e_f", "A" * 128, "systems", "__base"])
def test_a_legal_user_id_is_accepted(user_id: str) -> None:
    assert require_user_id(user_id, "read") == user_id


@pytest.mark.parametrize(
    "user_id",
    ["", "__base__", "__BASE__", "system", "SYSTEM", "System", "a b", "a/b", "a\n", "é", "A" * 129, "..\x00", "%"],
    ids=ascii,
)
def test_a_sentinel_or_malformed_user_id_is_an_invalid_argument(user_id: str) -> None:
    with pytest.raises(InvalidArgument):
        require_user_id(user_id, "read")


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain é 漢", "plain é 漢"),
        ("a\nb\x1b[0m", "a\\u000ab\\u001b[0m"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("a\u00a0b", "a\\u00a0b"),
        ("x" * 201, "x" * 200 + "…"),
    ],
    ids=ascii,
)
def test_a_name_is_shown_without_what_a_terminal_would_obey(text: str, printed: str) -> None:
    assert shown(text) == printed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Intro.md", "intro.md"),
        ("STRASSE.md", "straße.md"),
        ("ﬁle.md", "file.md"),
        ("K.md", "\u212a.md"),
        ("ⅷ.md", "VIII.md"),
        ("１.md", "1.md"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
    ids=ascii,
)
def test_two_names_meet_when_case_or_width_is_folded(one: str, other: str) -> None:
    assert fold(one) == fold(other)
    assert NameIndex.of([one]).add(other) == f"collides with {one}"


def test_names_that_differ_otherwise_do_not_meet() -> None:
    assert len({fold(p) for p in ["a", "á", "b", "a.md", "a-md", "ı", "1", "l", "0", "O"]}) == 10


def test_a_folder_spelt_in_two_ways_is_a_collision() -> None:
    assert NameIndex.of(["Part/a.md"]).add("part/b.md") == "collides with Part"


def test_a_file_where_a_folder_is_and_a_folder_where_a_file_is_are_refused() -> None:
    assert NameIndex.of(["a/b.md"]).add("a") == "is a file where a is a folder"
    assert NameIndex.of(["A"]).add("a/b.md") == "is a folder where A is a file"


def test_a_refused_path_leaves_the_index_as_it_was() -> None:
    index = NameIndex.of(["x/Y/a.md"])
    assert index.add("x/new/c.md") is None
    index.remove("x/new/c.md")
    assert index.add("x/y/b.md") == "collides with x/Y"
    index.remove("x/Y/a.md")
    assert index.add("X/y/b.md") is None


def test_a_case_only_rename_works_when_the_delete_goes_first() -> None:
    index = NameIndex.of(["part/Intro.md"])
    index.remove("part/Intro.md")
    assert index.add("part/intro.md") is None


def test_a_copy_changes_without_the_original() -> None:
    index = NameIndex.of(["a"])
    copy = index.copy()
    copy.remove("a")
    assert copy.add("A") is None
    assert index.add("A") == "collides with a"
