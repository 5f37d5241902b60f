"""Which calls are noted in the access log: those that left nothing in an audit log (DESIGN 9, S39).

Knows what is audited and what a caller's text may look like; does not know when notes are written.
"""

import logging
import time

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams

from panaversity_fs.api.auth_scopes import WRITE
from panaversity_fs.api.middleware import unwrapped
from panaversity_fs.api.noting import Note, current_note
from panaversity_fs.api.permissions import TOOLS
from panaversity_fs.api.service import Service
from panaversity_fs.core.errors import Conflict, HashRequired, SchemaViolation
from panaversity_fs.core.paths import shown

logger = logging.getLogger("panaversity_fs.api")

_AUDITED = frozenset({None, Conflict.code, HashRequired.code, SchemaViolation.code})
"""How a call that changes something ends when the audit log of its book tells of it (None: well)."""
_CHANGING_TOOLS = frozenset({name for name, rule in TOOLS.items() if rule.need == WRITE} | {"delete_book"})
_CHANGING_ROUTES = frozenset({"POST /books/{book_id}/changesets"})


class Accesses(Middleware):
    """Notes tool calls. Stands outside ``Refusals``, so that it sees what each call was answered."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_call_tool(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, ToolResult]
    ) -> ToolResult:
        call, began = context.message, time.monotonic()
        result = await call_next(context)
        code = str((result.meta or {}).get("error_code", "INTERNAL")) if result.is_error else None
        if not (call.name in _CHANGING_TOOLS and code in _AUDITED):
            path = unwrapped(call.arguments).get("path")
            _note(self._service, call.name, path if isinstance(path, str) else "", current_note(), code, began)
        return result


def note_request(service: Service, name: str, path: str, note: Note, status: int, began: float) -> None:
    """Note one HTTP request by the name of its route, unless a tool call or the audit log tells of it."""
    is_told = name.startswith("/") and (status == 200 or note.code is None)
    if not (is_told or (name in _CHANGING_ROUTES and (status < 400 or note.code in _AUDITED))):
        _note(service, name, path, note, note.code, began)


def _note(service: Service, name: str, path: str, note: Note, code: str | None, began: float) -> None:
    library = service.open_library
    if library is None:
        return
    agent = shown(note.agent) if note.agent else None
    try:
        library.accessed(shown(name), note.book_id or "", shown(path), agent, code, time.monotonic() - began)
    except Exception as fault:  # an answer must not be lost because its note was
        logger.error("an access could not be noted", exc_info=fault)
