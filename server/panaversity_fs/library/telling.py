"""Telling a manifest is a commit: what anybody was told stays answerable for the retention (DESIGN 5, invariant 3)."""

from dataclasses import replace
from datetime import datetime, timedelta

from panaversity_fs.core.digest import EMPTY, Digest, short
from panaversity_fs.core.errors import NotFound
from panaversity_fs.core.manifest import parse
from panaversity_fs.library import rows
from panaversity_fs.library.absence import gone, no_book
from panaversity_fs.library.context import Context
from panaversity_fs.library.staging import Staging
from panaversity_fs.library.views import BookView
from panaversity_fs.store.audit_rows import last_writers
from panaversity_fs.store.blob_rows import find_blobs
from panaversity_fs.store.blobs import verified
from panaversity_fs.store.books import BookRow, find_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.outcomes import again
from panaversity_fs.store.told import ToldRow, find_told, save_told

RENEWAL = timedelta(hours=1)
"""Telling again within this time is a read."""
_TELLER = "teller"


async def tell(context: Context, book: BookRow, view: BookView, known: ToldRow | None) -> bool:
    """Promise this view's manifest before its hash leaves; answers False when a read-only server cannot.

    ``known`` is the promise made earlier, if any. The promise holds even if the book moves on meanwhile: the row is
    written only while every digest it names is live.
    """
    now = context.clock()
    if known is not None and known.of_source:
        known = None  # told as text only: now the book itself promises its bytes
    fresh = known is not None and known.revision >= view.revision and now - known.last_told_at < RENEWAL
    if fresh or (known is not None and context.read_only):
        return True
    if context.read_only:
        return False
    if known is not None and await _renew(context, book, known, view.revision, now):
        return True
    async with Staging(context, book.book_id, book.incarnation, _TELLER) as staging:
        await staging.store_bytes(view.manifest_hash, view.text)
        await staging.publish()
        named = await _promise(context, book, view, staging, now)
        staging.committed(named)
    return bool(named)


@again(undecided=True)
async def _promise(context: Context, book: BookRow, view: BookView, staging: Staging, now: datetime) -> set[Digest]:
    """Write the promise; answers what it names, nothing where the book moved on too far."""
    async with context.database.write("plan_build", book.book_id) as connection:
        if not await _all_live(connection, book, view):
            return set()
        named = await rows.promise(connection, staging, view, now)
        await rows.drop_used_pins(connection, staging, named)
    return named


@again(undecided=True)
async def _renew(context: Context, book: BookRow, known: ToldRow, revision: int, now: datetime) -> bool:
    """Tell again what was told, perhaps of an earlier revision with the very same files; False when it was collected
    since ``known`` was read."""
    async with context.database.write("plan_build", book.book_id) as connection:
        await find_book(connection, book.book_id, lock=True)
        still = await find_told(connection, book.book_id, book.incarnation, known.manifest_hash)
        if still is not None:
            told = max(now, still.last_told_at)
            await save_told(connection, replace(still, revision=max(revision, still.revision), last_told_at=told))
    return still is not None


async def _all_live(connection: Connection, book: BookRow, view: BookView) -> bool:
    current = await find_book(connection, book.book_id, lock=True)
    if current is None or (current.incarnation, current.state) != (book.incarnation, "live"):
        return False
    if current.base_revision == view.revision:
        return True
    found = await find_blobs(connection, book.book_id, book.incarnation, view.sizes.keys())
    if len(found) != len(view.sizes) or any(row.state == "deleted" for row in found.values()):
        return False
    await rows.save_named(connection, found, book.changed_at)  # revives what is only condemned
    return True


async def require_book(connection: Connection, book_id: str, operation: str) -> BookRow:
    """The living book. Raises ``NotFound`` or ``BookGone``."""
    book = await find_book(connection, book_id)
    if book is None:
        raise no_book(operation, book_id)
    if book.state != "live":
        raise gone(operation, book_id)
    return book


async def manifest_text(context: Context, book_id: str, manifest: Digest) -> bytes:
    """The text of a manifest somebody was told, of this very book. Raises ``NotFound``."""
    if manifest == EMPTY:
        return b""
    async with context.database.read("manifest") as connection:
        book = await require_book(connection, book_id, "manifest")
        told = await find_told(connection, book_id, book.incarnation, manifest)
        found = await find_blobs(connection, book_id, book.incarnation, [manifest])
    if told is None or manifest not in found:
        raise NotFound(
            "manifest", f"{book_id} {short(manifest)}", "nobody was told this manifest", "Plan again without it",
            kind="manifest", manifest_hash=manifest,
        )  # fmt: skip
    row = found[manifest]
    return b"".join([piece async for piece in verified(context.blobs, row.key, row.size)])


async def manifest_entries(context: Context, book_id: str, manifest: Digest) -> dict[str, Digest]:
    """Path → digest of a told manifest. Raises ``NotFound``."""
    return parse(await manifest_text(context, book_id, manifest))


async def manifest_metadata(context: Context, book_id: str, manifest: Digest) -> dict[str, tuple[datetime, str]]:
    """Path → (when, by which agent) it was last written, as of this manifest's revision. Raises ``NotFound``."""
    entries = await manifest_entries(context, book_id, manifest)
    async with context.database.read("manifest") as connection:
        book = await require_book(connection, book_id, "manifest")
        told = await find_told(connection, book_id, book.incarnation, manifest)
        revision = told.revision if told else 0
        writers = await last_writers(connection, book_id, book.incarnation, revision)
    return {path: writers[path] for path in entries if path in writers}
