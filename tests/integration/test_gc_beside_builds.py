"""A collector process in a tight loop beside a server that takes ingests and answers hydrates (F33, P3, issue's show).

Nothing but the promises of the last seconds keeps bytes here: the log keeps none, and there is no grace.
"""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from panaversity_builder.book.hydrate import HydrateOptions, hydrate
from panaversity_builder.book.ingest import IngestOptions, ingest
from panaversity_builder.client import NO_WAITS, Client
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.manifest import render
from support import stack
from support.hydrated import tree_of
from support.live import LiveServer, clean_environment, serve_command

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
ROUNDS = 200 if FULL else 12
FILES = 20
VERSIONS = 3
"""Few, so that the same digests leave the book and come back all the time."""

_COLLECTOR = """
import asyncio, os, sys
from datetime import timedelta
from panaversity_fs.config import Settings
from panaversity_fs.library import open_library
from panaversity_fs.library.keeping import Policy
from panaversity_fs.library.storage import blobs_of

async def main(*store):
    settings = Settings.read(os.environ, store=store[0] if store else None)
    passes = removed = 0
    policy = Policy(told=timedelta(seconds=5), logged=timedelta(0))
    opened = open_library(settings.database_url, settings.storage_root, blobs=blobs_of(settings))
    async with opened as library:
        print("ready", flush=True)
        while True:
            removed += sum([d.deletions async for d in library.collect(policy, really=True)])
            passes += 1
            print(passes, removed, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def collector(store: Path, counts: list[tuple[int, int]]) -> Iterator[None]:
    """gc without end in a process of its own; ``counts`` gets (passes, deletions) as it goes."""
    command = [sys.executable, "-c", _COLLECTOR, *stack.flags(store)[1:]]
    environment = {**clean_environment(), **stack.environment(store)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        stream = process.stdout

        def read() -> None:
            counts.extend((int(passes), int(removed)) for passes, removed in (line.split() for line in stream))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
            assert process.poll() is None, "the collector broke off"
        finally:
            process.kill()
            reader.join()


def change(source: Path, rng: random.Random) -> str:
    """Give some lessons other bytes; answers the hash of the manifest the book then has."""
    for number in rng.sample(range(FILES), 5):
        version = rng.randrange(VERSIONS)
        (source / f"{number:02}-lesson.md").write_bytes(f"lesson {number}, version {version}".encode())
    (source / "99-always-new.md").write_bytes(rng.randbytes(40))
    entries = {f"content/{name}": digest_of(data) for name, data in tree_of(source).items()}
    return digest_of(render(entries))


@pytest.mark.timeout(1800 if FULL else 120)
def test_F33_P3_ingests_and_hydrates_beside_a_collector_in_a_tight_loop_lose_nothing(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    rng, source, output = random.Random(seed), tmp_path / "source", tmp_path / "out"
    source.mkdir()
    for number in range(FILES):
        (source / f"{number:02}-lesson.md").write_bytes(b"first %d" % number)
    made: set[str] = set()
    counts: list[tuple[int, int]] = []
    hydrated = 0

    def author() -> None:
        with Client(live.url, "author", waits=NO_WAITS) as server:
            for _ in range(ROUNDS):
                made.add(change(source, rng))
                made.add(ingest(server, IngestOptions("book", str(source), str(tmp_path / "state"))).manifest_hash)

    with LiveServer(tmp_path / "store") as live:
        with Client(live.url, "author", waits=NO_WAITS) as server:
            made.add(ingest(server, IngestOptions("book", str(source), str(tmp_path / "state"))).manifest_hash)
            with collector(live.store, counts), ThreadPoolExecutor(1) as pool:
                writing = pool.submit(author)
                while hydrated < ROUNDS or not writing.done():
                    result = hydrate(server, HydrateOptions("book", str(output), full_rebuild=hydrated % 3 == 0))
                    tree = {f"content/{name}": digest_of(data) for name, data in tree_of(output).items()}
                    assert digest_of(render(tree)) == result.manifest_hash, f"seed {seed}: a torn tree"
                    assert result.manifest_hash in made
                    hydrated += 1
                writing.result()
            hydrate(server, HydrateOptions("book", str(output)))
            assert tree_of(output) == tree_of(source)
        live.stop()
    passes, removed = counts[-1]
    print(f"seed {seed}: {ROUNDS} ingests, {hydrated} hydrates, {passes} passes of gc, {removed} blobs collected")
    assert passes >= ROUNDS // 4
    assert removed or not FULL
    found = subprocess.run(
        [*serve_command()[:-1], "fsck", *stack.flags(live.store), "--read-data"],
        env={**clean_environment(), **stack.environment(live.store)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode in (0, 16), found.stdout
