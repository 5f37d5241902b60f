"""An author and an agent at one book: a source folder, a project state, and a simulated server both reach.

Knows files, ingest and pull; does not know what any test expects of them.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from panaversity_builder.book.ingest import IngestOptions, IngestResult, ingest
from panaversity_builder.book.pull import PullOptions, PullResult, pull
from panaversity_builder.book.selection import resolve
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.mapping import Numbering, encode
from support.simulator import Simulator

BOOK = "my-book"
LESSON = "Part-01/Chapter-01/01-a.md"
SECOND = "Part-01/Chapter-01/02-b.md"
FILES = {
    "README.md": b"# Book\r\n",
    "Part-01/_category_.json": b"{}",
    LESSON: b"one",
    SECOND: b"two  \n",
    "Part-01/Chapter-01/img/d.png": b"\x89PNG\r\n",
    "Part-02/Chapter-01/01-a.md": b"",
}


def write_tree(root: Path, files: dict[str, bytes]) -> None:
    """Let these files be there, their folders too."""
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


def tree_of(root: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


class Desk:
    """An author's folder with ``FILES`` in it, and the book it goes into."""

    def __init__(self, folder: Path, sim: Simulator | None = None) -> None:
        self.folder = folder
        self.docs = folder / "docs"
        self.sim = sim or Simulator()
        self.ingesting = IngestOptions(BOOK, str(self.docs), str(folder / ".panaversity"))
        self.pulling = PullOptions(BOOK, str(self.docs), str(folder / ".panaversity"))
        write_tree(self.docs, FILES)

    def ingest(self, *files: str, **wishes: Any) -> IngestResult:
        """Ingest everything, or only the named files."""
        if files:
            wishes["files"] = resolve(files, str(self.docs), str(self.docs), "ingest")
        return ingest(self.sim, replace(self.ingesting, **wishes))

    def pull(self, *files: str, **wishes: Any) -> PullResult:
        """Pull everything, or only the named files."""
        if files:
            wishes["files"] = resolve(files, str(self.docs), str(self.docs), "pull")
        return pull(self.sim, replace(self.pulling, **wishes))

    def agent(self, source: str, data: bytes | None) -> None:
        """An agent lets the book hold these bytes where the author sees ``source``; None deletes it."""
        path = encode(source, Numbering.NAME_NUMBER)
        assert path is not None
        if data is None:
            self.sim.remove(BOOK, path)
        else:
            self.sim.put(BOOK, path, data)

    def spent(self, call: Callable[[], object]) -> int:
        """How many requests a call makes."""
        before = self.sim.traffic.requests
        call()
        return self.sim.traffic.requests - before

    @property
    def book(self) -> dict[str, bytes]:
        """The book as the author would see it."""
        return self.sim.tree(BOOK)

    @property
    def source(self) -> dict[str, bytes]:
        """The author's folder as it is, hidden files too."""
        return tree_of(self.docs)

    @property
    def last(self) -> dict[str, str]:
        """What the book believes to be the last ingest."""
        book = self.sim.books[BOOK]
        assert book.ingest_manifest is not None
        return dict(parse(book.told[book.ingest_manifest]))
