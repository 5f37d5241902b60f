"""Bugs to plant in a process that is about to be broken (RELIABILITY 8): the tests of the tests.

Each is applied inside a child by replacing functions; no file is changed. Knows the library's inner seams; a seam that
has moved lets ``apply`` fail loudly, because a mutant that no longer bites proves nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any


def _commit_before_link() -> None:
    from panaversity_fs.library.commit import Commit

    real = Commit.run

    async def run(self: Any) -> Any:
        batch = self._staging._batch
        publish = batch.publish

        async def later() -> set[Any]:
            return set()

        batch.publish = later
        try:
            result = await real(self)
        finally:
            batch.publish = publish
        await publish()
        return result

    Commit.run = run  # type: ignore[method-assign]


def _answer_before_commit() -> None:
    from panaversity_fs.store import sqlite as database

    assert callable(database._transaction)
    pending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lazy(engine: Any) -> AsyncIterator[Any]:
        connection = database.Steady(engine)
        await connection.begun()
        try:
            yield connection
        except BaseException:
            await connection.close()
            raise

        async def later() -> None:
            await asyncio.sleep(0.05)
            await connection.commit()
            await connection.close()

        pending.add(asyncio.ensure_future(later()))

    real_close = database.SqliteDoors.close

    async def close(self: Any) -> None:
        await asyncio.gather(*pending)
        await real_close(self)

    database._transaction = lazy  # type: ignore[assignment]
    database.SqliteDoors.close = close  # type: ignore[method-assign]


def _no_fsync_of_blob() -> None:
    from panaversity_fs.store import local_blobs

    _silence(local_blobs, "_sync_file")
    _silence(local_blobs, "sync_file_system")


def _no_fsync_of_folder() -> None:
    from panaversity_fs.store import durable, local_blobs

    _silence(local_blobs, "sync_folder")
    _silence(durable, "sync_folder")
    real = local_blobs.sync_file_system
    calls = [0]

    def first_only(folder: str) -> None:
        calls[0] += 1
        if calls[0] % 2:
            real(folder)

    local_blobs.sync_file_system = first_only


def _normal() -> None:
    from panaversity_fs.store import sqlite as database

    real = database._set_up

    def set_up(connection: Any) -> None:
        real(connection)
        connection.cursor().execute("PRAGMA synchronous=NORMAL")

    database._set_up = set_up


def _no_hash_check() -> None:
    from panaversity_fs.store import blobs

    real = blobs.Checker.finish

    def finish(self: Any) -> Any:
        assert hasattr(self, "_sha256")
        self._sha256 = _Agreeing(self._digest)
        return real(self)

    blobs.Checker.finish = finish  # type: ignore[method-assign]


class _Agreeing:
    """A hasher that answers what was promised."""

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def hexdigest(self) -> str:
        return self._digest


def _silence(module: Any, name: str) -> None:
    assert callable(getattr(module, name)), f"{name} has moved"
    setattr(module, name, lambda *_: None)


MUTANTS: dict[str, Callable[[], None]] = {
    "commit before the blob's link": _commit_before_link,
    "answer before commit": _answer_before_commit,
    "no fsync of the blob": _no_fsync_of_blob,
    "no fsync of its folder": _no_fsync_of_folder,
    "synchronous NORMAL": _normal,
    "hash check skipped": _no_hash_check,
}
