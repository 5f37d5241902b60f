"""Letting built sites go: those over their time, over the quota, of ended lives, and bytes that nobody names.

Works beside a running server. Bytes are listed *before* rows are asked who names them: a site's protecting row is there
before its first byte and its name is never used again, so what is listed and then named by no row never will be. Knows
the cache's own part of the store only; books and their blobs are ``collecting``'s.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from panaversity_fs.core.errors import ReadOnly
from panaversity_fs.library.context import Context
from panaversity_fs.library.lives import LIVE
from panaversity_fs.store import site_cache_rows as sites
from panaversity_fs.store.blob_states import Place
from panaversity_fs.store.blobs import Leftover, Listed
from panaversity_fs.store.books import find_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.outcomes import again
from panaversity_fs.store.site_cache_rows import SiteRow

OPERATION = "gc"


@dataclass(frozen=True, slots=True)
class SitesCollected:
    """What one run let go, or would let go, of one life of a book: ``sites`` by key, ``objects`` and ``leftovers`` in
    the store, ``size`` in bytes of the objects."""

    book_id: str
    incarnation: int
    sites: int
    objects: int
    leftovers: int
    size: int

    @property
    def idle(self) -> bool:
        """True when there was nothing to do."""
        return not (self.sites or self.objects or self.leftovers)


async def collect_sites(
    context: Context, *, really: bool, book_id: str | None, everything: bool = False
) -> AsyncIterator[SitesCollected]:
    """Collect every life of every book that the cache knows, or of one; ``everything`` lets all sites go.

    Raises ``ReadOnly``.
    """
    if really and context.read_only:
        raise ReadOnly(OPERATION, "site cache", "the server is in read-only mode", "Run it without --yes")
    async with context.database.read(OPERATION) as connection:
        places = await sites.site_places(connection)
    for place in sorted(places | await context.site_blobs.places()):
        if book_id in (None, place[0]):
            done = await _collect(context, place, really=really, everything=everything)
            if not done.idle:
                yield done


async def _collect(context: Context, place: Place, *, really: bool, everything: bool) -> SitesCollected:
    if really:
        going = await _drop(context, place, everything)
    else:
        async with context.database.read(OPERATION) as connection:
            going = await _going(context, connection, place, everything, lock=False)
    listed = [one async for one in context.site_blobs.keys(*place)]
    leftovers = await context.site_blobs.leftovers(*place)
    await context.pause("sites listed")
    strays, forgotten = await _unnamed(context, place, going, listed, list(leftovers))
    if really:
        await context.site_blobs.remove_many([stray.key for stray in strays])
        for leftover in forgotten:
            await context.site_blobs.remove_leftover(leftover)
        context.observer.site_cache("expired", len(going))
    return SitesCollected(*place, len(going), len(strays), len(forgotten), sum(stray.size for stray in strays))


@again(undecided=True)
async def _drop(context: Context, place: Place, everything: bool) -> list[SiteRow]:
    """Let the rows go; answers which."""
    async with context.database.write(OPERATION, place[0]) as connection:
        going = await _going(context, connection, place, everything, lock=True)
        await sites.drop_sites(connection, going)
        await sites.drop_expired(connection, place, context.clock())
    return going


async def _going(
    context: Context, connection: Connection, place: Place, everything: bool, *, lock: bool
) -> list[SiteRow]:
    """The rows to let go, under the book's lock; a look at them needs none."""
    book = await find_book(connection, place[0], lock)
    rows, now = await sites.sites_of(connection, place), context.clock()
    if everything or book is None or (book.state, book.incarnation) != (LIVE, place[1]):
        return rows
    over = [row for row in rows if context.site_policy.is_over(row, now)]
    held = [row for row in rows if row not in over]
    return over + context.site_policy.surplus(held)


async def _unnamed(
    context: Context, place: Place, going: list[SiteRow], listed: list[Listed], leftovers: list[Leftover]
) -> tuple[list[Listed], list[Leftover]]:
    """What of the listing nobody names: objects without a row, bytes on a way that nobody goes any more."""
    now = context.clock()
    async with context.database.read(OPERATION) as connection:
        rows = [row for row in await sites.sites_of(connection, place) if row not in going]
        uploads = [upload for upload in await sites.uploads_of(connection, place) if upload.expires > now]
    named = sites.objects_of(rows) | sites.objects_of(uploads)
    owners = {upload.upload_id for upload in uploads}
    strays = [one for one in listed if one.key not in named]
    return strays, [one for one in leftovers if one.owner not in owners and one.key not in named]
