"""The builder's operations that are broken at every change of the disk: the world before each, and what to do in it.

A world is one folder (source, output, project state, shared cache, things of the author's) and one simulated server.
Knows how ingest and hydrate are called; does not know shims, processes or verdicts.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.hydrate import HydrateOptions, hydrate
from panaversity_builder.book.ingest import IngestOptions, ingest
from panaversity_builder.client import Server
from panaversity_fs.core.mapping import Numbering, decode, encode
from support.simulator import Simulator

BOOK = "sample"
FIRST = {
    "README.md": b"# Sample\n",
    "01-Part/01-Chapter/01-one.md": b"# One\r\n" * 40,
    "01-Part/01-Chapter/02-two.md": b"# Two" * 30,
    "01-Part/01-Chapter/img/d.png": b"\x89PNG one" * 500,
    "01-Part/02-Chapter/01-one.md": b"",
    "01-Part/thing": b"a file",
    "02-Part/01-Chapter/01-last.mdx": b"# Last\n",
    "03-Old/deep/x.md": b"old",
}
GONE = ("01-Part/01-Chapter/02-two.md", "01-Part/thing", "03-Old/deep/x.md")
"""Paths the second state of the book no longer has: one is renamed, one becomes a folder, one empties its folder."""


def second(mark: bytes = b"1") -> dict[str, bytes]:
    """The book after a change of every kind: added, modified, deleted, renamed, duplicated, a file become a folder."""
    book = {path: data for path, data in FIRST.items() if path not in GONE}
    return book | {
        "01-Part/01-Chapter/01-one.md": b"changed " * 50 + mark,
        "02-Part/moved.md": FIRST["01-Part/01-Chapter/02-two.md"],
        "04-New/a.md": b"new " + mark,
        "04-New/b.md": b"new " + mark,
        "01-Part/thing/inside.md": b"inside " + mark,
    }


@dataclass
class World:
    """One place and one server."""

    place: Path
    server: Simulator
    mine: dict[str, bytes] = field(default_factory=dict)
    """The author's own files in the output folder: path → bytes."""

    @property
    def out(self) -> Path:
        return self.place / "out"

    @property
    def source(self) -> Path:
        return self.place / "source"

    @property
    def cache(self) -> BlobCache:
        return BlobCache(str(self.place / "cache"))

    def at(self, place: Path) -> "World":
        """The same world, copied to another place, its server copied too."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.place, place, symlinks=True)
        return World(place, copied(self.server), dict(self.mine))

    def make(self, book: dict[str, bytes], numbering: Numbering = Numbering.NUMBER_NAME) -> None:
        """Let the server's book be this, told in number-name paths; its numbering says how it is spelled outside."""
        shelf = self.server.books.get(BOOK) or self.server.create(BOOK)
        shelf.numbering = numbering
        kept = {encode(path, Numbering.NUMBER_NAME) or path: data for path, data in book.items()}
        for path in list(shelf.entries):
            if path not in kept:
                self.server.remove(BOOK, path)
        for path, data in kept.items():
            self.server.put(BOOK, path, data)

    def write(self, book: dict[str, bytes]) -> None:
        """Let the source tree be this."""
        shutil.rmtree(self.source, ignore_errors=True)
        for path, data in book.items():
            file = self.source / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def plant(self, count: int) -> None:
        """Put files of the author's among ours."""
        folders = ["", "01-Part/", "01-Part/01-Chapter/", "01-Part/02-Chapter/", "03-Old/", "04-New/", "own/deep/"]
        for number in range(count):
            path = f"{folders[number % len(folders)]}mine-{number:04}.md"
            data = b"author's %d" % number
            file = self.out / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            os.utime(file, (7 + number, 7 + number))
            self.mine[path] = data

    def hydrate(self, server: Server, **options: Any) -> Any:
        wanted = HydrateOptions(**{"book_id": BOOK, "output_dir": str(self.out), "server_name": "piped", **options})
        return hydrate(server, wanted, cache=self.cache)

    def ingest(self, server: Server, **options: Any) -> Any:
        state = str(self.place / "project" / ".panaversity")
        wanted = {"book_id": BOOK, "source_dir": str(self.source), "state_dir": state, "max_deletes": "100%"}
        return ingest(server, IngestOptions(**{**wanted, **options}))


