"""How the library's answers look to a tool's caller: the field names of DESIGN 7, each written once.

Knows names and forms; does not decide what is answered.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from fastmcp.tools import ToolResult

from panaversity_fs.api.media import mime_of
from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.paths import BASE
from panaversity_fs.library import BookInfo, CommitResult, FileEntry


def answer(text: str, structured: dict[str, Any]) -> ToolResult:
    """A result: the object for programs, one short self-sufficient line for everybody else."""
    return ToolResult(content=text, structured_content=structured)


def moment(when: datetime) -> str:
    """A time as text: ISO 8601 with its zone."""
    return when.isoformat()


def namespace(user_id: str) -> str:
    """What a namespace is called in answers: ``base``, or ``overlay`` for any user's."""
    return "base" if user_id == BASE else "overlay"


def file_fields(entry: FileEntry) -> dict[str, Any]:
    """What is known of one file without its bytes; ``orphaned`` is said of overlay entries only."""
    fields = {
        "path": entry.path,
        "source_path": entry.source_path,
        "file_hash_sha256": entry.sha256,
        "file_size": entry.size,
        "last_modified": moment(entry.last_written_at),
        "storage_backend": entry.storage_backend,
        "source": entry.source,
        "revision": entry.revision,
    }
    return fields | {"orphaned": entry.orphaned} if entry.source == "overlay" else fields


def written_fields(result: CommitResult, user_id: str) -> dict[str, Any]:
    """What a write of one path did."""
    (outcome,) = result.outcomes
    return {
        "status": "success",
        "mode": outcome.mode,
        "path": outcome.path,
        "source_path": result.source_path(outcome.path),
        "file_hash": outcome.after,
        "file_size": outcome.size,
        "namespace": namespace(user_id),
        "revision": result.revision,
    }


def written(result: CommitResult, user_id: str, **more: Any) -> ToolResult:
    """The answer of every tool that writes one path, with the audit log's checkpoint; ``more`` is added to it."""
    (outcome,) = result.outcomes
    where = "" if user_id == BASE else f" in the overlay of {user_id}"
    text = f"{outcome.path}: {outcome.mode}{where}, sha256 {outcome.after}, revision {result.revision}"
    return answer(text, written_fields(result, user_id) | log_fields(result.checkpoint) | more)


def log_fields(checkpoint: Checkpoint | None) -> dict[str, Any]:
    """What every tool that changed something adds: the audit log's checkpoint, with the change in it (S37)."""
    return {"checkpoint": checkpoint.to_wire()} if checkpoint else {}


def asset_fields(entry: FileEntry, url: str | None) -> dict[str, Any]:
    """An asset's metadata; ``filename`` is what the asset tools take."""
    _, kind, filename = entry.path.split("/", 2)
    return {
        **file_fields(entry),
        "asset_type": kind,
        "filename": filename,
        "mime_type": mime_of(entry.path),
        "url": url,
    }


def book_fields(book: BookInfo) -> dict[str, Any]:
    """A book at a glance."""
    return {
        "book_id": book.book_id,
        "schema": book.schema,
        "numbering": book.numbering,
        "revision": book.revision,
        "incarnation": book.incarnation,
        "file_count": book.file_count,
        "total_bytes": book.total_bytes,
        "created_at": moment(book.created_at),
    }


def tree(entries: Iterable[FileEntry]) -> list[dict[str, Any]]:
    """Entries sorted by path as nested folders: ``{name, children}`` and ``{name, file_hash_sha256, file_size}``."""
    root: list[dict[str, Any]] = []
    folders: dict[str, list[dict[str, Any]]] = {"": root}
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        _folder(folders, folder).append({"name": name, "file_hash_sha256": entry.sha256, "file_size": entry.size})
    return root


def _folder(folders: dict[str, list[dict[str, Any]]], path: str) -> list[dict[str, Any]]:
    if path not in folders:
        parent, _, name = path.rpartition("/")
        folders[path] = []
        _folder(folders, parent).append({"name": name, "children": folders[path]})
    return folders[path]
