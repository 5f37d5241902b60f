"""A file system that folds names, as macOS and Windows have: a model of it over one that does not (F43).

Stands where module ``os`` stood in ``hydrate.folder``. Every name is looked up among those of its folder without
regard to case; a new one keeps its spelling. Knows names; does not know what they are for.
"""

import os
from typing import Any

_BY_NAME = ("open", "stat", "unlink", "rmdir", "mkdir")
_BY_TWO = ("rename", "link")


class FoldingOs:
    """Module ``os`` on a folding file system. ``met`` holds the names that were found under another spelling."""

    def __init__(self) -> None:
        self.met: list[tuple[str, str]] = []

    def _found(self, name: Any, folder: int | None) -> Any:
        if folder is None or not isinstance(name, str) or "/" in name:
            return name
        for there in os.listdir(folder):
            if there != name and there.casefold() == name.casefold():
                self.met.append((name, there))
                return there
        return name

    def __getattr__(self, word: str) -> Any:
        real = getattr(os, word)
        if word in _BY_NAME:
            return lambda name, *more, dir_fd=None, **named: real(
                self._found(name, dir_fd), *more, dir_fd=dir_fd, **named
            )
        if word in _BY_TWO:
            return lambda one, two, *, src_dir_fd=None, dst_dir_fd=None, **named: real(
                self._found(one, src_dir_fd), self._found(two, dst_dir_fd),
                src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **named,
            )  # fmt: skip
        return real
