"""Failures as they leave: argument errors put into our words, every error as a tool result or a JSON answer.

Knows the wire forms of EXAMPLES 6; does not know who catches what.
"""

import json
from collections.abc import Mapping
from typing import Any

from fastmcp.tools import ToolResult
from pydantic import ValidationError
from starlette.responses import JSONResponse

from panaversity_fs.core.errors import Internal, InvalidArgument, PanaversityError
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
    headers = {"Cache-Control": "no-store"}
    if error.retryable and isinstance(after := error.details.get("retry_after"), int):
        headers["Retry-After"] = str(after)
    return JSONResponse(error.to_wire(), status or error.http_status, headers)
