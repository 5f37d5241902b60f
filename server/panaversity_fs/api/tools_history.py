"""The tools about the past of a file: ``history``, ``diff_content`` and ``restore_content``.

Know arguments, pages and answers; which version is meant and whether it is still kept is the library's.
"""

from typing import Annotated, Any

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import answer, moment, namespace, written
from panaversity_fs.api.arguments import (
    BookId,
    Cursor,
    ExpectedHash,
    IdempotencyKey,
    Path,
    UserId,
    expected,
    require_key,
)
from panaversity_fs.api.callers import mcp_caller, resolve_user
from panaversity_fs.api.hints import READS, WRITES
from panaversity_fs.api.paging import from_cursor, to_cursor
from panaversity_fs.api.service import Service
from panaversity_fs.api.tools_edit import bytes_elsewhere
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id, require_path
from panaversity_fs.library.history import Comparison, PastChange
from panaversity_fs.library.revisions import Revision
from panaversity_fs.library.versions import Version

Which = Annotated[
    int | str,
    Field(description="A version: a revision number or a SHA-256 that history answered, or current."),
]

PathOrBook = Annotated[
    str | None,
    Field(description="Path inside the book, for example content/01-Part/02-Chapter/03-lesson.md; left out: the book."),
]
MaxEntries = Annotated[int, Field(ge=1, le=limits.PAGE, description="Entries of one page.")]


def register_history(mcp: FastMCP, service: Service) -> None:
    """Add the tools about the past."""
    _register_history(mcp, service)
    _register_diff(mcp, service)
    _register_restore(mcp, service)


def _register_history(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def history(
        ctx: Context,
        book_id: BookId,
        path: PathOrBook = None,
        user_id: UserId = None,
        max_results: MaxEntries = limits.PAGE,
        cursor: Cursor = None,
    ) -> ToolResult:
        """Who changed a file when, newest first: revision, agent, operation, hash before and after, and whether the
        bytes of that version are still kept. With user_id the past of that user's overlay. Without path the revisions
        of the whole book: revision, agent, operation, files and bytes changed, manifest hash where it is known."""
        operation = "history"
        require_book_id(book_id, operation)
        if path is None:
            return await _revisions(service, ctx, book_id, user_id, cursor, max_results)
        require_path(path, operation)
        mcp_caller(service, ctx, operation, mutating=False)
        user = resolve_user(service, ctx, user_id, operation)
        before = _before(cursor, operation)
        changes, more = await service.library.history(book_id, path, user, before=before, limit=max_results)
        following = to_cursor(str(changes[-1].seq)) if more else None
        fields = {
            "path": path, "namespace": namespace(user), "entries": [_entry(change) for change in changes],
            "count": len(changes), "next_cursor": following,
        }  # fmt: skip
        newest = f", newest revision {changes[0].revision} by {changes[0].agent_id}" if changes else ""
        return answer(f"{path}: {len(changes)} changes{newest}{'; more with next_cursor' if more else ''}", fields)


async def _revisions(
    service: Service, ctx: Context, book_id: str, user_id: str | None, cursor: str | None, limit: int
) -> ToolResult:
    """The answer without a path. An overlay is a handful of files: it has a past of files only."""
    operation = "history"
    if user_id is not None:
        reason = "is given without path"
        raise InvalidArgument(operation, "user_id", reason, "Name a path of it", name="user_id", reason=reason)
    mcp_caller(service, ctx, operation, mutating=False)
    before = _before(cursor, operation)
    found, more = await service.library.revisions(book_id, before=before, limit=limit)
    following = to_cursor(str(found[-1].row.first_seq)) if more else None
    fields = {"entries": [_revision(one) for one in found], "count": len(found), "next_cursor": following}
    newest = f", newest {found[0].row.revision} by {found[0].row.agent_id}" if found else ""
    return answer(f"{book_id}: {len(found)} revisions{newest}{'; more with next_cursor' if more else ''}", fields)


def _revision(one: Revision) -> dict[str, Any]:
    row = one.row
    return {
        "revision": row.revision,
        "timestamp": moment(row.when),
        "agent_id": row.agent_id,
        "operation": row.operation,
        "added": row.added,
        "modified": row.modified,
        "deleted": row.deleted,
        "settings_changed": row.settings,
        "bytes_written": row.written,
        "bytes_replaced": row.gone,
        "manifest_hash": one.manifest_hash,
        "complete": one.complete,
    }


def _before(cursor: str | None, operation: str) -> int | None:
    if cursor is None:
        return None
    name = from_cursor(cursor, operation)
    if not (name.isascii() and name.isdecimal() and len(name) <= 18):
        raise InvalidArgument(
            operation, "cursor", "is not one of ours", "Pass next_cursor as it came", name="cursor", reason="is unknown"
        )
    return int(name)


def _entry(change: PastChange) -> dict[str, Any]:
    return {
        "revision": change.revision,
        "timestamp": moment(change.when),
        "agent_id": change.agent_id,
        "operation": change.operation,
        "prev_hash": change.before,
        "new_hash": change.after,
        "file_size": change.size,
        "kept": change.kept,
    }


def _register_diff(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def diff_content(
        ctx: Context, book_id: BookId, path: Path, a: Which, b: Which = "current", user_id: UserId = None
    ) -> ToolResult:
        """The unified diff from version a of a lesson to version b. With user_id, versions as that user saw them."""
        operation = "diff_content"
        require_book_id(book_id, operation)
        require_path(path, operation)
        mcp_caller(service, ctx, operation, mutating=False)
        user = resolve_user(service, ctx, user_id, operation)
        with bytes_elsewhere(service, ctx, book_id, path, user):
            found = await service.library.compare(book_id, path, str(a), str(b), user)
        return answer(_summary(path, found), _compared(path, found))


def _summary(path: str, found: Comparison) -> str:
    if found.a.digest == found.b.digest:
        return f"{path}: the two versions are equal, sha256 {found.a.digest}"
    cut = "; the diff is cut" if found.diff.truncated else ""
    return f"{path}: +{found.diff.added} −{found.diff.removed} lines{cut}; the diff is in diff"


def _compared(path: str, found: Comparison) -> dict[str, Any]:
    return {
        "path": path,
        "a": _version(found.a),
        "b": _version(found.b),
        "diff": found.diff.text,
        "diff_truncated": found.diff.truncated,
        "lines_added": found.diff.added,
        "lines_removed": found.diff.removed,
    }


def _version(version: Version) -> dict[str, Any]:
    return {"file_hash": version.digest, "revision": version.revision}


def _register_restore(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=WRITES, output_schema=None)
    async def restore_content(
        ctx: Context,
        book_id: BookId,
        path: Path,
        revision: Which,
        expected_hash: ExpectedHash = None,
        user_id: UserId = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Let a file hold again what it held at a revision, or the bytes of a SHA-256 out of its history.

        The rules are those of write_content: name the hash it has now, or none when nothing is there.
        NOT_FOUND: no such version, or its bytes were collected after the retention (history says kept=false).
        """
        operation = "restore_content"
        require_book_id(book_id, operation)
        require_path(path, operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        user = resolve_user(service, ctx, user_id, operation)
        result = await service.library.restore(
            book_id, path, str(revision), caller, user_id=user,
            expected=expected(expected_hash, operation), idempotency_key=require_key(idempotency_key, operation),
        )  # fmt: skip
        return written(result, user)
