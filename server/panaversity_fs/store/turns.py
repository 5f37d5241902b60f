"""Whose turn it is within this process: for a book, and for a connection.

Writers of one book wait here, in order, instead of each holding a connection while it waits for the book's lock; some
connections are always left to readers. Knows counts and seconds; does not know databases.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from panaversity_fs.store.outcomes import NothingDone


@dataclass(slots=True)
class _Line:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    people: int = 0


class Turns:
    """Room for ``connections`` at once, of them ``writers``; nobody waits longer than ``until``, on anyio's clock."""

    def __init__(self, connections: int, writers: int) -> None:
        self._all, self._writers = anyio.Semaphore(connections), anyio.Semaphore(writers)
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def reading(self, operation: str, until: float) -> AsyncIterator[None]:
        """A turn to read. Raises ``NothingDone``."""
        async with self._admitted(self._all, operation, "has no connection free", until):
            yield

    @asynccontextmanager
    async def writing(self, operation: str, book_id: str | None, until: float) -> AsyncIterator[None]:
        """A turn to write, to this book if one is named. Raises ``NothingDone``."""
        async with (
            self._in_line(operation, book_id, until),
            self._admitted(self._writers, operation, "has too many writers", until),
            self._admitted(self._all, operation, "has no connection free", until),
        ):
            yield

    @asynccontextmanager
    async def _in_line(self, operation: str, book_id: str | None, until: float) -> AsyncIterator[None]:
        if book_id is None:
            yield
            return
        line = self._lines.setdefault(book_id, _Line())
        line.people += 1
        try:
            async with self._admitted(line.lock, operation, "is busy with this book", until):
                yield
        finally:
            line.people -= 1
            if not line.people:
                del self._lines[book_id]

    @asynccontextmanager
    async def _admitted(
        self, gate: anyio.Lock | anyio.Semaphore, operation: str, problem: str, until: float
    ) -> AsyncIterator[None]:
        with anyio.CancelScope(deadline=until) as waiting:
            await gate.acquire()
        if waiting.cancelled_caught:
            raise NothingDone(operation, "database", problem, "Try again", backend="sql")
        try:
            yield
        finally:
            gate.release()
