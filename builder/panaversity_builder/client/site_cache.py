"""The remote build cache as seen from here: built sites by the key of what went into them.

The seam ``SiteCache`` and its implementation over HTTP. A cache that is slow must not cost more than it saves: every
call is one attempt with a deadline of its own. Sites travel and are kept compressed; both ways bytes pass through in
pieces, an upload through a nameless file. Knows the wire and its bounds; does not know what a site or a document is.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import IO, Protocol

from panaversity_builder.client import packs
from panaversity_builder.client.answers import parse_json
from panaversity_builder.client.seam import Chunks
from panaversity_builder.client.transport import Patience, Response
from panaversity_fs.core import pack
from panaversity_fs.core.digest import Digest, is_digest
from panaversity_fs.core.errors import BookGone, HashMismatch, NotFound, TimedOut, TooLarge, Unavailable
from panaversity_fs.core.site_meta import LONGEST_META, META_MEMBER, SiteMeta, parse_site_meta, site_pack_size

OPERATION = "remote cache"
SILENCE_SECONDS = 10.0
"""How long the cache may say nothing at all."""
RATIO, RATIO_FREE = 100, 64 * 1024 * 1024
"""A site may unpack to this many times its size, beyond the first ``RATIO_FREE`` bytes (S23)."""


@dataclass(frozen=True, slots=True)
class FetchedSite:
    """A site on its way here: what is said of it, its size as it travels, and its unpacked bytes, to be read once."""

    meta: SiteMeta
    size: int
    chunks: Iterator[bytes]


class SiteCache(Protocol):
    """Keeps built sites for a team. Every method raises the types of ``core.errors``."""

    def fetch(self, book_id: str, key: Digest) -> AbstractContextManager[FetchedSite | None]:
        """The site kept under this key, None where there is none. The chunks can be read inside the context."""

    def store(self, book_id: str, meta: SiteMeta, chunks: Chunks, spool: str) -> bool:
        """Offer a site; False where an equal one is kept already. ``spool`` is a folder for bytes on their way.

        Raises ``Conflict`` where another one is kept, ``Forbidden`` or ``Unauthenticated`` for a token that may not.
        """


Exchange = Callable[..., AbstractContextManager[Response]]
"""One HTTP request: its good answer unread, the typed error of any other (see ``http.Client``)."""


class HttpSiteCache:
    """The site cache of one server. ``seconds`` is how long one transfer may take."""

    def __init__(
        self,
        exchange: Exchange,
        raw: Callable[[str, Response], Iterator[bytes]],
        counted: Callable[[Iterator[bytes]], Iterator[bytes]],
        address: str,
        seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._exchange, self._raw, self._counted = exchange, raw, counted
        self._address, self._seconds, self._clock = address, seconds, clock

    @contextmanager
    def fetch(self, book_id: str, key: Digest) -> Iterator[FetchedSite | None]:
        """See ``SiteCache.fetch``."""
        deadline = self._clock() + self._seconds
        with ExitStack() as stack:
            try:
                headers = {"Accept-Encoding": "identity"}
                answer = self._exchange(OPERATION, "GET", _path(book_id, key), headers, patience=self._patience())
                response = stack.enter_context(answer)
            except (NotFound, BookGone) as missing:
                if missing.details.get("kind") == "route":  # a server without a cache is not asked to keep anything
                    raise
                yield None
                return
            yield read_site(self._in_time(self._raw(OPERATION, response), deadline), key)

    def store(self, book_id: str, meta: SiteMeta, chunks: Chunks, spool: str) -> bool:
        """See ``SiteCache.store``."""
        with tempfile.TemporaryFile(dir=spool) as file:
            size, digest = _compressed(chunks(), file)
            file.seek(0)
            head = meta.to_bytes()
            body = self._in_time(_framed(head, digest, size, file), self._clock() + self._seconds)
            headers = {"Content-Type": pack.PACK_TYPE, "Content-Length": str(site_pack_size(head, size))}
            put = self._exchange(
                OPERATION,
                "PUT",
                _path(book_id, meta.key),
                headers,
                content=self._counted(body),
                patience=self._patience(),
            )
            with put as response:
                answer = parse_json(OPERATION, self._address, b"".join(self._raw(OPERATION, response)))
        return answer.get("stored") is True

    def _patience(self) -> Patience:
        silence = min(self._seconds, SILENCE_SECONDS)
        return Patience(silence, min(silence, 5.0))

    def _in_time(self, chunks: Iterator[bytes], deadline: float) -> Iterator[bytes]:
        for chunk in chunks:
            if self._clock() > deadline:
                problem = f"is not done after {self._seconds:g} s"
                raise TimedOut(
                    OPERATION, self._address, problem, "Raise PANAVERSITY_REMOTE_CACHE_TIMEOUT if it is worth it"
                )
            yield chunk


def read_site(chunks: Iterator[bytes], key: Digest) -> FetchedSite:
    """A site out of the bytes of an answer. Raises ``HashMismatch`` for one that is not what ``key`` stands for."""
    reader = pack.PackReader(2, OPERATION)
    events = (event for chunk in chunks for event in reader.feed(chunk))
    begin = _begun(events)
    if begin.name != META_MEMBER or begin.size > LONGEST_META:
        raise wrong("it does not begin with what is said of it")
    meta = parse_site_meta(b"".join(packs.member_bytes(events, _cut_off)), OPERATION)
    if meta.key != key:
        raise wrong("it was built from another key document")
    site = _begun(events)
    if not is_digest(site.name):
        raise wrong("it has no digest")
    return FetchedSite(meta, site.size, _unpacked(_whole(packs.member_bytes(events, _cut_off), site), site.size))


def _begun(events: Iterator[pack.Event]) -> pack.Begin:
    begin = next(events, None)
    if not isinstance(begin, pack.Begin):
        raise _cut_off()
    return begin


def _whole(chunks: Iterator[bytes], site: pack.Begin) -> Iterator[bytes]:
    """The same bytes; other ones than their name says end in ``HashMismatch``."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != site.name:
        raise wrong("its bytes have another digest")


def _unpacked(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The decompressed bytes, never more than a site of this size may make."""
    made, most = 0, RATIO_FREE + RATIO * size
    for piece in packs.unzstd(chunks):
        made += len(piece)
        if made > most:
            raise TooLarge(OPERATION, "site", f"it unpacks to more than {RATIO} times its size", "", limit=most)
        yield piece
    for _ in chunks:  # whatever stands behind the end of the compressed bytes belongs to their digest
        pass


def _compressed(chunks: Iterator[bytes], file: IO[bytes]) -> tuple[int, Digest]:
    """Write the compressed bytes; their size and digest. Equal bytes give equal ones."""
    digest, made = hashlib.sha256(), 0
    for piece in packs.zstd(chunks):
        digest.update(piece)
        made += len(piece)
        file.write(piece)
    return made, Digest(digest.hexdigest())


def _framed(meta: bytes, digest: Digest, size: int, file: IO[bytes]) -> Iterator[bytes]:
    yield pack.member(META_MEMBER, meta) + pack.header(digest, size)
    while piece := file.read(packs.PIECE):
        yield piece
    yield pack.padding(size) + pack.END


def _path(book_id: str, key: Digest) -> str:
    return f"/books/{book_id}/site-cache/{key}"


def wrong(problem: str) -> HashMismatch:
    """The error for a site that is not what was promised."""
    return HashMismatch(OPERATION, "site", problem, "It is built here instead")


def _cut_off() -> Unavailable:
    return Unavailable(OPERATION, "site", "the connection ended in the middle of it", "It is built here instead")
