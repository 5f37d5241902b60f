"""The access log: reads and early refusals, noted on the way and written in batches off it (S39).

``note`` costs an append to a list and never waits; a task of the open library writes what came together about once a
second, and the rest when the store is closed. Knows when to write; does not know what is worth noting. A read is never
refused because its note could not be kept: what cannot be written is counted and said in the server's log.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import anyio

from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.store import access_rows
from panaversity_fs.store.access_rows import AccessRow
from panaversity_fs.store.database import Database
from panaversity_fs.store.locks import TIDYING, lock_store
from panaversity_fs.store.outcomes import again

logger = logging.getLogger("panaversity_fs.access_log")

KEPT_FOR = timedelta(days=90)
EVERY_SECONDS = 1.0
MOST = 10_000
"""Notes that may wait for being written; more are counted and dropped."""
_CLOSING_SECONDS = 5.0


class AccessLog:
    """Notes waiting to be written."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], token: Callable[[], str], *, read_only: bool
    ) -> None:
        self._database, self._clock, self._token, self._read_only = database, clock, token, read_only
        self._waiting: list[AccessRow] = []
        self._dropped = 0
        self.written_count = self.lost_count = 0
        """Notes that were written, and that never will be, since the store was opened."""
        self._something, self._closing = asyncio.Event(), asyncio.Event()
        self._tidied: datetime | None = None
        self._writer: asyncio.Task[None] | None = None

    def note(
        self, operation: str, book_id: str, path: str, agent: str | None, code: str | None, seconds: float
    ) -> None:
        """Keep one call. Texts come escaped; they are cut here. A read-only store keeps none."""
        if self._read_only:
            return
        if len(self._waiting) >= MOST:
            self._dropped += 1
            self.lost_count += 1
            return
        self._waiting.append(AccessRow(
            self._token(), self._clock(), agent[:200] if agent else None, operation[:40], book_id[:63],
            path[:1000], code, int(seconds * 1000),
        ))  # fmt: skip
        self._something.set()
        if (self._writer is None or self._writer.done()) and not self._closing.is_set():
            self._writer = asyncio.create_task(self._run(), name="access log")

    @property
    def waiting_count(self) -> int:
        """Notes that wait for being written."""
        return len(self._waiting)

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Let everything be written by the end of this; the writing begins with the first note."""
        try:
            yield
        finally:
            self._closing.set()
            self._something.set()
            if self._writer is not None:
                with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
                    await asyncio.wait([self._writer])
                self._writer.cancel()

    async def _run(self) -> None:
        while not self._closing.is_set():
            await self._something.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), EVERY_SECONDS)
            await self.flush()
        await self.flush()  # what came while the last batch was written

    async def flush(self) -> None:
        """Write what waits, in one transaction."""
        self._something.clear()
        rows, self._waiting = self._waiting, []
        dropped, self._dropped = self._dropped, 0
        if not rows:
            return
        try:
            await self._write(rows)
            self.written_count += len(rows)
        except PanaversityError as fault:
            dropped += len(rows)
            self.lost_count += len(rows)
            logger.warning("access log: %s", fault)
        if dropped:
            logger.warning("access log: %d notes were lost", dropped)

    @again(undecided=False)
    async def _write(self, rows: list[AccessRow]) -> None:
        now = rows[-1].timestamp
        is_due = self._tidied is None or now - self._tidied > timedelta(days=1)
        async with self._database.write("access log") as connection:
            await access_rows.append(connection, rows)
            if is_due:
                await lock_store(connection, TIDYING)  # servers that delete the same rows could wait for each other
                await access_rows.forget(connection, now - KEPT_FOR)
        self._tidied = now if is_due else self._tidied
