"""Kept copies of built folders, each under the digest of its content, so a copy that was touched shows itself.

A copy shares no file with the folder it was made of: whoever writes into a built folder, Docusaurus too, cannot reach
it. It is a cache: never trusted without a check, never fatal, safe to delete while nobody uses it.

Knows one folder of copies; does not know how trees are hashed and copied (that comes in), nor which copies are wanted.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from panaversity_fs.core.digest import is_digest

KEPT_FOLDERS = 3
"""Built folders kept: a site of 1000 lessons weighs about 60 MB (LIBRARY-NOTES 10)."""
BESIDE = (".restoring", ".replaced")
"""What the names beside a built folder end in while a copy takes its place."""


class CopyTree(Protocol):
    """How a folder is copied and hashed in one go."""

    def __call__(self, source: str, target: str, spare: str | None = None, /) -> str:
        """Copy ``source`` to ``target``, which is not there yet; the digest of what was read. Raises ``OSError``."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry of the folder of copies: its name, what it weighs, when it was last used (seconds of the epoch).

    ``whole`` is False for what an interrupted command left behind.
    """

    name: str
    files: int
    size: int
    used_at: float
    whole: bool


class KeptFolders:
    """The copies in one folder. ``restore`` never leaves half a folder under the target's name."""

    def __init__(self, folder: str, copy: CopyTree) -> None:
        self._folder = folder
        self._copy = copy

    def keep(self, source: str) -> str:
        """Copy a built folder and answer its digest. Raises ``OSError`` (a full disk) and leaves nothing then."""
        os.makedirs(self._folder, exist_ok=True)
        with _scratch(os.path.join(self._folder, "new.partial")) as beside:
            output = self._copy(source, beside)
            if os.path.isdir(self.path(output)):
                self.use(output)
            else:
                os.utime(beside)
                os.rename(beside, self.path(output))
        return output

    def receive(self, output: str, fill: Callable[[str], None]) -> None:
        """Keep a folder that ``fill`` makes under the path it is given and vouches to have this digest.

        Raises what ``fill`` raises, ``OSError`` too, and leaves nothing then.
        """
        os.makedirs(self._folder, exist_ok=True)
        with _scratch(os.path.join(self._folder, "new.partial")) as beside:
            fill(beside)
            if not self.has(output):
                os.rename(beside, self.path(output))

    def restore(self, output: str, target: str) -> str | None:
        """Put the kept folder in the target's place. None when done, else why that cannot be.

        What of it the target holds already is moved over instead of being written again.
        """
        if not self.has(output):
            return "no copy is kept"
        if os.path.islink(target):
            return "a copy is kept but the built folder is a symbolic link"
        try:
            return self._restore(output, target)
        except OSError as error:
            return f"the kept copy cannot be put back ({error})"

    def _restore(self, output: str, target: str) -> str | None:
        with _scratch(target + BESIDE[0]) as beside, _scratch(target + BESIDE[1]) as aside:
            if self._copy(self.path(output), beside, target) != output:
                self.discard(output)
                return "the kept copy was damaged"
            if os.path.lexists(target):
                os.rename(target, aside)
            os.rename(beside, target)
        self.use(output)
        return None

    def has(self, output: str) -> bool:
        """Whether a copy lies there; whether it is whole shows when it is read."""
        return os.path.isdir(self.path(output))

    def use(self, output: str) -> None:
        """Note that this copy, if there is one, was of use now."""
        with contextlib.suppress(OSError):
            os.utime(self.path(output))

    def prune(self, outputs: Sequence[str]) -> None:
        """Remove all copies but the first ``KEPT_FOLDERS`` distinct of these, the most recently used first."""
        wanted = list(dict.fromkeys(outputs))[:KEPT_FOLDERS]
        for name in self._names():
            if name not in wanted:
                self.discard(name)

    def discard(self, name: str) -> None:
        """Remove one entry. It loses its name first: half a copy never passes for one. Raises ``OSError``."""
        path = os.path.join(self._folder, os.path.basename(name))
        if is_digest(name):
            gone = path + ".discarded"
            _remove(gone)
            os.rename(path, gone)
            path = gone
        _remove(path)

    def entries(self) -> list[Kept]:
        """Everything in the folder, the most recently used first."""
        found = (_weighed(os.path.join(self._folder, name), name) for name in self._names())
        return sorted((kept for kept in found if kept), key=lambda kept: (-kept.used_at, kept.name))

    def path(self, output: str) -> str:
        """Where the copy of this digest lies or would lie."""
        if not is_digest(output):
            raise ValueError("a kept folder is named by a digest")
        return os.path.join(self._folder, output)

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._folder))
        except (FileNotFoundError, NotADirectoryError):
            return []


def sweep_beside(target: str) -> None:
    """Remove what an interrupted ``restore`` left beside a built folder, as far as that can be removed."""
    for end in BESIDE:
        with contextlib.suppress(OSError):
            _remove(target + end)


def _weighed(path: str, name: str) -> Kept | None:
    try:
        used_at = os.lstat(path).st_mtime
    except FileNotFoundError:
        return None
    sizes = list(_sizes(path))
    return Kept(name, len(sizes), sum(sizes), used_at, is_digest(name))


def _sizes(path: str) -> Iterator[int]:
    """The sizes of all files below; what vanishes meanwhile does not count."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode):
            yield found.st_size
            return
        for name in os.listdir(path):
            yield from _sizes(os.path.join(path, name))


@contextlib.contextmanager
def _scratch(path: str) -> Iterator[str]:
    """A path that is free on entry and gone on exit, whatever happened."""
    _remove(path)
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: str) -> None:
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
