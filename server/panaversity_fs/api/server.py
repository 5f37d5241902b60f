"""The MCP server and its HTTP app, put together from tools, routes, middleware and the edge.

Knows which piece goes where; does not know settings, sockets or processes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.http import StarletteWithLifespan
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from panaversity_fs.api.edge import Edge, on_http_exception
from panaversity_fs.api.hosts import HostRule
from panaversity_fs.api.http import data_plane
from panaversity_fs.api.middleware import Refusals, quieten
from panaversity_fs.api.service import Service
from panaversity_fs.api.tools_assets import register_assets
from panaversity_fs.api.tools_books import register_books
from panaversity_fs.api.tools_read import register_reading
from panaversity_fs.api.tools_write import register_writing

MCP_PATH = "/mcp"

INSTRUCTIONS = """Stores Docusaurus books. Read a lesson before you change it and pass its file_hash_sha256 as
expected_hash. On CONFLICT read again and repeat your edit on the new text. Name yourself in _meta.agent_id."""


class _NoState:
    """What a stateless server remembers of a session."""

    async def get(self, **_: object) -> None:
        return None


class _Stateless(FastMCP):
    """Every look-up of a tool asks the session's state for rules of visibility. Ours has none, and importing the
    framework's store for it would cost the first call of each process a quarter of a second."""

    @property
    def _state_store(self) -> Any:
        return _NoState()


def mcp_server(service: Service) -> FastMCP:
    """The server with every tool; its lifespan keeps the library open."""

    @asynccontextmanager
    async def lifespan(_: FastMCP) -> AsyncIterator[dict[str, object]]:
        async with service.opened():
            yield {}

    quieten()
    mcp = _Stateless(
        "panaversity-fs",
        instructions=INSTRUCTIONS,
        version=service.version,
        lifespan=lifespan,
        middleware=[Refusals()],
        on_duplicate="error",
        mask_error_details=True,
    )
    for register in (register_reading, register_writing, register_assets, register_books):
        register(mcp, service)
    return mcp


def http_app(service: Service, rule: HostRule) -> StarletteWithLifespan:
    """The whole server as one ASGI app: MCP at ``/mcp``, the data plane beside it, the edge around both."""
    mcp = mcp_server(service)
    for method, path, handler in data_plane(service):
        mcp.custom_route(path, methods=[method])(handler)
    app = mcp.http_app(
        path=MCP_PATH,
        stateless_http=True,
        json_response=True,
        # The edge checks Host and Origin itself, and wants our port where the framework takes any.
        host_origin_protection=False,
        middleware=[Middleware(Edge, rule=rule, mcp_path=MCP_PATH)],
    )
    app.add_exception_handler(HTTPException, on_http_exception)
    return app
