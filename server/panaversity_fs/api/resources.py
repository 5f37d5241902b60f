"""Files as MCP resources: ``book://{book_id}/{path}``, text where they are text and bytes otherwise.

Knows URIs, sizes and how a refusal leaves outside of tool calls. Whatever is not there, gone, misnamed or somebody
else's looks the same. Overlays are no resources: a URI names no user.
"""

from urllib.parse import quote

from fastmcp import Context, FastMCP
from fastmcp.resources import ResourceContent, ResourceResult
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from panaversity_fs.api import limits
from panaversity_fs.api.callers import base_url, mcp_caller
from panaversity_fs.api.media import mime_of
from panaversity_fs.api.service import Service
from panaversity_fs.core.errors import BookGone, InvalidArgument, InvalidPath, NotFound, PanaversityError, TooLarge
from panaversity_fs.library import FileEntry

TEMPLATE = "book://{book_id}/{path*}"
_OPERATION = "resources/read"
_REFUSED = -32003
_ABSENT = (NotFound, BookGone, InvalidPath, InvalidArgument)


def register_resources(mcp: FastMCP, service: Service) -> None:
    """Add the template of a book's files."""

    @mcp.resource(TEMPLATE, name="book_file", mime_type="text/markdown")
    async def book_file(ctx: Context, book_id: str, path: str) -> ResourceResult:
        """A lesson or an asset of a book, as it is now."""
        try:
            return await _read(service, ctx, book_id, path)
        except _ABSENT as error:
            uri = uri_of(book_id, path)
            raise MCPError(INVALID_PARAMS, f"Resource not found: {uri!r}", {"uri": uri}) from error
        except PanaversityError as error:
            raise MCPError(_REFUSED, str(error), error.to_wire()) from error


def uri_of(book_id: str, path: str) -> str:
    """The URI of a file."""
    return f"book://{book_id}/{quote(path)}"


async def _read(service: Service, ctx: Context, book_id: str, path: str) -> ResourceResult:
    mcp_caller(service, ctx, _OPERATION, mutating=False)
    entry = await service.library.entry(book_id, path)
    if entry.size > limits.TEXT_FILE:
        raise _too_large(entry, service.file_url(base_url(service, ctx), book_id, path))
    data = await service.library.read_bytes(book_id, entry.sha256, limits.TEXT_FILE)
    meta = {"file_hash_sha256": entry.sha256, "revision": entry.revision}
    return ResourceResult([ResourceContent(_text_or_bytes(data, path), mime_of(path), meta)])


def _text_or_bytes(data: bytes, path: str) -> str | bytes:
    if mime_of(path).startswith(("image/", "video/", "audio/")):
        return data
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def _too_large(entry: FileEntry, url: str | None) -> TooLarge:
    problem = f"has {entry.size} bytes, more than {limits.TEXT_FILE}"
    return TooLarge(_OPERATION, entry.path, problem, "Fetch it over HTTP", path=entry.path, size=entry.size, url=url)
