"""The tools about the audit log: ``query_audit_log`` and ``verify_audit`` (FR-024, S36).

Know argument forms, pages and field names; entries, verdicts and proofs come from the library.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import BaseModel, Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import answer
from panaversity_fs.api.arguments import BookId, Cursor
from panaversity_fs.api.audit_forms import report_fields, verdict
from panaversity_fs.api.callers import mcp_caller, mcp_principal, require_overlays
from panaversity_fs.api.hints import READS
from panaversity_fs.api.paging import from_cursor, to_cursor
from panaversity_fs.api.service import Service
from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.digest import parse_digest, short
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import BASE, require_book_id, shown
from panaversity_fs.library.auditing import AuditFilter, Inclusion

_QUERY, _VERIFY = "query_audit_log", "verify_audit"
_BIGGEST = 2**53


class SeenCheckpoint(BaseModel):
    """A checkpoint as a plan or a commit told it; fields beyond these are not looked at."""

    incarnation: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
    size: Annotated[int, Field(ge=0, le=_BIGGEST, strict=True)]
    root: Annotated[str, Field(max_length=64)]

    def checked(self, book_id: str, operation: str) -> Checkpoint:
        """The value. Raises ``InvalidArgument`` for a root that is no digest."""
        root = parse_digest(self.root, operation, "checkpoint.root")
        return Checkpoint(book_id, self.incarnation, self.size, root, "")


SeenArgument = Annotated[
    SeenCheckpoint | None,
    Field(description="The last checkpoint you saw of this book; the answer says whether its log continues it."),
]
_Text = Annotated[str | None, Field(max_length=1000)]


def register_audit(mcp: FastMCP, service: Service) -> None:
    """Add the tools about the audit log."""
    _register_query(mcp, service)
    _register_verify(mcp, service)


def _register_query(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def query_audit_log(
        ctx: Context,
        book_id: BookId,
        path: Annotated[
            _Text, Field(description="A path; a folder, ending with /; or a beginning and an end around one *.")
        ] = None,
        agent_id: Annotated[_Text, Field(description="Only what this agent did.")] = None,
        operation: Annotated[_Text, Field(description="Only this operation, for example write_content.")] = None,
        since: Annotated[_Text, Field(description="ISO 8601 time; entries from then on. UTC without a zone.")] = None,
        until: Annotated[_Text, Field(description="ISO 8601 time; entries before it. UTC without a zone.")] = None,
        kind: Annotated[
            Literal["audit", "access"], Field(description="audit: changes; access: reads and early refusals.")
        ] = "audit",
        cursor: Cursor = None,
    ) -> ToolResult:
        """Who did what to a book, oldest first: every change and every refused one. Deleted books too."""
        require_book_id(book_id, _QUERY)
        mcp_caller(service, ctx, _QUERY, mutating=False)
        wanted = AuditFilter(
            path=_plain(path, "path"), agent_id=_plain(agent_id, "agent_id"),
            operation=_plain(operation, "operation"), since=_time(since, "since"), until=_time(until, "until"),
            users=_visible_users(ctx),
        )  # fmt: skip
        if wanted.path is not None and wanted.path.count("*") > 1:
            raise _invalid("path", "holds more than one *", "Give one, or a folder ending with /")
        if kind == "access":
            # Its rows name paths that only one user's overlay may have, and do not say so.
            require_overlays(ctx, _QUERY)
            entries, following = await _accesses(service, book_id, wanted, cursor)
        else:
            entries, following = await _entries(service, book_id, wanted, cursor)
        fields = {"entries": entries, "count": len(entries), "next_cursor": following}
        more = "; more with next_cursor" if following else ""
        return answer("\n".join([f"{book_id}: {len(entries)} entries{more}", *map(_line, entries[:20])]), fields)


def _visible_users(ctx: Context) -> tuple[str, ...] | None:
    """Whose namespaces the caller may see; None: everybody's. Others' entries must not even fill up a page (S12)."""
    principal = mcp_principal(ctx)
    return None if principal.grants.overlays else (BASE, principal.subject)


_Page = tuple[list[dict[str, Any]], str | None]


async def _entries(service: Service, book_id: str, wanted: AuditFilter, cursor: str | None) -> _Page:
    found = await service.library.audit_entries(book_id, wanted, _after(cursor), limits.PAGE)
    entries = [asdict(entry) | {"entry_hash": digest} for entry, digest in found.entries]
    return entries, to_cursor(".".join(map(str, found.following))) if found.following else None


async def _accesses(service: Service, book_id: str, wanted: AuditFilter, cursor: str | None) -> _Page:
    time, _, identity = from_cursor(cursor, _QUERY).partition(" ") if cursor else ("", "", "")
    when = _time(time, "cursor") if cursor else None
    after = (when, identity) if when else None
    found = await service.library.access_entries(book_id, wanted, after, limits.PAGE)
    entries = [asdict(row) | {"timestamp": row.timestamp.isoformat(timespec="microseconds")} for row in found.rows]
    if found.following is None:
        return entries, None
    time = found.following[0].isoformat(timespec="microseconds")
    return entries, to_cursor(f"{time} {found.following[1]}")


def _plain(text: str | None, name: str) -> str | None:
    if text is not None and any(not char.isprintable() for char in text):
        raise _invalid(name, "holds characters that no entry has", "Use printable text")
    return text


def _time(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _invalid(name, "is not an ISO 8601 time", "Give for example 2026-01-31T12:00:00Z") from None


def _after(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return (0, 0)
    incarnation, _, seq = from_cursor(cursor, _QUERY).partition(".")
    if not (incarnation.isdecimal() and seq.isdecimal() and len(incarnation) < 10 and len(seq) < 18):
        raise _invalid("cursor", "is not one of ours", "Pass next_cursor as it came")
    return int(incarnation), int(seq)


def _invalid(name: str, reason: str, hint: str) -> InvalidArgument:
    return InvalidArgument(_QUERY, name, reason, hint, name=name, reason=reason)


def _line(entry: dict[str, Any]) -> str:
    if "code" in entry:
        return f"{entry['timestamp']} {entry['agent_id']} {entry['operation']} {entry['path']} {entry['code'] or ''}"
    said = entry["error_message"] or f"{short(entry['prev_hash'] or '-')} -> {short(entry['new_hash'] or '-')}"
    return f"{entry['timestamp']} {shown(entry['agent_id'])} {entry['operation']} {shown(entry['path'])} {said}"


def _register_verify(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def verify_audit(
        ctx: Context,
        book_id: BookId,
        checkpoint: SeenArgument = None,
        seq: Annotated[int | None, Field(ge=1, le=_BIGGEST, description="Also prove that this entry is there.")] = None,
    ) -> ToolResult:
        """Check that nobody changed, removed, inserted or reordered entries of a book's audit log.

        A log that was rewritten as a whole, or cut with everything that counts it, shows only against a checkpoint you
        kept: pass it.
        """
        require_book_id(book_id, _VERIFY)
        mcp_caller(service, ctx, _VERIFY, mutating=False)
        seen = checkpoint.checked(book_id, _VERIFY) if checkpoint else None
        report = await service.library.verify_audit(book_id, seen)
        fields = report_fields(report)
        if seq is not None:
            fields["inclusion"] = _inclusion(await service.library.inclusion(book_id, seq))
        return answer(f"{book_id}: {verdict(report)}", fields)


def _inclusion(found: Inclusion) -> dict[str, Any]:
    return {
        "seq": found.seq,
        "entry_hash": found.entry_hash,
        "checkpoint": found.checkpoint.to_wire(),
        "proof": list(found.proof),
    }
