"""Uploads that go on where they broke off: verified at the end, private, and reclaimed when nobody comes back."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import (
    AgentRequired,
    BlobsMissing,
    Conflict,
    HashMismatch,
    InvalidArgument,
    NotFound,
    ReadOnly,
    Unavailable,
)
from panaversity_fs.library import Caller, Library
from panaversity_fs.library.inspecting import Depth
from panaversity_fs.library.keeping import Policy
from panaversity_fs.library.resuming import Received
from support import stack
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, lesson, new_store, pieces, written

pytestmark = pytest.mark.anyio

MOST = 200 if os.environ.get("PANAVERSITY_TEST_FULL") == "1" else 8

DATA = bytes(range(256)) * 40
DIGEST = digest_of(DATA)
ASSET = "static/img/01-Part/01-Chapter/large.png"
BOB = Caller("bob", "bob")


async def send(
    library: Library, at: int, end: int | None = None, *, data: bytes = DATA, caller: Caller = CALLER
) -> Received:
    return await library.resume_blob(BOOK, DIGEST, caller, at, len(DATA), pieces(data[at:end], 1000))


async def name_it(library: Library, caller: Caller = CALLER) -> None:
    await library.commit(BOOK, Changeset((written(ASSET, DATA),), operation="upload_asset"), caller)


async def test_F63_it_goes_on_and_is_whole_only_when_every_byte_came(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    assert await library.upload_offset(BOOK, DIGEST, CALLER) == 0
    assert await send(library, 0, 4000) == received(4000)
    assert await library.upload_offset(BOOK, DIGEST, CALLER) == 4000
    with pytest.raises(BlobsMissing):
        await name_it(library)
    with pytest.raises(NotFound):
        await library.open_blob(BOOK, DIGEST, CALLER)
    assert await send(library, 4000, 4000) == received(4000)
    assert await send(library, 4000) == received(len(DATA), done=True)
    assert await library.upload_offset(BOOK, DIGEST, CALLER) == 0
    await name_it(library)
    assert await library.read_bytes(BOOK, DIGEST, len(DATA)) == DATA


def received(offset: int, done: bool = False) -> Received:
    return Received(offset, done)


async def test_F63_another_offset_is_refused_with_the_right_one(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    await send(library, 0, 4000)
    for at in (0, 3999, 4001, len(DATA)):
        with pytest.raises(Conflict) as fault:
            await send(library, at)
        assert fault.value.details["offset"] == 4000
    for at in (-1, len(DATA) + 1):
        with pytest.raises(InvalidArgument):
            await send(library, at)
    await send(library, 4000)
    await name_it(library)


async def test_P4_bytes_that_are_others_are_refused_and_nothing_waits_any_more(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    with pytest.raises(HashMismatch):
        await send(library, 0, data=bytes(len(DATA)))
    assert await library.upload_offset(BOOK, DIGEST, CALLER) == 0
    # What was received before may have been damaged here: the sender is told to begin anew, not that he lies.
    await send(library, 0, 100, data=bytes(len(DATA)))
    with pytest.raises(Unavailable, match="from the beginning"):
        await send(library, 100)
    assert await library.upload_offset(BOOK, DIGEST, CALLER) == 0
    await send(library, 0)
    await name_it(library)


async def test_S22_more_bytes_than_promised_are_refused(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    await send(library, 0, 5000)
    with pytest.raises(HashMismatch, match="more than the bytes promised"):
        await library.resume_blob(BOOK, DIGEST, CALLER, 5000, len(DATA), pieces(DATA[5000:] + b"more", 1000))
    assert await library.upload_offset(BOOK, DIGEST, CALLER) <= len(DATA)
    await send(library, await library.upload_offset(BOOK, DIGEST, CALLER))
    await name_it(library)


async def test_S14_nobody_learns_of_or_goes_on_with_the_upload_of_another(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    await send(library, 0, 4000)
    assert await library.upload_offset(BOOK, DIGEST, BOB) == 0
    with pytest.raises(Conflict) as fault:
        await send(library, 4000, caller=BOB)
    assert fault.value.details["offset"] == 0
    await send(library, 0, caller=BOB)
    with pytest.raises(BlobsMissing):
        await name_it(library)
    await name_it(library, BOB)
    await send(library, 4000)
    await library.delete(BOOK, ASSET, BOB)
    await name_it(library)


async def test_F35_what_nobody_comes_back_for_is_kept_for_a_day_and_then_collected(store: Store) -> None:
    async with store.open() as library:
        await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
        await send(library, 0, 4000)
        assert [f async for f in library.inspect(Depth(structure=True))] == []
        assert [done.leftovers async for done in library.collect(Policy(), really=True)] == [0]
        assert await library.upload_offset(BOOK, DIGEST, CALLER) == 4000
        store.clock.now += timedelta(hours=25)
        assert [(done.pins, done.leftovers) async for done in library.collect(Policy(), really=True)] == [(1, 1)]
        assert await library.upload_offset(BOOK, DIGEST, CALLER) == 0
        await send(library, 0)
        await name_it(library)
    await assert_store_ok(store)


async def test_it_goes_on_in_another_process_and_after_a_restart(store: Store) -> None:
    async with store.open() as library:
        await library.create_book(BOOK, CALLER)
        await send(library, 0, 4000)
    async with store.open() as library:
        assert await library.upload_offset(BOOK, DIGEST, CALLER) == 4000
        await send(library, 4000)
        await name_it(library)
    await assert_store_ok(store)


async def test_S17_R7_it_is_a_change_like_any_other(store: Store) -> None:
    async with store.open() as library:
        await library.create_book(BOOK, CALLER)
        for nobody in (Caller("local"), Caller("local", "system")):
            with pytest.raises(AgentRequired):
                await send(library, 0, caller=nobody)
    async with store.open(read_only=True) as library:
        with pytest.raises(ReadOnly):
            await send(library, 0)


@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=6))
@settings(max_examples=MOST, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_F63_P9_however_it_is_cut_the_blob_is_the_one_that_was_promised(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    stack.copy_database(empty_database, folder)
    store = new_store(folder)

    async def run() -> None:
        async with store.open() as library:
            await library.create_book(BOOK, CALLER)
            for end in sorted(cuts):
                at = await library.upload_offset(BOOK, DIGEST, CALLER)
                if end < len(DATA):
                    assert await send(library, at, max(at, end)) == received(max(at, end))
            await send(library, await library.upload_offset(BOOK, DIGEST, CALLER))
            await name_it(library)
        await assert_store_ok(store)

    asyncio.run(run())
