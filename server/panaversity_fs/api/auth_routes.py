"""The data plane behind the authorisation table, and the metadata that tells clients where tokens come from.

Knows routes by method and path; decides nothing itself (``permissions`` does).
"""

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panaversity_fs.api.auth import principal_of
from panaversity_fs.api.auth_gate import base_of
from panaversity_fs.api.permissions import METADATA_PATH, ROUTES, authorise

Handler = Callable[[Request], Awaitable[Response]]

_LEVELS = ["book:*:read", "book:*:write", "book:*:admin", "book:*:site-cache", "overlay:admin"]


def permitted(method: str, path: str, handler: Handler) -> Handler:
    """The handler behind its row of the table: nothing of a request reaches it before the row let the caller pass."""
    rule = ROUTES.get((method, path))

    async def guarded(request: Request) -> Response:
        operation = f"{request.method} {path}"
        users = request.query_params.getlist("user_id")
        authorise(rule, principal_of(request), operation, request.path_params.get("book_id"), users)
        return await handler(request)

    return guarded


def metadata_routes(issuers: Sequence[str], public_url: str | None) -> list[tuple[str, str, Handler]]:
    """The protected resource metadata (RFC 9728), at its own path and at the bare one that older clients ask for."""

    async def metadata(request: Request) -> Response:
        body = {
            "resource": f"{base_of(request.scope, public_url)}/mcp",
            "authorization_servers": list(issuers),
            "scopes_supported": _LEVELS,
            "bearer_methods_supported": ["header"],
            "resource_name": "PanaversityFS",
        }
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    return [("GET", path, metadata) for path in (METADATA_PATH, METADATA_PATH + "/mcp")]
