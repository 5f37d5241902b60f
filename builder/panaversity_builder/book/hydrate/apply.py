"""Making the folder equal the target: the only place where files of the folder are created, replaced and removed.

Does what ``reconcile`` decided, from bytes that are staged and verified, and looks again at each file just before it
touches it. Knows the folder and the staging; does not know books or servers. Raises ``folder.Changed`` where the tree
is no longer what was judged; everything done until then is recorded in the index's pending changes.
"""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from panaversity_builder.book.hydrate.folder import STATE, Changed, Folder, Signature, signature
from panaversity_builder.book.hydrate.reconcile import Decisions
from panaversity_builder.book.hydrate.staging import Staging
from panaversity_builder.book.hydrate.tree import parents
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest

EDITS = f"{STATE}/edits"


class Applier:
    """One application of decisions to a folder. ``signatures`` are those of the files as they were judged."""

    def __init__(
        self, folder: Folder, staging: Staging, signatures: Mapping[str, Signature], progress: Progress
    ) -> None:
        self._folder, self._staging, self._signatures, self._progress = folder, staging, signatures, progress

    def apply(self, decisions: Decisions, made: set[str], target: Collection[str]) -> set[str]:
        """Do everything, removals first so that names are free; answers the folders that are ours afterwards."""
        self._progress.start("writing", len(decisions.drops) + len(decisions.puts), "files")
        try:
            self._set_all_aside(decisions.aside)
            for drop in decisions.drops:
                self._require(drop.path, drop.digest)
                self._folder.remove(drop.path)
                self._progress.advance(1)
            left = self._prune(made, parents(target))
            return left | self._put_all(decisions)
        finally:
            self._progress.finish()

    def _require(self, path: str, digest: Digest) -> None:
        """Make sure that the file is still what it was judged to be. Raises ``Changed``."""
        status = self._folder.status(path)
        if status is None:
            raise Changed(path)
        if signature(status) != self._signatures.get(path) and self._folder.digest(path)[0] != digest:
            raise Changed(path)

    def _set_all_aside(self, paths: Sequence[str]) -> None:
        names = [self._set_aside(path, number) for number, path in enumerate(paths)]
        if names:
            files, more = ("1 edited file is" if len(names) == 1 else f"{len(names)} edited files are"), len(names) - 3
            told = ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")
            self._progress.warn(f"{files} kept in {os.path.join(self._folder.path, EDITS)}: {told}")

    def _set_aside(self, path: str, number: int) -> str:
        """Move what somebody made of a file of ours to where nothing reads it as a page; answers its name there."""
        self._folder.make_folder(EDITS)
        taken = set(self._folder.names(EDITS))
        name = path.replace("/", "~").encode()[-150:].decode(errors="ignore")
        while f"{number}-{name}.edited" in taken:
            number += 1
        kept = f"{number}-{name}.edited"
        self._folder.place_over(path, f"{EDITS}/{kept}")
        return kept

    def _prune(self, made: set[str], needed: Collection[str]) -> set[str]:
        """Remove folders that we made and that nobody uses any more, the deepest first."""
        left = set(made)
        for path in sorted(made - set(needed), key=lambda p: (-p.count("/"), p)):
            if self._folder.remove_folder(path):
                left.discard(path)
        return left

    def _put_all(self, decisions: Decisions) -> set[str]:
        uses = Counter(put.new for put in decisions.puts)
        made: set[str] = set()
        for put in decisions.puts:
            uses[put.new] -= 1
            staged = self._staging.name(put.new)
            if uses[put.new]:
                staged = self._staging.duplicate(put.new, uses[put.new])
            if put.old is None:
                made |= self._make_folders(put.path.rpartition("/")[0])
                self._folder.place_new(staged, put.path)
            else:
                self._require(put.path, put.old)
                self._folder.place_over(staged, put.path)
            self._progress.advance(1)
        return made

    def _make_folders(self, folder: str) -> set[str]:
        made: set[str] = set()
        while folder and self._folder.status(folder) is None:
            made.add(folder)
            folder = folder.rpartition("/")[0]
        if made:
            self._folder.make_folder(max(made, key=len))
        return made
