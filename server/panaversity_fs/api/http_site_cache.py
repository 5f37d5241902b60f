"""``GET`` and ``PUT /books/{b}/site-cache/{key}``: built sites for the team (DESIGN 8).

Knows the form of a request; does not know how sites are kept. A site travels as a pack of ``site.json`` and its bytes
under their digest. An answer is cut off, never ended, when its bytes turn out damaged on the way (P4).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panaversity_fs.api.callers import http_caller
from panaversity_fs.api.compression import Decoder
from panaversity_fs.api.media import SAFETY_HEADERS
from panaversity_fs.api.members import Member, members
from panaversity_fs.api.negotiation import etag
from panaversity_fs.api.service import Service
from panaversity_fs.api.streaming import body_chunks, declared_length, head_only, streamed, too_large
from panaversity_fs.core import pack
from panaversity_fs.core.digest import Digest, is_digest, parse_digest
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.core.site_meta import LONGEST_META, META_MEMBER, SiteMeta, parse_site_meta, site_pack_size
from panaversity_fs.library import Offer

_OPERATION = "site cache"


class SiteCacheRoutes:
    """The handlers, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get_site(self, request: Request) -> Response:
        """200 or 404; ``HEAD`` asks whether there is one without taking it."""
        book_id, key = _named(request)
        http_caller(self._service, request, _OPERATION, mutating=False)
        library = self._service.library
        site = await library.open_site(book_id, key)
        meta, row = site.meta.to_bytes(), site.row
        headers = {
            **SAFETY_HEADERS, "Cache-Control": "private, no-cache", "Content-Disposition": "attachment",
            "ETag": etag(row.sha256), "Content-Length": str(site_pack_size(meta, row.size)),
        }  # fmt: skip
        framed = _framed(meta, row.sha256, row.size, library.stream_site(site))
        return head_only(request, 200, headers, pack.PACK_TYPE) or streamed(framed, 200, headers, pack.PACK_TYPE)

    async def put_site(self, request: Request) -> Response:
        """201 for a site that is kept now, 200 where an equal one was, 409 where another one was (it stays)."""
        book_id, key = _named(request)
        caller = http_caller(self._service, request, _OPERATION, mutating=True)
        library = self._service.library
        limit = site_pack_size(bytes(LONGEST_META), library.site_quota) + pack.BLOCK
        declared_length(request, limit, _OPERATION)
        chunks = body_chunks(request, limit, _OPERATION)
        async with aclosing(_members(request, chunks)) as parts:
            meta = await _meta(parts, key)
            body = await anext(parts, None)
            if body is None or not is_digest(body.name):
                raise _unexpected("the second member is not named by its digest")
            offer = Offer(meta, Digest(body.name), body.size)
            site = await library.keep_site(book_id, offer, body.chunks(), caller)
        async for _ in chunks:  # or a sender whose site is here already meets a reset connection, not the answer
            pass
        answer = {"key": key, "output": site.row.output, "stored": site.new, "agent": site.row.agent_id}
        return JSONResponse(answer, 201 if site.new else 200, {"Cache-Control": "no-store"})


def _named(request: Request) -> tuple[str, Digest]:
    book_id = require_book_id(request.path_params["book_id"], _OPERATION)
    return book_id, parse_digest(request.path_params["key"], _OPERATION, "key")


def _members(request: Request, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Member]:
    decoder = Decoder(request.headers.get("Content-Encoding", ""), _OPERATION)
    return members(chunks, decoder, pack.PackReader(2, _OPERATION))


async def _meta(parts: AsyncIterator[Member], key: Digest) -> SiteMeta:
    """What the sender says of the site. Raises ``InvalidArgument`` where that is not what ``key`` stands for."""
    first = await anext(parts, None)
    if first is None or first.name != META_MEMBER:
        raise _unexpected(f"the first member is not {META_MEMBER}")
    if first.size > LONGEST_META:
        raise too_large(_OPERATION, first.size, LONGEST_META)
    meta = parse_site_meta(await first.read(), _OPERATION)
    if meta.key != key:
        raise _unexpected("the key document's digest is not the key of the request")
    return meta


async def _framed(meta: bytes, digest: Digest, size: int, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield pack.member(META_MEMBER, meta) + pack.header(digest, size)
    async for chunk in chunks:
        yield chunk
    yield pack.padding(size) + pack.END


def _unexpected(problem: str) -> InvalidArgument:
    hint = f"Send {META_MEMBER}, then the site under its digest"
    return InvalidArgument(_OPERATION, "pack", problem, hint, name="pack", reason=problem)
