"""MCP behind the authorisation table: calls are judged before arguments reach a tool, lists show what may be used.

Knows MCP messages; decides nothing itself (``permissions`` does).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from fastmcp.exceptions import NotFoundError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams
from starlette.requests import Request

from panaversity_fs.api.auth import LOCAL, Principal, principal_of
from panaversity_fs.api.permissions import METHODS, PROMPTS, RESOURCES, TOOLS, authorise, visible
from panaversity_fs.core.errors import PanaversityError

METHOD_NOT_FOUND, _REFUSED = -32601, -32003
_BOOK_URI = re.compile(r"book://([^/?#]*)(?:[/?#].*)?", re.DOTALL)
Item = TypeVar("Item")


class Permissions(Middleware):
    """Stands inside ``Refusals``, which has unwrapped the arguments and turns what is raised here into answers."""

    async def on_request(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        if context.method not in METHODS and _caller(context) is not LOCAL:
            raise MCPError(METHOD_NOT_FOUND, "Method not found")
        return await call_next(context)

    async def on_call_tool(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, ToolResult]
    ) -> ToolResult:
        principal, call = _caller(context), context.message
        if principal is not LOCAL:
            rule, arguments = TOOLS.get(call.name), call.arguments or {}
            if rule is None:
                raise NotFoundError(call.name)
            authorise(rule, principal, call.name, arguments.get("book_id"), [arguments.get("user_id")])
        return await call_next(context)

    async def on_read_resource(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        principal, uri = _caller(context), str(context.message.uri)
        try:
            if principal is not LOCAL:
                with _hidden():
                    _judge_uri(principal, uri)
            return await call_next(context)
        except MCPError as refused:
            if refused.error.code != INVALID_PARAMS:
                raise
            # Forbidden and absent are one answer, down to the spelling of the URI.
            raise MCPError(INVALID_PARAMS, f"Resource not found: {uri!r}", {"uri": uri}) from None

    async def on_get_prompt(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        with _answered():
            authorise(PROMPTS, _caller(context), "prompts/get", None, [])
        return await call_next(context)

    async def on_list_tools(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        principal = _caller(context)
        tools = await call_next(context)
        return tools if principal is LOCAL else [tool for tool in tools if visible(TOOLS.get(tool.name), principal)]

    async def on_list_resources(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        principal = _caller(context)
        return [r for r in await call_next(context) if principal is LOCAL or _readable(principal, str(r.uri))]

    async def on_list_resource_templates(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        principal = _caller(context)
        found = await call_next(context)
        return [t for t in found if principal is LOCAL or visible(RESOURCES.get(str(t.uri_template)), principal)]

    async def on_list_prompts(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Sequence[Any]:
        principal = _caller(context)
        return [prompt for prompt in await call_next(context) if visible(PROMPTS, principal)]


@contextmanager
def _answered() -> Iterator[None]:
    """Refusals outside of tool calls leave as JSON-RPC errors, with our form of them as data."""
    try:
        yield
    except PanaversityError as error:
        raise MCPError(_REFUSED, str(error), error.to_wire()) from None


@contextmanager
def _hidden() -> Iterator[None]:
    """Refusals of resources do not say more than that nothing is there."""
    try:
        yield
    except PanaversityError:
        raise MCPError(INVALID_PARAMS, "Resource not found") from None


def _caller(context: MiddlewareContext[Any]) -> Principal:
    """Whoever sent the request; a message without one came over stdio or from this process."""
    session = context.fastmcp_context
    request = session.request_context.request if session and session.request_context else None
    return principal_of(request if isinstance(request, Request) else None)


def _judge_uri(principal: Principal, uri: str) -> None:
    match = _BOOK_URI.fullmatch(uri)
    (rule,) = RESOURCES.values()
    authorise(rule if match else None, principal, "resources/read", match[1] if match else None, [])


def _readable(principal: Principal, uri: str) -> bool:
    match = _BOOK_URI.fullmatch(uri)
    return match is not None and principal.grants.may(match[1], "read")
