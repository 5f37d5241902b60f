"""Who calls: reads the claims of an MCP call or an HTTP request and has ``identity`` decide.

Knows where each door keeps its claims; does not decide between them.
"""

from collections.abc import Mapping

from fastmcp import Context
from starlette.requests import Request

from panaversity_fs.api.auth import Principal, principal_of
from panaversity_fs.api.auth_scopes import OVERLAY_ADMIN, READ
from panaversity_fs.api.identity import Claims, decide_agent, require_agent
from panaversity_fs.api.noting import current_note
from panaversity_fs.api.permissions import require_own
from panaversity_fs.api.service import Service
from panaversity_fs.core.errors import Forbidden, InvalidArgument
from panaversity_fs.core.paths import BASE, require_user_id
from panaversity_fs.library import Caller

AGENT_HEADER = "X-Panaversity-Agent"


def mcp_caller(service: Service, ctx: Context, operation: str, *, mutating: bool) -> Caller:
    """The caller of a tool. Raises ``AgentRequired`` (mutating tools only) and ``InvalidArgument``."""
    principal = mcp_principal(ctx)
    return _caller(principal, _mcp_claims(service, ctx, principal, operation), operation, mutating)


def mcp_principal(ctx: Context) -> Principal:
    """Whose call this is. Raises ``Unauthenticated`` for a request that no gate let in."""
    return principal_of(_request(ctx))


def http_caller(service: Service, request: Request, operation: str, *, mutating: bool) -> Caller:
    """The caller of a data-plane route. Raises as ``mcp_caller`` does."""
    principal = principal_of(request)
    claims = Claims(token=principal.agent, header=_header(request, operation), server=service.server_agent)
    return _caller(principal, claims, operation, mutating)


def resolve_user(_service: Service, ctx: Context, user_id: str | None, operation: str) -> str:
    """The namespace a tool's call means: the base when it names no user. Whose overlay a caller may use was judged
    before the call came here, and is again: while authentication is off, anybody's.

    Raises ``InvalidArgument`` (sentinels) and ``NotFound`` for somebody else's overlay, whether or not it exists (S12).
    """
    if user_id is None:
        return BASE
    require_own(mcp_principal(ctx), user_id, operation)
    return require_user_id(user_id, operation)


def may_read(ctx: Context, book_id: str) -> bool:
    """True when the caller of a tool may know of this book at all: lists leave the others out (S9)."""
    return mcp_principal(ctx).grants.may(book_id, READ)


def require_overlays(ctx: Context, operation: str) -> None:
    """Raise ``Forbidden`` unless the caller of a tool may see what every user did in his overlay."""
    if not mcp_principal(ctx).grants.overlays:
        problem = f"insufficient scope (required: {OVERLAY_ADMIN})"
        raise Forbidden(operation, "overlays", problem, "Ask for a token with this scope", scopes=[OVERLAY_ADMIN])


def _caller(principal: Principal, claims: Claims, operation: str, mutating: bool) -> Caller:
    decide = require_agent if mutating else decide_agent
    agent = current_note().agent = decide(claims, operation)
    return Caller(subject=principal.subject, agent=agent)


def _request(ctx: Context) -> Request | None:
    """The HTTP request a call came in; None over stdio and in memory."""
    request = ctx.request_context.request if ctx.request_context else None
    return request if isinstance(request, Request) else None


def _mcp_claims(service: Service, ctx: Context, principal: Principal, operation: str) -> Claims:
    context, request = ctx.request_context, _request(ctx)
    if context is None:
        return Claims(server=service.server_agent)
    meta = context.meta or {}
    return Claims(
        token=principal.agent,
        meta=meta.get("agent_id"),
        header=_header(request, operation) if request is not None else None,
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
    request = _request(ctx)
    return f"{request.url.scheme}://{request.url.netloc}" if request is not None else None