def copied(server: Simulator) -> Simulator:
    """A server of the same books that goes its own way from here."""
    other = Simulator(server.store_id)
    other.blobs = dict(server.blobs)
    for name, book in server.books.items():
        shelf = other.create(name, book.schema, book.numbering)
        shelf.entries, shelf.told, shelf.answered = dict(book.entries), dict(book.told), dict(book.answered)
        shelf.revision, shelf.incarnation, shelf.ingest_manifest = book.revision, book.incarnation, book.ingest_manifest
    return other


@dataclass(frozen=True)
class Work:
    """One thing to break. ``before`` makes the world it begins with, ``move_on`` changes the book behind its back."""

    name: str
    before: Callable[[World], None]
    run: Callable[[World, Server], Any]
    move_on: Callable[[World], None]
    is_hydrate: bool = True


def _hydrated(world: World) -> None:
    world.make(FIRST)
    world.hydrate(world.server)


def _then(book: dict[str, bytes], numbering: Numbering = Numbering.NUMBER_NAME) -> Callable[[World], None]:
    def before(world: World) -> None:
        _hydrated(world)
        world.make(book, numbering)

    return before


def _edited(world: World) -> None:
    _hydrated(world)
    world.make(second())
    for path in ("01-Part/01-Chapter/01-one.md", "README.md", "03-Old/deep/x.md"):
        (world.out / path).write_bytes(b"edited by hand")


def _cached(world: World) -> None:
    _hydrated(world)
    shutil.rmtree(world.out)


def _ingested(world: World) -> None:
    world.write(FIRST)
    world.ingest(world.server)


def _source(book: dict[str, bytes], numbering: Numbering = Numbering.NUMBER_NAME) -> Callable[[World], None]:
    def before(world: World) -> None:
        _ingested(world)
        world.write({_named(path, numbering): data for path, data in book.items()})

    return before


def _named(path: str, numbering: Numbering) -> str:
    """A source path as an author of that numbering would spell it."""
    return decode(encode(path, Numbering.NUMBER_NAME) or path, numbering) or path


def _moved_book(world: World) -> None:
    world.make(second(b"2") | {"05-Later/x.md": b"later"}, world.server.books[BOOK].numbering or Numbering.NUMBER_NAME)


def _moved_source(world: World) -> None:
    file = next(iter(sorted(world.source.rglob("*.md"))))
    file.write_bytes(b"edited meanwhile")


def _hydrates() -> Iterator[Work]:
    few = {"README.md": FIRST["README.md"]}
    for name, before, options in (
        ("hydrate fresh", lambda world: world.make(FIRST), {}),
        ("hydrate delta", _then(second()), {}),
        ("hydrate delete", _then(few), {}),
        ("hydrate rebuild", _then(second()), {"full_rebuild": True}),
        ("hydrate numbering", _then(FIRST, Numbering.NAME_NUMBER), {}),
        ("hydrate backup", _edited, {"on_edit": "backup"}),
        ("hydrate scope", _then(second()), {"scope": "content"}),
        ("hydrate storage tree", _then(FIRST), {"tree": "storage"}),
        ("hydrate offline", _cached, {"offline": True}),
    ):
        stays = (lambda world: None) if name == "hydrate offline" else _moved_book
        yield Work(name, before, lambda world, server, options=options: world.hydrate(server, **options), stays)


def _ingests() -> Iterator[Work]:
    few = {path: data for path, data in FIRST.items() if path in ("README.md", "01-Part/01-Chapter/01-one.md")}
    for name, before in (
        ("ingest fresh", lambda world: world.write(FIRST)),
        ("ingest delta", _source(second())),
        ("ingest delete", _source(few)),
        ("ingest numbering", _source(second(), Numbering.NAME_NUMBER)),
    ):
        options = {"numbering": Numbering.NAME_NUMBER} if "numbering" in name else {}
        yield Work(
            name, before, lambda world, server, options=options: world.ingest(server, **options), _moved_source, False
        )


WORKS = {work.name: work for work in (*_hydrates(), *_ingests())}
