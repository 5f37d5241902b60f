"""A collector in a tight loop beside writers, readers and tellers, and one that dies anywhere (F6, F33, G6, P3)."""

import asyncio
import os
import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import BlobsMissing, Conflict, HashRequired, NotFound
from panaversity_fs.core.manifest import parse
from panaversity_fs.library import Library, open_library
from panaversity_fs.library.keeping import Policy
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, InFolder, Store, ingest, lesson, new_store

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(3600 if FULL else 120)]
ROUNDS = 200 if FULL else 12
NO_LOG = Policy(logged=timedelta(0))
"""Promises are kept, the log keeps nothing: bytes go as soon as no entry, pin or promise names them."""
NOW = Policy(told=timedelta(0), logged=timedelta(0))
VERSIONS = [f"version {number}".encode() for number in range(4)]
"""Few, so that the same digests go and come back all the time."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def collect(library: Library, policy: Policy = NO_LOG) -> int:
    return sum([done.deletions async for done in library.collect(policy, really=True)])


class Crowd:
    """Writers, an ingester and hydrates over a handful of digests, with a collector that never rests."""

    def __init__(self, library: Library, rng: random.Random) -> None:
        self.library, self.rng = library, rng
        self.working = True
        self.passes = self.removed = self.writes = self.hydrated = self.refused = 0

    async def write(self, chapter: int) -> None:
        for _ in range(ROUNDS):
            path, data = lesson(self.rng.randrange(3), chapter), self.rng.choice(VERSIONS)
            held = {entry.path: entry.sha256 for entry in await self.library.entries(BOOK, path)}
            try:
                if self.rng.random() < 0.3:
                    await self.library.delete(BOOK, path, CALLER, expected=held.get(path))
                else:
                    await self.library.write(BOOK, path, data, CALLER, expected=held.get(path))
                self.writes += 1
            except (Conflict, NotFound, HashRequired):
                self.refused += 1

    async def ingest(self) -> None:
        for number in range(ROUNDS):
            held = {entry.path: entry.sha256 for entry in await self.library.entries(BOOK, "content/01-Part/09-")}
            files = {lesson(n, 9): self.rng.choice(VERSIONS) + str(n % 2).encode() for n in range(6)}
            await ingest(self.library, files, expected=held, with_manifest=number % 2 == 0)
            self.writes += 1

    async def hydrate(self) -> None:
        """P7: a told manifest's bytes are all there, whatever was written or collected since it was told."""
        for _ in range(ROUNDS):
            plan = await self.library.plan(BOOK, None)
            assert plan.persisted
            entries = parse(await self.library.manifest_text(BOOK, plan.manifest_hash))
            await asyncio.sleep(self.rng.random() * 0.01)
            blobs = await self.library.open_pack(BOOK, plan.manifest_hash, sorted(set(entries.values())), CALLER)
            pack = b"".join([piece async for piece in self.library.stream_pack(blobs)])
            assert all(digest.encode() in pack for digest in entries.values())
            self.hydrated += 1

    async def collect(self) -> None:
        while self.working:
            self.removed += await collect(self.library)
            self.passes += 1

    async def run(self) -> None:
        collector = asyncio.create_task(self.collect())
        try:
            await asyncio.gather(self.write(1), self.write(2), self.write(2), self.ingest(), self.hydrate())
        finally:
            self.working = False
            await collector


@pytest.mark.parametrize("medium", ["memory", "folder"])
async def test_F33_P3_a_collector_in_a_tight_loop_takes_nothing_that_is_named(tmp_path: Path, medium: str) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    store = new_store(tmp_path, medium)
    async with store.open() as library:
        await library.write(BOOK, lesson(9), b"first", CALLER, expected=None)
        crowd = Crowd(library, random.Random(seed))
        await crowd.run()
        print(f"seed {seed}: {vars(crowd)}")
        await assert_store_ok(store)
        store.clock.now += timedelta(days=32)
        await collect(library)
    seen = await assert_store_ok(store)
    assert crowd.hydrated == ROUNDS
    assert crowd.passes >= 3
    assert seen.blobs <= len(VERSIONS) * 3 + 3


STEPS = ("gc settled", "gc marked", "gc listed", "gc swept", "gc removed")


