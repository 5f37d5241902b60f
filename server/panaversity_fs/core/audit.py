"""Audit entries, the per-book hash chain and its checkpoints (DESIGN 9; FR-020..023, R6, S36, S37).

``entry_hash`` covers the previous entry hash and every field of the entry, so that changing, deleting, inserting or
reordering entries breaks the chain. What a chain cannot show (RELIABILITY 5) is left to checkpoints kept elsewhere.
Does not know where entries are kept; who calls has the head.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from panaversity_fs.core.digest import Digest, digest_of, is_digest
from panaversity_fs.core.merkle import Edge, consistent, extend, root_of
from panaversity_fs.core.pruning import Hole, Pruning, stated

GENESIS: Digest = Digest("0" * 64)
"""What stands for the entry before the first one of a book's incarnation."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One operation on one path. ``timestamp`` is ISO 8601 in UTC with microseconds, ``execution_time_ms`` whole
    milliseconds; ``prev_hash`` and ``new_hash`` are digests of the path's bytes, None where nothing is there.
    A refused operation has ``status`` "refused", the code in ``error_message``, and equal or absent hashes.
    """

    id: str
    book_id: str
    incarnation: int
    seq: int
    revision: int
    timestamp: str
    agent_id: str
    operation: str
    path: str
    user_id: str
    prev_hash: str | None
    new_hash: str | None
    status: str
    error_message: str | None
    execution_time_ms: int


_FIELDS = sorted(field.name for field in fields(AuditEntry))
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def canonical(entry: AuditEntry) -> bytes:
    """The bytes that are hashed: JSON with sorted keys, no spaces, UTF-8."""
    return _encode({name: getattr(entry, name) for name in _FIELDS}).encode()


def entry_hash(previous: Digest, entry: AuditEntry) -> Digest:
    """H(previous entry hash ‖ canonical entry)."""
    return digest_of(previous.encode() + canonical(entry))


def chain(head: Digest, entries: Iterable[AuditEntry]) -> list[Digest]:
    """The entry hashes of consecutive entries that follow ``head``, in order."""
    hashes: list[Digest] = []
    for entry in entries:
        head = entry_hash(head, entry)
        hashes.append(head)
    return hashes


Fault = Literal["unreadable", "sequence", "chain", "link", "head", "tree", "pruned"]
"""What is wrong: an entry that is none, a gap or repetition, an entry hash, a content link (R6), the head kept in the
book's row (length or last hash), the tree kept there, or entries are gone that no pruning owns up to (S38)."""

Line = tuple[AuditEntry | Hole, str]
"""One place of a stored log: the entry, or the hole it left, with its entry hash."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a log does not verify. ``seq`` is the entry, or the length found for "head" and "tree";
    ``expected`` is what the entries lead to, ``actual`` what is stored."""

    seq: int
    fault: Fault
    expected: str
    actual: str


