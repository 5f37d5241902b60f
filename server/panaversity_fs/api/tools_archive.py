"""The tool that says where a whole book can be fetched: ``get_book_archive`` (FR-011..014).

Knows arguments and answers; the bytes go over the data plane.
"""

from typing import Annotated, Any, Literal

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api.answers import answer
from panaversity_fs.api.arguments import BookId
from panaversity_fs.api.callers import base_url, mcp_caller
from panaversity_fs.api.hints import READS
from panaversity_fs.api.service import Service
from panaversity_fs.core.digest import parse_digest
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library import Archive


def register_archive(mcp: FastMCP, service: Service) -> None:
    """Add ``get_book_archive``."""

    @mcp.tool(annotations=READS, output_schema=None)
    async def get_book_archive(
        ctx: Context,
        book_id: BookId,
        scope: Annotated[Literal["all", "content", "assets"], Field(description="Which files it holds.")] = "all",
        manifest_hash: Annotated[
            str | None,
            Field(description="An earlier state, by the manifest hash plan_build told; left out: now.", max_length=64),
        ] = None,
    ) -> ToolResult:
        """Where to GET the book as one ZIP file. The URL serves ranges, so a broken download can be resumed;
        with &partial=true files that cannot be read are left out and listed in errors.json inside."""
        operation = "get_book_archive"
        require_book_id(book_id, operation)
        mcp_caller(service, ctx, operation, mutating=False)
        told = parse_digest(manifest_hash, operation, "manifest_hash") if manifest_hash is not None else None
        archive = await service.library.open_archive(book_id, scope, told)
        url = service.archive_url(base_url(service, ctx), book_id, scope, _named(archive))
        return answer(_summary(book_id, archive, url), archive_fields(archive, url))


def archive_fields(archive: Archive, url: str | None) -> dict[str, Any]:
    """What is known of an archive before its first byte; ``warning`` is left out where there is none."""
    fields: dict[str, Any] = {
        "status": "incomplete" if archive.missing else "ready",
        "archive_url": url,
        "scope": archive.scope,
        "manifest_hash": archive.manifest_hash,
        "file_count": archive.file_count,
        "total_size_bytes": archive.total_bytes,
        "archive_size_bytes": archive.size,
    }
    if archive.missing:
        fields["missing"] = [trouble.member.name for trouble in archive.missing[:100]]
        fields["missing_count"] = len(archive.missing)
    if archive.warning:
        fields["warning"] = {"code": archive.warning[0], "message": archive.warning[1]}
    return fields


def _named(archive: Archive) -> str | None:
    """The manifest for the URL; None where it was not promised, so that the URL means the book as it is then."""
    return archive.manifest_hash if archive.persisted else None


def _summary(book_id: str, archive: Archive, url: str | None) -> str:
    if archive.warning:
        return f"{book_id}: empty archive; {archive.warning[0]}: {archive.warning[1]}"
    where = f"GET {url}" if url else "no data plane is reachable from here"
    lost = f", {len(archive.missing)} of them missing: add &partial=true" if archive.missing else ""
    return f"{book_id}: {archive.file_count} files{lost}, {archive.total_bytes} bytes, {archive.scope}; {where}"
