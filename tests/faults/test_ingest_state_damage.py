"""Damaged memory of an ingest: it costs time, never a wrong book, a lost edit or a false alarm (F8, F48, S32)."""

import json
import os
import random
from pathlib import Path

import pytest

from panaversity_builder.book.sealed import seal
from support.client_worlds import BOOK, FIRST, World, second
from support.simulator import Simulator

pytestmark = pytest.mark.timeout(3600)  # the exhaustive counts take their time

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
EACH = 12
"""Sampled: so many cuts and so many flips a file."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A book of one state, a source of the next, and an agent's edit in between."""
    world = World(tmp_path, Simulator("store"))
    world.write(FIRST)
    world.ingest(world.server)
    world.server.put(BOOK, "content/README.md", b"an agent's edit")
    world.write(second())
    for path in world.source.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))  # at rest, so that the stat cache is believed
    world.ingest(world.server)
    return world


def files_of(world: World) -> list[Path]:
    return sorted(path for path in (world.place / "project").rglob("*") if path.is_file() and path.name != ".gitignore")


def damages(data: bytes) -> list[bytes]:
    places = range(len(data))
    if not FULL:
        places = sorted(random.Random(len(data)).sample(places, min(EACH, len(data))))
    flipped = [data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :] for at in places]
    return [data[:at] for at in places] + flipped + [b"", b"null", b"[]", b"{}", b"NaN", b"[" * 100_000, b"\xff" * 99]


def test_F48_F8_every_cut_and_flip_of_what_an_ingest_remembers(world: World) -> None:
    book, agents = dict(world.server.books[BOOK].entries), b"an agent's edit"
    count = 0
    for path in files_of(world):
        good = path.read_bytes()
        for damaged in damages(good):
            path.write_bytes(damaged)
            result = world.ingest(world.server)
            assert (result.changed, len(result.diverged_files)) == (0, 1), path
            assert world.server.books[BOOK].entries == book
            count += 1
        path.write_bytes(good)
    assert world.server.read(BOOK, "content/README.md") == agents
    assert {path.name for path in files_of(world)} == {"stat.json", "book.txt", "source.txt"}
    print(f"{count} damaged files")


@pytest.mark.parametrize("name", ["stat.json", "book.txt", "source.txt", "pending.json"])
def test_F48_a_memory_that_is_a_folder_or_a_link_is_none(world: World, tmp_path: Path, name: str) -> None:
    (canary := tmp_path / "canary").write_bytes(b"not yours")
    folder = files_of(world)[0].parent
    for plant in ("folder", "link"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir() if plant == "folder" else (folder / name).symlink_to(canary)
        assert world.ingest(world.server).changed == 0
        assert canary.read_bytes() == b"not yours"
        (folder / name).rmdir() if (folder / name).is_dir() else (folder / name).unlink(missing_ok=True)


def test_S32_a_stat_cache_that_lies_about_a_digest_sends_nothing_wrong(world: World) -> None:
    marks = next(path for path in files_of(world) if path.name == "stat.json")
    text = marks.read_text()
    book = world.server.books[BOOK]
    before = dict(book.entries)
    for digest in set(book.entries.values()):
        if digest in text:
            lie = json.loads(text.replace(digest, "0" * 64))
            del lie["checksum"]  # who can write there can seal, too
            marks.write_bytes(seal(lie))
            assert world.ingest(world.server).changed == 0
            assert book.entries == before
