"""Actors that go on one step at a time, in an order that the test decides (F34).

An actor is a coroutine that calls ``pause`` between its steps; knows nothing of what the steps do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from itertools import combinations

_ACTOR: ContextVar[str] = ContextVar("actor", default="")


class Turns:
    """Runs actors by name; ``pause`` belongs into the library's context and into the actors themselves."""

    def __init__(self) -> None:
        self._may_go: dict[str, asyncio.Semaphore] = {}
        self._stopped: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self.steps: dict[str, int] = {}

    async def pause(self, _step: str = "") -> None:
        """End of a step: wait for the next turn. Whoever is no actor goes on."""
        name = _ACTOR.get()
        if name not in self._may_go:
            return
        self._stopped[name].set()
        await self._may_go[name].acquire()

    def add(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """A new actor, standing before its first step."""
        self._may_go[name], self._stopped[name], self.steps[name] = asyncio.Semaphore(0), asyncio.Event(), 0

        async def act() -> object:
            _ACTOR.set(name)
            await self._may_go[name].acquire()
            return await work()

        self._tasks[name] = asyncio.create_task(act())

    async def go(self, name: str) -> None:
        """One step of this actor, to its end; nothing when it has ended."""
        task = self._tasks[name]
        if task.done():
            return
        self._stopped[name].clear()
        self.steps[name] += 1
        self._may_go[name].release()
        stopped = asyncio.create_task(self._stopped[name].wait())
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()

    async def play(self, order: Sequence[str]) -> list[object]:
        """All these turns, then whatever is left; the actors' results in the order they were added."""
        for name in order:
            await self.go(name)
        for name, task in self._tasks.items():
            while not task.done():
                await self.go(name)
        return [await task for task in self._tasks.values()]


def orders(one: str, two: str, steps: int) -> Iterator[tuple[str, ...]]:
    """Every order of ``steps`` turns of each of two actors."""
    for places in combinations(range(2 * steps), steps):
        yield tuple(one if at in places else two for at in range(2 * steps))
