"""The tools that search a book: ``glob_search`` over paths, ``grep_search`` over the lines of lessons (S19, S20, F68).

Know arguments, cursors and answers; what is looked at and how much of it is the library's business.
"""

from typing import Annotated, Any

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api.answers import answer
from panaversity_fs.api.arguments import BookId, Cursor, UserId
from panaversity_fs.api.callers import mcp_caller, resolve_user
from panaversity_fs.api.hints import READS
from panaversity_fs.api.paging import from_cursor, to_cursor
from panaversity_fs.api.service import Service
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library import Found, Grep, Place

MAX_RESULTS = 1_000
_SHOWN = 20
"""Results that the text of an answer repeats; skipped files that the object lists."""

MaxResults = Annotated[int, Field(description="Most results in one answer.", ge=1, le=MAX_RESULTS)]
# The library says in its own words when a pattern is too long; this cap only keeps nonsense out of it.
_PATTERN_CAP = 4_096


def register_search(mcp: FastMCP, service: Service) -> None:
    """Add both searches."""
    _register_glob(mcp, service)
    _register_grep(mcp, service)


def _register_glob(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def glob_search(
        ctx: Context,
        book_id: BookId,
        pattern: Annotated[
            str,
            Field(
                description="Over whole paths: * and ? inside a folder's or file's name, ** for any folders, "
                "[a-z], [!a-z]; no braces. For example content/**/*-intro*.md",
                max_length=_PATTERN_CAP,
            ),
        ],
        user_id: UserId = None,
        max_results: MaxResults = 100,
        cursor: Cursor = None,
    ) -> ToolResult:
        """Find paths, lessons and assets, by a pattern; sorted. With user_id that user's overlay is seen as well."""
        operation = "glob_search"
        require_book_id(book_id, operation)
        mcp_caller(service, ctx, operation, mutating=False)
        user = resolve_user(service, ctx, user_id, operation)
        after = from_cursor(cursor, operation) if cursor is not None else None
        paths, more = await service.library.glob_search(book_id, pattern, max_results, user_id=user, after=after)
        following = to_cursor(paths[-1]) if more else None
        fields = {"paths": paths, "count": len(paths), "next_cursor": following}
        return answer(_text(f"{len(paths)} paths", paths, following), fields)


def _register_grep(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def grep_search(
        ctx: Context,
        book_id: BookId,
        pattern: Annotated[
            str,
            Field(
                description="Regular expression in RE2 syntax, case-sensitive unless it begins with (?i). "
                "No look-around, no back-references.",
                max_length=_PATTERN_CAP,
            ),
        ],
        user_id: UserId = None,
        max_results: MaxResults = 100,
        cursor: Cursor = None,
    ) -> ToolResult:
        """Find lines of lessons, in the order of paths. One call does a bounded amount of work: while there is a
        next_cursor there is more to search, even when nothing was found so far."""
        operation = "grep_search"
        require_book_id(book_id, operation)
        mcp_caller(service, ctx, operation, mutating=False)
        user = resolve_user(service, ctx, user_id, operation)
        begin = from_place(cursor, operation) if cursor is not None else None
        found = await service.library.grep_search(book_id, pattern, max_results, user_id=user, begin=begin)
        fields = grep_fields(found)
        lines = [f"{hit.path}:{hit.line_number}" for hit in found.hits]
        head = f"{len(lines)} lines in {found.files_searched} files searched"
        return answer(_text(head, lines, fields["next_cursor"]), fields)


def grep_fields(found: Grep) -> dict[str, Any]:
    """The lines, what could not be searched, and where to go on."""
    return {
        "matches": [_match(hit) for hit in found.hits],
        "count": len(found.hits),
        "files_searched": found.files_searched,
        "skipped": [{"path": s.path, "reason": s.reason} for s in found.skipped[:_SHOWN]],
        "skipped_count": len(found.skipped),
        "next_cursor": to_place(found.following) if found.following else None,
    }


def _match(hit: Found) -> dict[str, Any]:
    return {"path": hit.path, "line_number": hit.line_number, "matched_line": hit.line}


def to_place(place: Place) -> str:
    """A place as a cursor; no path holds a colon."""
    return to_cursor(f"{place.path}:{'' if place.line is None else place.line}")


def from_place(cursor: str, operation: str) -> Place:
    """The place a cursor stands for. Raises ``InvalidArgument``."""
    path, colon, line = from_cursor(cursor, operation).rpartition(":")
    if not colon or not (line == "" or (line.isascii() and line.isdigit() and len(line) < 10)):
        raise InvalidArgument(
            operation, "cursor", "is not one of ours", "Pass next_cursor as it came", name="cursor", reason="is unknown"
        )
    return Place(path, int(line) if line else None)


def _text(head: str, names: list[str], following: str | None) -> str:
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    going = ["more with next_cursor"] if following else []
    return "\n".join([head, *names[:_SHOWN], *more, *going])
