"""Several server processes behind one socket, and the one that watches over them and serves nothing itself.

A Python process uses one core; behind one socket the kernel hands each connection to whichever is free. One that dies
is replaced, and what it was answering is answered by nobody: callers try again, and idempotency keys tell them how it
ended (P6). Each leaves when the watcher is gone, so that no kill leaves half a server behind.

Knows processes, signals and the socket they share; does not know what a server does.
"""

import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from panaversity_fs.config import Settings
from panaversity_fs.core.errors import ConfigInvalid
from panaversity_fs.database_url import is_postgres
from panaversity_fs.metrics_shared import SHARED_FOLDER, forget_process
from panaversity_fs.serve import DRAIN_SECONDS, bound, try_out

logger = logging.getLogger("panaversity_fs.serve")

_LONGEST_DRAIN = DRAIN_SECONDS + 10.0
"""Seconds after which a process that was told to stop is killed."""
_STEADY = 10.0
"""Seconds a process must live to count as one that can."""
_PAUSE, _LONGEST_PAUSE = 0.2, 20.0
"""Seconds before one that died is replaced; twice as many each time it dies young."""


def run_workers(settings: Settings, count: int, options: Sequence[str]) -> int:
    """Serve with ``count`` processes until told to stop; the exit status, which is 0.

    ``options`` are those of ``panaversity-fs serve`` that every process is to have. Raises ``ConfigInvalid`` for a
    database that is not made for it, and where a server cannot start: tried out before anybody is listened to, and
    the tables brought to this version once. So a process that cannot start later meets an outage, and is replaced.
    """
    if not is_postgres(settings.database_url):
        raise ConfigInvalid(
            "serve", "--workers", "needs a database that several processes write to, and SQLite serves one",
            "Set DATABASE_URL to a PostgreSQL database", key="DATABASE_URL", reason="SQLite",
        )  # fmt: skip
    with bound(settings) as listener, tempfile.TemporaryDirectory(prefix="panaversity-fs-figures-") as figures:
        try_out(settings)
        listener.listen(2048)
        command = [sys.executable, "-m", "panaversity_fs", "serve", "--socket", str(listener.fileno()), *options]
        return asyncio.run(_Watcher(command, listener.fileno(), figures).watch(count))


class _Watcher:
    """The processes of one server."""

    def __init__(self, command: Sequence[str], socket: int, figures: str) -> None:
        self._command, self._socket, self._figures = command, socket, figures
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()

    async def watch(self, count: int) -> int:
        """Keep so many running until a signal comes."""
        loop = asyncio.get_running_loop()
        for wanted in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(wanted, self._stop)
        logger.info("serving with %d processes", count)
        await asyncio.gather(*(self._keep_one() for _ in range(count)))
        return 0

    def _stop(self) -> None:
        """Once: let them finish what they answer. Twice: at once.

        The first word is the end of their input and no signal: whoever stops a whole group (a terminal, a service
        manager) has signalled them as well, and the second signal they get means haste.
        """
        haste = self._stopping.is_set()
        self._stopping.set()
        for process in self._running.values():
            _dismiss(process)
            for one in (signal.SIGINT, signal.SIGTERM) if haste else ():
                with suppress(ProcessLookupError):
                    process.send_signal(one)

    async def _keep_one(self) -> None:
        pause, clock = _PAUSE, asyncio.get_running_loop().time
        while not self._stopping.is_set():
            began = clock()
            status = await self._run_one()
            if self._stopping.is_set():
                return
            pause = _PAUSE if clock() - began > _STEADY else min(2 * pause, _LONGEST_PAUSE)
            logger.error("a process ended with status %s; another takes its place", status)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _run_one(self) -> int:
        """One process from its start to its end; its exit status."""
        environment = os.environ | {SHARED_FOLDER: self._figures}
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, pass_fds=[self._socket], env=environment
        )
        self._running[process.pid] = process
        if self._stopping.is_set():  # told to stop while it was started
            _dismiss(process)
        try:
            ended, stopped = asyncio.ensure_future(process.wait()), asyncio.ensure_future(self._stopping.wait())
            await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            try:
                return await asyncio.wait_for(ended, _LONGEST_DRAIN if self._stopping.is_set() else None)
            except TimeoutError:
                process.kill()
                return await process.wait()
        finally:
            del self._running[process.pid]
            forget_process(process.pid, self._figures)


def _dismiss(process: asyncio.subprocess.Process) -> None:
    """Let a process know that nobody watches over it any more."""
    assert process.stdin is not None
    process.stdin.close()
