"""Routes of told manifests: their canonical text, and who last wrote each path (DESIGN 5, 8).

Knows text and compression; does not know which manifests were told.
"""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panaversity_fs.api.callers import http_caller
from panaversity_fs.api.compression import compressed
from panaversity_fs.api.http_blobs import blob_named
from panaversity_fs.api.media import SAFETY_HEADERS
from panaversity_fs.api.negotiation import choose_encoding, etag, none_match
from panaversity_fs.api.service import Service
from panaversity_fs.api.streaming import head_only, streamed

_OPERATION = "get manifest"
_TEXT = "text/plain; charset=utf-8"
_WORTH_COMPRESSING = 1024


class ManifestRoutes:
    """The handlers, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get_text(self, request: Request) -> Response:
        """``GET /books/{b}/manifests/{digest}``: the text whose SHA-256 the digest is."""
        book_id, digest = blob_named(request, _OPERATION)
        http_caller(self._service, request, _OPERATION, mutating=False)
        text = await self._service.library.manifest_text(book_id, digest)
        headers = {**SAFETY_HEADERS, "ETag": etag(digest), "Vary": "Accept-Encoding"}
        headers["Cache-Control"] = "private, max-age=31536000, immutable"
        if none_match(request.headers.get("If-None-Match"), etag(digest)):
            return Response(status_code=304, headers=headers)
        encoding = choose_encoding(request.headers.get("Accept-Encoding"))
        if encoding == "identity" or len(text) < _WORTH_COMPRESSING:
            headers["Content-Length"] = str(len(text))
            return head_only(request, 200, headers, _TEXT) or streamed(_once(text), 200, headers, _TEXT)
        headers["Content-Encoding"] = encoding
        return head_only(request, 200, headers, _TEXT) or streamed(
            compressed(_once(text), encoding), 200, headers, _TEXT
        )

    async def get_metadata(self, request: Request) -> Response:
        """``…/metadata``: when and by which agent each path was last written."""
        book_id, digest = blob_named(request, _OPERATION)
        http_caller(self._service, request, _OPERATION, mutating=False)
        rows = await self._service.library.manifest_metadata(book_id, digest)
        files = {path: {"last_modified": when, "agent_id": agent} for path, (when, agent) in rows.items()}
        return JSONResponse({"manifest_hash": digest, "files": files}, headers={"Cache-Control": "no-store"})


async def _once(text: bytes) -> AsyncIterator[bytes]:
    yield text
