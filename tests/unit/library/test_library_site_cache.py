"""Built sites kept for the team: first come, first kept; by use, within a quota; never a damaged one (DESIGN 6)."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import (
    AgentRequired,
    BookGone,
    Conflict,
    HashMismatch,
    NotFound,
    ReadOnly,
    TooLarge,
    Unavailable,
)
from panaversity_fs.core.site_meta import SiteMeta
from panaversity_fs.library import Caller, KeptSite, Library, Offer, SitePolicy, open_library
from panaversity_fs.library.observing import Silent
from support.stores import BOOK, CALLER, Store, lesson, pieces

pytestmark = pytest.mark.anyio

SITE = b"a built site" * 1000
DAY = timedelta(days=1)
QUOTA = 100_000


class Counting(Silent):
    """Keeps what the cache tells."""

    def __init__(self) -> None:
        self.events: dict[str, int] = {}

    def site_cache(self, event: str, count: int = 1) -> None:  # type: ignore[override]
        if count:
            self.events[event] = self.events.get(event, 0) + count


def opened(
    store: Store, observer: Counting | None = None, *, read_only: bool = False
) -> AbstractAsyncContextManager[Library]:
    return open_library(
        store.url, "", blobs=store.medium.blobs, clock=store.clock, read_only=read_only,
        observer=observer or Silent(), site_policy=SitePolicy(QUOTA, 14 * DAY),
    )  # fmt: skip


@pytest.fixture
async def library(store: Store) -> AsyncIterator[Library]:
    async with opened(store) as library:
        await library.write(BOOK, lesson(1), b"text", CALLER, expected=None)
        yield library


def meta(document: str = "document", output: bytes = b"output") -> SiteMeta:
    return SiteMeta(document, digest_of(output), 1500)


async def keep(
    library: Library, document: str = "document", data: bytes = SITE, output: bytes | None = None,
    caller: Caller = CALLER, book: str = BOOK,
) -> KeptSite:  # fmt: skip
    offer = Offer(meta(document, data if output is None else output), digest_of(data), len(data))
    return await library.keep_site(book, offer, pieces(data), caller)


async def read(library: Library, document: str = "document") -> bytes:
    site = await library.open_site(BOOK, meta(document).key)
    return b"".join([piece async for piece in library.stream_site(site)])


async def is_kept(library: Library, document: str = "document") -> bool:
    try:
        await library.open_site(BOOK, meta(document).key)
    except NotFound:
        return False
    return True


async def test_a_site_comes_back_with_what_is_said_of_it(library: Library, store: Store) -> None:
    kept = await keep(library, caller=Caller("x", "alice"))
    assert kept.new
    site = await library.open_site(BOOK, meta().key)
    assert (site.meta.document, site.meta.output, site.meta.build_ms) == ("document", digest_of(SITE), 1500)
    assert (site.meta.agent, site.meta.stored_at[:10]) == ("alice", "2030-01-01")
    assert await read(library) == SITE
    assert await library.site_usage() == (1, len(SITE))


async def test_sites_and_blobs_never_meet(library: Library, store: Store) -> None:
    before = store.medium.names()
    await keep(library)
    assert store.medium.names() == before
    assert len(store.medium.site_names()) == 1
    everything = [done async for done in library.collect(really=True)]
    assert sum(done.strays + done.blobs for done in everything) == 0
    assert await read(library) == SITE


async def test_an_equal_site_is_answered_without_being_read(library: Library) -> None:
    first = await keep(library, caller=Caller("x", "alice"))

    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the bytes were asked for")
        yield b""

    offer = Offer(meta("document", SITE), digest_of(b"packed otherwise"), 16)
    again = await library.keep_site(BOOK, offer, unread(), Caller("x", "bob"))
    assert (again.new, again.row) == (False, first.row)


async def test_another_site_under_the_same_key_is_a_conflict_and_the_first_one_stays(library: Library) -> None:
    await keep(library)
    with pytest.raises(Conflict, match="came first"):
        await keep(library, data=b"not reproducible")
    assert await read(library) == SITE


async def test_equal_sites_under_two_keys_lie_on_the_disk_once(library: Library, store: Store) -> None:
    await keep(library, "one")
    await keep(library, "two")
    assert await library.site_usage() == (2, len(SITE))
    assert len(store.medium.site_names()) == 1
    assert (await read(library, "one"), await read(library, "two")) == (SITE, SITE)


async def test_beyond_the_quota_the_least_recently_used_goes(library: Library, store: Store) -> None:
    for number in range(3):
        await keep(library, f"document {number}", bytes([number]) * 30_000)
        store.clock.now += timedelta(hours=2)
    await read(library, "document 0")
    store.clock.now += timedelta(hours=2)
    await keep(library, "document 3", b"3" * 30_000)
    assert [await is_kept(library, f"document {n}") for n in range(4)] == [True, False, True, True]
    assert await library.site_usage() == (3, 90_000)
    assert len(store.medium.site_names()) == 3


async def test_a_site_larger_than_the_quota_is_refused_and_takes_nobodys_place(library: Library) -> None:
    await keep(library)
    with pytest.raises(TooLarge, match="PANAVERSITY_SITE_CACHE_BYTES"):
        await keep(library, "large", bytes(QUOTA + 1))
    assert await read(library) == SITE


async def test_nobodys_site_is_served_after_its_time_and_another_may_take_its_key(
    library: Library, store: Store
) -> None:
    await keep(library)
    store.clock.now += 13 * DAY
    assert await read(library) == SITE, "using it renews it"
    store.clock.now += 13 * DAY
    assert await is_kept(library)
    store.clock.now += 14 * DAY
    assert not await is_kept(library)
    assert (await keep(library, data=b"other")).new
    assert await read(library) == b"other"
    assert len(store.medium.site_names()) == 1


async def test_use_is_noted_once_an_hour(library: Library, store: Store) -> None:
    await keep(library)
    first = (await library.open_site(BOOK, meta().key)).row.last_used_at
    store.clock.now += timedelta(minutes=59)
    await is_kept(library)
    assert (await library.open_site(BOOK, meta().key)).row.last_used_at == first
    store.clock.now += timedelta(minutes=2)
    await is_kept(library)
    assert (await library.open_site(BOOK, meta().key)).row.last_used_at > first


async def test_deleting_a_book_drops_its_sites_and_a_new_life_has_none(library: Library, store: Store) -> None:
    await keep(library)
    await library.delete_book(BOOK, BOOK, CALLER)
    assert (store.medium.site_names(), await library.site_usage()) == (set(), (0, 0))
    with pytest.raises(BookGone):
        await is_kept(library)
    with pytest.raises(BookGone):
        await keep(library)
    await library.write(BOOK, lesson(1), b"again", CALLER, expected=None)
    assert not await is_kept(library)
    assert (await keep(library)).row.incarnation == 2


async def test_a_book_nobody_created_keeps_nothing(library: Library) -> None:
    with pytest.raises(NotFound):
        await keep(library, book="no-book")
    with pytest.raises(NotFound):
        await library.open_site("no-book", meta().key)


async def test_P4_bytes_that_are_not_what_was_promised_are_refused_and_nothing_is_left(
    library: Library, store: Store
) -> None:
    for promised in (SITE[1:], SITE + b"!", b"x" * len(SITE)):
        offer = Offer(meta(), digest_of(promised), len(promised))
        with pytest.raises(HashMismatch):
            await library.keep_site(BOOK, offer, pieces(SITE), CALLER)
    assert (store.medium.site_names(), await library.site_usage()) == (set(), (0, 0))
    assert (await keep(library)).new


async def test_a_sender_that_breaks_off_leaves_nothing(library: Library, store: Store) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield SITE[:100]
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await library.keep_site(BOOK, Offer(meta(), digest_of(SITE), len(SITE)), broken(), CALLER)
    assert store.medium.site_names() == set()
    assert (await keep(library)).new


def damage(store: Store, data: bytes | None) -> None:
    (name,) = store.medium.site_names()
    store.medium.damage_site(name, data)


@pytest.mark.parametrize("harm", [SITE[:-1] + b"!", SITE[:-1], None], ids=["flipped", "cut", "gone"])
async def test_a_damaged_site_is_cut_off_then_forgotten_so_that_a_sound_one_can_come(
    library: Library, store: Store, harm: bytes | None
) -> None:
    await keep(library, "one")
    await keep(library, "two")
    damage(store, harm)
    if harm is not None and len(harm) == len(SITE):
        with pytest.raises(HashMismatch):
            await read(library, "one")
    assert not await is_kept(library, "one")
    assert not await is_kept(library, "two"), "it was the same object"
    assert store.medium.site_names() == set()
    assert (await keep(library, "one")).new
    assert await read(library, "one") == SITE


async def test_S17_a_read_only_server_serves_and_neither_keeps_nor_notes(library: Library, store: Store) -> None:
    await keep(library)
    store.clock.now += DAY
    async with opened(store, read_only=True) as readers:
        assert await read(readers) == SITE
        with pytest.raises(ReadOnly):
            await keep(readers, "other")
        with pytest.raises(ReadOnly):
            assert [one async for one in readers.collect_sites(really=True)]
        damage(store, b"x" * len(SITE))
        with pytest.raises(HashMismatch):
            await read(readers)
        row = (await readers.open_site(BOOK, meta().key)).row
        assert row.last_used_at == row.created_at


@pytest.mark.parametrize("agent", [None, "", "system"])
async def test_SC_009_who_built_it_must_be_named(library: Library, agent: str | None) -> None:
    with pytest.raises(AgentRequired):
        await keep(library, caller=Caller("x", agent))


async def test_a_site_that_comes_after_its_protection_ran_out_is_not_named(library: Library, store: Store) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield SITE[:100]
        store.clock.now += 2 * DAY
        assert [done.leftovers async for done in library.collect_sites(really=True)] == []
        yield SITE[100:]

    with pytest.raises(Unavailable, match="too long"):
        await library.keep_site(BOOK, Offer(meta(), digest_of(SITE), len(SITE)), slow(), CALLER)
    assert (store.medium.site_names(), await library.site_usage()) == (set(), (0, 0))


async def test_a_book_deleted_while_its_site_comes_keeps_nothing(library: Library, store: Store) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield SITE
        await library.delete_book(BOOK, BOOK, CALLER)
        await library.write(BOOK, lesson(1), b"again", CALLER, expected=None)

    with pytest.raises(BookGone):
        await library.keep_site(BOOK, Offer(meta(), digest_of(SITE), len(SITE)), chunks(), CALLER)
    assert (store.medium.site_names(), await library.site_usage()) == (set(), (0, 0))


async def test_gc_lets_go_what_is_over_and_says_so_before_it_does(library: Library, store: Store) -> None:
    await keep(library, "one", b"1" * 500)
    store.clock.now += 10 * DAY
    await keep(library, "two", b"2" * 300)
    store.clock.now += 5 * DAY
    (look,) = [done async for done in library.collect_sites()]
    assert (look.sites, look.objects, look.size) == (1, 1, 500)
    assert len(store.medium.site_names()) == 2
    (done,) = [done async for done in library.collect_sites(really=True)]
    assert done == look
    assert [await is_kept(library, name) for name in ("one", "two")] == [False, True]
    assert [done async for done in library.collect_sites(really=True)] == []


async def test_gc_enforces_a_quota_that_was_lowered_and_takes_strays(library: Library, store: Store) -> None:
    for number in range(4):
        await keep(library, f"document {number}", bytes([number]) * 25_000)
    smaller = open_library(
        store.url, "", blobs=store.medium.blobs, clock=store.clock, site_policy=SitePolicy(60_000, 14 * DAY)
    )
    async with smaller as library:
        store.medium.damage_site(f"books/{BOOK}/1/blobs/ab/{'ab' * 32}.7", b"stray")
        (done,) = [done async for done in library.collect_sites(really=True)]
        assert (done.sites, done.objects, done.size) == (2, 3, 50_005)
        assert [await is_kept(library, f"document {n}") for n in range(4)] == [False, False, True, True]
        (rest,) = [done async for done in library.collect_sites(really=True, everything=True)]
        assert (rest.sites, await library.site_usage(), store.medium.site_names()) == (2, (0, 0), set())


async def test_another_books_sites_are_not_collected_with_it(library: Library, store: Store) -> None:
    await library.write("other", lesson(1), b"text", CALLER, expected=None)
    await keep(library)
    await keep(library, book="other")
    assert [done.book_id async for done in library.collect_sites(book_id="other", everything=True)] == ["other"]


async def test_every_turn_is_counted(library: Library, store: Store) -> None:
    seen = Counting()
    async with opened(store, seen) as library:
        assert not await is_kept(library)
        await keep(library)
        await keep(library)
        await is_kept(library)
        with pytest.raises(Conflict):
            await keep(library, data=b"other")
        await keep(library, "large", bytes(QUOTA))
        store.clock.now += 20 * DAY
        await keep(library, "next")
    assert seen.events == {
        "miss": 1, "stored": 3, "present": 1, "hit": 1, "conflict": 1, "evicted": 1, "expired": 1,
    }  # fmt: skip
