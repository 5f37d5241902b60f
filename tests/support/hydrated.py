"""A book in the simulator and the folder it is hydrated into, with the words tests need for both.

Knows how to look at a folder without touching it; does not know how hydrate works.
"""

import os
import stat
from pathlib import Path
from typing import Any

from panaversity_builder.book.hydrate import HydrateOptions, HydratePreview, HydrateResult, hydrate, plan_hydrate
from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.core.mapping import Numbering, decode, encode
from support.simulator import Simulator

BOOK = "sample"
LESSON, OTHER, IMAGE = "01-Part/01-Chapter/01-one.md", "01-Part/01-Chapter/02-two.md", "01-Part/01-Chapter/img/d.png"
SMALL_BOOK = {
    "README.md": b"# Sample\n",
    LESSON: b"# One\r\n",
    OTHER: b"# Two",
    IMAGE: b"\x89PNG one",
    "01-Part/02-Chapter/01-one.md": b"",
    "02-Part/01-Chapter/01-last.mdx": b"# Last\n",
}


def tree_of(folder: str | Path) -> dict[str, bytes]:
    """Every regular file below a folder, the build state aside: relative path → bytes."""
    found = {}
    for here, folders, files in os.walk(folder):
        if ".panaversity" in folders:
            folders.remove(".panaversity")
        for name in files:
            path = os.path.join(here, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                found[os.path.relpath(path, folder)] = Path(path).read_bytes()
    return found


def everything(folder: str | Path) -> dict[str, tuple[str, bytes, int]]:
    """Every name below a folder, nothing left out: relative path → kind, bytes or link target, mode and times."""
    found: dict[str, Any] = {}
    for here, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(here, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path).encode()
            else:
                content = Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else b""
            moment = status.st_mtime_ns if stat.S_ISREG(status.st_mode) else 0
            found[os.path.relpath(path, folder)] = (oct(status.st_mode), content, moment)
    return found


def folders_of(folder: str | Path) -> set[str]:
    """Every folder below a folder, the build state aside."""
    return {
        os.path.relpath(os.path.join(here, name), folder)
        for here, names, _ in os.walk(folder)
        for name in names
        if ".panaversity" not in os.path.join(here, name)
    }


class Desk:
    """One author's desk: a simulated server, one book on it, one output folder, and a canary beside the folder."""

    def __init__(self, place: Path, files: dict[str, bytes] | None = None) -> None:
        self.place = place
        self.out = place / "book"
        self.server = Simulator()
        self.book = self.server.create(BOOK, numbering=Numbering.NUMBER_NAME)
        self.canary = place / "canary.txt"
        self.canary.write_bytes(b"not yours")
        for path, data in (SMALL_BOOK if files is None else files).items():
            self.put(path, data)

    def put(self, source_path: str, data: bytes) -> None:
        """Let the book hold these bytes at a source path."""
        self.server.put(BOOK, encode(source_path, self.book.numbering) or source_path, data)

    def remove(self, source_path: str) -> None:
        """Delete a source path from the book."""
        self.server.remove(BOOK, encode(source_path, self.book.numbering) or source_path)

    def options(self, **changed: Any) -> HydrateOptions:
        return HydrateOptions(**{"book_id": BOOK, "output_dir": str(self.out), **changed})

    def hydrate(self, **changed: Any) -> HydrateResult:
        return hydrate(self.server, self.options(**changed))

    def attempt(self, **changed: Any) -> HydrateResult | PanaversityError:
        """Hydrate where both an end and a refusal are possible; answers which it was."""
        try:
            return self.hydrate(**changed)
        except PanaversityError as refusal:
            return refusal

    def plan(self, **changed: Any) -> HydratePreview:
        return plan_hydrate(self.server, self.options(**changed))

    def requests(self, **changed: Any) -> int:
        """How many requests one hydrate takes."""
        before = self.server.traffic.requests
        self.hydrate(**changed)
        return self.server.traffic.requests - before

    @property
    def state(self) -> Path:
        return self.out / ".panaversity"

    @property
    def tree(self) -> dict[str, bytes]:
        return tree_of(self.out)

    @property
    def wanted(self) -> dict[str, bytes]:
        """What the folder has to hold: the book as its author sees it."""
        return self.server.tree(BOOK)

    def age(self, seconds: int = 10) -> None:
        """Let every file have rested, so that the stat cache is believed from the next run on."""
        for path in self.tree:
            status = os.lstat(self.out / path)
            os.utime(self.out / path, ns=(status.st_atime_ns, status.st_mtime_ns - seconds * 1_000_000_000))

    def source_paths(self) -> list[str]:
        return sorted(p for p in (decode(b, self.book.numbering) for b in self.book.entries) if p)
