"""PostgreSQL under two replicas, cut connections, ended backends and a killed postmaster (F23, F24, P1, P2, P5, P6)."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from sqlalchemy import text

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import (
    Conflict,
    HashRequired,
    QuotaExceeded,
    Unavailable,
    UnavailableError,
)
from panaversity_fs.library import Library, Quotas, open_library
from panaversity_fs.library.inspecting import Depth
from panaversity_fs.store import postgres as doors
from panaversity_fs.store.memory_blobs import MemoryBlobs
from support import postgres
from support.postgres_proxy import cuttable
from support.stores import BOOK, CALLER, lesson

pytestmark = pytest.mark.anyio
FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
ROUNDS, CUTS_EVERY, KILLS = (40, 1, 20) if FULL else (3, 7, 1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def url() -> str:
    return postgres.new_database()


@asynccontextmanager
async def replicas(*urls: str, quotas: Quotas | None = None) -> AsyncIterator[list[Library]]:
    """A library for each address, over the same bytes."""
    blobs = MemoryBlobs()
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_library(one, "", blobs=blobs, quotas=quotas)) for one in urls]


async def held(library: Library, path: str) -> Digest | None:
    plan = await library.plan(BOOK, None)
    return next((file.current_hash for file in plan.files if file.path == path), None)


async def require_sound(library: Library, book: str = BOOK) -> None:
    """The log is one line, and nobody is left in the middle of anything."""
    assert (await library.verify_audit(book)).valid
    assert [finding async for finding in library.inspect(Depth(structure=True, audit=True))] == []


async def idle_in_transaction(url: str) -> int:
    name = urlsplit(url).path[1:]
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND state LIKE 'idle in transaction%'"
    return int(postgres.admin().run(query)[0][0])


async def test_P5_FR_030_of_sixteen_writers_at_two_replicas_one_wins_each_time(url: str) -> None:
    async with replicas(url, url) as both:
        path, expected = lesson(1), None
        for number in range(ROUNDS):  # in the first round the book itself is born
            expected = await one_winner(both, path, expected, number)
        for library in both:
            await require_sound(library)
        assert await held(both[0], path) == await held(both[1], path) == expected


async def one_winner(both: list[Library], path: str, expected: Digest | None, number: int) -> Digest | None:
    """Let sixteen writers replace the same text; what the only one who could wrote."""
    ends: list[Digest | str | None] = []

    async def write(writer: int) -> None:
        try:
            done = await both[writer % 2].write(BOOK, path, b"%d %d" % (number, writer), CALLER, expected=expected)
            ends.append(done.outcomes[0].after)
        except (Conflict, HashRequired) as fault:
            ends.append(fault.code)

    async with anyio.create_task_group() as tasks:
        for writer in range(16):
            tasks.start_soon(write, writer)
    refused = "HASH_REQUIRED" if expected is None else "CONFLICT"
    (won,) = (end for end in ends if end != refused)
    assert ends.count(refused) == 15
    return won  # type: ignore[return-value]


async def test_S22_a_quota_of_books_holds_however_many_are_born_at_once(url: str) -> None:
    async with replicas(url, url, quotas=Quotas(books=5)) as both:
        refused = 0

        async def bear(number: int) -> None:
            nonlocal refused
            try:
                await both[number % 2].create_book(f"book-{number}", CALLER)
            except QuotaExceeded:
                refused += 1

        async with anyio.create_task_group() as tasks:
            for number in range(16):
                tasks.start_soon(bear, number)
        assert refused == 11
        assert len(await both[0].list_books()) == 5


@pytest.mark.parametrize("deliver", [True, False], ids=["after it", "instead of it"])
@pytest.mark.parametrize("direction", ["to", "from"])
async def test_F23_P6_a_write_cut_at_any_message_happens_once_with_a_key(
    url: str, direction: str, deliver: bool
) -> None:
    async with cuttable(url) as (through, cutter), replicas(through, url) as (library, witness):
        expected, revision, number = None, 0, -1
        while True:
            number += 1
            await library.plan(BOOK, None)  # a connection is there, and has its statements
            cutter.arm(direction, number * CUTS_EVERY, deliver=deliver)
            done = await library.write(
                BOOK, lesson(1), b"%d" % number, CALLER, expected=expected, idempotency_key=f"key-{number}"
            )
            unused = cutter.disarm()
            revision, expected = revision + 1, done.outcomes[0].after
            assert done.revision == revision
            assert await held(witness, lesson(1)) == expected
            if unused and number:
                break
        assert cutter.cuts >= 2
        await require_sound(witness)
    assert await idle_in_transaction(url) == 0


@pytest.mark.parametrize("direction", ["to", "from"])
async def test_F23_a_read_whose_connection_is_lost_at_its_last_message_has_read_all_the_same(
    url: str, direction: str
) -> None:
    async with cuttable(url) as (through, cutter), replicas(through) as (library,):
        done = await library.write(BOOK, lesson(1), b"first", CALLER, expected=None)
        database = library._context.database
        for _ in range(2):
            async with database.read("test") as connection:
                assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
                cutter.arm(direction, 0, deliver=False)
            assert not cutter.disarm(), "the end was cut"
        assert await held(library, lesson(1)) == done.outcomes[0].after
    assert await idle_in_transaction(url) == 0


async def test_F23_without_a_key_a_lost_answer_is_a_doubt_and_never_a_lie(url: str) -> None:
    async with cuttable(url) as (through, cutter), replicas(through, url) as (library, witness):
        await library.write(BOOK, lesson(1), b"first", CALLER, expected=None)
        ends: Counter[str] = Counter()
        for number in range(0, 40, CUTS_EVERY):
            before = await held(witness, lesson(1))
            await library.plan(BOOK, None)
            cutter.arm("from", number, deliver=False)
            try:
                await library.write(BOOK, lesson(1), b"%d" % number, CALLER, expected=before)
            except Unavailable as fault:
                ends[type(fault).__name__] += 1
            else:
                ends["done"] += 1
                assert await held(witness, lesson(1)) != before
            if cutter.disarm():
                break
        assert ends["done"]
        await require_sound(witness)


async def test_F23_P1_whatever_backends_end_what_was_acknowledged_is_there_once(url: str) -> None:
    chance = random.Random(7)
    name = urlsplit(url).path[1:]
    async with replicas(url, url) as both:
        acknowledged: dict[str, bytes] = {}
        ended = False

        async def write(writer: int) -> None:
            for number in range(ROUNDS * 3):
                path, data = lesson(number, writer + 1), b"%d" % number
                for _ in range(20):
                    try:
                        library, key = both[chance.randrange(2)], f"{writer}-{number}"
                        await library.write(BOOK, path, data, CALLER, expected=None, idempotency_key=key)
                        acknowledged[path] = data
                        break
                    except Unavailable:
                        continue
                else:
                    pytest.fail("never acknowledged")

        async def end_them() -> None:
            while not ended:
                some = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' LIMIT 2"
                await anyio.to_thread.run_sync(postgres.admin().run, some)
                await asyncio.sleep(0.1 + chance.random() / 10)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end_them)
            async with anyio.create_task_group() as writers:
                for writer in range(8):
                    writers.start_soon(write, writer)
            ended = True
        await require_acknowledged(both[0], acknowledged)
        await require_sound(both[1])
    assert await idle_in_transaction(url) == 0


async def require_acknowledged(library: Library, acknowledged: dict[str, bytes]) -> None:
    plan = await library.plan(BOOK, None)
    assert {file.path for file in plan.files} == acknowledged.keys()
    assert len(plan.files) == (await library.verify_audit(BOOK)).entries, "each was written once"


async def test_P1_a_killed_postmaster_takes_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    try:
        server = postgres.new_server()
    except postgres.Missing as reason:
        pytest.skip(str(reason))
    admin = postgres.Admin(server.url("postgres"))
    url = admin.new_database()
    async with replicas(url, url) as both:
        acknowledged: dict[str, bytes] = {}
        refused: Counter[int] = Counter()
        killing = True

        async def write(writer: int) -> None:
            number = 0
            while killing and number < 99:
                path = lesson(number, writer + 1)
                try:
                    await both[writer % 2].write(
                        BOOK, path, b"x", CALLER, expected=None, idempotency_key=f"{writer}-{number}"
                    )
                except UnavailableError:
                    refused[writer] += 1
                else:
                    acknowledged[path] = b"x"
                    number += 1

        async with anyio.create_task_group() as tasks:
            for writer in range(4):
                tasks.start_soon(write, writer)
            for _ in range(KILLS):
                await asyncio.sleep(0.15)
                await anyio.to_thread.run_sync(server.kill)
                await anyio.to_thread.run_sync(server.start)
            await asyncio.sleep(0.1)
            killing = False
        assert acknowledged
        plan = await both[0].plan(BOOK, None)
        assert acknowledged.keys() <= {file.path for file in plan.files}
        assert len(plan.files) - len(acknowledged) <= 4, "beside what was acknowledged only what was in flight"
        await require_sound(both[1])
    server.stop()


async def test_behind_a_transaction_pooler_no_statement_is_named_and_everything_works(url: str) -> None:
    async with replicas(f"{url}&statement_cache_size=0", url) as (library, witness):
        done = await library.write(BOOK, lesson(1), b"first", CALLER, expected=None, idempotency_key="key")
        assert await held(witness, lesson(1)) == done.outcomes[0].after
        async with library._context.database.read("test") as connection:
            named = await connection.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
            assert named.scalar_one() == 0
        await require_sound(library)


async def test_a_book_somebody_holds_too_long_is_a_word_and_not_a_hang(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "LOCK_MS", 50)
    monkeypatch.setattr(doors, "WAIT_SECONDS", 0.2)
    from panaversity_fs.store import outcomes

    monkeypatch.setattr(outcomes, "PATIENCE", 0.2)
    async with replicas(url, url) as (library, other):
        await library.write(BOOK, lesson(1), b"first", CALLER, expected=None)
        async with library._context.database.write("hold", BOOK):
            began = datetime.now(UTC)
            with pytest.raises(Unavailable, match="held by another transaction") as fault:
                await other.write(BOOK, lesson(2), b"second", CALLER, expected=None)
            assert (datetime.now(UTC) - began).total_seconds() < 5
            assert fault.value.retryable
            assert len(await other.entries(BOOK, "content/")) == 1, "reading goes on"
        await other.write(BOOK, lesson(2), b"second", CALLER, expected=None)
        await require_sound(library)
