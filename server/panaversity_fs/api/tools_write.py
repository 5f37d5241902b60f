"""The tools that change lessons: ``write_content`` and ``delete_content`` (FR-002..005, R3).

Know arguments and answers; the rules of conflict are the library's.
"""

from typing import Annotated

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import answer, log_fields, namespace, written
from panaversity_fs.api.arguments import (
    BookId,
    ExpectedHash,
    IdempotencyKey,
    Path,
    UserId,
    as_bytes,
    expected,
    require_key,
)
from panaversity_fs.api.callers import mcp_caller, resolve_user
from panaversity_fs.api.hints import REMOVES, WRITES
from panaversity_fs.api.service import Service
from panaversity_fs.core.paths import BASE, require_book_id, require_path


def register_writing(mcp: FastMCP, service: Service) -> None:
    """Add the tools that change one lesson."""

    @mcp.tool(annotations=WRITES, output_schema=None)
    async def write_content(
        ctx: Context,
        book_id: BookId,
        path: Path,
        content: Annotated[str, Field(description="The whole new text.", max_length=limits.MCP_BODY)],
        expected_hash: ExpectedHash = None,
        user_id: UserId = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Create a lesson, or replace it when expected_hash is the hash it has now.

        With user_id the same in that user's overlay, whatever the base holds: expected_hash is the overlay's own.
        HASH_REQUIRED: it exists, read it first. CONFLICT: somebody changed it since, read it again.
        """
        operation = "write_content"
        require_book_id(book_id, operation)
        require_path(path, operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        user = resolve_user(service, ctx, user_id, operation)
        result = await service.library.write(
            book_id, path, as_bytes(content, operation, "content"), caller, user_id=user,
            expected=expected(expected_hash, operation), idempotency_key=require_key(idempotency_key, operation),
        )  # fmt: skip
        return written(result, user)

    @mcp.tool(annotations=REMOVES, output_schema=None)
    async def delete_content(
        ctx: Context,
        book_id: BookId,
        path: Path,
        expected_hash: ExpectedHash = None,
        user_id: UserId = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Delete a lesson or an asset. Deleting what is not there succeeds with existed=false.

        With user_id only that user's overlay is deleted; the path then shows the base again.
        """
        operation = "delete_content"
        require_book_id(book_id, operation)
        require_path(path, operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        user = resolve_user(service, ctx, user_id, operation)
        result = await service.library.delete(
            book_id, path, caller, user_id=user,
            expected=expected(expected_hash, operation), idempotency_key=require_key(idempotency_key, operation),
        )  # fmt: skip
        existed = result.outcomes[0].mode == "deleted"
        fields = {
            "status": "success", "existed": existed, "path": path, "namespace": namespace(user),
            "revision": result.revision, **log_fields(result.checkpoint),
        }  # fmt: skip
        where = "" if user == BASE else f" in the overlay of {user}"
        return answer(f"{path}: {'deleted' if existed else 'was not there'}{where}, revision {result.revision}", fields)