class Verifier:
    """Follows one log from its first entry on, in pieces, and remembers the first break.

    Judges gap-free sequence, entry hashes, and for the successful entries of one (path, user) that each ``prev_hash``
    equals the ``new_hash`` before it (R6). ``pruning`` is the last one the log owns up to: up to there holes are fine,
    if they and what stayed are what it states, and content links are judged from there on. After a break nothing more
    is judged.
    """

    def __init__(self, pruning: Pruning | None = None) -> None:
        self.head, self.size = GENESIS, 0
        self.edge: Edge = ()
        self.found: Break | None = None
        self._last: dict[tuple[str, str], str | None] = {}
        self._pruning = pruning
        self._upto = pruning.upto if pruning else 0
        self._kept: list[int] = []

    def follow(self, lines: Iterable[Line]) -> Break | None:
        """Judge these lines, which follow those judged before."""
        good: list[Digest] = []
        for entry, stored in lines:
            if self.found is not None:
                break
            seq = self.size + len(good) + 1
            self.found = self._judge(entry, stored, seq)
            if self.found is None:
                good.append(self.head)
            if self.found is None and seq == self._upto:
                self._grow(good)
                good = []
                self.found = self._judge_pruning()
        self._grow(good)
        return self.found

    def _grow(self, good: list[Digest]) -> None:
        self.edge = extend(self.edge, self.size, good)
        self.size += len(good)

    def _judge_pruning(self) -> Break | None:
        assert self._pruning is not None
        told = self._pruning.statement
        actual = stated(self._pruning.incarnation, self._upto, root_of(self.edge), self._kept)
        return None if actual == told else Break(self._upto, "pruned", told, actual)

    def finish(self, size: int, head: str, edge: Edge) -> Break | None:
        """Compare where the entries led with what the book's row says."""
        if self.found is None and self.size < self._upto:
            self.found = Break(self.size, "pruned", str(self.size), str(self._upto))
        if self.found is None and (size, head) != (self.size, self.head):
            self.found = Break(self.size, "head", f"{self.size} {self.head}", f"{size} {head}")
        if self.found is None and edge != self.edge:
            stored = root_of(edge) if len(edge) == size.bit_count() else "no tree of this size"
            self.found = Break(self.size, "tree", root_of(self.edge), stored)
        return self.found

    def _judge(self, entry: AuditEntry | Hole, stored: str, seq: int) -> Break | None:
        if entry.seq != seq:
            return Break(entry.seq, "sequence", str(seq), str(entry.seq))
        if isinstance(entry, Hole):
            if seq > self._upto or not is_digest(stored):
                return Break(seq, "pruned", "an audit entry", "its hash alone")
            self.head = Digest(stored)
            return None
        try:
            self.head = entry_hash(self.head, entry)
        except (TypeError, ValueError) as fault:  # bytes or half a character where text should be
            return Break(seq, "unreadable", "an audit entry", type(fault).__name__)
        if stored != self.head:
            return Break(seq, "chain", self.head, stored)
        if seq <= self._upto:
            self._kept.append(seq)
        if entry.status != "success":
            return None
        key = (entry.path, entry.user_id)
        before = self._last.get(key)
        if before != entry.prev_hash and seq > self._upto:
            return Break(seq, "link", str(before), str(entry.prev_hash))
        self._last[key] = entry.new_hash
        return None


def first_break(lines: Iterable[Line], pruning: Pruning | None = None) -> int | None:
    """The sequence number of the first entry that does not fit, or None for an honest chain.

    A cut tail cannot be seen from here: the caller compares length and last hash with the head it keeps.
    """
    found = Verifier(pruning).follow(lines)
    return None if found is None else found.seq


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log was at one moment, small enough to be kept by everybody: ``size`` entries with the tree root ``root``.
    ``time`` is ISO 8601 in UTC and says when the log last grew; it is not covered by the root."""

    book_id: str
    incarnation: int
    size: int
    root: Digest
    time: str

    def to_wire(self) -> dict[str, object]:
        """The JSON object of plans, commits and builders' states."""
        return {name: getattr(self, name) for name in ("book_id", "incarnation", "size", "root", "time")}


def continues(old: Checkpoint, now: Checkpoint, proof: Sequence[Digest] | None) -> str:
    """Why ``now`` cannot be a later state of the log that ``old`` was taken of; empty when the proof shows it is.

    A later life of the book (deleted and created again) has a log of its own, which nothing can be proved about.
    """
    if now.incarnation > old.incarnation:
        return ""
    if now.incarnation < old.incarnation:
        return f"an earlier life of the book came back ({now.incarnation} after {old.incarnation})"
    if now.size < old.size:
        return f"the log shrank from {old.size} to {now.size} entries"
    if consistent(old.size, old.root, now.size, now.root, () if proof is None else proof):
        return ""
    return f"its {now.size} entries are not a continuation of the {old.size} seen before"
