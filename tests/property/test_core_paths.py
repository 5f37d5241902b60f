"""What an accepted path promises, and the name index against a naive model of a folding disk."""

import re
import unicodedata

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from panaversity_fs.core import paths as grammar
from panaversity_fs.core.errors import InvalidPath
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import NameIndex, fold, path_fault, require_path, shown
from panaversity_fs.core.schema import Schema, schema_fault

SIGNS = " ._-()+,&'@~#!="
likely = st.text(st.sampled_from("aB1é漢\u0301" + SIGNS), min_size=1, max_size=8)
wild = st.text(min_size=1, max_size=12)
paths = st.lists(st.one_of(likely, wild), min_size=1, max_size=20).map("/".join)
near_limits = st.builds(
    lambda letter, sizes: "/".join(letter * size for size in sizes),
    st.sampled_from("aé漢"),
    st.lists(st.integers(1, 125), min_size=1, max_size=17),
)


often_accepted = st.lists(st.text("aB1é漢_-", min_size=1, max_size=8), min_size=1, max_size=5).map("/".join)


@given(st.one_of(paths, near_limits, often_accepted))
def test_FR_009_SC_005_an_accepted_path_has_every_promised_property(path: str) -> None:
    assume(path_fault(path) is None)
    segments = path.split("/")
    assert 1 <= len(path.encode()) <= 1000
    assert len(segments) <= 16
    assert unicodedata.normalize("NFC", path) == path
    for segment in segments:
        assert 1 <= len(segment.encode()) <= 120
        assert segment not in (".", "..")
        assert segment == segment.strip(" .")
        assert all(c in SIGNS or unicodedata.category(c)[0] in "LMN" for c in segment)


@given(st.one_of(paths, near_limits), st.integers(0, 30), st.sampled_from("\x00\n\\:*?\u202e\u200b\ud800/"))
def test_FR_009_one_bad_character_anywhere_spoils_a_path(path: str, where: int, bad: str) -> None:
    where %= len(path) + 1
    spoilt = path[:where] + ("//" if bad == "/" else bad) + path[where:]
    assert path_fault(spoilt) is not None


@given(st.one_of(st.text(), paths))
def test_any_text_is_judged_without_a_crash_and_shown_without_control_characters(text: str) -> None:
    assert shown(text).isprintable()
    if path_fault(text) is None:
        assert require_path(text, "write") == text
    else:
        with pytest.raises(InvalidPath) as caught:
            require_path(text, "write")
        assert str(caught.value).isprintable()


folders = st.sampled_from(["01-A", "A-01", "img", "@", "b", "01-"])
names = st.sampled_from(["01-x.md", "x.md", "x.summary.md", "x.png", "x.PDF", "data.csv", "_category_.json", "@"])
book_paths = st.builds(
    lambda top, middle, name: "/".join([top, *middle, name]),
    st.sampled_from(["content", "static/img", "static/audio"]),
    st.lists(folders, max_size=4),
    names,
)


@given(book_paths, st.sampled_from([None, *Numbering]))
def test_R1_SC_005_strict_is_a_subset_of_docusaurus(path: str, numbering: Numbering | None) -> None:
    assert path_fault(path) is None
    if schema_fault(path, Schema.DOCUSAURUS, numbering) is not None:
        assert schema_fault(path, Schema.STRICT, numbering) is not None


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


class NaiveDisk:
    """A disk that folds case and width: the set of its paths, asked in the slowest obvious way."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def refuses(self, path: str) -> bool:
        return any(self._clash(path, held) for held in self.paths)

    @staticmethod
    def _clash(path: str, held: str) -> bool:
        new, old = path.split("/"), held.split("/")
        for depth in range(1, min(len(new), len(old)) + 1):
            one, other = "/".join(new[:depth]), "/".join(old[:depth])
            if fold(one) != fold(other):
                return False
            is_file, was_file = depth == len(new), depth == len(old)
            if is_file or was_file or one != other:
                return True
        return False


small_paths = st.lists(st.sampled_from(["a", "A", "b", "ﬁ", "fi", "ß", "ss"]), min_size=1, max_size=3).map("/".join)


class NameIndexAgainstNaiveDisk(RuleBasedStateMachine):
    """Whatever is added, removed or copied, the index refuses exactly what the naive disk refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.index, self.disk = NameIndex(), NaiveDisk()

    @rule(path=small_paths)
    def add(self, path: str) -> None:
        refused = self.disk.refuses(path)
        assert (self.index.add(path) is not None) == refused
        if not refused:
            self.disk.paths.append(path)

    @precondition(lambda self: self.disk.paths)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk.paths)))
        self.index.remove(path)
        self.disk.paths.remove(path)

    @rule(path=small_paths)
    def change_a_copy(self, path: str) -> None:
        self.index.copy().add(path)

    @precondition(lambda self: self.disk.paths)
    @rule()
    def empty_a_copy_and_go_on_with_another(self) -> None:
        doomed, self.index = self.index, self.index.copy()
        for path in self.disk.paths:
            doomed.remove(path)

    @invariant()
    def one_built_at_once_answers_the_same(self) -> None:
        fresh = NameIndex.of(self.disk.paths)
        for path in ("a", "A/b", "fi", "ss/a/b"):
            assert (fresh.copy().add(path) is None) == (not self.disk.refuses(path))


TestNameIndexAgainstNaiveDisk = NameIndexAgainstNaiveDisk.TestCase


PIECES = ("a", "Z0", ".", "_", "-", "/", "@", "é", "con", "NUL", "com1", "lpt10", "..", "$", " ", "x" * 119)


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_R1_a_path_that_is_clear_at_a_glance_is_one_that_words_would_let_pass(pieces: list[str]) -> None:
    path = "".join(pieces)
    quick = path_fault(path)
    with pytest.MonkeyPatch.context() as without:
        without.setattr(grammar, "_CLEAR", re.compile(r"(?!)"))
        assert path_fault(path) == quick
