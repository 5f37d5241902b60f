"""The glob matcher against the obvious one, which tries every way."""

import re
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.search.glob import Glob

letters = st.sampled_from("aab-é")
segments = st.text(letters, min_size=1, max_size=5)
paths = st.lists(segments, min_size=1, max_size=5).map("/".join)
signs = st.one_of(letters, st.sampled_from(["*", "?", "[ab]", "[!a]", "[a-c]", "*a"]))
steps = st.one_of(st.just("**"), segments, st.lists(signs, min_size=1, max_size=5).map("".join))
patterns = st.lists(steps, min_size=1, max_size=6).map("/".join)


def slow_match(pattern: list[str], path: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return slow_match(pattern[1:], path) or (bool(path) and slow_match(pattern, path[1:]))
    return bool(path) and segment_match(pattern[0], path[0]) and slow_match(pattern[1:], path[1:])


def segment_match(pattern: str, name: str) -> bool:
    parts = re.findall(r"\*+|\?|\[!?[^]]+\]|.", pattern)
    regex = "".join(
        ".*" if p[0] == "*" else "." if p == "?" else p.replace("[!", "[^") if p[0] == "[" else re.escape(p)
        for p in parts
    )
    return re.fullmatch(regex, name) is not None


@given(patterns, st.lists(paths, min_size=1, max_size=5))
@example("**/**/a/**", ["a", "a/a", "b/a"])
@example("a/**", ["a"])
@example("a**b", ["ab"])
def test_S20_the_linear_matcher_agrees_with_the_obvious_one(pattern: str, names: list[str]) -> None:
    try:
        glob = Glob(pattern, "glob_search")
    except InvalidArgument:
        assert pattern.count("*") > 8
        return
    for name in names:
        assert glob.matches(name) is slow_match(pattern.split("/"), name.split("/")), name


@given(st.text(max_size=40), paths)
def test_S20_any_text_is_a_pattern_or_refused(pattern: str, path: str) -> None:
    with suppress(InvalidArgument):
        Glob(pattern, "glob_search").matches(path)
