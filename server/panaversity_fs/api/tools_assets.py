"""The tools for images, slides, videos and audio: ``upload_asset``, ``get_asset``, ``list_assets`` (FR-008).

Know base64, URLs and pages; bytes larger than an MCP body travel over the data plane.
"""

import base64
import binascii
from typing import Annotated

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from mcp_types import ImageContent, ResourceLink, TextContent
from pydantic import Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import answer, asset_fields
from panaversity_fs.api.arguments import Asset, BookId, Cursor, ExpectedHash, Filename, IdempotencyKey, asset_folder
from panaversity_fs.api.callers import base_url, mcp_caller
from panaversity_fs.api.hints import READS, WRITES
from panaversity_fs.api.media import is_image, mime_of
from panaversity_fs.api.paging import page
from panaversity_fs.api.service import Service
from panaversity_fs.api.uploading import Upload
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id, require_path

Binary = Annotated[str | None, Field(description="The bytes as base64, up to some 3 MB.", max_length=limits.MCP_BODY)]
Uploaded = Annotated[
    str | None, Field(description="SHA-256 of bytes that were PUT to the upload_url before.", max_length=64)
]


def register_assets(mcp: FastMCP, service: Service) -> None:
    """Add the asset tools."""
    _register_upload(mcp, service)
    _register_reads(mcp, service)


def _register_upload(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=WRITES, output_schema=None)
    async def upload_asset(
        ctx: Context,
        book_id: BookId,
        asset_type: Asset,
        filename: Filename,
        binary_data: Binary = None,
        sha256: Uploaded = None,
        expected_hash: ExpectedHash = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Store an asset: send binary_data; or PUT the bytes to the upload_url and send their sha256; or send neither
        and get the upload_url. Answers status skipped when exactly these bytes are there already.
        """
        operation = "upload_asset"
        require_book_id(book_id, operation)
        path = require_path(f"{asset_folder(asset_type)}/{filename}", operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        upload = Upload(service, base_url(service, ctx), book_id, path, caller, expected_hash, idempotency_key)
        if binary_data is not None and sha256 is not None:
            raise InvalidArgument(operation, "sha256", "is given beside binary_data", "Give one of them", name="sha256")
        if binary_data is not None:
            return await upload.of_bytes(decoded(binary_data))
        return await upload.of_digest(sha256) if sha256 is not None else upload.url()


def decoded(text: str) -> bytes:
    """The bytes of a base64 argument; line breaks are let pass. Raises ``InvalidArgument``."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument(
            "upload_asset", "binary_data", "is not base64", "Encode the bytes as base64 (RFC 4648, section 4)",
            name="binary_data", reason="is not base64",
        ) from None  # fmt: skip


def _register_reads(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def get_asset(
        ctx: Context,
        book_id: BookId,
        asset_type: Asset,
        filename: Filename,
        include_binary: Annotated[bool, Field(description="Answer an image itself (up to 2 MiB).")] = False,
    ) -> ToolResult:
        """Metadata and URL of an asset, and on demand the image itself."""
        operation = "get_asset"
        require_book_id(book_id, operation)
        path = require_path(f"{asset_folder(asset_type)}/{filename}", operation)
        mcp_caller(service, ctx, operation, mutating=False)
        entry = await service.library.entry(book_id, path)
        url = service.file_url(base_url(service, ctx), book_id, path)
        fields = asset_fields(entry, url)
        text = TextContent(type="text", text=f"{path}: {entry.size} bytes, {mime_of(path)}, sha256 {entry.sha256}")
        if include_binary and is_image(path) and entry.size <= limits.IMAGE_ANSWER:
            data = await service.library.read_bytes(book_id, entry.sha256, limits.IMAGE_ANSWER)
            image = ImageContent(type="image", data=base64.b64encode(data).decode(), mime_type=mime_of(path))
            return ToolResult(content=[text, image], structured_content=fields)
        if url is None:
            return ToolResult(content=[text], structured_content=fields)
        link = ResourceLink(type="resource_link", name=filename, uri=url, mime_type=mime_of(path), size=entry.size)
        return ToolResult(content=[text, link], structured_content=fields)

    @mcp.tool(annotations=READS, output_schema=None)
    async def list_assets(
        ctx: Context,
        book_id: BookId,
        asset_type: Annotated[Asset | None, Field(description="One kind only; left out: all.")] = None,
        cursor: Cursor = None,
    ) -> ToolResult:
        """The assets of a book, sorted by path, in pages."""
        operation = "list_assets"
        require_book_id(book_id, operation)
        mcp_caller(service, ctx, operation, mutating=False)
        folder = asset_folder(asset_type) + "/" if asset_type else "static/"
        entries = await service.library.entries(book_id, folder)
        items, following = page(entries, cursor, limits.PAGE, lambda e: e.path, operation)
        base = base_url(service, ctx)
        assets = [asset_fields(e, service.file_url(base, book_id, e.path)) for e in items]
        more = "; more with next_cursor" if following else ""
        fields = {"assets": assets, "count": len(assets), "total": len(entries), "next_cursor": following}
        return answer(f"{folder}: {len(assets)} of {len(entries)} assets{more}", fields)
