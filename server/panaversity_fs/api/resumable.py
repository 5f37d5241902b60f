"""Uploads that go on: the headers of a PUT in parts, and the question how far one came (DESIGN 8).

``Upload-Length`` makes a PUT resumable and says how long the whole blob is, ``Upload-Offset`` where this body begins
(0 when left out). A body that ends early, or a connection that breaks, leaves what was received; ``GET`` or ``HEAD`` of
``/books/{b}/uploads/{digest}`` answers its length as ``Upload-Offset``, and the next PUT goes on there. Knows headers
and statuses; does not know how bytes wait (``library.resuming``).
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panaversity_fs.api import limits
from panaversity_fs.api.callers import http_caller
from panaversity_fs.api.service import Service
from panaversity_fs.api.streaming import body_chunks, too_large
from panaversity_fs.core.digest import Digest, parse_digest
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library import Caller

LENGTH, OFFSET = "Upload-Length", "Upload-Offset"
_FRESH = {"Cache-Control": "no-store"}
_OPERATION = "put blob"


class UploadRoutes:
    """The handler, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get_upload(self, request: Request) -> Response:
        """``GET /books/{b}/uploads/{digest}``: how many bytes of one's own upload wait for the rest; 0 for none."""
        operation = "get upload"
        book_id = require_book_id(request.path_params["book_id"], operation)
        digest = parse_digest(request.path_params["digest"], operation)
        caller = http_caller(self._service, request, operation, mutating=True)
        return _progress(await self._service.library.upload_offset(book_id, digest, caller), 200)


def is_resumable(request: Request) -> bool:
    """True for a PUT that may be one of several."""
    return LENGTH in request.headers or OFFSET in request.headers


async def put_part(service: Service, request: Request, book_id: str, digest: Digest, caller: Caller) -> Response:
    """Take the body: 201 when the blob is whole, 202 while bytes are missing. Raises ``Conflict`` for a body that
    begins elsewhere than where the last one ended; its ``offset`` says where that is."""
    total, at = _number(request, LENGTH, None), _number(request, OFFSET, 0)
    if total > limits.BLOB:
        raise too_large(_OPERATION, total, limits.BLOB)
    chunks = body_chunks(request, limits.BLOB, _OPERATION)
    async with service.library.room(book_id, _OPERATION, {digest: total}):
        received = await service.library.resume_blob(book_id, digest, caller, at, total, chunks)
    if not received.done:
        return _progress(received.offset, 202)
    return JSONResponse({"sha256": digest, "size": total}, 201, _FRESH)


def _progress(offset: int, status: int) -> Response:
    return JSONResponse({"offset": offset}, status, {**_FRESH, OFFSET: str(offset)})


def _number(request: Request, name: str, default: int | None) -> int:
    """A header's number of bytes. Raises ``InvalidArgument`` for one that is none, or missing without a default."""
    text = request.headers.get(name)
    if text is None and default is not None:
        return default
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 20):
        reason = "is required" if text is None else "is not a number of bytes"
        raise InvalidArgument(_OPERATION, name, reason, "Send the length of the whole blob", name=name, reason=reason)
    return int(text)