@pytest.mark.parametrize("step", STEPS)
async def test_F6_a_collector_that_dies_at_any_step_is_finished_by_the_next(tmp_path: Path, step: str) -> None:
    store = new_store(tmp_path, "folder")
    met = []

    async def die(name: str) -> None:
        if name == step:
            met.append(name)
            raise ConnectionAbortedError

    async with store.open() as library:
        await library.write(BOOK, lesson(1), b"old", CALLER, expected=None)
        await library.plan(BOOK, None)
        await library.write(BOOK, lesson(1), b"new", CALLER, expected=digest_of(b"old"))
    async with open_library(store.url, "", blobs=store.medium.blobs, clock=store.clock, pause=die) as library:
        with pytest.raises(ConnectionAbortedError):
            await collect(library, NOW)
    assert met
    holds = {BOOK: {lesson(1): digest_of(b"new")}}
    await assert_store_ok(store, holds=holds, killed=True)
    async with store.open() as library:
        assert await library.read_bytes(BOOK, digest_of(b"new"), 10) == b"new"
        await collect(library, NOW)
        assert await library.read_bytes(BOOK, digest_of(b"new"), 10) == b"new"
        assert await collect(library, NOW) == 0
    seen = await assert_store_ok(store, holds=holds)
    assert seen.blobs == len(store.medium.names()) == 1


# A process that writes, deletes and collects until it is killed; "w N" acknowledges that the path holds version N.
_CHILD = """
import asyncio, sys
from datetime import timedelta
from panaversity_fs.core.digest import digest_of
from panaversity_fs.library import open_library
from panaversity_fs.library.keeping import Policy
from support.stores import BOOK, CALLER, lesson

async def main(url, root):
    async with open_library(url, root) as library:
        print("ready", flush=True)
        for number in range(10_000):
            data = f"version {number % 5}".encode()
            held = {e.path: e.sha256 for e in await library.entries(BOOK, lesson(1))}
            await library.write(BOOK, lesson(1), data, CALLER, expected=held.get(lesson(1)))
            print(f"w {number % 5}", flush=True)
            async for _ in library.collect(Policy(timedelta(0), timedelta(0)), really=True):
                pass

asyncio.run(main(*sys.argv[1:]))
"""


def test_F6_F33_a_process_killed_while_it_collects_loses_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, InFolder(tmp_path / "blobs"))
    rng = random.Random(seed := random.SystemRandom().randrange(1 << 32))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}

    async def begin() -> None:
        async with store.open() as library:
            await library.write(BOOK, lesson(1), b"version 0", CALLER, expected=None)

    async def finish() -> bytes:
        async with store.open() as library:
            entry = await library.entry(BOOK, lesson(1))
            data = await library.read_bytes(BOOK, entry.sha256, 100)
            await collect(library, NOW)
            return data

    asyncio.run(begin())
    acknowledged = 0
    for _ in range(100 if FULL else 5):
        command = [sys.executable, "-c", _CHILD, store.url, str(tmp_path / "blobs")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(0.05 + rng.random() * 0.3)
            child.kill()
            lines = child.stdout.read().split("\n")
        acknowledged += len(lines) - 1
        seen = asyncio.run(assert_store_ok(store, killed=True))
        last = int(lines[-2].split()[1]) if len(lines) > 1 else None
        now = seen.state[BOOK][lesson(1)]
        if last is not None:
            assert now in {digest_of(f"version {n % 5}".encode()) for n in (last, last + 1)}, seed
        assert digest_of(asyncio.run(finish())) == now
    assert acknowledged
    seen = asyncio.run(assert_store_ok(store, killed=True))
    assert len(store.medium.names()) <= 1 + seen.pinned


async def test_an_upload_never_ends_in_a_name_without_bytes_however_often_its_bytes_are_collected(
    tmp_path: Path,
) -> None:
    """G6: revive races. A writer puts the same digest back again and again while a collector runs between any two."""
    store = new_store(tmp_path)
    async with store.open() as library:
        await library.write(BOOK, lesson(1), b"base", CALLER, expected=None)
        working = True

        async def collecting() -> None:
            while working:
                await collect(library, NOW)

        collector = asyncio.create_task(collecting())
        missing = 0
        for number in range(300 if FULL else 12):
            try:
                await library.write(BOOK, lesson(2), b"back again", CALLER, expected=None)
            except BlobsMissing:
                missing += 1
                continue
            assert await library.read_bytes(BOOK, digest_of(b"back again"), 100) == b"back again", number
            await library.delete(BOOK, lesson(2), CALLER, expected=digest_of(b"back again"))
        working = False
        await collector
        assert missing == 0, "an unexpired pin keeps what is being sent"
    await assert_store_ok(store)
