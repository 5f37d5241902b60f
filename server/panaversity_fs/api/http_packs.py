"""``POST /books/{b}/packs``: many blobs of one told manifest in one streamed answer (D12).

Knows the request and compression; does not authorise (the library refuses what the manifest does not name).
"""

import json

from starlette.requests import Request
from starlette.responses import Response

from panaversity_fs.api import limits
from panaversity_fs.api.callers import http_caller
from panaversity_fs.api.compression import compressed
from panaversity_fs.api.media import SAFETY_HEADERS
from panaversity_fs.api.negotiation import choose_encoding
from panaversity_fs.api.service import Service
from panaversity_fs.api.streaming import streamed, whole_body
from panaversity_fs.core.changes import MAX_OPERATIONS
from panaversity_fs.core.digest import Digest, parse_digest
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.pack import PACK_TYPE
from panaversity_fs.core.paths import require_book_id

_OPERATION = "get pack"


class PackRoutes:
    """The handler, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def post_pack(self, request: Request) -> Response:
        """Answer the blobs in the order asked, each named by its digest."""
        book_id = require_book_id(request.path_params["book_id"], _OPERATION)
        caller = http_caller(self._service, request, _OPERATION, mutating=False)
        manifest, digests = parse_pack_request(await whole_body(request, limits.PACK_REQUEST, _OPERATION))
        library = self._service.library
        blobs = await library.open_pack(book_id, manifest, digests, caller)
        encoding = choose_encoding(request.headers.get("Accept-Encoding"))
        headers = {**SAFETY_HEADERS, "Vary": "Accept-Encoding", "Cache-Control": "no-store"}
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        return streamed(compressed(library.stream_pack(blobs), encoding), 200, headers, PACK_TYPE)


def parse_pack_request(body: bytes) -> tuple[Digest, list[Digest]]:
    """``{"manifest": H, "digests": […]}``. Raises ``InvalidArgument``; a digest asked for twice is one too many."""
    try:
        asked = json.loads(body)
        manifest, digests = asked["manifest"], asked["digests"]
        if not isinstance(digests, list):
            raise TypeError("digests is not a list")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidArgument(
            _OPERATION, "body", "is not a pack request", 'Send {"manifest": digest, "digests": [digest, …]}',
            name="body", reason="is malformed",
        ) from None  # fmt: skip
    if len(digests) > MAX_OPERATIONS or len(set(map(str, digests))) != len(digests):
        raise InvalidArgument(
            _OPERATION, "digests", f"names a digest twice or more than {MAX_OPERATIONS}", "Ask for each one once",
            name="digests", reason="repeats itself or is too long",
        )  # fmt: skip
    return parse_digest(manifest, _OPERATION, "manifest"), [parse_digest(d, _OPERATION, "digests") for d in digests]
