"""What a pull does to the source, path by path, from a three-way plan: values in, values out.

The same three manifests as an ingest's, read the other way: what *diverged* comes, what the author changed stays. Does
not know disks, servers or how a decision is carried out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from panaversity_builder.book.ingest_plan import IngestPlan
from panaversity_builder.book.mapping import Refusal
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.paths import NameIndex

Ignored = Callable[[str], str | None]
"""Why a source path would be ignored by the next ingest, or None."""


@dataclass(frozen=True, slots=True)
class Put:
    """Let the source file hold ``new`` if it still holds ``old`` (None: if nothing is there)."""

    source: str
    path: str
    old: Digest | None
    new: Digest


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove the source file if it still holds ``old``."""

    source: str
    path: str
    old: Digest


@dataclass(frozen=True, slots=True)
class Clash:
    """A path that only a person can decide, and why."""

    source: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class PullDecision:
    """Every list sorted by source path. ``ignored`` is in the book under names this source does not take."""

    puts: tuple[Put, ...]
    drops: tuple[Drop, ...]
    clashes: tuple[Clash, ...]
    ignored: tuple[Refusal, ...]


def decide_pull(plan: IngestPlan, place: dict[str, str], ignored: Ignored) -> PullDecision:
    """Read a three-way plan as a pull. ``place`` leads from every path of book and source to its source path.

    A file that the next ingest would not see is not brought: it would come as a deletion of what an agent wrote.
    A new file whose name meets one of the author's is a clash like any other.
    """
    puts: list[Put] = []
    drops: list[Drop] = []
    skipped: list[Refusal] = []
    for path in (*plan.decision.diverged, *plan.decision.kept):
        new, old = plan.book.get(path), plan.source.get(path)
        if new is None:
            assert old is not None  # diverged: what neither holds is in no list
            drops.append(Drop(place[path], path, old))
        elif reason := ignored(place[path]):
            skipped.append(Refusal(place[path], reason))
        else:
            puts.append(Put(place[path], path, old, new))
    clashes = [Clash(place[path], path, _both(plan, path)) for path in plan.decision.conflicts]
    gone = {drop.path for drop in drops}
    names = NameIndex.of(sorted(place[path] for path in plan.source if path not in gone))
    for put in sorted((put for put in puts if put.old is None), key=lambda put: put.source):
        if reason := names.add(put.source):
            clashes.append(Clash(put.source, put.path, f"is new in the book and {reason}"))
    return PullDecision(_sorted(puts), _sorted(drops), _sorted(clashes), _sorted(skipped))


class _Placed(Protocol):
    @property
    def source(self) -> str: ...


_P = TypeVar("_P", bound=_Placed)


def _sorted(found: Iterable[_P]) -> tuple[_P, ...]:
    return tuple(sorted(found, key=lambda one: one.source))


def _both(plan: IngestPlan, path: str) -> str:
    if plan.last is None:
        return "differs from the book, and nobody ingested yet"
    if path not in plan.source:
        return "was deleted here and changed in the book"
    return "was changed here and " + ("changed" if path in plan.book else "deleted") + " in the book"
