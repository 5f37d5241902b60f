"""Keeping a built site for the team: the first one under a key stands (DESIGN 6, 8, 11).

A site generator need not be reproducible, and whoever restored the first must not find another later. Order, as for
blobs: a protecting row, the bytes durable, then one transaction under the book's lock that names them, lets go what is
over its time or over the quota, and ends the protection. What a killed process leaves is named by nobody, served to
nobody, and reclaimed (``site_cache_care``). Does not look into a site: that its bytes unpack to its output is for
whoever restores it to check.
"""

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from panaversity_fs.core.digest import Digest, short
from panaversity_fs.core.errors import Conflict, PanaversityError, TooLarge, Unavailable
from panaversity_fs.core.site_meta import SiteMeta
from panaversity_fs.library.absence import gone
from panaversity_fs.library.answers import Caller
from panaversity_fs.library.context import PIN_LIFE, Context, require_writer
from panaversity_fs.library.lives import LIVE
from panaversity_fs.library.telling import require_book
from panaversity_fs.store import site_cache_rows as sites
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.books import find_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.outcomes import again
from panaversity_fs.store.site_cache_rows import SiteRow, SiteUpload

logger = logging.getLogger("panaversity_fs.site_cache")
OPERATION = "site cache"
_CLEAN_UP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Offer:
    """A site somebody wants kept: what is said of it, and the digest and size in bytes of what will come."""

    meta: SiteMeta
    sha256: Digest
    size: int


@dataclass(frozen=True, slots=True)
class KeptSite:
    """A site that is kept; ``new`` is True where this very call kept it."""

    row: SiteRow
    new: bool = False

    @property
    def meta(self) -> SiteMeta:
        """What is told of it."""
        row = self.row
        when = row.created_at.isoformat(timespec="seconds")
        return SiteMeta(row.document, row.output, row.build_ms, row.agent_id, when)


@dataclass(frozen=True, slots=True)
class _Named:
    """What the naming transaction did: the row in force, whether it is new, how many rows went and why, and the objects
    that nobody names any more."""

    row: SiteRow
    new: bool
    unnamed: frozenset[BlobKey]
    expired: int = 0
    evicted: int = 0


async def keep_site(
    context: Context, book_id: str, offer: Offer, chunks: AsyncIterator[bytes], caller: Caller
) -> KeptSite:
    """Keep a site, or answer the equal one that is kept already (then ``chunks`` is left unread).

    Raises ``Conflict`` when another one is kept under this key, ``TooLarge`` for more than the quota, ``ReadOnly``,
    ``AgentRequired``, ``HashMismatch``, ``NotFound`` and ``BookGone``; nothing of the site is left then.
    """
    agent = require_writer(context, book_id, caller, OPERATION)
    _require_room(book_id, offer.size, context.site_policy.quota)
    begun = await _begin(context, book_id, offer)
    if isinstance(begun, SiteRow):
        context.observer.site_cache("present")
        return KeptSite(begun)
    named = await _receive(context, begun, offer, chunks, agent)
    context.observer.site_cache("stored" if named.new else "present")
    context.observer.site_cache("expired", named.expired)
    context.observer.site_cache("evicted", named.evicted)
    return KeptSite(named.row, named.new)


def _require_room(book_id: str, size: int, quota: int) -> None:
    if size > quota:
        problem = f"a site of {size} bytes is more than the {quota} that are kept for a book"
        hint = "Raise the server's PANAVERSITY_SITE_CACHE_BYTES, or build with --no-remote-cache"
        raise TooLarge(OPERATION, book_id, problem, hint, size=size, limit=quota)


@again(undecided=True)
async def _begin(context: Context, book_id: str, offer: Offer) -> SiteRow | SiteUpload:
    """The equal site that is kept already, else a protected name for bytes to come."""
    token = context.token()
    now = context.clock()
    async with context.database.write(OPERATION, book_id) as connection:
        book = await require_book(connection, book_id, OPERATION)
        present = await sites.find_site(connection, book_id, book.incarnation, offer.meta.key)
        if present is not None and not context.site_policy.is_over(present, now):
            return _equal(context, present, offer)
        # Drawn at random, so that the name was never any other object's (see ``site_cache_rows``).
        generation = 1 + int(token[:7], 16)
        upload = SiteUpload(token, book_id, book.incarnation, offer.sha256, generation, now + PIN_LIFE)
        await sites.save_upload(connection, upload)
    return upload


