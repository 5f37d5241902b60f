"""The tree of RFC 6962: its published roots, and proofs judged one by one (S36, S37)."""

import hashlib

import pytest

from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.merkle import Tree, consistent, extend, includes, leaf, root_of

ENTRIES = [digest_of(bytes([number])) for number in range(33)]


def slow_root(entries: list[Digest]) -> str:
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if not entries:
        return hashlib.sha256(b"").hexdigest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + bytes.fromhex(entries[0])).hexdigest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    left, right = slow_root(entries[:split]), slow_root(entries[split:])
    return hashlib.sha256(b"\x01" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


@pytest.mark.parametrize("size", range(34))
def test_S36_root_and_right_edge_are_those_of_the_rfc(size: int) -> None:
    tree = Tree(ENTRIES)
    assert tree.root(size) == slow_root(ENTRIES[:size])
    assert tree.edge(size) == extend((), 0, ENTRIES[:size])
    assert len(tree.edge(size)) == size.bit_count()
    assert root_of(tree.edge(size)) == tree.root(size)


def test_S36_published_roots_of_the_certificate_transparency_test_vectors() -> None:
    """The known leaves hash data, ours hash digests; the inner nodes are the same."""
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    hashes = [hashlib.sha256(b"\x00" + bytes.fromhex(text)).digest() for text in data]
    while len(hashes) > 1:
        hashes = [hashlib.sha256(b"\x01" + a + b).digest() for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
    assert hashes[0].hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert leaf(digest_of(b"")) != hashlib.sha256(b"\x00").digest()


def test_a_tree_grown_in_pieces_is_the_tree_made_at_once() -> None:
    for cut in range(34):
        tree = Tree(ENTRIES[:cut])
        tree.append(ENTRIES[cut:])
        assert tree.root() == Tree(ENTRIES).root()
        assert extend(extend((), 0, ENTRIES[:cut]), cut, ENTRIES[cut:]) == tree.edge()


def test_an_edge_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="no right edge of a tree of 4"):
        extend(Tree(ENTRIES).edge(3), 4, ENTRIES[:1])


def test_what_is_no_hash_changes_nothing() -> None:
    tree = Tree(ENTRIES[:3])
    with pytest.raises(ValueError, match="hexadecimal"):
        tree.append([ENTRIES[3], Digest("not a hash")])
    assert (tree.size, tree.root()) == (3, Tree(ENTRIES[:3]).root())


def test_S37_every_pair_of_sizes_up_to_33_has_a_proof_that_holds_and_is_short() -> None:
    tree = Tree(ENTRIES)
    for size in range(1, 34):
        for old in range(1, size + 1):
            proof = tree.consistency(old, size)
            assert len(proof) <= size.bit_length() + 1
            assert consistent(old, tree.root(old), size, tree.root(size), proof)
            assert (proof == ()) == (old == size)
        for at in range(size):
            assert includes(ENTRIES[at], at, size, tree.root(size), tree.inclusion(at, size))


def test_S37_everything_continues_the_empty_log_and_nothing_one_that_was_longer() -> None:
    tree = Tree(ENTRIES)
    assert consistent(0, EMPTY, 33, tree.root(), ())
    assert consistent(0, EMPTY, 0, EMPTY, ())
    assert not consistent(0, ENTRIES[0], 33, tree.root(), ())
    assert not consistent(33, tree.root(), 20, tree.root(20), tree.consistency(20))
    assert not consistent(33, tree.root(), 0, EMPTY, ())
    assert not consistent(-1, EMPTY, 3, tree.root(3), ())


def test_S37_two_logs_of_one_size_are_one_only_with_one_root() -> None:
    tree = Tree(ENTRIES)
    assert consistent(9, tree.root(9), 9, tree.root(9), ())
    assert not consistent(9, tree.root(9), 9, tree.root(10), ())
    assert not consistent(9, tree.root(9), 9, tree.root(9), (ENTRIES[0],))


@pytest.mark.parametrize(("old", "size"), [(1, 2), (4, 7), (6, 8), (7, 33), (16, 33), (32, 33)])
def test_S37_a_proof_with_a_step_changed_lost_or_added_shows_nothing(old: int, size: int) -> None:
    tree = Tree(ENTRIES)
    proof, roots = tree.consistency(old, size), (tree.root(old), tree.root(size))
    wrong = [proof[:at] + proof[at + 1 :] for at in range(len(proof))]
    wrong += [(*proof[:at], ENTRIES[0], *proof[at + 1 :]) for at in range(len(proof))]
    wrong += [(*proof, ENTRIES[0]), (ENTRIES[0], *proof), ()]
    for attempt in wrong:
        assert not consistent(old, roots[0], size, roots[1], attempt)
    assert not consistent(old, ENTRIES[1], size, roots[1], proof)
    assert not consistent(old, roots[0], size, ENTRIES[1], proof)


@pytest.mark.parametrize(("at", "size"), [(0, 1), (0, 2), (3, 7), (6, 7), (32, 33), (15, 33)])
def test_S37_an_inclusion_proof_holds_for_its_entry_and_place_only(at: int, size: int) -> None:
    tree = Tree(ENTRIES)
    proof, root = tree.inclusion(at, size), tree.root(size)
    assert not includes(digest_of(b"another"), at, size, root, proof)
    assert not includes(ENTRIES[at], size, size, root, proof)
    assert not includes(ENTRIES[at], -1, size, root, proof)
    assert not includes(ENTRIES[at], at, size, root, (*proof, ENTRIES[0]))
    if proof:
        assert not includes(ENTRIES[at], at, size, root, proof[:-1])
        assert not includes(ENTRIES[at], at, size, root, proof[::-1]) or proof == proof[::-1]
    for other in range(size):
        assert includes(ENTRIES[at], other, size, root, proof) == (other == at)


def test_a_node_cannot_pass_for_a_leaf() -> None:
    tree = Tree(ENTRIES[:2])
    assert leaf(tree.root()) != bytes.fromhex(tree.root())
    assert Tree([tree.root()]).root() != tree.root()


@pytest.mark.parametrize(("call", "arguments"), [
    ("root", (34,)), ("root", (-1,)), ("inclusion", (33,)), ("inclusion", (5, 5)), ("inclusion", (-1,)),
    ("consistency", (0,)), ("consistency", (34,)), ("consistency", (6, 5)), ("consistency", (1, 40)),
])  # fmt: skip
def test_what_the_tree_does_not_hold_is_refused(call: str, arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"holds|among|beginning"):
        getattr(Tree(ENTRIES), call)(*arguments)
