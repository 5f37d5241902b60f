"""Audit entries and the per-book hash chain (DESIGN 9; FR-020..023, R6, S36).

``entry_hash`` covers the previous entry hash and every field of the entry, so that changing, deleting, inserting or
reordering entries breaks the chain. Does not know where entries are kept; who calls has the head.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from panaversity_fs.core.digest import Digest, digest_of

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


def canonical(entry: AuditEntry) -> bytes:
    """The bytes that are hashed: JSON with sorted keys, no spaces, UTF-8."""
    return json.dumps(asdict(entry), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


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


def first_break(entries: Iterable[tuple[AuditEntry, str]]) -> int | None:
    """The sequence number of the first entry that does not fit, or None for an honest chain.

    Judges, in one pass from the first entry on: gap-free sequence, entry hashes, and for the successful entries of one
    (path, user) that each ``prev_hash`` equals the ``new_hash`` before it (R6). A cut tail cannot be seen from here:
    the caller compares length and last hash with the head it keeps.
    """
    head, expected_seq = GENESIS, 1
    last: dict[tuple[str, str], str | None] = {}
    for entry, stored in entries:
        head = entry_hash(head, entry)
        key = (entry.path, entry.user_id)
        linked = entry.status != "success" or last.get(key) == entry.prev_hash
        if entry.seq != expected_seq or stored != head or not linked:
            return entry.seq
        if entry.status == "success":
            last[key] = entry.new_hash
        expected_seq += 1
    return None
