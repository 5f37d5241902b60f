"""Long answers of MCP, compressed for clients that take gzip: plans of many files, and the text that comes along.

Knows the path of MCP; the data plane beside it chooses its own codings. gzip and not zstd, because every client has it
and the builder need not load anything for it.
"""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_WORTH = 8 * 1024
"""Bytes. A lesson is sooner sent than compressed."""
_LEVEL = 1
"""The quickest: the event loop does it, and text shrinks to a third anyway."""


class Gzipped:
    """ASGI middleware around everything; does nothing outside ``mcp_path``."""

    def __init__(self, app: ASGIApp, mcp_path: str) -> None:
        self._app, self._path = app, mcp_path
        self._compressing = GZipMiddleware(app, minimum_size=_WORTH, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._compressing if scope["type"] == "http" and scope["path"] == self._path else self._app
        await app(scope, receive, send)
