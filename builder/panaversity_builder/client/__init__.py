"""The server as seen from here: the seam that ingest and hydrate are written against, and its implementation over HTTP.

Re-exports only. Importing this package does not import the HTTP library; making a ``Client`` does.
"""

from panaversity_builder.client.http import Client
from panaversity_builder.client.retry import NO_WAITS, Waits, attempts
from panaversity_builder.client.seam import (
    BOOK_UNKNOWN,
    LARGE,
    MANIFEST_UNKNOWN,
    BlobSource,
    BuildPlan,
    ChangesetAnswer,
    Chunks,
    PackMember,
    PlanFile,
    Scope,
    Server,
    Traffic,
)

__all__ = [
    "BOOK_UNKNOWN",
    "LARGE",
    "MANIFEST_UNKNOWN",
    "NO_WAITS",
    "BlobSource",
    "BuildPlan",
    "ChangesetAnswer",
    "Chunks",
    "Client",
    "PackMember",
    "PlanFile",
    "Scope",
    "Server",
    "Traffic",
    "Waits",
    "attempts",
]
