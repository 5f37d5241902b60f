"""What comes back from a server, judged: values out of JSON, typed errors out of everything else.

Knows status codes, bodies and the wire fields of ``plan_build``; does not know sockets. A server is not trusted: what
does not have the promised form is an error here, not a surprise later.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from panaversity_builder.client.seam import BuildPlan, ChangesetAnswer, LastWritten, PlanFile
from panaversity_builder.judged import a_count, a_digest, a_digest_or_none, a_text
from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.errors import (
    ConfigInvalid,
    Forbidden,
    Internal,
    InvalidArgument,
    PanaversityError,
    RateLimited,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
    from_wire,
)
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.merkle import Proof
from panaversity_fs.core.paths import shown
from panaversity_fs.core.schema import Schema

_LONGEST_PROOF = 128
"""Steps: enough for any log whose length fits in 64 bits."""


def refusal(operation: str, address: str, status: int, headers: Mapping[str, str], body: bytes) -> PanaversityError:
    """The typed error of an answer with a status of 300 or more; a body that is not ours is judged by its status."""
    error = _own_error(body) or _foreign_error(operation, address, status, headers, body)
    if seconds := _retry_after(headers):
        error.details.setdefault("retry_after", seconds)
    return error


def _own_error(body: bytes) -> PanaversityError | None:
    try:
        error = from_wire(json.loads(body))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    error.operation, error.subject, error.problem, error.hint = (
        _harmless(text) for text in (error.operation, error.subject, error.problem, error.hint)
    )
    return error


def _harmless(text: str) -> str:
    """A server's words without what a terminal would obey."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _foreign_error(
    operation: str, address: str, status: int, headers: Mapping[str, str], body: bytes
) -> PanaversityError:
    said = shown(body[:120].decode("utf-8", "replace").strip())
    fact = f"answered {status}" + (f" ({said})" if said else "")
    if status in (401, 407):
        return Unauthenticated(operation, address, fact, "Set PANAVERSITY_TOKEN to a token of this server")
    if status == 403:
        return Forbidden(operation, address, fact, "Ask for a token that may do this")
    if status == 413:
        return TooLarge(
            operation, address, fact, "Split the request, or raise the limit of the proxy before the server"
        )
    if status == 429:
        return RateLimited(operation, address, fact, "Try again later")
    if status in (408, 504):
        return TimedOut(operation, address, fact, "Try again")
    if status >= 500:
        return Unavailable(operation, address, fact, "Try again; the server's log says more")
    if status == 421:
        return ConfigInvalid(operation, address, fact, "Name this host in the server's PANAVERSITY_ALLOWED_HOSTS")
    if 300 <= status < 400:
        return ConfigInvalid(
            operation, address, f"redirects to {_place(headers)}", "Set PANAVERSITY_MCP_URL to the address itself"
        )
    return ConfigInvalid(
        operation, address, f"{fact}, which is no answer of PanaversityFS", "Set PANAVERSITY_MCP_URL to its address"
    )


def _place(headers: Mapping[str, str]) -> str:
    """Where a redirect leads, without credentials and query."""
    scheme, mark, rest = headers.get("location", "elsewhere").partition("?")[0].partition("//")
    host, slash, path = rest.partition("/")
    return shown(scheme + mark + host.rpartition("@")[2] + slash + path)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; its date form is not worth a clock here."""
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def parse_json(operation: str, address: str, body: bytes) -> dict[str, Any]:
    """An object out of a body. Raises ``Unavailable``: whatever answered there was not the server."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unavailable(operation, address, "the answer is not JSON of PanaversityFS", "Check PANAVERSITY_MCP_URL")
    return value


def tool_result(tool: str, address: str, body: bytes) -> dict[str, Any]:
    """The structured content of a ``tools/call`` answer. Raises the typed error it carries."""
    message = parse_json(tool, address, body)
    fault = message.get("error")
    if isinstance(fault, dict):
        text = shown(str(fault.get("message", "no message")))
        kind = InvalidArgument if fault.get("code") in (-32600, -32601, -32602, -32700) else Internal
        raise kind(tool, address, text, "See that builder and server are of one version")
    result = message.get("result")
    if not isinstance(result, dict):
        raise Unavailable(tool, address, "the answer is not an MCP result", "Check PANAVERSITY_MCP_URL")
    if result.get("isError"):
        raise _tool_error(tool, address, result)
    content = result.get("structuredContent")
    if not isinstance(content, dict):
        raise Unavailable(tool, address, "the answer has no structured content", "Check PANAVERSITY_MCP_URL")
    return content


