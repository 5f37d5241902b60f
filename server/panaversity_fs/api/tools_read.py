"""The tool that reads lessons: one file, or a chapter, part or book of them, in pages (DESIGN 7).

Knows scopes, windows and pages; bytes and metadata come from the library.
"""

from typing import Annotated, Any, Literal

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import answer, file_fields
from panaversity_fs.api.arguments import BookId, Cursor, Path, UserId
from panaversity_fs.api.callers import base_url, mcp_caller, resolve_user
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
        user_id: UserId = None,
        start_line: Annotated[int | None, Field(ge=1, description="First line to answer, from 1 (scope file).")] = None,
        limit: Annotated[int | None, Field(ge=1, description="Most lines to answer (scope file).")] = None,
        cursor: Cursor = None,
    ) -> ToolResult:
        """Read lessons. The answer's file_hash_sha256 is the expected_hash of your next write to that path.

        With user_id that user's overlay shows first; source says which layer answered (for source base, the first write
        to the overlay takes no expected_hash), and orphaned that the base no longer holds the path.
        """
        require_book_id(book_id, _OPERATION)
        mcp_caller(service, ctx, _OPERATION, mutating=False)
        user = resolve_user(service, ctx, user_id, _OPERATION)
        reader = _Reader(service, base_url(service, ctx), book_id, user)
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
    """Reading in one book as one user sees it, on behalf of a caller who reaches the data plane at ``base``."""

    def __init__(self, service: Service, base: str | None, book_id: str, user: str) -> None:
        self._service, self._base, self._book_id, self._user = service, base, book_id, user

    async def file(self, path: str, start: int, limit: int | None) -> ToolResult:
        require_path(path, _OPERATION)
        entry, text = await self._read(path)
        fields = file_fields(entry)
        if text is None:
            return self._elsewhere(entry, fields)
        part = window(text, start, limit, limits.TEXT_ANSWER)
        fields = {"content": part.text, **fields, "total_lines": part.total}
        more = ""
        if part.start > 1 or part.next_line is not None:
            fields |= {"start_line": part.start, "next_start_line": part.next_line}
            more = f", from line {part.start} of {part.total}"
        layer = "" if entry.source == "base" else f", overlay of {self._user}"
        return answer(f"{path}: {entry.size} bytes, sha256 {entry.sha256}{layer}{more}; text in content", fields)

    async def scope(self, folder: str, cursor: str | None) -> ToolResult:
        entries = await self._service.library.entries(self._book_id, folder, self._user)
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
        try:
            entry, text = await self._read(entry.path)
        except PanaversityError as error:
            return {**file_fields(entry), **error.to_wire()}
        fields = file_fields(entry)
        if text is None or entry.size > limits.TEXT_ANSWER:
            return {"content": None, **fields, "url": self._url(entry), "reason": _reason(entry)}
        return {"content": text, **fields}

    async def _read(self, path: str) -> tuple[FileEntry, str | None]:
        """The entry and its text; None for text that is not UTF-8 or too large to be handed out here."""
        entry, blob = await self._service.library.open_entry(self._book_id, path, self._user)
        if entry.size > limits.TEXT_FILE:
            return entry, None
        data = await blob.whole(limits.TEXT_FILE)
        try:
            return entry, data.decode("utf-8")
        except UnicodeDecodeError:
            return entry, None

    def _url(self, entry: FileEntry) -> str | None:
        """Where the bytes are served; None for an overlay's, since the data plane serves the base only."""
        return self._service.file_url(self._base, self._book_id, entry.path) if entry.source == "base" else None

    def _elsewhere(self, entry: FileEntry, fields: dict[str, Any]) -> ToolResult:
        url = self._url(entry)
        fields = {"content": None, **fields, "url": url, "reason": _reason(entry)}
        where = f"; get it from {url}" if url else ""
        return answer(f"{entry.path}: {entry.size} bytes, {_reason(entry)}{where}", fields)


def _reason(entry: FileEntry) -> str:
    return "too large for this answer" if entry.size > limits.TEXT_ANSWER else "not UTF-8 text"
