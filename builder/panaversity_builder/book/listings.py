"""What trees held, under their digests: so that a changed digest can be explained by the files that changed.

A cache of words only: a listing that is missing or damaged costs an explanation its names and nothing else. Knows
listings on disk; does not know what the trees are for.
"""

import contextlib
import os
from collections.abc import Collection

from panaversity_builder.book.trees import Marks, marks_digest
from panaversity_builder.durable import write_beside
from panaversity_fs.core.digest import is_digest


class Listings:
    """The listings in one folder, a file for each tree."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find(self, digest: str) -> Marks | None:
        """What the tree of this digest held; None when that is not remembered, or not truly."""
        if not is_digest(digest):
            return None
        try:
            with open(os.path.join(self._folder, digest), encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().split("\n")[:-1]
            marks = dict(line.split("\0", 1) for line in lines)
        except (OSError, ValueError):
            return None
        return marks if marks_digest(marks) == digest else None

    def keep(self, marks: Marks, others: Collection[str]) -> None:
        """Remember a tree, and forget all but it and these digests. Raises ``OSError``."""
        digest = marks_digest(marks)
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, digest)
        if self.find(digest) is None:
            text = "".join(f"{name}\0{mark}\n" for name, mark in sorted(marks.items()))
            write_beside(path, text.encode("utf-8", "surrogateescape"), flush=False)
        for name in os.listdir(self._folder):
            if name != digest and name not in others:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._folder, name))
