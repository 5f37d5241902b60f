"""Proofs of the audit tree: right ones hold, those of another log never do (S36, S37, G18)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.merkle import Tree, consistent, extend, includes, root_of

ENTRIES = [digest_of(number.to_bytes(4, "big")) for number in range(2_000)]
TREE = Tree(ENTRIES)
sizes = st.integers(1, len(ENTRIES))


@given(sizes, st.data())
def test_S37_any_beginning_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    claimed = data.draw(st.integers(1, size))
    proof = TREE.consistency(old, size)
    assert consistent(old, TREE.root(old), size, TREE.root(size), proof)
    if claimed != old:
        assert not consistent(claimed, TREE.root(old), size, TREE.root(size), proof)
        assert not consistent(old, TREE.root(claimed), size, TREE.root(size), proof)


@given(sizes, st.data())
def test_S37_a_log_forked_anywhere_before_the_checkpoint_has_no_proof(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    at = data.draw(st.integers(0, old - 1))
    forked = Tree([*ENTRIES[:at], digest_of(b"forged"), *ENTRIES[at + 1 : size]])
    assert not consistent(old, TREE.root(old), size, forked.root(), forked.consistency(old))
    assert not consistent(old, TREE.root(old), size, forked.root(), TREE.consistency(old, size))


@given(sizes, st.data())
def test_S37_every_entry_has_a_receipt_for_its_place(size: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, size - 1))
    proof = TREE.inclusion(at, size)
    assert includes(ENTRIES[at], at, size, TREE.root(size), proof)
    assert not includes(ENTRIES[at - 1], at, size, TREE.root(size), proof)


@given(st.lists(st.integers(0, 40), max_size=30))
def test_S36_the_edge_kept_with_each_commit_is_that_of_the_whole(steps: list[int]) -> None:
    edge, size = extend((), 0, ()), 0
    for step in steps:
        edge, size = extend(edge, size, ENTRIES[size : size + step]), size + step
    assert edge == TREE.edge(size)
    assert root_of(edge) == TREE.root(size)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.full)])
def test_G18_consistency_proofs_of_random_sizes_hold_and_their_forgeries_do_not(count: int) -> None:
    chance = random.Random(count)
    for _ in range(count):
        old, size = sorted(chance.sample(range(1, len(ENTRIES) + 1), 2))
        proof = list(TREE.consistency(old, size))
        roots = TREE.root(old), TREE.root(size)
        assert consistent(old, roots[0], size, roots[1], proof)
        proof[chance.randrange(len(proof))] = digest_of(chance.randbytes(8))
        assert not consistent(old, roots[0], size, roots[1], proof)
