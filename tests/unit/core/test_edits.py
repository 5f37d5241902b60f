"""Changing a part of a text, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.edits import Misfit, append, in_the_style_of, is_text, label, occurrences, replace_once


@pytest.mark.parametrize(
    ("data", "old", "new", "after"),
    [
        (b"a b c", b"b", b"x", b"a x c"),
        (b"\xef\xbb\xbfa\r\nb", b"b", b"c", b"\xef\xbb\xbfa\r\nc"),
        (b"a\r\nb\r\nc", b"a\nb", b"x\ny", b"x\r\ny\r\nc"),
        (b"a\r\nb\r\n", b"a\r\nb", b"x\r\ny", b"x\r\ny\r\n"),
        (b"a\nb\r\n", b"b\r\n", b"c\n", b"a\nc\n"),
        (b"one line", b"one", b"one\ntwo", b"one\ntwo line"),
        ("naïve".encode(), "ï".encode(), b"i", b"naive"),
        (b"abc", b"abc", b"", b""),
    ],
)
def test_one_place_is_replaced_and_the_rest_kept(data: bytes, old: bytes, new: bytes, after: bytes) -> None:
    assert replace_once(data, old, new) == after


@pytest.mark.parametrize(
    ("data", "old", "count", "words"),
    [(b"abc", b"x", 0, "does not occur"), (b"abc", b"", 0, "does not occur"), (b"aaa", b"aa", 2, "occurs 2 times"),
     (b"a" * 100, b"a", 100, "occurs 100 times"), (b"a" * 101, b"a", 101, "more than 100"),
     (b"a" * 5000, b"a", 101, "more than 100")],
)  # fmt: skip
def test_anything_but_one_place_is_a_misfit_with_its_count(data: bytes, old: bytes, count: int, words: str) -> None:
    with pytest.raises(Misfit, match=words) as misfit:
        replace_once(data, old, b"new")
    assert misfit.value.count == count


@given(st.text(), st.text(min_size=1), st.text(), st.text())
def test_what_stands_outside_the_change_is_untouched(before: str, old: str, after: str, new: str) -> None:
    data = (before + old + after).encode()
    if occurrences(data, in_the_style_of(data, old.encode())) != 1:
        with pytest.raises(Misfit):
            replace_once(data, old.encode(), new.encode())
        return
    changed = replace_once(data, old.encode(), new.encode())
    added = in_the_style_of(data, new.encode())
    assert changed == before.encode() + added + after.encode()


@given(st.binary(), st.binary())
def test_appending_keeps_what_was_there(data: bytes, added: bytes) -> None:
    assert append(data, added).startswith(data)
    assert append(b"", added) == added


def test_line_ends_follow_a_text_only_where_it_agrees_with_itself() -> None:
    assert append(b"a\r\nb", b"\nc\r\n") == b"a\r\nb\r\nc\r\n"
    assert append(b"a\r\nb\n", b"\nc") == b"a\r\nb\n\nc"
    assert append(b"a", b"\nc") == b"a\nc"


def test_utf8_is_text_and_a_version_has_a_name() -> None:
    assert is_text("ä\x00".encode())
    assert not is_text(b"\xff")
    assert not is_text(b"\xed\xa0\x80")
    assert label("p", None) == "/dev/null"
    assert label("p", "ab" * 32).startswith("p (abab")
