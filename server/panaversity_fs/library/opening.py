"""Opening a store: the library of all subjects over one database and one blob store, closed again afterwards."""

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.library.access_log import AccessLog
from panaversity_fs.library.accessing import Accessing
from panaversity_fs.library.answers import Health
from panaversity_fs.library.archiving import Archiving
from panaversity_fs.library.auditing import Auditing
from panaversity_fs.library.books import Books
from panaversity_fs.library.care import Care
from panaversity_fs.library.checking import Checking
from panaversity_fs.library.context import SMALL, Context, Quotas, go_on
from panaversity_fs.library.deletion import Deletion
from panaversity_fs.library.deltas import Deltas
from panaversity_fs.library.editing import Editing
from panaversity_fs.library.history import History
from panaversity_fs.library.observing import Observer, Silent
from panaversity_fs.library.planning import Planning
from panaversity_fs.library.quotas import Rooms
from panaversity_fs.library.reading import Reading
from panaversity_fs.library.resuming import Resuming
from panaversity_fs.library.searching import Searching
from panaversity_fs.library.site_cache import SiteCache
from panaversity_fs.library.site_policy import SitePolicy
from panaversity_fs.library.upkeep import Upkeep
from panaversity_fs.library.witnessing import Witnessing
from panaversity_fs.library.writing import Writing
from panaversity_fs.store.blobs import BlobStore
from panaversity_fs.store.books import find_book
from panaversity_fs.store.database import Database
from panaversity_fs.store.journal import census
from panaversity_fs.store.local_blobs import LocalBlobs
from panaversity_fs.store.migrate import HEAD, migrate, store_id
from panaversity_fs.store.soundness import require_sound


class Library(
    Accessing,
    Auditing,
    Books,
    Care,
    Writing,
    Reading,
    Planning,
    Archiving,
    Searching,
    SiteCache,
    Checking,
    Deletion,
    Deltas,
    Editing,
    History,
    Rooms,
    Resuming,
    Witnessing,
    Upkeep,
):
    """One store of books. Every method raises the typed errors of ``core.errors`` only."""

    @property
    def read_only(self) -> bool:
        """True when every change is refused (S17)."""
        return self._context.read_only

    async def health(self) -> Health:
        """What readiness stands on, looked at now."""
        database = storage = "ok"
        try:
            async with self._context.database.read("readyz") as connection:
                await find_book(connection, "readyz")
        except PanaversityError as fault:
            database = fault.problem
        try:
            await self._context.blobs.check()
        except PanaversityError as fault:
            storage = fault.problem
        return Health(database, storage, HEAD)

    async def journal_entries(self) -> dict[str, int]:
        """Book id → how many paths it holds now, overlays included."""
        async with self._context.database.read("metrics") as connection:
            return await census(connection)


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_library(
    database_url: str,
    storage_root: str,
    *,
    read_only: bool = False,
    blobs: BlobStore | None = None,
    clock: Callable[[], datetime] = _now,
    monotonic: Callable[[], float] = time.monotonic,
    token: Callable[[], str] = lambda: secrets.token_hex(16),
    observer: Observer | None = None,
    pause: Callable[[str], Awaitable[None]] = go_on,
    small: int = SMALL,
    rebuilding: bool = False,
    site_policy: SitePolicy | None = None,
    quotas: Quotas | None = None,
) -> AsyncIterator[Library]:
    """Open a store, its tables brought to this version, and close it afterwards. ``small`` is in bytes (``Context``).

    Raises ``ConfigInvalid`` for a damaged database, and for an empty one over a store with bytes unless ``rebuilding``;
    ``Unavailable``, …
    """
    database = Database(database_url)
    try:
        store = blobs if blobs is not None else LocalBlobs(storage_root)
        await store.check()  # first: it says best what is wrong with a store
        await require_sound(database, database_url, store, rebuilding=rebuilding)
        await migrate(database)
        access = AccessLog(database, clock, token, read_only=read_only)
        context = Context(
            database, store, await store_id(database), clock, monotonic, token, read_only,
            observer=observer or Silent(), access=access, small=small, pause=pause,
            site_policy=site_policy or SitePolicy(), quotas=quotas or Quotas(),
        )  # fmt: skip
        async with access.written():
            yield Library(context)
    finally:
        await database.close()
