"""Who calls: reads the claims of an MCP call or an HTTP request and has ``identity`` decide.

Knows where each door keeps its claims; does not decide between them.
"""

from collections.abc import Mapping

from fastmcp import Context
from starlette.requests import Request

from panaversity_fs.api.identity import Claims, decide_agent, require_agent
from panaversity_fs.api.service import Service
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.library import Caller

AGENT_HEADER = "X-Panaversity-Agent"
SUBJECT = "local"
"""Everybody, while authentication is off."""


def mcp_caller(service: Service, ctx: Context, operation: str, *, mutating: bool) -> Caller:
    """The caller of a tool. Raises ``AgentRequired`` (mutating tools only) and ``InvalidArgument``."""
    return _caller(_mcp_claims(service, ctx, operation), operation, mutating)


def http_caller(service: Service, request: Request, operation: str, *, mutating: bool) -> Caller:
    """The caller of a data-plane route. Raises as ``mcp_caller`` does."""
    claims = Claims(header=_header(request, operation), server=service.server_agent)
    return _caller(claims, operation, mutating)


def _caller(claims: Claims, operation: str, mutating: bool) -> Caller:
    decide = require_agent if mutating else decide_agent
    return Caller(subject=SUBJECT, agent=decide(claims, operation))


def _mcp_claims(service: Service, ctx: Context, operation: str) -> Claims:
    context = ctx.request_context
    if context is None:
        return Claims(server=service.server_agent)
    meta = context.meta or {}
    request = context.request
    return Claims(
        meta=meta.get("agent_id"),
        header=_header(request, operation) if isinstance(request, Request) else None,
        client=_client_name(meta, getattr(context.session, "client_params", None)),
        server=service.server_agent,
    )


def _client_name(meta: Mapping[str, object], params: object) -> str | None:
    """Modern clients name themselves in every call, older ones once a session."""
    named = meta.get("io.modelcontextprotocol/clientInfo")
    if isinstance(named, Mapping) and isinstance(named.get("name"), str):
        return str(named["name"])
    name = getattr(getattr(params, "client_info", None), "name", None)
    return name if isinstance(name, str) else None


def _header(request: Request, operation: str) -> str | None:
    """Header text is UTF-8 here; the framework hands it out as Latin-1."""
    value = request.headers.get(AGENT_HEADER)
    if value is None:
        return None
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise InvalidArgument(
            operation, "agent_id", "is not UTF-8", "Give one line of text", name="agent_id", reason="is not UTF-8"
        ) from None


def base_url(service: Service, ctx: Context) -> str | None:
    """The data plane as this caller reaches it: the public URL, else the (checked) Host it called, else None."""
    if service.public_url:
        return service.public_url
    request = ctx.request_context.request if ctx.request_context else None
    return f"{request.url.scheme}://{request.url.netloc}" if isinstance(request, Request) else None
