"""The tool that reads lessons: one file, or a chapter, part or book of them, in pages (DESIGN 7).

Knows scopes, windows and pages; bytes and metadata come from the library.
"""

from typing import Annotated, Any, Literal

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import answer, file_fields
from panaversity_fs.api.arguments import BookId, Cursor, Path
from panaversity_fs.api.callers import base_url, mcp_caller
from panaversity_fs.api.hints import READS
from panaversity_fs.api.lines import window
from panaversity_fs.api.paging import page, to_cursor
from panaversity_fs.api.service import Service
from panaversity_fs.core.errors import InvalidArgument, NotFound, PanaversityError
from panaversity_fs.core.paths import require_book_id, require_path
from panaversity_fs.library import FileEntry

_OPERATION = "read_content"
Scope = Literal["file", "chapter", "part", "book"]
_DEPTH = {"chapter": 3, "part": 2, "book": 1}


def register_reading(mcp: FastMCP, service: Service) -> None:
    """Add ``read_content``."""

    @mcp.tool(annotations=READS, output_schema=None)
    async def read_content(
        ctx: Context,
        book_id: BookId,
        path: Annotated[Path, Field(description="File; or, with another scope, a folder or a file inside it.")] = "",
        scope: Annotated[
            Scope, Field(description="file, or every lesson of the chapter, part or book that path is in.")
        ] = "file",
        start_line: Annotated[int | None, Field(ge=1, description="First line to answer, from 1 (scope file).")] = None,
        limit: Annotated[int | None, Field(ge=1, description="Most lines to answer (scope file).")] = None,
        cursor: Cursor = None,
    ) -> ToolResult:
        """Read lessons. The answer's file_hash_sha256 is the expected_hash of your next write to that path."""
        require_book_id(book_id, _OPERATION)
        mcp_caller(service, ctx, _OPERATION, mutating=False)
        reader = _Reader(service, base_url(service, ctx), book_id)
        if scope == "file":
            return await reader.file(path, start_line or 1, limit)
        if start_line is not None or limit is not None:
            raise InvalidArgument(
                _OPERATION, "start_line", "start_line and limit go with scope file", "Use cursor",
                name="start_line", reason="goes with scope file",
            )  # fmt: skip
        return await reader.scope(folder_of(path, scope), cursor)


def folder_of(path: str, scope: Scope) -> str:
    """The folder (with its last slash) that holds the book, or the part or chapter ``path`` is in.

    Raises ``InvalidPath``, or ``InvalidArgument`` when the path does not reach that deep.
    """
    steps = require_path(path, _OPERATION).split("/") if path or scope != "book" else []
    depth = _DEPTH[scope]
    if scope != "book" and (len(steps) < depth or steps[0] != "content"):
        raise InvalidArgument(
            _OPERATION, "path", f"does not name a {scope}", "Give content/{part}" + "/{chapter}" * (depth - 2),
            name="path", reason=f"does not name a {scope}",
        )  # fmt: skip
    return "/".join(["content", *steps[1:depth]]) + "/"


class _Reader:
    """Reading in one book on behalf of one caller, who reaches the data plane at ``base``."""

    def __init__(self, service: Service, base: str | None, book_id: str) -> None:
        self._service, self._base, self._book_id = service, base, book_id

    async def file(self, path: str, start: int, limit: int | None) -> ToolResult:
        require_path(path, _OPERATION)
        entry = await self._service.library.entry(self._book_id, path)
        fields = file_fields(entry)
        text = await self._text(entry)
        if text is None:
            return self._elsewhere(entry, fields)
        part = window(text, start, limit, limits.TEXT_ANSWER)
        fields = {"content": part.text, **fields, "total_lines": part.total}
        more = ""
        if part.start > 1 or part.next_line is not None:
            fields |= {"start_line": part.start, "next_start_line": part.next_line}
            more = f", from line {part.start} of {part.total}"
        return answer(f"{path}: {entry.size} bytes, sha256 {entry.sha256}{more}; text in content", fields)

    async def scope(self, folder: str, cursor: str | None) -> ToolResult:
        entries = await self._service.library.entries(self._book_id, folder)
        if not entries and folder != "content/":
            raise NotFound(
                _OPERATION, folder, "the book holds nothing there", "List the book with list_books",
                kind="path", path=folder,
            )  # fmt: skip
        items, following = page(entries, cursor, limits.PAGE, lambda e: e.path, _OPERATION)
        files: list[dict[str, Any]] = []
        room = limits.TEXT_ANSWER
        for entry in items:
            if files and entry.size > room:
                following = to_cursor(str(files[-1]["path"]))
                break
            files.append(await self._member(entry))
            room -= entry.size
        more = "; more with next_cursor" if following else ""
        fields = {"files": files, "file_count": len(files), "total_files": len(entries), "next_cursor": following}
        return answer(f"{folder}: {len(files)} of {len(entries)} files{more}", fields)

    async def _member(self, entry: FileEntry) -> dict[str, Any]:
        """One file of a scope; its own trouble does not spoil the others."""
        fields = file_fields(entry)
        try:
            text = await self._text(entry)
        except PanaversityError as error:
            return {**fields, **error.to_wire()}
        if text is None or entry.size > limits.TEXT_ANSWER:
            url = self._service.file_url(self._base, self._book_id, entry.path)
            return {"content": None, **fields, "url": url, "reason": _reason(entry)}
        return {"content": text, **fields}

    async def _text(self, entry: FileEntry) -> str | None:
        """The file as text; None when it is not UTF-8 or too large to be handed out here."""
        if entry.size > limits.TEXT_FILE:
            return None
        data = await self._service.library.read_bytes(self._book_id, entry.sha256, limits.TEXT_FILE)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def _elsewhere(self, entry: FileEntry, fields: dict[str, Any]) -> ToolResult:
        url = self._service.file_url(self._base, self._book_id, entry.path)
        fields = {"content": None, **fields, "url": url, "reason": _reason(entry)}
        return answer(f"{entry.path}: {entry.size} bytes, {_reason(entry)}; get it from {url}", fields)


def _reason(entry: FileEntry) -> str:
    return "too large for this answer" if entry.size > limits.TEXT_ANSWER else "not UTF-8 text"