def _equal(context: Context, present: SiteRow, offer: Offer) -> SiteRow:
    """The kept row where it holds the same site. Raises ``Conflict``: the first one stands."""
    if present.output == offer.meta.output:
        return present
    context.observer.site_cache("conflict")
    raise Conflict(
        OPERATION, short(present.key), f"another site ({short(present.output)}) is kept under this key",
        "Nothing is to be done: the one that came first stays", current=present.output, agent=present.agent_id,
    )  # fmt: skip


async def _receive(
    context: Context, upload: SiteUpload, offer: Offer, chunks: AsyncIterator[bytes], agent: str
) -> _Named:
    """Store the bytes and name them; whatever happens, nothing unnamed is left while the process lives."""
    batch = context.site_blobs.batch(upload.upload_id)
    named: _Named | None = None
    try:
        await context.pause("site begun")
        await batch.add(upload.object, offer.size, chunks)
        await batch.publish()
        await context.pause("site published")
        named = await _name(context, upload, offer, agent)
        return named
    finally:
        with anyio.move_on_after(_CLEAN_UP_SECONDS, shield=True) as given:
            await batch.discard()
            if named is None:
                await _take_back(context, upload)
            else:
                await remove_objects(context, named.unnamed)
        if given.cancelled_caught:
            logger.warning("clean up after a site: not done in %s s; gc takes the rest", _CLEAN_UP_SECONDS)


@again(undecided=False)
async def _name(context: Context, upload: SiteUpload, offer: Offer, agent: str) -> _Named:
    """One transaction: the row, the end of the protection, and room for it."""
    async with context.database.write(OPERATION, upload.book_id) as connection:
        await _require_life(connection, upload)
        now = context.clock()
        rows = await sites.sites_of(connection, (upload.book_id, upload.incarnation))
        expired = [row for row in rows if context.site_policy.is_over(row, now)]
        held = [row for row in rows if row not in expired]
        present = next((row for row in held if row.key == offer.meta.key), None)
        if present is not None:
            return _Named(_equal(context, present, offer), False, frozenset({upload.object}))
        twin = next((row for row in held if row.sha256 == offer.sha256), None)
        row = SiteRow(
            upload.book_id, upload.incarnation, offer.meta.key, offer.meta.document, offer.meta.output, offer.sha256,
            twin.generation if twin else upload.generation, offer.size, offer.meta.build_ms, agent, now, now,
        )  # fmt: skip
        evicted = context.site_policy.surplus([*held, row], row.object)
        await sites.drop_sites(connection, [*expired, *evicted])
        await sites.save_site(connection, row)
        stays = sites.objects_of([row, *(one for one in held if one not in evicted)])
        went = sites.objects_of([*expired, *evicted]) | {upload.object}
        return _Named(row, True, frozenset(went - stays), len(expired), len(evicted))


async def _require_life(connection: Connection, upload: SiteUpload) -> None:
    """Lock the book and end the protection. Raises ``BookGone`` when its life ended meanwhile, ``Unavailable`` when the
    protection had: then the bytes may be gone."""
    book = await find_book(connection, upload.book_id, lock=True)
    if book is None or (book.state, book.incarnation) != (LIVE, upload.incarnation):
        raise gone(OPERATION, upload.book_id)
    if not await sites.drop_upload(connection, upload.upload_id):
        raise Unavailable(OPERATION, upload.book_id, "the site took too long to come", "Send it again")


async def _take_back(context: Context, upload: SiteUpload) -> None:
    """End the protection, then remove the bytes: nobody else can have their name. Where the naming transaction's own
    answer was lost a row may have it."""
    if not await _is_named(context, upload):
        await remove_objects(context, [upload.object])


@again(undecided=True)
async def _is_named(context: Context, upload: SiteUpload) -> bool:
    """Whether a row names the bytes, now that nothing protects them any more."""
    async with context.database.write(OPERATION, upload.book_id) as connection:
        await sites.drop_upload(connection, upload.upload_id)
        rows = await sites.sites_of(connection, (upload.book_id, upload.incarnation))
    return upload.object in sites.objects_of(rows)


async def remove_objects(context: Context, objects: Iterable[BlobKey]) -> None:
    """Remove what no row names. What cannot be removed now is a stray, for the next collection."""
    with suppress(PanaversityError):
        await context.site_blobs.remove_many(list(objects))
