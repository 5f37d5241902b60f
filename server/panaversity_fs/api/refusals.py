"""Failures as they leave: argument errors put into our words, every error as a tool result or a JSON answer.

Knows the wire forms of EXAMPLES 6; does not know who catches what.
"""

import json
from collections.abc import Mapping
from typing import Any

from fastmcp.tools import ToolResult
from pydantic import ValidationError
from starlette.responses import JSONResponse

from panaversity_fs.api.noting import current_note
from panaversity_fs.core.errors import Forbidden, Internal, InvalidArgument, PanaversityError, Unauthenticated
from panaversity_fs.core.paths import shown

_REASONS = {
    "missing": "is required",
    "missing_argument": "is required",
    "unexpected_keyword_argument": "is not an argument of this tool",
    "unexpected_positional_argument": "is not an argument of this tool",
    "string_type": "is not text",
    "string_unicode": "is not valid Unicode text",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "is shorter than {min_length} characters",
    "string_pattern_mismatch": "does not have the right form",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "greater_than_equal": "is less than {ge}",
    "less_than_equal": "is more than {le}",
    "literal_error": "is not {expected}",
}


def argument_error(error: ValidationError, operation: str) -> InvalidArgument:
    """Pydantic's findings as ``field: reason``; input values are never repeated (S7)."""
    findings = [_finding(f) for f in error.errors(include_url=False, include_input=False)]
    name, reason = findings[0]
    more = "; ".join(f"{n}: {r}" for n, r in findings[1:5])
    return InvalidArgument(
        operation, name, f"{reason}; {more}" if more else reason, "Correct the arguments and call again",
        name=name, reason=reason,
    )  # fmt: skip


def _finding(finding: Mapping[str, Any]) -> tuple[str, str]:
    name = shown(".".join(str(step) for step in finding["loc"]) or "arguments")
    pattern = _REASONS.get(finding["type"], "is not valid")
    return name, pattern.format_map(finding.get("ctx") or {}) if "{" in pattern else pattern


def masked(operation: str, request_id: str) -> Internal:
    """What leaves when something unexpected happened: an id to ask about, nothing else."""
    return Internal(operation, "server", "failed unexpectedly", f"Report request {request_id}", request_id=request_id)


def as_tool_result(error: PanaversityError) -> ToolResult:
    """The error as an MCP result. No structured content: clients that validate it would hide the error."""
    text = json.dumps(error.to_wire(), ensure_ascii=False, separators=(",", ":"))
    return ToolResult(content=text, is_error=True, meta={"error_code": error.code})


def as_response(error: PanaversityError, status: int | None = None) -> JSONResponse:
    """The error as an HTTP answer, by default with the status of its kind."""
    current_note().code = error.code
    headers = {"Cache-Control": "no-store"}
    if error.retryable and isinstance(after := error.details.get("retry_after"), int):
        headers["Retry-After"] = str(after)
    if isinstance(error, Unauthenticated) or (isinstance(error, Forbidden) and "scopes" in error.details):
        headers["WWW-Authenticate"] = _challenge(error)
    return JSONResponse(error.to_wire(), status or error.http_status, headers)


def _challenge(error: PanaversityError) -> str:
    """What a client shall do about its token (RFC 6750, section 3; RFC 9728, section 5.1)."""
    scopes = error.details.get("scopes")
    fields = {
        "error": "insufficient_scope" if scopes else error.details.get("reason"),
        "scope": " ".join(scopes) if scopes else None,
        "resource_metadata": error.details.get("resource_metadata"),
    }
    given = ", ".join(f'{name}="{value}"' for name, value in fields.items() if value)
    return f"Bearer {given}".rstrip()
