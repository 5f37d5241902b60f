"""The tree over a log's entry hashes: roots, consistency and inclusion proofs (RFC 6962 section 2.1; RELIABILITY 4).

Pure: digests in, digests out. Does not know what the leaves stand for, where they are kept or who compares roots. A
tree that only grows needs its *right edge* alone: the roots of its perfect subtrees from left to right, one for every
binary digit 1 of its size. Leaves and nodes are hashed with different prefixes, so that no node can pass for a leaf.
"""

import hashlib
from collections.abc import Iterable, Sequence

from panaversity_fs.core.digest import EMPTY, Digest

Edge = tuple[Digest, ...]
"""Roots of the perfect subtrees from left to right; as many as the size has binary digits 1."""
Proof = tuple[Digest, ...]
"""The digests that a verifier cannot compute by itself, in the order of RFC 6962."""


_BYTES = 32


def leaf(entry: Digest) -> bytes:
    """The tree's own hash of one entry, raw 32 bytes: H(0x00 ‖ entry hash)."""
    return hashlib.sha256(b"\x00" + bytes.fromhex(entry)).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def extend(edge: Edge, size: int, entries: Iterable[Digest]) -> Edge:
    """The right edge after these entries follow the ``size`` ones it stands for. Costs O(1) hashes an entry on average.

    Raises ``ValueError`` for an edge that cannot belong to a tree of that size.
    """
    if len(edge) != size.bit_count():
        raise ValueError(f"{len(edge)} digests are no right edge of a tree of {size}")
    peaks = [bytes.fromhex(peak) for peak in edge]
    for entry in entries:
        peaks.append(leaf(entry))
        size += 1
        for _ in range((size & -size).bit_length() - 1):  # as many joins as binary zeros end the new size
            right = peaks.pop()
            peaks.append(_node(peaks.pop(), right))
    return tuple(Digest(peak.hex()) for peak in peaks)


def root_of(edge: Edge) -> Digest:
    """The root of the tree with this right edge; of an empty tree, the hash of nothing."""
    if not edge:
        return EMPTY
    *rest, root = (bytes.fromhex(peak) for peak in edge)
    for left in reversed(rest):
        root = _node(left, root)
    return Digest(root.hex())


class Tree:
    """All hashes of one growing tree in memory (64 bytes an entry), for proofs.

    ``_levels[k]`` holds the roots of the perfect subtrees of 2**k leaves that begin at multiples of 2**k, end to end.
    """

    def __init__(self, entries: Iterable[Digest] = ()) -> None:
        self._levels = [bytearray()]
        self.append(entries)

    @property
    def size(self) -> int:
        """How many entries the tree holds."""
        return len(self._levels[0]) // _BYTES

    def append(self, entries: Iterable[Digest]) -> None:
        """Let these entries follow. Raises ``ValueError`` for one that is not hexadecimal, before anything changes."""
        self._levels[0] += b"".join([leaf(entry) for entry in entries])
        for number, level in enumerate(self._levels):
            done = len(self._levels[number + 1]) if number + 1 < len(self._levels) else 0
            above = bytearray()
            for at in range(2 * done, len(level) - 2 * _BYTES + 1, 2 * _BYTES):
                above += hashlib.sha256(b"\x01" + level[at : at + 2 * _BYTES]).digest()
            if not above:
                return
            if number + 1 == len(self._levels):
                self._levels.append(bytearray())
            self._levels[number + 1] += above

    def root(self, size: int | None = None) -> Digest:
        """The root over the first ``size`` entries (default: all)."""
        return root_of(self.edge(size))

    def edge(self, size: int | None = None) -> Edge:
        """The right edge over the first ``size`` entries (default: all)."""
        size, start, peaks = self.size if size is None else self._within(size), 0, []
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                peaks.append(Digest(self._at(level, start).hex()))
                start += 1 << level
        return tuple(peaks)

    def inclusion(self, at: int, size: int | None = None) -> Proof:
        """The audit path of the entry at position ``at`` (from 0) in the tree of the first ``size`` entries."""
        size = self.size if size is None else self._within(size)
        if not 0 <= at < size:
            raise ValueError(f"entry {at} is not among {size}")
        return _hexes(self._path(at, 0, size))

    def consistency(self, old: int, size: int | None = None) -> Proof:
        """The proof that the tree of ``size`` entries begins with the tree of ``old``; empty when they are equal."""
        size = self.size if size is None else self._within(size)
        if not 0 < old <= size:
            raise ValueError(f"{old} entries are not the beginning of {size}")
        return _hexes(self._subproof(old, 0, size, known=True))

    def _within(self, size: int) -> int:
        if not 0 <= size <= self.size:
            raise ValueError(f"the tree holds {self.size} entries, not {size}")
        return size

    def _at(self, level: int, start: int) -> bytes:
        place = (start >> level) * _BYTES
        return bytes(self._levels[level][place : place + _BYTES])

    def _range(self, start: int, size: int) -> bytes:
        """The root over ``size`` leaves from ``start`` on, where ``start`` is a multiple of a power of 2 ≥ size."""
        if size & (size - 1) == 0:
            return self._at(size.bit_length() - 1, start)
        left = _split(size)
        return _node(self._range(start, left), self._range(start + left, size - left))

    def _path(self, at: int, start: int, size: int) -> list[bytes]:
        if size == 1:
            return []
        left = _split(size)
        if at < left:
            return [*self._path(at, start, left), self._range(start + left, size - left)]
        return [*self._path(at - left, start + left, size - left), self._range(start, left)]

    def _subproof(self, old: int, start: int, size: int, *, known: bool) -> list[bytes]:
        if old == size:
            return [] if known else [self._range(start, size)]
        left = _split(size)
        if old <= left:
            return [*self._subproof(old, start, left, known=known), self._range(start + left, size - left)]
        return [
            *self._subproof(old - left, start + left, size - left, known=False),
            self._range(start, left),
        ]


def _split(size: int) -> int:
    """The largest power of 2 below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _hexes(hashes: Iterable[bytes]) -> Proof:
    return tuple(Digest(value.hex()) for value in hashes)


def includes(entry: Digest, at: int, size: int, root: Digest, proof: Sequence[Digest]) -> bool:
    """True when the proof shows that ``entry`` is at position ``at`` (from 0) of the tree with that size and root."""
    if not 0 <= at < size:
        return False
    value, last, rest = leaf(entry), size - 1, [bytes.fromhex(step) for step in proof]
    for sibling in rest:
        if last == 0:
            return False
        if at & 1 or at == last:
            value = _node(sibling, value)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            value = _node(value, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and value.hex() == root


def consistent(old: int, old_root: Digest, size: int, root: Digest, proof: Sequence[Digest]) -> bool:
    """True when the proof shows that the tree (``size``, ``root``) begins with the tree (``old``, ``old_root``).

    Everything begins with the empty tree; a tree that shrank begins with nothing that it was.
    """
    if old == 0:
        return old_root == EMPTY and not proof
    if not 0 < old <= size:
        return False
    if old == size:
        return old_root == root and not proof
    steps = [bytes.fromhex(step) for step in proof]
    if old & (old - 1) == 0:
        steps.insert(0, bytes.fromhex(old_root))  # the old tree is perfect: the verifier has its root
    return bool(steps) and _climbs(old, old_root, size, root, steps)


def _climbs(old: int, old_root: Digest, size: int, root: Digest, steps: list[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2: both roots are rebuilt from one proof."""
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = _node(step, before), _node(step, after)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = _node(after, step)
        at, last = at >> 1, last >> 1
    return last == 0 and before.hex() == old_root and after.hex() == root
