"""A disk or database that fails in the middle of an ingest: a typed error, nothing changed, nothing left, and the next
try works (SC-002, F9, F10, F12, F13, F26)."""

import asyncio
import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.changes import Delete
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashRequired, PanaversityError, StorageFull, Unavailable
from panaversity_fs.library import CommitResult, Library, commit, rows, telling
from panaversity_fs.library.context import SMALL
from panaversity_fs.store import local_blobs
from support import stack
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, ingest, lesson, new_store

pytestmark = pytest.mark.anyio

OLD = {lesson(n): f"lesson {n}".encode() for n in range(4)}
NEW = {lesson(n, 2): f"new {n}".encode() * (1 + n * 200) for n in range(18)}
HELD = {BOOK: {path: digest_of(data) for path, data in OLD.items()}}
AFTER = {BOOK: {path: digest_of(data) for path, data in ({**OLD, **NEW, lesson(1): b"changed"}).items()}}
del AFTER[BOOK][lesson(2)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path, "folder")


async def start(library: Library) -> None:
    await ingest(library, OLD)


async def twenty(library: Library) -> CommitResult:
    """Eighteen additions, a change and a deletion, promised: the ingest that is broken here."""
    return await ingest(
        library, NEW | {lesson(1): b"changed"}, deletes=[Delete(lesson(2), digest_of(OLD[lesson(2)]))],
        expected={lesson(1): digest_of(OLD[lesson(1)])}, with_manifest=True,
    )  # fmt: skip


class Breaker:
    """Counts the calls of one function and lets the ``at``-th one fail."""

    def __init__(self, fault: Callable[[], BaseException], at: int) -> None:
        self.count, self._fault, self._at = 0, fault, at

    def plant(self, monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
        real = getattr(module, name)

        def failing(*arguments: object, **options: object) -> object:
            self.count += 1
            if self.count == self._at:
                raise self._fault()
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, failing)

    @property
    def met(self) -> bool:
        return self.count >= self._at


DISK = {
    "open": (os, "open"),
    "write": (os, "write"),
    "link": (os, "link"),
    "syncfs": (local_blobs, "sync_file_system"),
    "folder": (local_blobs, "make_folder"),
}


@pytest.mark.parametrize("call", DISK)
@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, StorageFull), (errno.EIO, Unavailable)])
async def test_SC_002_a_disk_that_fails_at_any_call_of_an_ingest_changes_nothing_and_leaves_no_orphan(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str, code: int, kind: type[PanaversityError]
) -> None:
    async with store.open() as library:
        await start(library)
        points = 0
        for at in (1, 2, 3, 9, 17, 20, 21, 40):
            breaker = Breaker(lambda: OSError(code, os.strerror(code)), at)
            with monkeypatch.context() as patched:
                breaker.plant(patched, *DISK[call])
                fault = await attempt(library)
            assert breaker.met == (fault is not None), "a fault is neither swallowed nor made up"
            if fault is None:
                break
            assert type(fault) is kind, fault
            points += 1
            await assert_store_ok(store, holds=HELD)
        assert points >= 2
        if await library.entries(BOOK, lesson(0, 2)):
            await assert_store_ok(store, holds=AFTER)
            return
        await twenty(library)
    await assert_store_ok(store, holds=AFTER)


async def attempt(library: Library) -> PanaversityError | None:
    """The error the ingest ends in, if any."""
    try:
        await twenty(library)
    except PanaversityError as fault:
        return fault
    return None


async def test_F9_fsync_that_fails_for_a_small_write_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store.open() as library:
        await start(library)
        for at in (1, 2, 3):
            breaker = Breaker(lambda: OSError(errno.EIO, "Input/output error"), at)
            with monkeypatch.context() as patched:
                breaker.plant(patched, os, "fsync")
                with pytest.raises(Unavailable):
                    await library.write(BOOK, lesson(30 + at), b"x" * at, CALLER, expected=None)
            await assert_store_ok(store, holds=HELD)
            await library.write(BOOK, lesson(30 + at), b"x" * at, CALLER, expected=None)
            await library.delete(BOOK, lesson(30 + at), CALLER)


ROWS = {
    "named blobs": (rows, "save_named"),
    "journal": (rows, "save_journal"),
    "audit": (rows, "append_audit"),
    "promise": (rows, "promise"),
    "book": (commit, "save_book"),
    "pins": (rows, "drop_used_pins"),
}


