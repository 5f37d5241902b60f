"""Reading ahead: the next groups of small blobs are asked for while the present one is sent (DESIGN 8).

A store across a network answers each blob late and many at once; a folder answers at once, so nothing is read ahead
there. Order is kept, memory is bounded by ``WINDOW``, and whoever breaks off closes. Verifies nothing.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from panaversity_fs.store.blobs import CHUNK, BlobKey, BlobStore

WINDOW = 4 * CHUNK
"""Bytes that are on their way or wait to be sent, of one answer."""


class Weighed(Protocol):
    """A blob's key and its size in bytes."""

    @property
    def key(self) -> BlobKey: ...
    @property
    def size(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    keys: list[BlobKey]
    size: int
    answer: asyncio.Task[list[bytes]]


class ReadAhead:
    """Groups of blobs of one store, taken in the order in which they were announced."""

    def __init__(self, store: BlobStore, groups: Iterable[Sequence[Weighed]] = (), window: int = WINDOW) -> None:
        self._store = store
        self._coming = iter(groups if not store.prompt else ())
        self._window = window
        self._asked = deque[_Asked]()
        self.held = 0
        """Bytes on their way or waiting to be taken."""

    async def take(self, keys: Sequence[BlobKey]) -> list[bytes]:
        """The bytes of the group announced next; of any other group, too, but later. Raises as ``read_many`` does."""
        self._ask()
        if not self._asked or self._asked[0].keys != list(keys):
            return await self._store.read_many(keys)
        first = self._asked.popleft()
        try:
            return await first.answer
        finally:
            self.held -= first.size

    def _ask(self) -> None:
        """Ask for what has room; for the next group in any case."""
        while not self._asked or self.held < self._window:
            group = next(self._coming, None)
            if group is None:
                return
            keys, size = [blob.key for blob in group], sum(blob.size for blob in group)
            answer = asyncio.ensure_future(self._store.read_many(keys))
            answer.add_done_callback(_seen)
            self._asked.append(_Asked(keys, size, answer))
            self.held += size

    async def close(self) -> None:
        """Ask for nothing more, and wait until what was asked for has ended."""
        self._coming = iter(())
        waiting = [asked.answer for asked in self._asked]
        self._asked.clear()
        for answer in waiting:
            answer.cancel()
        if waiting:
            await asyncio.wait(waiting)


def _seen(answer: "asyncio.Task[list[bytes]]") -> None:
    """Somebody closed before this one was taken: its error is nobody's."""
    if not answer.cancelled():
        answer.exception()
