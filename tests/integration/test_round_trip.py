"""Ingest and hydrate together over a real server process: what goes in comes out, whatever else happens (P7, P9)."""

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from panaversity_builder.book.hydrate import HydrateOptions, hydrate
from panaversity_builder.book.ingest import IngestOptions, ingest
from panaversity_builder.client import NO_WAITS, Client
from panaversity_builder.progress import Silent
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ServerUnreachable
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.mapping import decode
from support.live import LiveServer

SHARED = Path(__file__).parents[3] / "shared"
EXAMPLE = Path(__file__).parents[2] / "examples" / "book"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live") / "store") as server:
        yield server


def tree(root: Path) -> dict[str, bytes]:
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {path: data for path, data in found.items() if not path.startswith(".panaversity/")}


def make_book(folder: Path, *options: str) -> Path:
    maker = SHARED / "make_book.py"
    if not maker.is_file():
        pytest.skip("the generator of test books is not beside the checkout")
    subprocess.run([sys.executable, str(maker), str(folder), *options], check=True, capture_output=True)
    return folder


def there_and_back(live: LiveServer, book: str, source: Path, work: Path) -> Path:
    """Ingest the source, hydrate it, ingest it again; answers the hydrated folder."""
    wanted = IngestOptions(book, str(source), str(work / "state"))
    with Client(live.url, "author", waits=NO_WAITS) as server:
        first = ingest(server, wanted)
        hydrate(server, HydrateOptions(book, str(work / "out")))
        again = ingest(server, wanted)
    assert first.changed == len(tree(source))
    assert (again.changed, again.requests) == (0, 1)
    return work / "out"


def test_FR_201_D7_D8_the_example_book_comes_back_byte_for_byte(live: LiveServer, tmp_path: Path) -> None:
    assert tree(there_and_back(live, "example", EXAMPLE, tmp_path)) == tree(EXAMPLE)


def test_Show_3_a_book_of_a_published_shape_comes_back_724_of_724(live: LiveServer, tmp_path: Path) -> None:
    source = make_book(tmp_path / "book", "--paths", str(SHARED / "real-book-paths.tsv"))
    assert len(tree(source)) == 724
    assert tree(there_and_back(live, "published", source, tmp_path)) == tree(source)


def test_Show_4_a_book_of_repeating_lesson_names_comes_back(live: LiveServer, tmp_path: Path) -> None:
    source = make_book(tmp_path / "book", "--layout", "name-number", "--lessons", "120", "--images-kb", "1")
    assert tree(there_and_back(live, "repeating", source, tmp_path)) == tree(source)


def test_F32_a_hydrate_during_ingests_ends_at_the_very_manifest_it_reports(live: LiveServer, tmp_path: Path) -> None:
    source, rng, stop = tmp_path / "book", random.Random(32), threading.Event()
    for number in range(40):
        path = source / f"0{number % 4}-Part" / f"{number:02}-lesson.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"lesson {number}\n" * 50)
    wanted = IngestOptions("moving", str(source), str(tmp_path / "state"))

    def author() -> None:
        with Client(live.url, "author", waits=NO_WAITS) as server:
            while not stop.is_set():
                for path in rng.sample(sorted(source.rglob("*.md")), 5):
                    path.write_text(path.read_text() + f"{rng.random()}\n")
                ingest(server, wanted)

    with Client(live.url, "author", waits=NO_WAITS) as server:
        ingest(server, wanted)
    writing = threading.Thread(target=author)
    writing.start()
    seen = set()
    try:
        with Client(live.url, "builder", waits=NO_WAITS) as server:
            for _ in range(12):
                result = hydrate(server, HydrateOptions("moving", str(tmp_path / "out")))
                entries = parse(server.manifest_text("moving", result.manifest_hash))
                promised = {str(decode(path, result.numbering)): digest for path, digest in entries.items()}
                assert {path: digest_of(data) for path, data in tree(tmp_path / "out").items()} == promised
                seen.add(result.manifest_hash)
    finally:
        stop.set()
        writing.join()
    assert len(seen) > 1


class KilledAtTheFirstFile(Silent):
    """A listener that kills the server as soon as the download has brought something."""

    def __init__(self, live: LiveServer) -> None:
        self.live = live

    def advance(self, amount: int) -> None:
        self.live.kill()


def test_F36_P9_a_server_killed_under_a_hydrate_leaves_the_old_tree_and_the_next_run_goes_on(tmp_path: Path) -> None:
    source, out, store = tmp_path / "book", tmp_path / "out", tmp_path / "store"
    for number in range(300):
        path = source / f"{number % 10:02}-Part" / f"{number:03}-lesson.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(number).randbytes(60_000))
    wanted = IngestOptions("book", str(source), str(tmp_path / "state"))
    with LiveServer(store) as live, Client(live.url, "author", waits=NO_WAITS) as server:
        (first := source / "00-Part" / "000-lesson.md").write_text("first")
        ingest(server, wanted)
        hydrate(server, HydrateOptions("book", str(out)))
        before = tree(out)
        for path in source.rglob("*.md"):
            path.write_bytes(random.Random(path.name).randbytes(60_000))
        ingest(server, wanted)
        with pytest.raises(ServerUnreachable) as caught:
            hydrate(server, HydrateOptions("book", str(out)), KilledAtTheFirstFile(live))
    assert caught.value.exit_status == 10
    assert tree(out) == before
    with LiveServer(store) as live, Client(live.url, "author", waits=NO_WAITS) as server:
        hydrate(server, HydrateOptions("book", str(out)))
    assert tree(out) == tree(source)
    assert first.read_bytes() != b"first"
