"""What every use case works with: database, blobs, clock, randomness and the caches. Decides nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from panaversity_fs.core.errors import AgentRequired, ReadOnly
from panaversity_fs.core.paths import require_book_id, shown
from panaversity_fs.library.access_log import AccessLog
from panaversity_fs.library.answers import Caller
from panaversity_fs.library.observing import Observer, Silent
from panaversity_fs.library.site_policy import SitePolicy
from panaversity_fs.library.trees import TreeCache
from panaversity_fs.library.views import ViewCache
from panaversity_fs.store.blobs import BlobStore
from panaversity_fs.store.database import Database
from panaversity_fs.store.site_cache_rows import PART

PIN_LIFE = timedelta(hours=24)
"""How long uploaded bytes wait for the commit that names them."""
MAX_AGENT = 200
SMALL = 64 * 1024
"""Bytes. What a single write brings in less than this needs no pin on a prompt medium: it is put under the lock."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """What may be held at most; 0 is no limit. ``book_bytes`` counts every object kept for one book once, earlier
    versions too; ``book_files`` its entries and those of all overlays; ``books`` the living ones."""

    book_bytes: int = 0
    book_files: int = 0
    books: int = 0


async def go_on(_step: str) -> None:
    """Do not pause."""


@dataclass(frozen=True)
class Context:
    """The library's surroundings. ``clock`` answers aware times, ``monotonic`` seconds, ``token`` random hex text."""

    database: Database
    blobs: BlobStore
    store_id: str
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    token: Callable[[], str]
    read_only: bool = False
    observer: Observer = field(default_factory=Silent)
    views: ViewCache = field(default_factory=ViewCache)
    trees: TreeCache = field(default_factory=TreeCache)
    access: AccessLog | None = None
    quotas: Quotas = Quotas()
    site_policy: SitePolicy = field(default_factory=SitePolicy)
    small: int = SMALL
    pause: Callable[[str], Awaitable[None]] = go_on
    """Called with its name between two steps that others may come between; tests stop there (F34)."""

    @property
    def site_blobs(self) -> BlobStore:
        """The part of the medium that holds built sites, and no book's bytes."""
        return self.blobs.apart(PART)


def require_writer(context: Context, book_id: str, caller: Caller, operation: str) -> str:
    """The agent's name, when this caller may write to a book of this name at all, before a byte is stored.

    Raises ``ReadOnly``, ``AgentRequired`` (R7) or ``InvalidArgument``.
    """
    if context.read_only:
        raise ReadOnly(operation, book_id, "the server is in read-only mode", "Try again when it is writable")
    require_book_id(book_id, operation)
    agent = (caller.agent or "").strip()
    if agent in ("", "system") or len(agent) > MAX_AGENT or shown(agent) != agent:
        raise AgentRequired(
            operation, book_id, "no usable agent identity was given",
            "Name yourself in _meta.agent_id or X-Panaversity-Agent; empty and system are refused",
        )  # fmt: skip
    return agent
