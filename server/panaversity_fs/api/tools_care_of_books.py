"""The tools about a whole book's care: ``delete_book``, ``delta_build`` and ``validate_book_structure`` (FR-010).

Know arguments, caps and answers; what is found and what deleting means is the library's.
"""

from typing import Annotated, Any

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import answer, log_fields, moment
from panaversity_fs.api.arguments import BookId, Cursor, IdempotencyKey, require_key
from panaversity_fs.api.callers import mcp_caller
from panaversity_fs.api.hints import READS, REMOVES
from panaversity_fs.api.paging import page
from panaversity_fs.api.service import Service
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.core.structure import Finding
from panaversity_fs.library.checking import Checked
from panaversity_fs.library.deltas import DeltaFile

MAX_FINDINGS = 200
"""Errors, and warnings, one answer lists; the summary counts all."""
DELTA_PAGE = 1_000
"""Changed files of one answer."""

Since = Annotated[
    str,
    Field(description="ISO 8601 with zone, for example 2030-01-31T12:00:00Z, or as_of of an answer.", max_length=64),
]
Strict = Annotated[bool, Field(description="Judge by the strict schema, whatever schema the book has.")]


def register_care(mcp: FastMCP, service: Service) -> None:
    """Add the tools about a book as a whole."""
    _register_delta(mcp, service)
    _register_validate(mcp, service)
    _register_delete(mcp, service)


def _register_delta(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def delta_build(ctx: Context, book_id: BookId, since: Since, cursor: Cursor = None) -> ToolResult:
        """Files written or deleted after a moment, sorted by path. Builds that must be exact use plan_build."""
        operation = "delta_build"
        require_book_id(book_id, operation)
        mcp_caller(service, ctx, operation, mutating=False)
        delta = await service.library.delta(book_id, since)
        files, following = page(delta.files, cursor, DELTA_PAGE, lambda file: file.path, operation)
        fields = {
            "since": moment(delta.since), "as_of": moment(delta.as_of), "revision": delta.revision,
            "changed_files": [_changed(file) for file in files], "changed_count": len(delta.files),
            "next_cursor": following,
        }  # fmt: skip
        more = "; more with next_cursor" if following else ""
        text = f"{book_id}: {len(delta.files)} files changed after {fields['since']}, as of {fields['as_of']}{more}"
        return answer(text, fields)


def _changed(file: DeltaFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "change_type": file.change_type,
        "current_hash": file.current_hash,
        "previous_hash": file.previous_hash,
        "size": file.size,
        "revision": file.revision,
        "last_modified": moment(file.last_modified),
    }


def _register_validate(mcp: FastMCP, service: Service) -> None:
    async def judge(ctx: Context, book_id: str, strict: bool, operation: str) -> ToolResult:
        require_book_id(book_id, operation)
        mcp_caller(service, ctx, operation, mutating=False)
        checked = await service.library.validate(book_id, strict=strict)
        fields = checked_fields(checked)
        verdict = "valid" if checked.valid else "not valid"
        text = (
            f"{book_id}: {verdict} as a {checked.judged_as} book: {len(checked.errors)} errors, "
            f"{len(checked.warnings)} warnings in {checked.files} files"
        )
        return answer(text, fields)

    @mcp.tool(annotations=READS, output_schema=None)
    async def validate_book_structure(ctx: Context, book_id: BookId, strict: Strict = False) -> ToolResult:
        """Look a book over: misplaced paths, missing bytes, empty chapters, numbers given twice or left out, lessons
        that are no text or hold invisible characters."""
        return await judge(ctx, book_id, strict, "validate_book_structure")

    @mcp.tool(annotations=READS, output_schema=None)
    async def validate_book(ctx: Context, book_id: BookId, strict: Strict = False) -> ToolResult:
        """Another name of validate_book_structure."""
        return await judge(ctx, book_id, strict, "validate_book")


def checked_fields(checked: Checked) -> dict[str, Any]:
    """The judgement as an object: the first findings, and how many there are."""
    return {
        "valid": checked.valid,
        "summary": {
            "schema": checked.schema, "judged_as": checked.judged_as, "revision": checked.revision,
            "files": checked.files, "lessons": checked.lessons, "assets": checked.assets,
            "parts": checked.parts, "chapters": checked.chapters,
            "errors": len(checked.errors), "warnings": len(checked.warnings),
            "blobs_checked": checked.blobs_checked, "texts_checked": checked.texts_checked,
        },
        "errors": [_finding(finding) for finding in checked.errors[:MAX_FINDINGS]],
        "warnings": [_finding(finding) for finding in checked.warnings[:MAX_FINDINGS]],
        "truncated": max(len(checked.errors), len(checked.warnings)) > MAX_FINDINGS,
    }  # fmt: skip


def _finding(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "path": finding.path, "message": f"{finding.path} {finding.problem}"}


def _register_delete(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=REMOVES, output_schema=None)
    async def delete_book(
        ctx: Context,
        book_id: BookId,
        confirm: Annotated[str, Field(description="The book's id once more.", max_length=limits.KIB)],
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Delete a whole book with all overlays. Afterwards it answers BOOK_GONE, until it is created anew, which
        begins from nothing. Deleting a deleted book succeeds with existed=false."""
        operation = "delete_book"
        require_book_id(book_id, operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        ending = await service.library.delete_book(
            book_id, confirm, caller, idempotency_key=require_key(idempotency_key, operation)
        )
        fields = {
            "status": "success", "book_id": book_id, "existed": ending.existed, "incarnation": ending.incarnation,
            "revision": ending.revision, "files": ending.files, "overlay_files": ending.overlay_files,
            **log_fields(ending.checkpoint),
        }  # fmt: skip
        held = f"deleted with {ending.files} files and {ending.overlay_files} of overlays"
        return answer(f"{book_id}: {held if ending.existed else 'was deleted before'}", fields)
