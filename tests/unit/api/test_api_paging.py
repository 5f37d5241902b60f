"""Pages and windows: joined, they give back what they were cut from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.api.lines import window
from panaversity_fs.api.paging import from_cursor, page, to_cursor
from panaversity_fs.core.errors import InvalidArgument

NAMES = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), unique=True).map(sorted)


@given(names=NAMES, size=st.integers(1, 5))
def test_F68_pages_hold_every_item_once_in_order(names: list[str], size: int) -> None:
    seen, cursor = list[str](), None
    while True:
        items, cursor = page(names, cursor, size, str, "list")
        seen += items
        assert len(items) <= size
        if cursor is None:
            break
    assert seen == names


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_cursor_stands_for_the_name_it_was_made_of(name: str) -> None:
    assert from_cursor(to_cursor(name), "list") == name


@pytest.mark.parametrize("cursor", ["", "!", "a", "YQ==", "YQ ", "_w", "Y R"])
def test_a_cursor_we_did_not_write_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidArgument):
        from_cursor(cursor, "list")


TEXTS = st.text(st.sampled_from("ab\r\n\x0c\u2028é"), max_size=40)


@given(text=TEXTS, limit=st.one_of(st.none(), st.integers(1, 5)), max_bytes=st.integers(1, 12))
def test_D8_windows_joined_are_the_text(text: str, limit: int | None, max_bytes: int) -> None:
    parts, start = list[str](), 1
    while True:
        part = window(text, start, limit, max_bytes)
        parts.append(part.text)
        assert len(part.text.encode()) <= max_bytes or part.text.count("\n") <= 1
        assert limit is None or part.text.count("\n") <= limit
        assert part.total == len(text.split("\n")) - (text == "" or text.endswith("\n"))
        if part.next_line is None:
            break
        assert part.next_line > start
        start = part.next_line
    assert "".join(parts) == text


def test_a_window_beyond_the_end_is_empty() -> None:
    assert window("a\nb", 9, None, 100) == window("a\nb", 9, 1, 100)
    assert window("a\nb", 9, None, 100).text == ""
    assert window("a\nb", 9, None, 100).next_line is None
