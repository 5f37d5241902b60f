"""The book as it was last told, for a hydrate that asks no server (``--offline``).

After each hydrate the shared cache keeps the manifest's text under its hash and a note, per server and book, of which
manifest that was and when the server last confirmed it. Offline, the folder's own build state speaks first, the note
where there is none. Knows cache and build state; does not know trees on disk. Nothing here is believed without its
hash, and nothing claims to know what the server says now.
"""

import contextlib
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.hydrate.options import HydrateOptions
from panaversity_builder.book.hydrate.records import MANIFEST_TEXT, Identity, identity_of
from panaversity_builder.book.hydrate.state import State
from panaversity_builder.book.sealed import Miss, seal, unseal
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import HashMismatch, InvalidArgument, ServerUnreachable
from panaversity_fs.core.manifest import parse

NOTE_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Recalled:
    """A manifest that was told before: whose it is, its entries and text, and when it was last known to be current.

    ``as_of`` is a moment in UTC, ``2026-11-20T12:00:00Z``.
    """

    identity: Identity
    revision: int
    entries: Mapping[str, Digest]
    text: bytes
    as_of: str


def require_possible(options: HydrateOptions) -> None:
    """Raise ``InvalidArgument`` when an offline run is asked to forget the only thing it can go by."""
    if options.offline and options.full_rebuild:
        raise InvalidArgument(
            "hydrate", "--full-rebuild", "asks the server anew, which --offline forbids",
            "Use --verify to read every file again, or leave out --offline", name="full_rebuild",
        )  # fmt: skip


def recall(options: HydrateOptions, state: State, cache: BlobCache) -> Recalled:
    """What is known of the book without asking. Raises ``ServerUnreachable`` (exit 10) when nothing is."""
    noted = _from_cache(options, cache)
    stored = _from_state(options, state)
    if stored is not None and (noted is None or _same_store(stored.identity, noted.identity)):
        known = stored
        if noted is not None and noted.identity.manifest_hash == stored.identity.manifest_hash:
            known = replace(stored, as_of=max(noted.as_of, stored.as_of))
    elif noted is not None:
        known = noted
    else:
        raise ServerUnreachable(
            "hydrate", options.book_id, "offline, and no manifest of this book is known here",
            "Hydrate it once without --offline; what is downloaded then is kept",
            book_id=options.book_id,
        )  # fmt: skip
    return replace(known, identity=replace(known.identity, tree=options.tree, scope=options.scope))


def _same_store(one: Identity, other: Identity) -> bool:
    return (one.store_id, one.incarnation) == (other.store_id, other.incarnation)


def _from_state(options: HydrateOptions, state: State) -> Recalled | None:
    identity, entries = state.identity, state.entries
    if identity is None or entries is None or identity.book_id != options.book_id:
        return None
    return Recalled(identity, state.revision, entries, state.raw[MANIFEST_TEXT], state.as_of)


def _from_cache(options: HydrateOptions, cache: BlobCache) -> Recalled | None:
    found = cache.noted(_name(options))
    if found is None:
        return None
    note, confirmed = found
    with contextlib.suppress(Miss, KeyError, TypeError, ValueError, HashMismatch):
        document = unseal(note)
        if document["format"] != NOTE_FORMAT or document["server"] != options.server_name:
            return None
        identity = identity_of({**document, "tree": options.tree, "scope": options.scope})
        if identity.book_id != options.book_id:
            return None
        text = _text(cache, identity.manifest_hash)
        if text is None:
            return None
        return Recalled(identity, int(document["revision"]), parse(text, "hydrate"), text, moment(confirmed))
    return None


def _text(cache: BlobCache, manifest: Digest) -> bytes | None:
    with cache.opened(manifest) as file:
        if file is None:
            return None
        with open(file, "rb", closefd=False) as reader:
            text = reader.read()
    if digest_of(text) == manifest:
        return text
    cache.discard(manifest)
    return None


def remember(options: HydrateOptions, identity: Identity, revision: int, text: bytes, cache: BlobCache) -> None:
    """Keep what the server said just now, for a run that cannot ask it."""
    if cache.put_bytes(identity.manifest_hash, text):
        cache.note(_name(options), _note(options, identity, revision))


def renew(options: HydrateOptions, identity: Identity, revision: int, cache: BlobCache) -> bool:
    """The same where the text is kept already; False where it is not."""
    if cache.size(identity.manifest_hash) is None:
        return False
    cache.note(_name(options), _note(options, identity, revision))
    return True


def _note(options: HydrateOptions, identity: Identity, revision: int) -> bytes:
    note: dict[str, Any] = {
        "format": NOTE_FORMAT,
        "server": options.server_name,
        "book_id": identity.book_id,
        "manifest_hash": identity.manifest_hash,
        "store_id": identity.store_id,
        "incarnation": identity.incarnation,
        "numbering": identity.numbering,
        "revision": revision,
    }
    return seal(note)


def _name(options: HydrateOptions) -> str:
    return hashlib.sha256(f"{options.server_name}\n{options.book_id}".encode()).hexdigest()


def moment(seconds: float) -> str:
    """Seconds since 1970 as ``2026-11-20T12:00:00Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def missing_blobs(
    options: HydrateOptions, missing: Collection[Digest], files: int, cache: BlobCache
) -> ServerUnreachable:
    """The error for bytes that are neither in the folder nor in the cache; nothing of the tree was changed."""
    blobs = "1 blob is" if len(missing) == 1 else f"{len(missing)} blobs are"
    return ServerUnreachable(
        "hydrate", options.book_id, f"offline, and {blobs} neither in the folder nor in the cache {cache.folder} "
        f"(of {files} files to be written)",
        "Nothing was changed. Run it once without --offline; what is downloaded then is kept",
        book_id=options.book_id, missing=len(missing), digests=sorted(missing),
    )  # fmt: skip
