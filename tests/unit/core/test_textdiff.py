"""Unified diffs: they apply byte for byte, and they are bounded."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core import textdiff
from panaversity_fs.core.textdiff import MAX_DIFF, lines_of, unified

HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@\n")
TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "\x0c\u2028\n", "-\n", "+++\n", "@@\n"]), max_size=60)


def applied(old: str, diff: str) -> str:
    """What a strict patch would make of ``old``: every context and removed line must be where the diff says."""
    source, result, at = lines_of(old), list[str](), 0
    lines = re.findall(r"[^\n]*\n", diff)[2:]
    index = 0
    while index < len(lines):
        match = HUNK.fullmatch(lines[index])
        assert match, lines[index]
        start, length = int(match[1]), int(match[2] or 1)
        begin = start if length == 0 else start - 1
        result += source[at:begin]
        at, index = begin, index + 1
        while index < len(lines) and not (HUNK.fullmatch(lines[index]) and lines[index][0] == "@"):
            sign, text = lines[index][0], lines[index][1:]
            if index + 1 < len(lines) and lines[index + 1].startswith("\\"):
                text, index = text[:-1], index + 1
            if sign in " -":
                assert source[at] == text
                at += 1
            if sign in " +":
                result.append(text)
            index += 1
    return "".join(result + source[at:])


@given(TEXTS, TEXTS, st.sampled_from(["", "last"]), st.sampled_from(["", "last", "other"]))
def test_a_diff_applies_to_the_byte(a: list[str], b: list[str], end_a: str, end_b: str) -> None:
    old, new = "".join(a) + end_a, "".join(b) + end_b
    diff = unified(old, new, "old", "new")
    assert not diff.truncated
    assert (diff.text == "") is (old == new)
    if diff.text:
        assert applied(old, diff.text) == new


def test_the_form_is_the_usual_one() -> None:
    old = "".join(f"{n}\n" for n in range(1, 21))
    new = old.replace("5\n", "five\n", 1).replace("20\n", "20")
    assert unified(old, new, "a", "b").text == (
        "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        "@@ -17,4 +17,4 @@\n 17\n 18\n 19\n-20\n+20\n\\ No newline at end of file\n"
    )
    assert unified("", "x\n", "/dev/null", "b").text == "--- /dev/null\n+++ b\n@@ -0,0 +1 @@\n+x\n"
    assert unified("x\n", "", "a", "/dev/null").text == "--- a\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"


def test_lines_end_at_line_feeds_only() -> None:
    assert lines_of("a\r\nb\x0bc\u2028d\re\n") == ["a\r\n", "b\x0bc\u2028d\re\n"]
    assert lines_of("") == []


def test_P13_a_long_diff_is_cut_at_a_line_and_says_so() -> None:
    new = "".join(f"line {n}\n" for n in range(100_000))
    diff = unified("", new, "a", "b")
    assert diff.truncated
    assert diff.added == 100_000
    assert MAX_DIFF - 20 < len(diff.text) <= MAX_DIFF
    assert diff.text.endswith("\n")
    assert unified("", "x" * 2 * MAX_DIFF, "a", "b").truncated


def test_P13_texts_too_different_to_match_are_told_as_one_block() -> None:
    count = textdiff.MAX_COMPARED + 1
    old, new = ("".join(f"{mark}{n % 7}\n" for n in range(count)) for mark in "ab")
    diff = unified("same\n" + old, "same\n" + new, "a", "b")
    assert (diff.added, diff.removed) == (count, count)
    assert applied("same\n" + old, diff.text) == "same\n" + new


@pytest.mark.full
def test_P13_hostile_texts_are_compared_in_bounded_time() -> None:
    size = textdiff.MAX_COMPARED
    old = "".join(f"{n % 99}\n" for n in range(size))
    new = "".join(f"{(n * 7) % 101}\n" for n in range(size))
    start = time.monotonic()
    unified("x\n" + old + "y\n", "z\n" + new + "w\n", "a", "b")
    assert time.monotonic() - start < 10
