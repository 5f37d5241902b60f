"""Getting the bytes: small blobs together in packs, large ones alone and resumed, asking again only for what lacks.

Knows the server's seam, the shared cache and the staging folder; does not know paths or what the bytes are for.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.hydrate.folder import CHUNK
from panaversity_builder.book.hydrate.staging import Staging
from panaversity_builder.client import LARGE, Server
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest, short
from panaversity_fs.core.errors import HashMismatch, Unavailable

T = TypeVar("T")

Wanted = Mapping[Digest, int | None]
"""Digests with their sizes in bytes; None where the plan was too long to tell: such a blob comes in a pack."""

PACK_DIGESTS = 50_000
"""Most blobs asked for in one request."""


def fetch(
    server: Server,
    book_id: str,
    manifest: Digest,
    wanted: Wanted,
    staging: Staging,
    progress: Progress,
    keep: Callable[[Digest], None] = lambda _: None,
) -> int:
    """Bring every wanted digest into staging; answers how many had to be downloaded.

    ``keep`` is told of each as it is here, while the rest is still on its way. Raises ``ServerUnreachable`` after three
    attempts; what arrived stays staged for the next run.
    """
    missing = {digest: size for digest, size in wanted.items() if digest not in staging.held}
    if not missing:
        return 0
    progress.start("downloading", sum(size or 0 for size in missing.values()), "bytes")
    try:
        large = {digest: size for digest, size in missing.items() if size is not None and size > LARGE}
        small = sorted(missing.keys() - large.keys())
        for start in range(0, len(small), PACK_DIGESTS):
            _fetch_pack(
                server, book_id, manifest, small[start : start + PACK_DIGESTS], missing, staging, progress, keep
            )
        for digest, size in sorted(large.items()):
            _fetch_large(server, book_id, manifest, digest, size, staging, progress)
            keep(digest)
    finally:
        progress.finish()
    return len(missing)


def take_from_cache(cache: BlobCache, wanted: Wanted, staging: Staging, progress: Progress) -> int:
    """Stage what the shared cache has, hashed on its way like everything else; answers how many blobs it had."""
    if cache.empty:
        return 0
    lacking = [digest for digest in sorted(wanted) if digest not in staging.held]
    taken = 0
    for digest in lacking:
        with cache.opened(digest) as file:
            if file is None:
                continue
            try:
                size = os.fstat(file).st_size
                staging.take(digest, size, _read(file))
                taken += 1
            except Unavailable:
                progress.note(f"the cached blob {short(digest)} was damaged and is removed")
                cache.discard(digest)
    return taken


def take_texts(texts: Mapping[Digest, bytes], wanted: Wanted, staging: Staging) -> set[Digest]:
    """Stage what came along with the plan; answers what was taken. Bytes that are not what they are called are left to
    be asked for, which is where a server's faults are told."""
    taken = set()
    for digest in (texts.keys() & wanted.keys()) - staging.held.keys():
        with contextlib.suppress(Unavailable):
            staging.take(digest, len(texts[digest]), [texts[digest]])
            taken.add(digest)
    return taken


def _read(file: int) -> Iterator[bytes]:
    """The bytes of a cached blob. A cache that cannot be read is damaged, and not an error of the output folder."""
    try:
        while chunk := os.read(file, CHUNK):
            yield chunk
    except OSError as fault:
        raise Unavailable("hydrate", "cache", f"cannot be read: {fault.strerror}") from fault


def _fetch_pack(
    server: Server,
    book_id: str,
    manifest: Digest,
    digests: Sequence[Digest],
    sizes: Wanted,
    staging: Staging,
    progress: Progress,
    keep: Callable[[Digest], None],
) -> None:
    for attempt in server.attempts():
        with attempt:
            lacking = [digest for digest in digests if digest not in staging.held]
            try:
                with _closed(server.fetch_pack(book_id, manifest, lacking) if lacking else iter(())) as members:
                    for digest, size, chunks in members:
                        if digest not in sizes or sizes[digest] not in (None, size):
                            raise _unasked(digest)
                        staging.take(digest, size, chunks)
                        keep(digest)
                        progress.advance(size)
            except HashMismatch as damage:
                raise Unavailable(damage.operation, damage.subject, damage.problem, damage.hint) from damage
            if any(digest not in staging.held for digest in lacking):
                raise Unavailable("hydrate", "pack", "lacks blobs that were asked for", "Try again")


def _fetch_large(
    server: Server, book_id: str, manifest: Digest, digest: Digest, size: int, staging: Staging, progress: Progress
) -> None:
    told = 0
    for attempt in server.attempts():
        with attempt:
            if staging.part_size(digest) > size:
                staging.discard_part(digest)
            start = staging.part_size(digest)
            progress.advance(max(0, start - told))
            told = max(told, start)
            try:
                asked = server.fetch_blob(book_id, manifest, digest, start, size) if start < size else iter(())
                with _closed(asked) as rest:
                    staging.grow(digest, size, rest)
            except HashMismatch as damage:
                staging.discard_part(digest)
                raise Unavailable(damage.operation, damage.subject, damage.problem, damage.hint) from damage
            progress.advance(size - told)


@contextlib.contextmanager
def _closed(stream: Iterator[T]) -> Iterator[Iterator[T]]:
    """Let go of the connection at once: an exception under way would keep the stream alive."""
    try:
        yield stream
    finally:
        close = getattr(stream, "close", None)
        if close:
            close()


def _unasked(digest: Digest) -> Unavailable:
    return Unavailable("hydrate", short(digest), "came in a pack unasked or with another size", "Try again")
