"""Globs over paths: what each sign means, what is refused and why, and that none makes the work grow (S20, F68)."""

import pytest

from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.search.glob import MAX_STARS, Glob

LESSON = "content/01-Part/02-Chapter/03-intro.md"


def fits(pattern: str, path: str) -> bool:
    return Glob(pattern, "glob_search").matches(path)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        (LESSON, LESSON, True),
        (LESSON, LESSON + "x", False),
        ("content/*/*/*.md", LESSON, True),
        ("content/*", LESSON, False),
        ("*", "content", True),
        ("*", LESSON, False),
        ("**", LESSON, True),
        ("content/**", LESSON, True),
        ("content/**", "contents/a.md", False),
        ("**/*.md", LESSON, True),
        ("**/*.md", "README.md", True),
        ("**/03-intro.md", LESSON, True),
        ("content/**/03-intro.md", LESSON, True),
        ("content/**/01-Part/**/02-Chapter/**/03-intro.md", LESSON, True),
        ("**/02-*/**", LESSON, True),
        ("**/02-*", LESSON, False),
        ("content/**/**/03-intro.md", LESSON, True),
        ("content/**/content/**", LESSON, False),
        ("**/0?-intro.md", LESSON, True),
        ("**/0?-intro.md", "content/0-intro.md", False),
        ("**/?", "content/é", True),
        ("**/[1-2]*.md", LESSON, False),
        ("**/[0-3][0-3]-*.md", LESSON, True),
        ("**/[!0-9]*.md", LESSON, False),
        ("**/[^0-9]*.md", "content/a.md", True),
        ("**/[]a]x", "content/ax", True),
        ("**/[a-]x", "content/-x", True),
        ("**/[!-]x", "content/-x", False),
        ("**/[à-ü]x", "content/éx", True),
        ("**/*INTRO*", LESSON, False),
        ("**/*.summary.md", "content/a.summary.md", True),
        ("**/*a*a*", "content/ba-a", True),
        ("**/*a*a*", "content/ba", False),
        ("**/a**b", "content/a-x-b", True),
        ("content/a**b", "content/a/b", False),
        ("**/***.md", LESSON, True),
        ("**/a***b", "content/ab", True),
        ("content/a**", "content/a", True),
    ],
)
def test_S20_each_sign_means_what_it_says(pattern: str, path: str, expected: bool) -> None:
    assert fits(pattern, path) is expected


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "1 to 256"),
        ("a" * 257, "1 to 256"),
        ("**/" * 50 + "x", "stars"),
        ("*a" * (MAX_STARS + 1), "stars"),
        ("content/{a,b}/*.md", "braces"),
        ("content/[a-z", "without its ]"),
        ("content/[]", "without its ]"),
        ("content/[!]", "without its ]"),
        ("content/[a/b]", "without its ]"),
        ("content\\*.md", "backslash"),
        ("/content/*.md", "empty segment"),
        ("content//a.md", "empty segment"),
        ("content/", "empty segment"),
    ],
)
def test_S20_a_refusal_says_why_and_not_what(pattern: str, says: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Glob(pattern, "glob_search")
    assert says in str(refused.value)
    assert refused.value.details["name"] == "pattern"
    assert len(pattern) < 9 or pattern not in str(refused.value)


BOMBS = [
    "*a" * MAX_STARS,
    "*a" * (MAX_STARS - 1) + "*b",
    "**/" * MAX_STARS + "x",
    "**/*a*a*a*a*a*b",
    "*" + "?" * 200,
    "*" + "[a-z]" * 50 + "b",
    "?" * 100 + "*" + "?" * 19,
    "**/a/**/a/**/a/**/a/**/a/**/a/**/b",
    "**/*/**/*/**/*/**/*",
    "*a*a*a*a/*a*a*a*b",
    "[" + "a" * 200 + "]*[!b]*c",
] + [f"{'*a' * stars}{'?' * marks}b" for stars in range(1, 9) for marks in (0, 1, 10, 100, 200)]


@pytest.mark.parametrize("pattern", BOMBS)
@pytest.mark.parametrize(
    "path", ["a" * 120, "/".join("a" * (50 + n) for n in range(16)), "a/" * 15 + "a"], ids=["wide", "long", "deep"]
)
def test_S20_no_bomb_takes_more_than_a_step_a_character(pattern: str, path: str) -> None:
    """Steps are counted, not seconds: each pair of one pattern's and one path's segment is run at most once."""
    glob = Glob(pattern, "glob_search")
    glob.matches(path)
    runs = [segment.steps for segment in glob.segments]
    assert max(runs, default=0) <= len(path)
    assert len(runs) <= pattern.count("/") + 1


def test_S20_there_are_fifty_bombs() -> None:
    assert len(set(BOMBS)) >= 50
