"""Built sites kept, asked for, deleted and collected at once: the books balance in every order (P3, P13, F34).

After each order: bytes in the store are exactly those the rows name, within the quota; what is served is whole; and of
several different sites offered under one key exactly one is kept.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import BookGone, Conflict, NotFound
from panaversity_fs.core.site_meta import SiteMeta
from panaversity_fs.library import Library, Offer, SitePolicy, open_library
from support.stores import BOOK, CALLER, Store, lesson, new_store, pieces
from support.turns import Turns, orders

pytestmark = pytest.mark.anyio

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SEED = int(os.environ.get("PANAVERSITY_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
SIZE = 1000
QUOTA = 3 * SIZE
STEPS = 3
"""Keeping pauses twice."""
SAMPLED = 6
"""Orders of each pair, of 20; make test-full plays them all."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Desk:
    """One store whose actors pause between the steps of keeping and collecting."""

    def __init__(self, store: Store) -> None:
        self.store, self.turns = store, Turns()
        self.library: Library

    async def pause(self, _step: str) -> None:
        await self.turns.pause()

    def open(self) -> object:
        return open_library(
            self.store.url, "", blobs=self.store.medium.blobs, clock=self.store.clock, pause=self.pause,
            site_policy=SitePolicy(QUOTA, timedelta(days=14)),
        )  # fmt: skip

    async def keep(self, document: str, data: bytes, book: str = BOOK) -> str:
        """How it ended: kept, present, conflict or gone."""
        offer = Offer(SiteMeta(document, digest_of(data), 1), digest_of(data), len(data))
        try:
            kept = await self.library.keep_site(book, offer, pieces(data), CALLER)
        except (Conflict, BookGone) as refused:
            return refused.code
        return "kept" if kept.new else "present"

    async def read(self, document: str, book: str = BOOK) -> bytes | None:
        try:
            site = await self.library.open_site(book, digest_of(document.encode()))
            return b"".join([piece async for piece in self.library.stream_site(site)])
        except (NotFound, BookGone):
            return None

    async def collect(self) -> str:
        async for _ in self.library.collect_sites(really=True):
            pass
        return "collected"

    async def assert_balanced(self) -> int:
        """Bytes = rows, within the quota, nothing on its way; how many sites are kept."""
        count, size = await self.library.site_usage()
        sites = self.store.medium.blobs.apart("site-cache")
        there = [found.size for place in await sites.places() async for found in sites.keys(*place)]
        assert sum(there) == size, "bytes and rows disagree"
        assert size <= QUOTA
        async with self.library._context.database.read("test") as connection:
            from panaversity_fs.store.site_cache_rows import uploads_of

            assert await uploads_of(connection, (BOOK, 1)) == []
        return count


@pytest.fixture
async def desk(tmp_path: object) -> AsyncIterator[Desk]:
    desk = Desk(new_store(tmp_path))  # type: ignore[arg-type]
    async with desk.open() as desk.library:  # type: ignore[attr-defined]
        await desk.library.write(BOOK, lesson(1), b"text", CALLER, expected=None)
        yield desk


def site(number: int) -> bytes:
    return bytes([number]) * SIZE


Work = Callable[[Desk], Awaitable[object]]
OTHERS: dict[str, Work] = {
    "the same key with another site": lambda desk: desk.keep("wanted", site(2)),
    "the same key with an equal site": lambda desk: desk.keep("wanted", site(1)),
    "another key with an equal site": lambda desk: desk.keep("other", site(1)),
    "another key with another site": lambda desk: desk.keep("other", site(3)),
    "collecting": lambda desk: desk.collect(),
    "deleting the book": lambda desk: desk.library.delete_book(BOOK, BOOK, CALLER),
    "reading": lambda desk: desk.read("wanted"),
}


