"""Races that happen every time: two calls, step against step, in many orders, and what must hold after each of them
(P1, P3, P5; F30, F34, F41; RELIABILITY 4). The orders are drawn with a seed; ``make test-full`` runs many more.
"""

import asyncio
import os
import random
import shutil
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from copy import copy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.core.manifest import parse
from panaversity_fs.library import Library, Plan
from panaversity_fs.library.keeping import Policy
from support import stack
from support.oracle import Seen, assert_store_ok
from support.stage import Actor, Work, how_many, orders, pausing_database, play
from support.stores import BOOK, CALLER, Clock, InMemory, Store, ingest, lesson, pieces, written

pytestmark = pytest.mark.anyio

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SEED = int(os.environ.get("PANAVERSITY_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
ORDERS = 600 if FULL else 5
MUTANT_ORDERS = 80
FIRST = {lesson(n): f"lesson {n}".encode() for n in range(3)}
SHARED = b"the same bytes, sent by two" * 40
DIGEST = digest_of(SHARED)
LITTLE = b"put under the lock"
SMALL = 64
"""Bytes: what these calls write takes the way of a large write, but for ``LITTLE`` and the changed lesson."""

Check = Callable[[Library, Seen, list[Actor]], Awaitable[None]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Gives(Exception):
    """An upload that gives up."""


async def uploads(library: Library) -> object:
    return await library.write(BOOK, lesson(20), SHARED, CALLER, expected=None)


async def uploads_little(library: Library) -> object:
    return await library.write(BOOK, lesson(21), LITTLE, CALLER, expected=None)


async def gives_up(library: Library) -> object:
    """Stores and publishes the shared bytes, then fails: its clean-up must not take what another names."""
    try:
        async with library.staging(BOOK, CALLER) as staging:
            await staging.store_bytes(DIGEST, SHARED)
            await staging.publish()
            raise Gives
    except Gives:
        return None


async def puts(library: Library) -> object:
    """PUT, then a commit that names the digest (upload_asset)."""
    await library.put_blob(BOOK, DIGEST, CALLER, pieces(SHARED), len(SHARED))
    path = "static/img/01-Part/01-Chapter/shared.png"
    return await library.commit(BOOK, Changeset((written(path, SHARED),), operation="upload_asset"), CALLER)


async def changes(library: Library) -> object:
    """Takes a lesson's old bytes out of the book."""
    held = digest_of(FIRST[lesson(1)])
    return await library.write(BOOK, lesson(1), b"changed", CALLER, expected=held)


async def ingests(library: Library) -> object:
    files = {lesson(n, 2): f"ingested {n}".encode() for n in range(3)} | {lesson(40): SHARED}
    return await ingest(library, files, with_manifest=True)


async def tells(library: Library) -> Plan:
    return await library.plan(BOOK, None)


async def collects(library: Library) -> object:
    """gc without grace; what was told stays for its retention."""
    policy = Policy(logged=timedelta(0), requests=timedelta(0))
    return [done async for done in library.collect(policy, really=True)]


async def deletes_the_book(library: Library) -> object:
    return await library.delete_book(BOOK, BOOK, CALLER)


async def nothing_more(_library: Library, _seen: Seen, _actors: list[Actor]) -> None:
    """The oracle says it all."""


async def told_is_answerable(library: Library, _seen: Seen, actors: list[Actor]) -> None:
    """What anybody was told stays answerable, every byte of it (P3, invariant 3)."""
    for actor in actors:
        if isinstance(actor.result, Plan) and actor.result.persisted:
            text = await library.manifest_text(BOOK, actor.result.manifest_hash)
            for path, digest in parse(text).items():
                blob = await library.open_blob(BOOK, digest, CALLER, manifest=actor.result.manifest_hash)
                assert digest_of(await blob.whole(1 << 20)) == digest, path


async def read(library: Library, digest: Digest) -> bytes:
    return await library.read_bytes(BOOK, digest, 1 << 20)


async def shared_is_there(library: Library, seen: Seen, actors: list[Actor]) -> None:
    """Nobody was refused, and every path that was acknowledged holds the shared bytes."""
    assert [actor.fault for actor in actors if actor.fault] == []
    assert DIGEST in seen.state[BOOK].values()
    assert await read(library, DIGEST) == SHARED


async def little_is_there(library: Library, seen: Seen, actors: list[Actor]) -> None:
    """The same for bytes that were never pinned."""
    assert [actor.fault for actor in actors if actor.fault] == []
    assert digest_of(LITTLE) in seen.state[BOOK].values()
    assert await read(library, digest_of(LITTLE)) == LITTLE


async def gives_up_little(library: Library) -> object:
    """The clean-up of an upload of the same few bytes."""
    try:
        async with library.staging(BOOK, CALLER) as staging:
            await staging.store_bytes(digest_of(LITTLE), LITTLE)
            await staging.publish()
            raise Gives
    except Gives:
        return None


RACES: dict[str, tuple[list[Work], Check]] = {
    "tell, commit": ([tells, changes], told_is_answerable),
    "tell, ingest": ([tells, ingests], told_is_answerable),
    "tell, tell": ([tells, tells], told_is_answerable),
    "upload, upload that fails": ([uploads, gives_up], shared_is_there),
    "PUT, upload that fails": ([puts, gives_up], shared_is_there),
    "ingest, upload that fails": ([ingests, gives_up], shared_is_there),
    "upload, PUT": ([uploads, puts], shared_is_there),
    "upload, PUT, upload that fails": ([uploads, puts, gives_up], shared_is_there),
    "two uploads that fail": ([gives_up, gives_up], nothing_more),
    "gc, upload of what is collected": ([collects, uploads], shared_is_there),
    "gc, PUT of what is collected": ([collects, puts], shared_is_there),
    "gc, ingest": ([collects, ingests], shared_is_there),
    "gc, tell": ([collects, tells], told_is_answerable),
    "gc, tell, commit": ([collects, tells, changes], told_is_answerable),
    "gc, upload that fails": ([collects, gives_up], nothing_more),
    "gc, gc, upload": ([collects, collects, uploads], shared_is_there),
    "gc, upload, upload that fails": ([collects, uploads, gives_up], shared_is_there),
    "gc, small write of what is collected": ([collects, uploads_little], little_is_there),
    "small write, upload that fails": ([uploads_little, gives_up_little], little_is_there),
    "gc, small write, upload that fails": ([collects, uploads_little, gives_up_little], little_is_there),
}


async def prepared(folder: Path, collected: bool) -> Store:
    """The store every order begins with; for a collector with bytes that were in the book once."""
    folder.mkdir(parents=True)
    store = Store(folder, InMemory(), small=SMALL)
    async with store.open() as library:
        await ingest(library, FIRST)
        for data in (SHARED, LITTLE) if collected else ():
            path = lesson(77)
            await library.write(BOOK, path, data, CALLER, expected=None)
            await library.delete(BOOK, path, CALLER)
    return store


def copy_of(store: Store, folder: Path) -> Store:
    """The same database and blobs, elsewhere and an hour later: a collector may take what is no longer named."""
    stack.copy_store(store.folder, folder)
    medium = InMemory()
    for name, value in vars(store.medium.blobs).items():
        setattr(medium.blobs, name, copy(value))
    return Store(folder, medium, Clock(store.clock.now + timedelta(hours=1)), SMALL)


async def race(
    folder: Path, works: list[Work], check: Check, name: str, count: int = ORDERS, seed: object = SEED
) -> int:
    """Play the actors in so many orders; how many there were."""
    first, alone = await prepared(folder / "first", collects in works), []
    for number, work in enumerate(works):
        (actor,) = await play(copy_of(first, folder / f"alone-{number}"), [work], [])
        assert actor.fault is None, actor.fault
        alone.append(actor.steps)
    rng, played = random.Random(f"{seed} {name}"), 0
    for order in orders(alone, min(count, max(2, how_many(alone))), rng):
        store = copy_of(first, folder / f"order-{played}")
        try:
            actors = await play(store, works, order)
            seen = await assert_store_ok(store)
            async with store.open() as library:
                await check(library, seen, actors)
        except (AssertionError, PanaversityError, TimeoutError) as fault:
            raise AssertionError(f"seed {seed}, {name}, order {order}: {fault}") from fault
        shutil.rmtree(store.folder)
        played += 1
    print(f"seed {seed}, {name}: {played} orders of {how_many(alone)} ({alone} steps)")
    return played


async def races_of_a_mutant(folder: Path, *names: str) -> None:
    """The same orders every time, and more of them: one must lose something."""
    for name in names:
        await race(folder / name, *RACES[name], name, MUTANT_ORDERS, 7)


@pytest.mark.parametrize("name", RACES)
async def test_P1_P3_F34_in_whatever_order_their_steps_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pausing_database(monkeypatch):
        assert await race(tmp_path, *RACES[name], name) >= 2


async def test_the_stage_finds_a_clean_up_that_does_not_look_at_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of this test: without the look at others' pins some order must lose bytes (D18)."""
    from panaversity_fs.library import staging

    cleaning: ContextVar[bool] = ContextVar("cleaning", default=False)
    real_find, real_remove = staging.find_pins, staging.Staging._remove

    async def nobodys(*arguments: Any) -> Any:
        return [] if cleaning.get() else await real_find(*arguments)

    async def careless(self: Any, digests: Any) -> None:
        cleaning.set(True)
        await real_remove(self, digests)
        cleaning.set(False)

    monkeypatch.setattr(staging, "find_pins", nobodys)
    monkeypatch.setattr(staging.Staging, "_remove", careless)
    with pausing_database(monkeypatch), pytest.raises(AssertionError, match="order"):
        await races_of_a_mutant(tmp_path, "upload, upload that fails", "PUT, upload that fails")


async def test_planted_bug_7_the_stage_finds_a_collector_that_does_not_look_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that sweeps by what it saw when it marked must lose bytes in some order (RELIABILITY 8)."""
    from panaversity_fs.library import collecting

    real_rows, real_kept, seen = collecting.rows_of, collecting.Keeper.kept, {}

    async def once(*arguments: Any) -> Any:
        if ("rows", _running()) not in seen:
            found = await real_rows(*arguments)
            seen["rows", _running()] = [replace(row, state="condemned") for row in found]
            return found
        return seen["rows", _running()]

    async def kept(self: Any, *arguments: Any) -> Any:
        if ("kept", _running()) not in seen:
            seen["kept", _running()] = await real_kept(self, *arguments)
        return seen["kept", _running()]

    def _running() -> object:
        return asyncio.current_task()

    monkeypatch.setattr(collecting, "rows_of", once)
    monkeypatch.setattr(collecting.Keeper, "kept", kept)
    with pausing_database(monkeypatch), pytest.raises(AssertionError, match="order"):
        await races_of_a_mutant(tmp_path, "gc, upload of what is collected", "gc, PUT of what is collected")


async def test_F41_a_book_deleted_while_it_is_written_is_wholly_of_one_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gone, or begun again by the write: never a new life with files of the old one."""

    async def whole(library: Library, seen: Seen, _actors: list[Actor]) -> None:
        state = seen.state.get(BOOK, {})
        assert set(state) <= {lesson(20)}, state

    with pausing_database(monkeypatch):
        await race(tmp_path, [deletes_the_book, uploads], whole, "delete, write")


def test_every_order_is_counted() -> None:
    assert how_many([6, 6]) == 924
    assert sorted(next(orders([2, 1], 2, random.Random(1)))) == [0, 0, 1]
