"""Routes of single blobs and of current files: GET with ranges, PUT streaming (DESIGN 8, S14, S25).

Knows headers; does not decide who may read what (the library does) nor where bytes lie.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panaversity_fs.api import limits
from panaversity_fs.api.callers import http_caller
from panaversity_fs.api.media import SAFETY_HEADERS, UNKNOWN, may_show, media_type
from panaversity_fs.api.negotiation import Unsatisfiable, etag, none_match, parse_range
from panaversity_fs.api.refusals import as_response
from panaversity_fs.api.resumable import is_resumable, put_part
from panaversity_fs.api.service import Service
from panaversity_fs.api.streaming import body_chunks, declared_length, head_only, streamed
from panaversity_fs.core.digest import Digest, parse_digest
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id, require_path
from panaversity_fs.library import Blob

_FOREVER = "private, max-age=31536000, immutable"
_LINK_SECONDS = 900
"""How long a redirect may be followed; what began until then may end later."""


class BlobRoutes:
    """The handlers, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get_blob(self, request: Request) -> Response:
        """``GET /books/{b}/blobs/{digest}?manifest=H``: 200, 206, 304 or 416."""
        operation = "get blob"
        book_id, digest = blob_named(request, operation)
        manifest = request.query_params.get("manifest")
        told = parse_digest(manifest, operation, "manifest") if manifest is not None else None
        caller = http_caller(self._service, request, operation, mutating=False)
        blob = await self._service.library.open_blob(book_id, digest, caller, manifest=told)
        headers = {"Cache-Control": _FOREVER, "Content-Disposition": "attachment"}
        return await self._elsewhere(request, blob, digest) or _answer(request, blob, digest, headers, UNKNOWN)

    async def _elsewhere(self, request: Request, blob: Blob, digest: Digest) -> Response | None:
        """307 to the medium itself, where that is wanted for blobs of this size; ranges are asked for there."""
        least = self._service.presign
        known = none_match(request.headers.get("If-None-Match"), etag(digest))
        if not least or blob.size < least or request.method != "GET" or known:
            return None
        link = await blob.link(_LINK_SECONDS)
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return Response(status_code=307, headers={**headers, "Location": link}) if link else None

    async def put_blob(self, request: Request) -> Response:
        """``PUT /books/{b}/blobs/{digest}``: always 201, so that an upload does not tell what others hold (S14)."""
        operation = "put blob"
        book_id, digest = blob_named(request, operation)
        caller = http_caller(self._service, request, operation, mutating=True)
        if is_resumable(request):
            return await put_part(self._service, request, book_id, digest, caller)
        length = declared_length(request, limits.BLOB, operation)
        chunks = body_chunks(request, limits.BLOB, operation)
        async with self._service.library.room(book_id, operation, {digest: length} if length else None) as room:
            if length is None:
                chunks = room.metered(chunks)
            size = await self._service.library.put_blob(book_id, digest, caller, chunks, length)
        return JSONResponse({"sha256": digest, "size": size}, 201, {"Cache-Control": "no-store"})

    async def get_file(self, request: Request) -> Response:
        """``GET /books/{b}/files/{path}``: the current bytes of a path, for sites."""
        operation = "get file"
        book_id = require_book_id(request.path_params["book_id"], operation)
        path = require_path(request.path_params["path"], operation)
        caller = http_caller(self._service, request, operation, mutating=False)
        entry = await self._service.library.entry(book_id, path)
        blob = await self._service.library.open_blob(book_id, entry.sha256, caller)
        headers = {"Cache-Control": "no-cache"}
        if not may_show(path):
            headers["Content-Disposition"] = "attachment"
        return _answer(request, blob, entry.sha256, headers, media_type(path))


def blob_named(request: Request, operation: str) -> tuple[str, Digest]:
    """The book and digest in the URL. Raises ``InvalidArgument``."""
    book_id = require_book_id(request.path_params["book_id"], operation)
    return book_id, parse_digest(request.path_params["digest"], operation)


def _answer(request: Request, blob: Blob, digest: Digest, more: dict[str, str], kind: str) -> Response:
    tag = etag(digest)
    headers = {**more, **SAFETY_HEADERS, "ETag": tag, "Accept-Ranges": "bytes"}
    if none_match(request.headers.get("If-None-Match"), tag):
        return Response(status_code=304, headers=headers)
    try:
        span = parse_range(request.headers.get("Range"), request.headers.get("If-Range"), tag, blob.size)
    except Unsatisfiable:
        error = InvalidArgument("get", "Range", "lies outside of the blob", "", name="Range", size=blob.size)
        response = as_response(error, 416)
        response.headers["Content-Range"] = f"bytes */{blob.size}"
        return response
    if span is None:
        headers["Content-Length"] = str(blob.size)
        return head_only(request, 200, headers, kind) or streamed(blob.stream(), 200, headers, kind)
    headers["Content-Length"] = str(span.end - span.start)
    headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{blob.size}"
    return head_only(request, 206, headers, kind) or streamed(blob.stream(span.start, span.end), 206, headers, kind)
