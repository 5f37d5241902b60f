"""What may stand for audit entries whose particulars were let go after their retention (S38, RELIABILITY 4).

A pruned entry leaves its entry hash, a *hole*: chain and tree go through it unchanged, so checkpoints taken before stay
provable. What was let go is owned up to by an entry of its own, whose ``path`` names the life of the book, how far was
pruned, and a *statement*: a digest over the tree of everything up to there and the numbers of the entries that stayed.
So holes that no entry owns up to, hashes exchanged and entries removed besides are found. Does not know where holes are
kept, nor which entries may go (``library.pruning``).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from panaversity_fs.core.digest import Digest, digest_of

PRUNE = "audit_prune"
"""The operation of the entries that own up to a pruning."""

_PATH = re.compile(r"audit:([1-9][0-9]{0,8}):([1-9][0-9]{0,17}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of an entry of which only the entry hash was kept."""

    seq: int


@dataclass(frozen=True, slots=True)
class Pruning:
    """What one such entry says: of which life of the book, up to which sequence number, and the statement."""

    incarnation: int
    upto: int
    statement: Digest

    @property
    def path(self) -> str:
        """What the entry has for a path; no file can have it."""
        return f"audit:{self.incarnation}:{self.upto}:{self.statement}"


def stated(incarnation: int, upto: int, root: Digest, kept: Iterable[int]) -> Digest:
    """The statement: over the tree's root of the first ``upto`` entry hashes, and the numbers of the entries up to
    there that kept their particulars, ascending."""
    return digest_of("\n".join([f"{incarnation} {upto} {root}", *map(str, kept)]).encode())


def pruning_in(path: str) -> Pruning | None:
    """What a path says; None for one that no such entry has."""
    found = _PATH.fullmatch(path)
    return None if found is None else Pruning(int(found[1]), int(found[2]), Digest(found[3]))