def tool_image(tool: str, address: str, body: bytes) -> tuple[dict[str, Any], bytes | None]:
    """The structured content of an answer and the image that came with it. Raises as ``tool_result``."""
    content = tool_result(tool, address, body)
    for block in json.loads(body)["result"].get("content") or ():
        if isinstance(block, dict) and block.get("type") == "image":
            try:
                return content, base64.b64decode(str(block.get("data")), validate=True)
            except ValueError as fault:
                raise malformed(tool, address, fault) from fault
    return content, None


def _tool_error(tool: str, address: str, result: dict[str, Any]) -> PanaversityError:
    try:
        text = str(result["content"][0]["text"])
    except (KeyError, IndexError, TypeError):
        text = "no message"
    return _own_error(text.encode("utf-8", "replace")) or InvalidArgument(
        tool, address, shown(text), "See that builder and server are of one version"
    )


def metadata_of(address: str, body: Mapping[str, Any]) -> dict[str, LastWritten]:
    """Book path → when and by whom, out of a body. Raises ``Unavailable`` for another form."""
    try:
        return {
            a_text(path): LastWritten(_moment(row["last_modified"]), a_text(row["agent_id"]))
            for path, row in body["files"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as fault:
        raise malformed("metadata", address, fault) from fault


def plan_of(address: str, body: Mapping[str, Any]) -> BuildPlan:
    """A build plan out of structured content. Raises ``Unavailable`` when a field is missing or of another type."""
    try:
        warning = body.get("warning")
        return BuildPlan(
            status=a_text(body["status"]),
            manifest_hash=a_digest(body["manifest_hash"]),
            numbering=Numbering(body["numbering"]) if body.get("numbering") else None,
            schema=Schema(body["schema"]) if body.get("schema") else None,
            revision=a_count(body["revision"]),
            store_id=a_text(body["store_id"]),
            incarnation=a_count(body["incarnation"]),
            ingest_manifest=a_digest_or_none(body.get("ingest_manifest")),
            files=tuple(_plan_file(f) for f in body["files"]),
            changed_count=a_count(body["changed_count"]),
            total_files=a_count(body["total_files"]),
            total_bytes=a_count(body["total_bytes"]),
            truncated=body.get("truncated") is True,
            warning=(a_text(warning["code"]), a_text(warning["message"])) if warning else None,
            checkpoint=_checkpoint(body.get("checkpoint")),
            proof=_proof(body.get("proof")),
            texts={a_digest(digest): a_text(text).encode() for digest, text in body.get("texts", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise malformed("plan", address, fault) from fault


def changeset_answer_of(address: str, body: Mapping[str, Any]) -> ChangesetAnswer:
    """A commit's answer out of JSON. Raises ``Unavailable`` when a field is missing or of another type."""
    try:
        return ChangesetAnswer(
            revision=a_count(body["revision"]),
            manifest_hash=a_digest(body["manifest_hash"]),
            added=a_count(body["added"]),
            updated=a_count(body["updated"]),
            deleted=a_count(body["deleted"]),
            unchanged=a_count(body["unchanged"]),
            schema=Schema(body["schema"]),
            numbering=Numbering(body["numbering"]) if body.get("numbering") else None,
            checkpoint=_checkpoint(body.get("checkpoint")),
            proof=_proof(body.get("proof")),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise malformed("ingest", address, fault) from fault


def _plan_file(body: Any) -> PlanFile:
    return PlanFile(
        path=a_text(body["path"]),
        current=a_digest_or_none(body.get("current_hash")),
        target=a_digest_or_none(body.get("target_hash")),
        change=a_text(body["change_type"]),
        size=a_count(body.get("size") or 0),
    )


def _checkpoint(body: Any) -> Checkpoint | None:
    if body is None:
        return None
    place = a_text(body["book_id"]), a_count(body["incarnation"]), a_count(body["size"])
    return Checkpoint(*place, a_digest(body["root"]), a_text(body["time"]))


def _proof(body: Any) -> Proof | None:
    if body is None:
        return None
    if not isinstance(body, list) or len(body) > _LONGEST_PROOF:
        raise TypeError("not a proof")
    return tuple(map(a_digest, body))


def malformed(operation: str, address: str, fault: Exception) -> Unavailable:
    """The error for an answer in which something is missing or of another type."""
    return Unavailable(
        operation, address, f"the answer is malformed ({type(fault).__name__}: {shown(str(fault))})",
        "See that builder and server are of one version",
    )  # fmt: skip


def _moment(value: object) -> str:
    """A moment with its zone, as UTC to the millisecond: however a server writes it, here it has one form."""
    moment = datetime.fromisoformat(a_text(value))
    if moment.tzinfo is None:
        raise ValueError("a moment without its zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