@pytest.mark.parametrize("other", OTHERS)
async def test_P3_P13_every_order_of_keeping_and_something_else_leaves_the_books_balanced(
    desk: Desk, other: str
) -> None:
    every = list(orders("one", "two", STEPS))
    for order in every if FULL else random.Random(f"{SEED} {other}").sample(every, SAMPLED):
        print(f"seed {SEED}: {order}")
        for number in range(3):  # full to the quota: every new site takes somebody's place
            await desk.keep(f"before {number}", site(10 + number))
        desk.turns = Turns()
        desk.turns.add("one", lambda: desk.keep("wanted", site(1)))
        desk.turns.add("two", lambda: OTHERS[other](desk))
        ended, _ = await desk.turns.play(order)
        await desk.assert_balanced()
        data = await desk.read("wanted")
        if other == "deleting the book":
            assert (ended, data) in [("kept", None), ("BOOK_GONE", None)]
            await desk.library.write(BOOK, lesson(1), b"again", CALLER, expected=None)
        else:
            assert data in (site(1), site(2))
            assert (ended == "CONFLICT") is (data == site(2))
        await desk.library.delete_book(BOOK, BOOK, CALLER)
        assert desk.store.medium.site_names() == set()
        await desk.library.write(BOOK, lesson(1), b"next round", CALLER, expected=None)
    assert len(every) == 20


async def test_P13_a_crowd_keeps_reads_and_collects_and_never_more_than_the_quota_is_there(desk: Desk) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    for _ in range(40 if FULL else 4):
        works: list[Awaitable[object]] = []
        for _ in range(24):
            document, number = f"document {chance.randrange(6)}", chance.randrange(8)
            works.append(
                chance.choices(
                    [lambda d=document, n=number: desk.keep(d, site(n)), lambda d=document: desk.read(d), desk.collect],
                    [5, 3, 1],
                )[0]()
            )
        ends = await asyncio.gather(*works)
        assert "kept" in ends or "present" in ends or "CONFLICT" in ends
        assert await desk.assert_balanced() >= 1
        desk.store.clock.now += timedelta(hours=3)


@pytest.mark.parametrize("step", ["site begun", "site published"])
async def test_F9_a_process_that_died_between_bytes_and_row_serves_nothing_and_gc_takes_what_it_left(
    tmp_path: object, step: str
) -> None:
    """The death is a library that never comes back from that step: its transaction is gone, its files stay."""
    store = new_store(tmp_path)  # type: ignore[arg-type]
    stopped = asyncio.Event()

    async def die(name: str) -> None:
        if name == step:
            stopped.set()
            await asyncio.Event().wait()

    def opened(pause: Callable[[str], Awaitable[None]]) -> object:
        return open_library(store.url, "", blobs=store.medium.blobs, clock=store.clock, pause=pause)

    async def go_on(_name: str) -> None:
        return

    offer = Offer(SiteMeta("wanted", digest_of(site(1)), 1), digest_of(site(1)), SIZE)
    async with opened(die) as dying, opened(go_on) as library:  # type: ignore[attr-defined]
        await dying.write(BOOK, lesson(1), b"text", CALLER, expected=None)
        killed = asyncio.create_task(dying.keep_site(BOOK, offer, pieces(site(1)), CALLER))
        await stopped.wait()
        assert len(store.medium.site_names()) == (step == "site published")
        with pytest.raises(NotFound):
            await library.open_site(BOOK, offer.meta.key)
        assert [one async for one in library.collect_sites(really=True)] == [], "it may still come"
        assert (await library.keep_site(BOOK, offer, pieces(site(1)), CALLER)).new, "nobody waits for the dead"
        store.clock.now += timedelta(days=2)
        taken = [one.objects async for one in library.collect_sites(really=True)]
        assert taken == ([1] if step == "site published" else [])
        assert len(store.medium.site_names()) == 1
        killed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killed
        assert (await library.keep_site(BOOK, offer, pieces(site(1)), CALLER)).new is False
        assert len(store.medium.site_names()) == 1, "a late removal met somebody else's bytes"
