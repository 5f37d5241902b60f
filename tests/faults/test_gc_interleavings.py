"""A collector and a writer that sends the very bytes being collected, in every order of their steps (F34, P3, G6).

Two actors of six steps have 924 orders. ``make test`` runs a sample of each beginning; PANAVERSITY_TEST_FULL=1 all.
"""

import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import digest_of
from panaversity_fs.library import CommitResult, Library, open_library
from panaversity_fs.library.keeping import Policy
from panaversity_fs.store.blobs import BlobKey
from support.oracle import assert_store_ok
from support.stores import CALLER, Store, lesson, new_store, written
from support.turns import Turns, orders

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(3600 if FULL else 120)]
NOW = Policy(told=timedelta(0), logged=timedelta(0))
BACK = b"bytes that come back"
STEPS = 6


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


class Scene:
    """One library for all orders; every order plays in a book of its own, and its pauses go to its own turns."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.turns = Turns()
        self.library: Library

    async def pause(self, step: str) -> None:
        if step.startswith("gc "):
            await self.turns.pause(step)

    async def prepare(self, book: str, beginning: str) -> None:
        """The bytes are in the store in one of the states in which a collector may meet them."""
        await self.library.write(book, lesson(1), b"something else", CALLER, expected=None)
        if beginning == "stray":
            batch = self.store.medium.blobs.batch()
            await batch.add_bytes(BlobKey(book, 1, digest_of(BACK)), BACK)
            await batch.publish()
            return
        await self.library.write(book, lesson(2), BACK, CALLER, expected=None)
        await self.library.delete(book, lesson(2), CALLER, expected=digest_of(BACK))
        crash_after = {"condemned": "gc marked", "given up": "gc swept", "half removed": "gc removed"}.get(beginning)
        if crash_after:
            await self._collect_until(book, crash_after)

    async def _collect_until(self, book: str, step: str) -> None:
        """A collector that died at this step."""

        async def die(name: str) -> None:
            if name == step:
                raise ConnectionAbortedError

        def opened() -> object:
            return open_library(self.store.url, "", blobs=self.store.medium.blobs, clock=self.store.clock, pause=die)

        async with opened() as dying:  # type: ignore[attr-defined]
            with pytest.raises(ConnectionAbortedError):
                await collect(dying, book)

    async def write_back(self, book: str) -> CommitResult:
        """The writer, in six steps."""
        library, pause = self.library, self.turns.pause
        changeset = Changeset((written(lesson(3), BACK),), operation="ingest")
        async with library.staging(book, CALLER) as staging:
            await pause()
            await staging.expect([digest_of(BACK)])
            await pause()
            await staging.store_bytes(digest_of(BACK), BACK)
            await pause()
            await staging.publish()
            await pause()
            result = await library.commit(book, changeset, CALLER, staging=staging)
            await pause()
        assert await library.read_bytes(book, digest_of(BACK), 100) == BACK
        return result


async def collect(library: Library, book: str) -> None:
    async for done in library.collect(NOW, really=True, book_id=book):
        assert done.trouble == ""


@pytest.fixture
async def scene(store: Store) -> AsyncIterator[Scene]:
    scene = Scene(store)
    opened = open_library(store.url, "", blobs=store.medium.blobs, clock=store.clock, pause=scene.pause)
    async with opened as scene.library:
        yield scene


def sampled() -> list[tuple[str, ...]]:
    every = list(orders("collector", "writer", STEPS))
    assert len(every) == 924
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    return every if FULL else [every[0], every[-1], *random.Random(seed).sample(every, 6)]


@pytest.mark.parametrize("beginning", ["unnamed", "condemned", "given up", "half removed", "stray"])
async def test_F34_P3_a_digest_that_returns_while_it_is_collected_is_there_in_every_order(
    scene: Scene, beginning: str
) -> None:
    for number, order in enumerate(sampled()):
        book = f"book-{number}"
        await scene.prepare(book, beginning)
        turns = scene.turns = Turns()
        turns.add("collector", actor(collect, scene.library, book))
        turns.add("writer", actor(scene.write_back, book))
        await turns.play(order)
        assert turns.steps == {"collector": STEPS, "writer": STEPS}, "the actors have as many steps as are ordered"
        assert await scene.library.read_bytes(book, digest_of(BACK), 100) == BACK, (number, order)
        await collect(scene.library, book)
        assert await scene.library.read_bytes(book, digest_of(BACK), 100) == BACK, (number, order)
    await assert_store_ok(scene.store)


async def test_F34_a_collector_that_sleeps_before_its_removal_cannot_hurt_what_came_back(scene: Scene) -> None:
    """The first collector decides and sleeps; a second finishes; the bytes come back; the first wakes up."""
    for number, steps in enumerate(range(1, STEPS)):
        book = f"book-{number}"
        await scene.prepare(book, "unnamed")
        turns = scene.turns = Turns()
        turns.add("sleeper", actor(collect, scene.library, book))
        for _ in range(steps):
            await turns.go("sleeper")
        await collect(scene.library, book)
        await scene.library.write(book, lesson(3), BACK, CALLER, expected=None)
        await turns.play([])
        assert await scene.library.read_bytes(book, digest_of(BACK), 100) == BACK
    await assert_store_ok(scene.store)


async def test_F34_three_actors_at_random(scene: Scene) -> None:
    """Two collectors and a writer whose bytes come, go and come back."""
    seed = random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    for number in range(200 if FULL else 8):
        book = f"book-{number}"
        await scene.prepare(book, rng.choice(["unnamed", "condemned", "given up", "half removed", "stray"]))
        turns = scene.turns = Turns()
        turns.add("one", actor(collect, scene.library, book))
        turns.add("two", actor(collect, scene.library, book))
        turns.add("writer", actor(scene.write_back, book))
        order = rng.sample(["one", "two", "writer"] * STEPS, 3 * STEPS)
        await turns.play(order)
        assert await scene.library.read_bytes(book, digest_of(BACK), 100) == BACK, (seed, order)
        await collect(scene.library, book)
    await assert_store_ok(scene.store)


def actor(work: Callable[..., Awaitable[object]], *arguments: object) -> Callable[[], Awaitable[object]]:
    return lambda: work(*arguments)
