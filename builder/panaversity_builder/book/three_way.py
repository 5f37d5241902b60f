"""Ingest is three-way: what becomes of every path, given the source, the book and the source as last ingested.

PURE: manifests in, a decision out (D17, DESIGN 6). Does not know disks, servers or how a decision is carried out.
"""

from collections.abc import Container
from dataclasses import dataclass

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.manifest import Entries


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the paths of source, book and last ingest; every list is sorted, no path is in two of them.

    ``unchanged`` stands alike in source and book. ``writes`` and ``deletes`` bring the book to the source.
    ``diverged`` was changed by somebody else since the last ingest, or taken away, and is left alone; ``kept`` is only
    in the book and was never ours. ``conflicts`` were changed on both sides, differently.
    """

    unchanged: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    diverged: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """True when the book has to change."""
        return bool(self.writes or self.deletes)


def decide(source: Entries, book: Entries, last: Entries, *, overwrite: bool = False) -> Decision:
    """Judge every path by its digest in the three manifests (absent counts as a value).

    An empty ``last`` stands for a book that was never ingested: what it holds differently is a conflict, what only it
    holds is kept. With ``overwrite`` the source wins where the two differ; a path that the source never had is kept
    even then, because the source says nothing about it.
    """
    lists: dict[str, list[str]] = {name: [] for name in Decision.__dataclass_fields__}
    for path in sorted(source.keys() | book.keys()):  # gone on both sides: nothing is left to do
        lists[_fate(source.get(path), book.get(path), last.get(path), overwrite)].append(path)
    return Decision(**{name: tuple(paths) for name, paths in lists.items()})


def _fate(source: str | None, book: str | None, last: str | None, overwrite: bool) -> str:
    if source == book:
        return "unchanged"
    if source is None and last is None:
        return "kept"
    if book == last or overwrite:
        return "deletes" if source is None else "writes"
    return "diverged" if source == last else "conflicts"


def going_back(decision: Decision, source: Entries, book: Entries, last: Entries, seen: Entries) -> tuple[str, ...]:
    """The paths in which ``decision`` would undo what another checkout ingested or pulled.

    ``seen`` is the book as this checkout saw it last. Such a path is here as it was then, so nobody changed it here,
    while source and book have moved on elsewhere: only the book's last ingest makes it look like a change of ours.
    """
    return tuple(
        path
        for path in sorted((*decision.writes, *decision.deletes))
        if book.get(path) == last.get(path) and source.get(path) == seen.get(path)
    )


def settled(source: Entries, book: Entries, last: Entries, paths: Container[str] | None = None) -> dict[str, Digest]:
    """What counts as the last ingest from now on: where source and book stand alike, that; elsewhere, as before.

    ``paths`` limits it to those that were dealt with (None: all). After a whole ingest this is the source itself. A
    path both sides have moved to the same digest is settled, so that neither's next change looks like a conflict.
    """
    base = dict(last)
    for path in source.keys() | book.keys() | last.keys():
        if (paths is None or path in paths) and source.get(path) == book.get(path):
            base.pop(path, None)
            if path in source:
                base[path] = source[path]
    return base
