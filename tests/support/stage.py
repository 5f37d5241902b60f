"""Two or more calls played against each other in a given order of their steps: races that happen every time.

A step ends where a call is about to take a transaction, and before and after it publishes or removes bytes, unless it
holds a lock there: an actor that stands still stops nobody. Knows where calls pause; does not know what they
do or what must hold afterwards.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import comb
from typing import Any

import anyio
import pytest

from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.library import Library
from panaversity_fs.store.database import Database
from support.stores import Store

Work = Callable[[Library], Awaitable[object]]
PATIENCE = 10.0
"""Seconds a step may take; more is a deadlock."""


@dataclass
class Actor:
    """One call that goes a step at a time."""

    work: Work
    steps: int = 0
    result: object = None
    fault: PanaversityError | None = None
    done: bool = False
    _go: anyio.Event = field(default_factory=anyio.Event)
    _stands: anyio.Event = field(default_factory=anyio.Event)

    async def play(self, library: Library) -> None:
        _actor.set(self)
        await self.pause()
        try:
            self.result = await self.work(library)
        except PanaversityError as fault:
            self.fault = fault
        finally:
            self.done = True
            self._stands.set()

    async def pause(self) -> None:
        """Stand still until the next turn."""
        self.steps += 1
        self._stands.set()
        await self._go.wait()
        self._go = anyio.Event()

    async def turn(self) -> None:
        """Go on to the next place to stand still, or to the end."""
        await self._stands.wait()
        if self.done:
            return
        self._stands = anyio.Event()
        self._go.set()
        with anyio.fail_after(PATIENCE):
            await self._stands.wait()


_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


_locked: ContextVar[bool] = ContextVar("locked", default=False)


async def _pause() -> None:
    actor = _actor.get()
    if actor is not None and not _locked.get():
        await actor.pause()


class _PausingBatch:
    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    async def publish(self) -> Any:
        await _pause()
        published = await self._batch.publish()
        await _pause()
        return published


class PausingBlobs:
    """A blob store whose batches pause around publishing."""

    def __init__(self, blobs: Any) -> None:
        self._blobs = blobs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    def batch(self, *arguments: Any) -> Any:
        return _PausingBatch(self._blobs.batch(*arguments))


@contextmanager
def pausing_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every transaction of an actor waits for its turn before it asks for the lock."""

    def paused(real: Any) -> Any:
        @asynccontextmanager
        async def door(self: Database, *arguments: Any) -> AsyncIterator[Any]:
            await _pause()
            async with real(self, *arguments) as connection:
                _locked.set(real is writing)
                try:
                    yield connection
                finally:
                    _locked.set(False)

        return door

    writing = Database.write

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", paused(Database.write))
        patched.setattr(Database, "read", paused(Database.read))
        yield


async def play(store: Store, works: Sequence[Work], order: Sequence[int]) -> list[Actor]:
    """Let the actors take turns in this order, then run them to their ends one after the other."""
    actors = [Actor(work) for work in works]
    medium = store.medium
    plain, medium.blobs = medium.blobs, PausingBlobs(medium.blobs)
    try:
        async with store.open() as library, anyio.create_task_group() as group:
            for actor in actors:
                group.start_soon(actor.play, library)
            for number in order:
                await actors[number].turn()
            for actor in actors:
                while not actor.done:
                    await actor.turn()
    finally:
        medium.blobs = plain
    return actors


def orders(steps: Sequence[int], count: int, rng: random.Random) -> Iterator[list[int]]:
    """Orders of so many steps each: the two extreme ones, then random ones; ``count`` in all."""
    turns = [number for number, of in enumerate(steps) for _ in range(of)]
    yield turns
    yield turns[::-1]
    for _ in range(count - 2):
        rng.shuffle(turns)
        yield list(turns)


def how_many(steps: Sequence[int]) -> int:
    """How many different orders there are."""
    total, ways = 0, 1
    for of in steps:
        total += of
        ways *= comb(total, of)
    return ways
