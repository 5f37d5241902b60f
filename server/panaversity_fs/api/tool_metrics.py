"""Watches MCP calls: counts and times them and leaves one log line each, whatever they end in.

Knows tool names, outcomes and where a call names its book; does not know what a tool does. Outermost of the
middleware, so that it sees the answers ``Refusals`` makes of failures.
"""

import time
from typing import Any

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams

from panaversity_fs.api.middleware import unwrapped
from panaversity_fs.api.noting import Note, begin_note, book_named, current_note, log_answer, outcome_of
from panaversity_fs.metrics import Metrics

DOOR = "mcp"
METHODS = ("resources/read", "prompts/get")
"""What can be asked for by name beside tools; counted under the method, since those names hold paths."""


class WatchedCalls(Middleware):
    """Reports to one app's figures."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def on_call_tool(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, ToolResult]
    ) -> ToolResult:
        call, note, began = context.message, begin_note(), time.monotonic()
        name = self._metrics.known(DOOR, call.name)
        note.book_id = book_named(unwrapped(call.arguments).get("book_id"))
        try:
            result = await call_next(context)
        except BaseException:
            self._report(name, "cut", note, began)
            raise
        if result.is_error:
            note.code = str((result.meta or {}).get("error_code", "INTERNAL"))
        self._report(name, outcome_of(note.code), note, began)
        return result

    async def on_read_resource(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        return await self._watch(METHODS[0], context, call_next)

    async def on_get_prompt(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        return await self._watch(METHODS[1], context, call_next)

    async def _watch(self, name: str, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        note, began = current_note(), time.monotonic()
        try:
            answer = await call_next(context)
        except Exception as fault:
            note.code = str(getattr(fault.__cause__ or fault, "code", "INTERNAL"))
            self._report(name, outcome_of(note.code), note, began)
            raise
        self._report(name, "ok", note, began)
        return answer

    def _report(self, name: str, outcome: str, note: Note, began: float) -> None:
        seconds = time.monotonic() - began
        self._metrics.answered(DOOR, name, outcome, seconds)
        if note.code:
            self._metrics.failed_with(note.code)
        log_answer(name, outcome, note, seconds, door=DOOR)
