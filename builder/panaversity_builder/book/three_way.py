"""Ingest is three-way: what becomes of every path, given the source, the book and the source as last ingested.

PURE: manifests in, a decision out (D17, DESIGN 6). Does not know disks, servers or how a decision is carried out.
"""

from dataclasses import dataclass

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