@pytest.mark.parametrize("step", ROWS)
async def test_SC_002_a_database_that_fails_between_publish_and_commit_leaves_no_orphan(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with store.open() as library:
        await start(library)
        with monkeypatch.context() as patched:
            Breaker(lambda: Unavailable("ingest", "database", "cannot be used now"), 1).plant(patched, *ROWS[step])
            with pytest.raises(Unavailable):
                await twenty(library)
        await assert_store_ok(store, holds=HELD)
        assert len(store.medium.names()) == len(OLD)
        await twenty(library)
    await assert_store_ok(store, holds=AFTER)


async def test_planted_bug_6_an_audit_entry_that_cannot_be_written_undoes_the_write(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store.open() as library:
        await start(library)
        with monkeypatch.context() as patched:
            Breaker(lambda: RuntimeError("a bug"), 1).plant(patched, rows, "append")
            with pytest.raises(RuntimeError, match="a bug"):
                await library.write(BOOK, lesson(9), b"x", CALLER, expected=None)
    await assert_store_ok(store, holds=HELD)


async def test_a_promise_that_cannot_be_written_is_not_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async with store.open() as library:
        await start(library)
        with monkeypatch.context() as patched:
            Breaker(lambda: Unavailable("plan_build", "database", "cannot be used now"), 1).plant(
                patched, telling.rows, "promise"
            )
            with pytest.raises(Unavailable):
                await library.plan(BOOK, None)
        seen = await assert_store_ok(store, holds=HELD)
        assert seen.told == 0
        assert (await library.plan(BOOK, None)).persisted


async def test_planted_bug_4_nothing_is_answered_before_it_is_committed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusing(_connection: AsyncConnection) -> None:
        raise Unavailable("commit", "database", "is gone")

    async with store.open() as library:
        await start(library)
        with monkeypatch.context() as patched:
            if stack.CLOUD:
                patched.setattr("panaversity_fs.store.postgres._Transaction.make_it_so", refusing)
            else:
                patched.setattr(AsyncConnection, "commit", refusing)
            with pytest.raises(Unavailable):
                await library.write(BOOK, lesson(9), b"x", CALLER, expected=None)
        # The clean-up could not commit either: the bytes stay pinned for gc, and nothing names them.
        seen = await assert_store_ok(store, holds=HELD, killed=True)
        assert seen.state == HELD


async def test_P14_a_clean_up_that_fails_does_not_hide_what_went_wrong_first(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from panaversity_fs.library.staging import Staging

    async def refusing(_staging: Staging, _digests: object) -> None:
        raise Unavailable("clean up", "database", "is gone")

    async with store.open() as library:
        await start(library)
        monkeypatch.setattr(Staging, "_remove", refusing)
        with pytest.raises(HashRequired):
            await library.write(BOOK, lesson(1), b"much " * SMALL, CALLER, expected=None)
        assert "clean up after a failed upload" in caplog.text
        with pytest.raises(Unavailable):
            async with library.staging(BOOK, CALLER) as staging:
                await staging.store_bytes(digest_of(b"unnamed"), b"unnamed")


async def test_P14_a_clean_up_that_is_cut_off_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from panaversity_fs.library import staging

    async def hanging(_keys: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(staging, "_CLEAN_UP_SECONDS", 0.1)
    async with store.open() as library:
        await start(library)
        monkeypatch.setattr(store.medium.blobs, "remove_many", hanging)
        with pytest.raises(HashRequired):
            await library.write(BOOK, lesson(1), b"much " * SMALL, CALLER, expected=None)
    assert "not done in 0.1 s; gc takes the rest" in caplog.text


@pytest.mark.parametrize("how", ["Task.cancel", "cancel scope"])
async def test_F26_calls_cancelled_at_random_awaits_leave_a_whole_store_and_a_full_pool(store: Store, how: str) -> None:
    rng = random.Random(26)
    longest = 0.02
    async with store.open() as library:
        await start(library)

        async def one(number: int) -> None:
            if number % 3 == 0:
                files = {lesson(n, 3 + number): f"{number} {n}".encode() for n in range(6)}
                await ingest(library, files, with_manifest=True)
            elif number % 3 == 1:
                await library.write(BOOK, lesson(number, 2), b"x" * number, CALLER, expected=None)
            else:
                await library.plan(BOOK, None)

        cancelled = 0
        for number in range(100):
            delay = rng.random() * longest
            if how == "Task.cancel":
                task = asyncio.create_task(one(number))
                await asyncio.sleep(delay)
                task.cancel()
                await asyncio.wait([task])
                cancelled += task.cancelled()
            else:
                with anyio.move_on_after(delay) as scope:
                    await one(number)
                cancelled += scope.cancelled_caught
        print(f"seed 26, {cancelled} of 100 calls were cancelled")
        assert cancelled >= 25
        seen = await assert_store_ok(store)
        for path, digest in seen.state[BOOK].items():
            chapter = int(path.split("/")[2].partition("-")[0])
            if chapter >= 3:
                assert sum(f"/{chapter:02}-Chapter/" in other for other in seen.state[BOOK]) == 6, "an ingest is whole"
            assert digest
        with anyio.fail_after(30):
            for number in range(100):
                await library.write(BOOK, lesson(number, 99), b"after", CALLER, expected=None)
    await assert_store_ok(store)
