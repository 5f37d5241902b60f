"""The tools that change a part of a lesson: ``edit_content`` and ``append_content``.

Know arguments, answers and the URL of what is no text; what is replaced, and whether, is the library's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import answer, namespace, written
from panaversity_fs.api.arguments import BookId, ExpectedHash, IdempotencyKey, Path, UserId, as_bytes, require_key
from panaversity_fs.api.arguments import expected as expected_or_none
from panaversity_fs.api.callers import base_url, mcp_caller, resolve_user
from panaversity_fs.api.hints import WRITES
from panaversity_fs.api.service import Service
from panaversity_fs.core.digest import parse_digest
from panaversity_fs.core.paths import BASE, require_book_id, require_path
from panaversity_fs.library.editing import Edited
from panaversity_fs.library.texts import NotText

RequiredHash = Annotated[
    str,
    Field(
        description="SHA-256 the file has now, as read_content answered it: the text you are editing.", max_length=64
    ),
]
OldText = Annotated[
    str,
    Field(
        description="The passage to replace, exactly as it stands there; it must occur once.",
        max_length=limits.MCP_BODY,
    ),
]
NewText = Annotated[str, Field(description="What stands there instead; may be empty.", max_length=limits.MCP_BODY)]


@contextmanager
def bytes_elsewhere(service: Service, ctx: Context, book_id: str, path: str, user_id: str) -> Iterator[None]:
    """Add to the refusal of what is no text where its bytes are served; an overlay's are served nowhere."""
    try:
        yield
    except NotText as refusal:
        if user_id == BASE and (url := service.file_url(base_url(service, ctx), book_id, path)):
            refusal.details["url"] = url
        raise


def register_editing(mcp: FastMCP, service: Service) -> None:
    """Add the tools that change a part of a lesson."""
    _register_edit(mcp, service)
    _register_append(mcp, service)


def _register_edit(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=WRITES, output_schema=None)
    async def edit_content(
        ctx: Context,
        book_id: BookId,
        path: Path,
        old_text: OldText,
        new_text: NewText,
        expected_hash: RequiredHash,
        dry_run: Annotated[bool, Field(description="Answer the diff and change nothing.")] = False,
        user_id: UserId = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Replace one passage of a lesson; everything else keeps its bytes. Answers the diff and the new file_hash.

        old_text must occur exactly once, else INVALID_ARGUMENT with the count: take more of the text around it.
        Line ends follow the file's. With user_id the edit goes to that user's overlay, which begins as the base's text.
        CONFLICT: somebody changed it since, read it again and repeat the edit on the new text.
        """
        operation = "edit_content"
        require_book_id(book_id, operation)
        require_path(path, operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        user = resolve_user(service, ctx, user_id, operation)
        with bytes_elsewhere(service, ctx, book_id, path, user):
            edited = await service.library.edit(
                book_id, path, as_bytes(old_text, operation, "old_text"), as_bytes(new_text, operation, "new_text"),
                caller, expected=parse_digest(expected_hash, operation, "expected_hash"), user_id=user,
                idempotency_key=require_key(idempotency_key, operation), dry_run=dry_run,
            )  # fmt: skip
        return _edited(edited, path, user)


def _edited(edited: Edited, path: str, user_id: str) -> ToolResult:
    diff = {
        "dry_run": edited.result is None,
        "diff": edited.diff.text,
        "diff_truncated": edited.diff.truncated,
        "lines_added": edited.diff.added,
        "lines_removed": edited.diff.removed,
    }
    if edited.result is not None:
        return written(edited.result, user_id, **diff)
    text = f"{path}: dry run, +{edited.diff.added} −{edited.diff.removed} lines, would be sha256 {edited.file_hash}"
    fields = {"status": "success", "path": path, "file_hash": edited.file_hash, "namespace": namespace(user_id)}
    return answer(text, fields | diff)


def _register_append(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=WRITES, output_schema=None)
    async def append_content(
        ctx: Context,
        book_id: BookId,
        path: Path,
        content: Annotated[
            str, Field(description="What to add, with the line breaks you want.", max_length=limits.MCP_BODY)
        ],
        expected_hash: ExpectedHash = None,
        user_id: UserId = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Add text at the end of a lesson, or create it where nothing is. The rules are those of write_content.

        Nothing is put between the old end and content; line ends follow the file's. With user_id it goes to that
        user's overlay, which begins as the base's text.
        """
        operation = "append_content"
        require_book_id(book_id, operation)
        require_path(path, operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        user = resolve_user(service, ctx, user_id, operation)
        with bytes_elsewhere(service, ctx, book_id, path, user):
            result = await service.library.append(
                book_id, path, as_bytes(content, operation, "content"), caller, user_id=user,
                expected=expected_or_none(expected_hash, operation),
                idempotency_key=require_key(idempotency_key, operation),
            )  # fmt: skip
        return written(result, user)
