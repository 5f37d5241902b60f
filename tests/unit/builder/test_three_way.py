"""The three-way decision, case by case and exhaustively against a naive oracle."""

from itertools import product

import pytest

from panaversity_builder.book.three_way import Decision, decide, going_back
from panaversity_fs.core.digest import Digest, digest_of

A, B, C = (digest_of(letter) for letter in (b"a", b"b", b"c"))


@pytest.mark.parametrize(
    ("source", "book", "last", "fate"),
    [
        (A, A, A, "unchanged"),
        (A, A, B, "unchanged"),
        (A, A, None, "unchanged"),
        (A, None, None, "writes"),
        (B, A, A, "writes"),
        (None, A, A, "deletes"),
        (A, B, A, "diverged"),
        (A, None, A, "diverged"),
        (None, A, None, "kept"),
        (A, B, None, "conflicts"),
        (A, B, C, "conflicts"),
        (None, B, A, "conflicts"),
        (B, None, A, "conflicts"),
    ],
)
def test_FR_203_each_case_of_the_design_has_its_fate(
    source: Digest | None, book: Digest | None, last: Digest | None, fate: str
) -> None:
    decision = decide(*({} if digest is None else {"p": digest} for digest in (source, book, last)))
    assert [name for name in Decision.__dataclass_fields__ if getattr(decision, name)] == [fate]
    assert getattr(decision, fate) == ("p",)


def test_a_path_that_is_gone_on_both_sides_is_in_no_list() -> None:
    assert decide({}, {}, {"p": A}) == Decision()


def test_on_an_unset_last_ingest_a_book_that_differs_is_a_conflict() -> None:
    decision = decide({"same": A, "other": A, "new": A}, {"same": A, "other": B, "extra": C}, {})
    assert decision == Decision(unchanged=("same",), writes=("new",), kept=("extra",), conflicts=("other",))


def test_overwrite_lets_the_source_win_but_keeps_what_it_never_had() -> None:
    source, last = {"edited": A, "both": B, "taken": A}, {"edited": A, "both": A, "taken": A, "dropped": A}
    book = {"edited": C, "both": C, "dropped": C, "agents": C}
    assert decide(source, book, last, overwrite=True) == Decision(
        writes=("both", "edited", "taken"), deletes=("dropped",), kept=("agents",)
    )


VALUES = (None, A, B, C)


def _oracle(source: Digest | None, book: Digest | None, last: Digest | None, overwrite: bool) -> str | None:
    """The rules of DESIGN 6 in the order and words they stand there."""
    if source is None and book is None:
        return None
    if source == book:
        return "unchanged"
    if source is None and last is None:
        return "kept"
    if overwrite or (book == last and source != last):
        return "deletes" if source is None else "writes"
    if source == last and book != last:
        return "diverged"
    return "conflicts"


@pytest.mark.parametrize("overwrite", [False, True])
def test_every_combination_of_two_paths_is_decided_as_the_naive_rules_say(overwrite: bool) -> None:
    triples = list(product(VALUES, repeat=3))
    for first, second in product(triples, repeat=2):
        manifests = [
            {path: value for path, value in zip(("p", "q"), pair, strict=True) if value is not None}
            for pair in zip(first, second, strict=True)
        ]
        decision = decide(*manifests, overwrite=overwrite)
        for path, triple in (("p", first), ("q", second)):
            lists = [name for name in Decision.__dataclass_fields__ if path in getattr(decision, name)]
            fate = _oracle(*triple, overwrite)
            assert lists == ([] if fate is None else [fate]), (path, triple)


def test_only_what_others_settled_and_nobody_changed_here_goes_back() -> None:
    old, new, mine = (digest_of(word) for word in (b"old", b"new", b"mine"))
    seen = {"behind": old, "edited": old, "agent": old, "gone": old}
    book = {"behind": new, "edited": new, "agent": new, "added": new}
    last = {**book, "agent": old}
    source = {"behind": old, "edited": mine, "agent": old, "gone": old}
    decision = decide(source, book, last, overwrite=True)
    assert decision.writes == ("agent", "behind", "edited", "gone")
    assert going_back(decision, source, book, last, seen) == ("added", "behind", "gone")
