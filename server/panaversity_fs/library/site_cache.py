"""The server's half of the remote build cache: built sites by the key of what went into them (DESIGN 6, 8, 11).

It is a cache: nothing else stands on it, no book's log speaks of it, and what turns out damaged is forgotten, so that
the next build can keep a sound one. Knows reading; keeping is ``site_keeping``, letting go ``site_cache_care``.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

from panaversity_fs.core.digest import Digest, short
from panaversity_fs.core.errors import HashMismatch, NotFound, UnavailableError
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library.answers import Caller
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.site_cache_care import SitesCollected, collect_sites
from panaversity_fs.library.site_keeping import OPERATION, KeptSite, Offer, keep_site, remove_objects
from panaversity_fs.library.telling import require_book
from panaversity_fs.store import site_cache_rows as sites
from panaversity_fs.store.blobs import BlobKey, verified
from panaversity_fs.store.books import find_book
from panaversity_fs.store.outcomes import again
from panaversity_fs.store.site_cache_rows import SiteRow

RENEWAL = timedelta(hours=1)
"""Using a site again within this time is a read."""


async def open_site(context: Context, book_id: str, key: Digest) -> KeptSite:
    """The site kept under this key; using it renews it. Raises ``NotFound`` (also for a book nobody created),
    ``BookGone``."""
    require_book_id(book_id, OPERATION)
    now = context.clock()
    async with context.database.read(OPERATION) as connection:
        book = await require_book(connection, book_id, OPERATION)
        row = await sites.find_site(connection, book_id, book.incarnation, key)
    if row is None or context.site_policy.is_over(row, now):
        context.observer.site_cache("miss")
        raise _absent(book_id, key)
    if await context.site_blobs.size(row.object) != row.size:
        await _forget_damaged(context, row.object)
        raise _absent(book_id, key)
    if now - row.last_used_at >= RENEWAL and not context.read_only:
        with suppress(UnavailableError):  # a read must not fail because it cannot be noted
            async with context.database.write(OPERATION) as connection:
                await sites.touch_site(connection, row, now)
    context.observer.site_cache("hit")
    return KeptSite(row)


async def stream_site(context: Context, row: SiteRow) -> AsyncIterator[bytes]:
    """The bytes, verified: ``HashMismatch`` comes before their end."""
    try:
        async for piece in verified(context.site_blobs, row.object, row.size):
            yield piece
    except (HashMismatch, NotFound):
        await _forget_damaged(context, row.object)
        raise


async def _forget_damaged(context: Context, key: BlobKey) -> None:
    """Nobody is to be told of these bytes again; other keys that share them included."""
    if context.read_only:
        return
    count = await _forget(context, key)
    await remove_objects(context, [key])
    context.observer.site_cache("damaged", count)


@again(undecided=True)
async def _forget(context: Context, key: BlobKey) -> int:
    """Drop the rows that name these bytes; answers how many."""
    async with context.database.write(OPERATION, key.book_id) as connection:
        await find_book(connection, key.book_id, lock=True)
        return await sites.drop_object(connection, key)


def _absent(book_id: str, key: Digest) -> NotFound:
    problem, hint = "no site is kept under this key", "Build it"
    return NotFound(OPERATION, f"{book_id} {short(key)}", problem, hint, kind="site", key=key)


class SiteCache(Facade):
    """Built sites kept for the team."""

    async def open_site(self, book_id: str, key: Digest) -> KeptSite:
        """The site kept under this key. Raises ``NotFound``, ``BookGone``."""
        return await open_site(self._context, book_id, key)

    def stream_site(self, site: KeptSite) -> AsyncIterator[bytes]:
        """Its bytes, verified; break the body off when it raises."""
        return stream_site(self._context, site.row)

    async def keep_site(self, book_id: str, offer: Offer, chunks: AsyncIterator[bytes], caller: Caller) -> KeptSite:
        """Keep a site; the first one under its key stands. Raises ``Conflict``, ``TooLarge``, ``ReadOnly``, …"""
        return await keep_site(self._context, book_id, offer, chunks, caller)

    async def site_usage(self) -> tuple[int, int]:
        """(sites kept, bytes that hold them) of the whole store."""
        async with self._context.database.read("metrics") as connection:
            return await sites.usage(connection)

    @property
    def site_quota(self) -> int:
        """The most bytes kept for one book."""
        return self._context.site_policy.quota

    def collect_sites(
        self, *, really: bool = False, book_id: str | None = None, everything: bool = False
    ) -> AsyncIterator[SitesCollected]:
        """Let go what is over its time, over the quota or left over; dry unless ``really``."""
        return collect_sites(self._context, really=really, book_id=book_id, everything=everything)
