"""The one place where a tool call's failures become answers, and where older callers' arguments are unwrapped.

Knows every way a call can fail; does not know any tool.
"""

import logging
from typing import Any

from fastmcp.exceptions import DisabledError, FastMCPError, NotFoundError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from pydantic import ValidationError

from panaversity_fs.api.refusals import argument_error, as_tool_result, masked
from panaversity_fs.api.tracing import request_id
from panaversity_fs.core.errors import InvalidArgument, NotFound, PanaversityError
from panaversity_fs.core.paths import shown

logger = logging.getLogger("panaversity_fs.api")


def unwrapped(arguments: dict[str, Any] | None) -> dict[str, Any]:
    """The flat arguments of a call that wrapped them as ``{"params": {…}}``; any others as they are."""
    if arguments and set(arguments) == {"params"} and isinstance(arguments["params"], dict):
        return arguments["params"]
    return arguments or {}


class Refusals(Middleware):
    """Outermost middleware: whatever happens inside a tool call, the caller gets a coded answer."""

    async def on_call_tool(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, ToolResult]
    ) -> ToolResult:
        call = context.message
        flat = call.model_copy(update={"arguments": unwrapped(call.arguments)})
        try:
            return await call_next(context.copy(message=flat))
        except Exception as fault:
            error = _as_error(fault, call.name)
            if error is None:
                identity = request_id()
                logger.error("request %s: tool %s failed", identity, shown(call.name), exc_info=fault)
                error = masked(shown(call.name), identity)
            return as_tool_result(error)


def _as_error(fault: Exception, tool: str) -> PanaversityError | None:
    """Our own error behind what the framework raised; None for a bug."""
    if isinstance(fault, PanaversityError):
        return fault
    if isinstance(fault, NotFoundError | DisabledError):
        return NotFound(shown(tool), "tool", "there is no such tool", "List the tools", kind="tool")
    if not isinstance(fault, FastMCPError):
        return None
    cause = fault.__cause__
    if isinstance(cause, ValidationError):
        return argument_error(cause, tool)
    if type(fault).__name__ == "ValidationError":
        return InvalidArgument(tool, "arguments", "are not valid", "Correct the arguments and call again")
    return cause if isinstance(cause, PanaversityError) else None


class _Expected(logging.Filter):
    """Drops the framework's own record of a failed call: refusals are answers, and bugs are logged above with an id."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(
            ("Error calling tool", "Error reading resource", "Invalid arguments for tool")
        )


def quieten() -> None:
    """Let the framework stop writing tracebacks for expected refusals. Idempotent."""
    framework = logging.getLogger("fastmcp.server.server")
    if not any(isinstance(f, _Expected) for f in framework.filters):
        framework.addFilter(_Expected())
