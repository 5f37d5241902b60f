"""The tools that change lessons: ``write_content`` and ``delete_content`` (FR-002..005, R3).

Know arguments and answers; the rules of conflict are the library's.
"""

from typing import Annotated

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import BASE_SOURCE, answer
from panaversity_fs.api.arguments import BookId, ExpectedHash, IdempotencyKey, Path, as_bytes, expected, require_key
from panaversity_fs.api.callers import mcp_caller
from panaversity_fs.api.hints import REMOVES, WRITES
from panaversity_fs.api.service import Service
from panaversity_fs.core.paths import require_book_id, require_path


def register_writing(mcp: FastMCP, service: Service) -> None:
    """Add the tools that change one lesson."""

    @mcp.tool(annotations=WRITES, output_schema=None)
    async def write_content(
        ctx: Context,
        book_id: BookId,
        path: Path,
        content: Annotated[str, Field(description="The whole new text.", max_length=limits.MCP_BODY)],
        expected_hash: ExpectedHash = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Create a lesson, or replace it when expected_hash is the hash it has now.

        HASH_REQUIRED: it exists, read it first. CONFLICT: somebody changed it since, read it again.
        """
        operation = "write_content"
        require_book_id(book_id, operation)
        require_path(path, operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        result = await service.library.write(
            book_id, path, as_bytes(content, operation, "content"), caller,
            expected=expected(expected_hash, operation), idempotency_key=require_key(idempotency_key, operation),
        )  # fmt: skip
        outcome = result.outcomes[0]
        fields = {
            "status": "success",
            "mode": outcome.mode,
            "path": path,
            "source_path": result.source_path(path),
            "file_hash": outcome.after,
            "file_size": outcome.size,
            "namespace": BASE_SOURCE,
            "revision": result.revision,
        }
        return answer(f"{path}: {outcome.mode}, sha256 {outcome.after}, revision {result.revision}", fields)

    @mcp.tool(annotations=REMOVES, output_schema=None)
    async def delete_content(
        ctx: Context,
        book_id: BookId,
        path: Path,
        expected_hash: ExpectedHash = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Delete a lesson or an asset. Deleting what is not there succeeds with existed=false."""
        operation = "delete_content"
        require_book_id(book_id, operation)
        require_path(path, operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        result = await service.library.delete(
            book_id, path, caller,
            expected=expected(expected_hash, operation), idempotency_key=require_key(idempotency_key, operation),
        )  # fmt: skip
        existed = result.outcomes[0].mode == "deleted"
        fields = {"status": "success", "existed": existed, "path": path, "revision": result.revision}
        return answer(f"{path}: {'deleted' if existed else 'was not there'}, revision {result.revision}", fields)
