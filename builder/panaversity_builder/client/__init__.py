"""The server as seen from here: the seam that ingest and hydrate are written against, and its implementation over HTTP.

Re-exports only, each imported when it is asked for: a server is being reached meanwhile.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from panaversity_builder.client.http import Client
    from panaversity_builder.client.retry import NO_WAITS, Waits, attempts
    from panaversity_builder.client.seam import (
        BOOK_UNKNOWN,
        FROM_NOTHING,
        LARGE,
        MANIFEST_UNKNOWN,
        TEXT_WITHIN,
        TOPS,
        BlobSource,
        BuildPlan,
        ChangesetAnswer,
        Chunks,
        LastWritten,
        PackMember,
        PlanFile,
        PlanQuestion,
        Scope,
        Server,
        Traffic,
    )
    from panaversity_builder.client.site_cache import FetchedSite, SiteCache

_HOME = {
    "Client": "http", "NO_WAITS": "retry", "Waits": "retry", "attempts": "retry", "FetchedSite": "site_cache",
    "SiteCache": "site_cache",
}  # fmt: skip
"""The module of a name; ``seam`` for all others."""

__all__ = [
    "BOOK_UNKNOWN",
    "FROM_NOTHING",
    "LARGE",
    "MANIFEST_UNKNOWN",
    "NO_WAITS",
    "TEXT_WITHIN",
    "TOPS",
    "BlobSource",
    "BuildPlan",
    "ChangesetAnswer",
    "Chunks",
    "Client",
    "FetchedSite",
    "LastWritten",
    "PackMember",
    "PlanFile",
    "PlanQuestion",
    "Scope",
    "Server",
    "SiteCache",
    "Traffic",
    "Waits",
    "attempts",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_HOME.get(name, 'seam')}"), name)
