"""``GET /books/{b}/archive?scope=&manifest=&partial=``: a book as one ZIP file (DESIGN 8, FR-011..014).

Knows headers; does not know the form of an archive. The whole one has a known length, an entity tag made of manifest
and scope, and ranges, so a broken download goes on where it stopped; trouble cuts the connection. ``partial=true`` is
chunked instead. That it came out incomplete cannot be said in its headers, which leave first, nor in trailers, which
uvicorn does not send: it is said inside, by a last member ``errors.json`` and by the archive's comment.
"""

from typing import cast, get_args

from starlette.requests import Request
from starlette.responses import Response

from panaversity_fs.api.callers import http_caller
from panaversity_fs.api.media import SAFETY_HEADERS
from panaversity_fs.api.negotiation import Unsatisfiable, etag, none_match, parse_range
from panaversity_fs.api.noting import current_note
from panaversity_fs.api.refusals import as_response
from panaversity_fs.api.service import Service
from panaversity_fs.api.streaming import head_only, streamed
from panaversity_fs.core.digest import parse_digest, short
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library import Archive, Scope

_OPERATION = "get archive"
_ZIP = "application/zip"
WARNING_HEADER = "X-Panaversity-Warning"
_FOREVER, _FRESH = "private, max-age=31536000, immutable", "private, no-cache"


class ArchiveRoutes:
    """The handler, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get_archive(self, request: Request) -> Response:
        """200, 206, 304 or 416; for a book nobody created an empty archive with a warning header."""
        book_id = require_book_id(request.path_params["book_id"], _OPERATION)
        http_caller(self._service, request, _OPERATION, mutating=False)
        query = request.query_params
        scope = cast(Scope, one_of(query.get("scope", "all"), get_args(Scope), "scope"))
        told = parse_digest(query["manifest"], _OPERATION, "manifest") if "manifest" in query else None
        partial = one_of(query.get("partial", "false"), ("true", "false"), "partial") == "true"
        archive = await self._service.library.open_archive(book_id, scope, told)
        headers = _headers(book_id, archive, fixed=told is not None and not archive.warning)
        if partial:
            headers |= {"Accept-Ranges": "none", "Cache-Control": "no-store"}
            body = archive.partial(self._service.archive_seconds, current_note().left_out)
            return head_only(request, 200, headers, _ZIP) or streamed(body, 200, headers, _ZIP)
        return _whole(request, archive.require_whole(), headers)


def one_of(value: str, known: tuple[str, ...], name: str) -> str:
    """The value itself when it is one of those. Raises ``InvalidArgument``."""
    if value not in known:
        raise InvalidArgument(
            _OPERATION, name, f"is not one of {', '.join(known)}", "Give one of these", name=name, reason="is unknown"
        )
    return value


def _headers(book_id: str, archive: Archive, fixed: bool) -> dict[str, str]:
    name = f"{book_id}-{short(archive.manifest_hash)}-{archive.scope}.zip"
    headers = {
        **SAFETY_HEADERS,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": _FOREVER if fixed else _FRESH,
    }
    if archive.persisted:
        query = f"scope={archive.scope}&manifest={archive.manifest_hash}"
        headers["Content-Location"] = f"/books/{book_id}/archive?{query}"
    if archive.warning:
        headers[WARNING_HEADER] = archive.warning[0]
    return headers


def _whole(request: Request, archive: Archive, headers: dict[str, str]) -> Response:
    tag = etag(archive.identity)
    headers = {**headers, "ETag": tag, "Accept-Ranges": "bytes"}
    if none_match(request.headers.get("If-None-Match"), tag):
        return Response(status_code=304, headers=headers)
    try:
        span = parse_range(request.headers.get("Range"), request.headers.get("If-Range"), tag, archive.size)
    except Unsatisfiable:
        error = InvalidArgument(_OPERATION, "Range", "lies outside of the archive", "", name="Range", size=archive.size)
        response = as_response(error, 416)
        response.headers["Content-Range"] = f"bytes */{archive.size}"
        return response
    if span is None:
        headers["Content-Length"] = str(archive.size)
        return head_only(request, 200, headers, _ZIP) or streamed(archive.stream(), 200, headers, _ZIP)
    headers["Content-Length"] = str(span.end - span.start)
    headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{archive.size}"
    return head_only(request, 206, headers, _ZIP) or streamed(archive.stream(span.start, span.end), 206, headers, _ZIP)
