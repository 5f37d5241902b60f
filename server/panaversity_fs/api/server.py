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

from panaversity_fs.api.accesses import Accesses
from panaversity_fs.api.auth_gate import Access, Gate
from panaversity_fs.api.auth_middleware import Permissions
from panaversity_fs.api.auth_routes import metadata_routes, permitted
from panaversity_fs.api.edge import Edge, on_http_exception
from panaversity_fs.api.gzipped import Gzipped
from panaversity_fs.api.hosts import HostRule
from panaversity_fs.api.http import data_plane
from panaversity_fs.api.http_metrics import Routes, Watch
from panaversity_fs.api.middleware import Refusals, quieten
from panaversity_fs.api.noting import ANSWERED_CODES
from panaversity_fs.api.prompts import register_prompts
from panaversity_fs.api.resources import register_resources
from panaversity_fs.api.service import Service
from panaversity_fs.api.tool_metrics import DOOR, METHODS, WatchedCalls
from panaversity_fs.api.tools_archive import register_archive
from panaversity_fs.api.tools_assets import register_assets
from panaversity_fs.api.tools_audit import register_audit
from panaversity_fs.api.tools_books import register_books
from panaversity_fs.api.tools_care_of_books import register_care
from panaversity_fs.api.tools_edit import register_editing
from panaversity_fs.api.tools_history import register_history
from panaversity_fs.api.tools_read import register_reading
from panaversity_fs.api.tools_search import register_search
from panaversity_fs.api.tools_write import register_writing

TOOLS = (
    register_reading,
    register_writing,
    register_assets,
    register_books,
    register_audit,
    register_archive,
    register_search,
    register_prompts,
    register_resources,
    register_care,
    register_editing,
    register_history,
)
"""What adds the tools, one a subject."""

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
            tools = await mcp.list_tools(run_middleware=False)
            service.metrics.expect(DOOR, [*(tool.name for tool in tools), *METHODS])
            yield {}

    quieten()
    mcp = _Stateless(
        "panaversity-fs",
        instructions=INSTRUCTIONS,
        version=service.version,
        lifespan=lifespan,
        middleware=[WatchedCalls(service.metrics), Accesses(service), Refusals(), Permissions()],
        on_duplicate="error",
        mask_error_details=True,
    )
    for register in TOOLS:
        register(mcp, service)
    return mcp


def http_app(service: Service, rule: HostRule, access: Access | None = None) -> StarletteWithLifespan:
    """The whole server as one ASGI app: MCP at ``/mcp``, the data plane beside it, gate and edge around both.

    Without ``access`` authentication is off.
    """
    access = access or Access()
    mcp = mcp_server(service)
    table = data_plane(service)
    if access.judge is not None:
        table += metadata_routes(access.issuers, service.public_url)
    routes = Routes([(method, path) for method, path, _ in table], MCP_PATH)
    service.metrics.expect("http", routes.names)
    service.metrics.expect_codes(ANSWERED_CODES)
    for method, path, handler in table:
        mcp.custom_route(path, methods=[method])(permitted(method, path, handler))
    app = mcp.http_app(
        path=MCP_PATH,
        stateless_http=True,
        json_response=True,
        # The edge checks Host and Origin itself, and wants our port where the framework takes any.
        host_origin_protection=False,
        middleware=[
            Middleware(Watch, service=service, routes=routes),
            Middleware(Edge, rule=rule, mcp_path=MCP_PATH, patience=access.patience),
            Middleware(Gate, access=access, public_url=service.public_url),
            Middleware(Gzipped, mcp_path=MCP_PATH),
        ],
    )
    app.add_exception_handler(HTTPException, on_http_exception)
    return app
