"""Searching a whole text equals searching its lines one by one, from wherever it goes on."""

import re
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.search.grep import STEP, Hit, Regex

atoms = st.sampled_from(["a", "b", "é", ".", "[ab]", "[^a]", r"\s", r"\w", "^", "$", r"\b", "", "(?:a|b)", " "])
parts = st.tuples(atoms, st.sampled_from(["", "*", "+", "?", "{2}"])).map(
    lambda pair: pair[0] if pair[0] in ("^", "$", r"\b", "") else "".join(pair)
)
patterns = st.lists(parts, min_size=1, max_size=4).map("".join).filter(bool)
lines = st.lists(st.text("ab é\t", max_size=6), max_size=8)
ends = st.sampled_from(["\n", "\r\n"])


def by_line(pattern: str, text: str) -> list[tuple[int, str]]:
    wanted = re.compile(pattern, re.ASCII)
    found = re.split("\r?\n", text)
    if found[-1] == "":
        found.pop()
    return [(number, line) for number, line in enumerate(found, 1) if wanted.search(line)]


@given(patterns, lines, ends, st.booleans(), st.integers(0, 9))
@example("$", ["a", "", "b"], "\r\n", True, 1)
@example("^", [], "\n", False, 0)
@example("^$", ["a"], "\n", True, 0)
def test_S19_a_text_is_searched_as_its_lines_are(
    pattern: str, text: list[str], end: str, closed: bool, after: int
) -> None:
    whole = end.join(text) + (end if closed and text else "")
    items = list(Regex(pattern, "grep_search").hits(whole.encode(), after))
    found = [(item.line_number, item.line) for item in items if isinstance(item, Hit)]
    assert found == [(number, line) for number, line in by_line(pattern, whole) if number > after]
    total = len(by_line("", whole))
    assert [item for item in items if isinstance(item, int)] == ([total] if after < total else [])


@given(st.lists(st.integers(0, 3 * STEP), min_size=1, max_size=6), st.integers(0, 5))
def test_steps_end_with_lines_whatever_their_length(lengths: list[int], after: int) -> None:
    text = b"".join(b"n" + b"x" * length + b"\n" for length in lengths)
    assert [h.line_number for h in Regex("^n", "grep_search").hits(text, after) if isinstance(h, Hit)] == list(
        range(after + 1, len(lengths) + 1)
    )


@given(st.text(max_size=30))
def test_S19_any_text_is_a_pattern_or_refused(pattern: str) -> None:
    with suppress(InvalidArgument):
        list(Regex(pattern, "grep_search").hits(b"some text\nand more\n"))
