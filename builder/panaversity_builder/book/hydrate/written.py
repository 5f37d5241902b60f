"""When and by whom each file of the folder was last written: ``metadata.json``, for a site that shows it.

Asked of the server in one more request, only where somebody wants to know and only when the book's state is not the one
the stored answer is of. Knows the file's format and what the answer means for the folder; does not know who shows it.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from panaversity_builder.book.hydrate.options import HydrateOptions
from panaversity_builder.book.hydrate.planning import Ground
from panaversity_builder.book.hydrate.records import METADATA
from panaversity_builder.book.hydrate.state import State
from panaversity_builder.book.sealed import Miss, seal, unseal
from panaversity_builder.client import LastWritten, Server
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import NotFound
from panaversity_fs.core.mapping import decode

FORMAT = 1

Rows = Mapping[str, Mapping[str, str]]
"""Output path → ``{"at": moment in UTC, "by": agent}``."""


def last_written(
    server: Server, options: HydrateOptions, ground: Ground, state: State, progress: Progress
) -> bytes | None:
    """The bytes of ``metadata.json`` for this ground; None where nobody wants it, or nobody can tell.

    A server that does not tell it costs a warning, never the hydrate. Raises ``ServerUnreachable``.
    """
    if not options.metadata:
        return None
    head, stored = _head(ground), state.raw.get(METADATA)
    if stored is not None and _head_of(stored) == head:
        return stored
    if options.offline:
        progress.warn("when files were last written is not known offline; the site shows none of it")
        return None
    try:
        told = server.manifest_metadata(options.book_id, ground.identity.manifest_hash)
    except NotFound as fault:
        progress.warn(f"when files were last written is not told by this server ({fault.problem})")
        return None
    return seal({**head, "files": rows_of(told, ground)})


def rows_of(told: Mapping[str, LastWritten], ground: Ground) -> dict[str, dict[str, str]]:
    """What is told of book paths, as rows of the folder, sorted; what is not in the folder is left out."""
    rows = {}
    for book_path, written in told.items():
        identity = ground.identity
        path = book_path if identity.tree == "storage" else decode(book_path, identity.numbering)
        if path is not None and path in ground.target:
            rows[path] = {"at": written.at, "by": written.by}
    return dict(sorted(rows.items()))


def written_digest(data: bytes | None) -> Digest | None:
    """The digest of what a site can show of these bytes; None for none, or for bytes that are not ``metadata.json``.

    Manifest and revision do not count: a build that would show the same is the same build.
    """
    with contextlib.suppress(Miss, KeyError, TypeError, AttributeError):
        if data is not None:
            rows: Rows = _document(data)["files"]
            lines = sorted(f"{path}\0{row['at']}\0{row['by']}\n" for path, row in rows.items())
            return digest_of("".join(lines).encode("utf-8", "surrogatepass"))
    return None


def is_current(data: bytes, manifest: Digest, revision: int) -> bool:
    """Whether these bytes tell of just this state of the book."""
    head = _head_of(data)
    return head is not None and (head["manifest_hash"], head["revision"]) == (manifest, revision)


def _head(ground: Ground) -> dict[str, Any]:
    identity = ground.identity
    return {
        "format": FORMAT,
        "book_id": identity.book_id,
        "manifest_hash": identity.manifest_hash,
        "store_id": identity.store_id,
        "incarnation": identity.incarnation,
        "revision": ground.revision,
        "numbering": identity.numbering,
        "tree": identity.tree,
        "scope": identity.scope,
    }


def _head_of(data: bytes) -> dict[str, Any] | None:
    try:
        document = _document(data)
    except Miss:
        return None
    document.pop("files", None)
    return document


def _document(data: bytes) -> dict[str, Any]:
    document = unseal(data)
    if document.get("format") != FORMAT or not {"manifest_hash", "revision"} <= document.keys():
        raise Miss("is of another format")
    return document
