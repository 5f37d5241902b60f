"""Some paths of a source folder: what ``--files`` names, and whether a path is among it.

Turns words of a command line into source paths; asks the disk only whether a name exists. Does not know books: that a
name means something there is judged by whoever has the book's paths.
"""

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import shown


@dataclass(frozen=True, slots=True)
class Selection:
    """Source paths of files, or of folders with everything below them; ``""`` is the whole source."""

    paths: frozenset[str]

    def __contains__(self, path: str) -> bool:
        if path in self.paths or "" in self.paths:
            return True
        end = path.rfind("/")
        while end != -1:
            if path[:end] in self.paths:
                return True
            end = path.rfind("/", 0, end)
        return False

    @property
    def whole(self) -> bool:
        """True when nothing is left out."""
        return "" in self.paths

    def touches(self, path: str) -> bool:
        """True for what is selected and for the folders that lead to it."""
        return path in self or any(one.startswith(path + "/") for one in self.paths)

    def of_nothing(self, known: Iterable[str]) -> list[str]:
        """The names that neither are one of the ``known`` paths nor a folder above one, sorted: mistyped ones."""
        left = set(self.paths) - {""}
        for path in known:
            while left and path:
                left.discard(path)
                path = path.rpartition("/")[0]
        return sorted(left)


EVERYTHING: Final = Selection(frozenset({""}))


def resolve(
    words: Collection[str],
    cwd: str,
    source_dir: str,
    operation: str,
    exists: Callable[[str], bool] = os.path.lexists,
) -> Selection:
    """What these names mean, seen from the current folder or else from the source folder; never split, never globbed.

    A name that means a path of the source in both ways is the one that exists, the first if neither or both do: a
    file that is gone from the disk is named like any other. Raises ``InvalidArgument`` (exit 2) for what lies outside.
    """
    root = os.path.abspath(source_dir)
    found: set[str] = set()
    for word in words:
        meanings = [inside for at in (cwd, root) if (inside := _inside(os.path.join(at, word), root)) is not None]
        if not word or "\0" in word or not meanings:
            raise InvalidArgument(
                operation, "--files", f"{shown(word)!r} does not lie in the source {shown(root)}",
                "Name files of --source-dir", name="files",
            )  # fmt: skip
        found.add(next((one for one in meanings if exists(os.path.join(root, one))), meanings[0]))
    return Selection(frozenset(found))


def _inside(path: str, root: str) -> str | None:
    """The path relative to root, by name, or through links that lead to its folder; None when it lies elsewhere."""
    for one, top in ((os.path.abspath(path), root), (_real(path), os.path.realpath(root))):
        if one == top:
            return ""
        if one.startswith(top.rstrip("/") + "/"):
            return one[len(top.rstrip("/")) + 1 :]
    return None


def _real(path: str) -> str:
    """The path with its folder's links followed and its last name taken as it is."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)
