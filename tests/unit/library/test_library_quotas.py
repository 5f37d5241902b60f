"""Quotas: counted truthfully whoever writes at the same moment, typed, never in the way of getting smaller (S22)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.changes import Changeset, Delete
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import QuotaExceeded
from panaversity_fs.library import Library, Quotas, open_library
from panaversity_fs.library.quotas import judge
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, ingest, lesson, pieces, written

pytestmark = pytest.mark.anyio


def opened(store: Store, **quotas: int) -> AbstractAsyncContextManager[Library]:
    return open_library(
        store.url, str(store.folder / "blobs"), blobs=store.medium.blobs, clock=store.clock, quotas=Quotas(**quotas)
    )


@given(st.integers(0, 100), st.integers(0, 200), st.integers(0, 200))
def test_S22_what_does_not_grow_is_never_over_its_quota(limit: int, before: int, after: int) -> None:
    refused = bool(limit) and after > limit and after > before
    if not refused:
        judge("write_content", BOOK, "bytes", limit, before, after)
        return
    with pytest.raises(QuotaExceeded) as fault:
        judge("write_content", BOOK, "bytes", limit, before, after)
    assert fault.value.hint
    assert fault.value.details == {"quota": "bytes", "limit": limit, "used": before, "wanted": after}


async def test_S22_a_book_takes_bytes_up_to_its_quota_and_not_one_more(store: Store) -> None:
    async with opened(store, book_bytes=100) as library:
        await library.write(BOOK, lesson(1), b"a" * 60, CALLER, expected=None)
        await library.write(BOOK, lesson(2), b"b" * 40, CALLER, expected=None)
        with pytest.raises(QuotaExceeded, match="would hold 101 bytes where 100 are allowed") as fault:
            await library.write(BOOK, lesson(3), b"c", CALLER, expected=None)
        assert "have the quota raised" in fault.value.hint
        # The same bytes under another name are kept once, so they are no growth.
        await library.write(BOOK, lesson(4), b"b" * 40, CALLER, expected=None)
        await library.delete(BOOK, lesson(1), CALLER)
    await assert_store_ok(store)


async def test_S22_overlays_count_as_files_and_deleting_makes_room(store: Store) -> None:
    async with opened(store, book_files=2) as library:
        await library.write(BOOK, lesson(1), b"1", CALLER, expected=None)
        await library.write(BOOK, lesson(1), b"2", CALLER, expected=None, user_id="alice")
        with pytest.raises(QuotaExceeded, match="3 files"):
            await library.write(BOOK, lesson(2), b"3", CALLER, expected=None)
        moved = Changeset((Delete(lesson(1), digest_of(b"1")), written(lesson(2), b"3")), operation="ingest")
        async with library.staging(BOOK, CALLER) as staging:
            await staging.store_bytes(digest_of(b"3"), b"3")
            await library.commit(BOOK, moved, CALLER, staging=staging)
    await assert_store_ok(store)


async def test_S22_the_store_takes_so_many_books_and_a_deleted_one_makes_room(store: Store) -> None:
    async with opened(store, books=2) as library:
        await library.create_book("one", CALLER)
        await library.write("two", lesson(1), b"1", CALLER, expected=None)
        for birth in (
            library.create_book("three", CALLER),
            library.write("three", lesson(1), b"1", CALLER, expected=None),
        ):
            with pytest.raises(QuotaExceeded, match="3 books"):
                await birth
        await library.delete_book("one", "one", CALLER)
        await library.create_book("three", CALLER)
        with pytest.raises(QuotaExceeded):
            await library.create_book("one", CALLER)  # a second life is a book too
    await assert_store_ok(store)


async def test_S22_of_many_writers_at_once_exactly_as_many_succeed_as_there_is_room_for(store: Store) -> None:
    async with opened(store, book_bytes=1000, book_files=50) as library:
        await library.create_book(BOOK, CALLER)

        async def write(number: int) -> bool:
            try:
                await library.write(BOOK, lesson(number), b"%03d" % number + bytes(97), CALLER, expected=None)
            except QuotaExceeded:
                return False
            return True

        assert sum(await asyncio.gather(*[write(number) for number in range(20)])) == 10
        assert len(await library.entries(BOOK, "")) == 10
    await assert_store_ok(store)


async def test_S22_a_book_over_a_lowered_quota_is_read_and_made_smaller(store: Store) -> None:
    async with store.open() as library:
        await ingest(library, {lesson(n): b"%d" % n * 50 for n in range(5)})
    async with opened(store, book_bytes=10, book_files=1) as library:
        assert (await library.entry(BOOK, lesson(1))).size == 50
        await library.delete(BOOK, lesson(1), CALLER)
        with pytest.raises(QuotaExceeded):
            await library.write(BOOK, lesson(9), b"new", CALLER, expected=None)
    await assert_store_ok(store)


async def test_S22_bytes_put_before_are_counted_once(store: Store) -> None:
    picture = bytes(80)
    async with opened(store, book_bytes=100) as library:
        await library.create_book(BOOK, CALLER)
        async with library.room(BOOK, "put blob", {digest_of(picture): len(picture)}):
            await library.put_blob(BOOK, digest_of(picture), CALLER, pieces(picture), len(picture))
        with pytest.raises(QuotaExceeded, match="would hold 130 bytes"):
            await library.write(BOOK, lesson(1), bytes(50), CALLER, expected=None)
        named = Changeset((written("static/img/a.png", picture),), operation="upload_asset")
        await library.commit(BOOK, named, CALLER)
        await library.write(BOOK, lesson(1), bytes(20), CALLER, expected=None)
    await assert_store_ok(store)


async def test_S22_an_upload_stops_at_the_received_byte_that_is_too_many(store: Store) -> None:
    seen = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal seen
        while True:
            seen += 10
            yield bytes(10)

    async with opened(store, book_bytes=100) as library:
        await library.create_book(BOOK, CALLER)
        with pytest.raises(QuotaExceeded, match="would hold 110 bytes"):
            async with library.room(BOOK, "put blob") as room:
                await library.put_blob(BOOK, digest_of(b"never"), CALLER, room.metered(endless()), None)
        assert seen == 110
    await assert_store_ok(store)


async def test_S22_what_is_announced_is_refused_before_a_byte_and_known_bytes_are_no_growth(store: Store) -> None:
    async with opened(store, book_bytes=100) as library:
        await library.write(BOOK, lesson(1), b"a" * 60, CALLER, expected=None)
        with pytest.raises(QuotaExceeded, match="would hold 120 bytes"):
            async with library.room(BOOK, "ingest", {digest_of(b"new"): 60}):
                raise AssertionError("it was let in")
        async with library.room(BOOK, "ingest", {digest_of(b"a" * 60): 60, digest_of(b"new"): 40}):
            pass


async def test_S22_uploads_at_the_same_moment_share_the_room_and_give_it_back(store: Store) -> None:
    async with opened(store, book_bytes=100) as library:
        await library.create_book(BOOK, CALLER)
        async with library.room(BOOK, "put blob") as one, library.room(BOOK, "put blob") as other:
            one.take(60)
            with pytest.raises(QuotaExceeded):
                other.take(60)
            other.take(40)
        async with library.room(BOOK, "put blob") as again:  # nothing was stored, so nothing is held
            again.take(100)


async def test_S22_without_quotas_nothing_is_counted(store: Store) -> None:
    async with store.open() as library, library.room("never-seen", "put blob") as room:
        room.take(1 << 50)
