"""Which files can pass an MCP tool, and as which arguments: text by ``write_content``, media by ``upload_asset``.

PURE: bytes and paths in, arguments or a reason out. Does not know connections; the limits are the server's (4 MiB for a
request, 8 MiB for a text it reads lines of, 2 MiB for an image in an answer).
"""

import base64
from collections.abc import Mapping
from typing import Final

from panaversity_fs.core.errors import TooLarge
from panaversity_fs.core.mapping import extension
from panaversity_fs.core.paths import shown

LONGEST_BODY: Final = 4 * 1024 * 1024 - 1024
"""Bytes of one MCP request, with room for the conditions that come to a write."""
LONGEST_TEXT: Final = 8 * 1024 * 1024
LONGEST_IMAGE: Final = 2 * 1024 * 1024
_IMAGES = frozenset({"png", "jpg", "jpeg", "gif", "webp"})
"""What ``get_asset`` hands out itself."""


def write_call(book_id: str, path: str, data: bytes) -> tuple[str, dict[str, object]] | str:
    """The tool and the arguments that let ``path`` hold these bytes; a text says why none can."""
    if path.startswith("static/"):
        return "upload_asset", {**asset(book_id, path), "binary_data": base64.b64encode(data).decode()}
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "is not UTF-8 text, and write_content takes nothing else"
    return "write_content", {"book_id": book_id, "path": path, "content": text}


def asset(book_id: str, path: str) -> dict[str, object]:
    """How the asset tools name a path below ``static/``."""
    _, kind, name = path.split("/", 2)
    return {"book_id": book_id, "asset_type": kind, "filename": name}


def comes_as_image(path: str) -> bool:
    """True for what ``get_asset`` answers whole; everything else comes as text or not at all."""
    return path.startswith("static/") and extension(path) in _IMAGES


def too_large_to_come(path: str, size: int) -> str | None:
    """Why no tool hands out a file of so many bytes, or None."""
    limit = LONGEST_IMAGE if comes_as_image(path) else LONGEST_TEXT
    return f"has {size} bytes, more than the {limit} that a tool hands out" if size > limit else None


def refusal(operation: str, book_id: str, refused: Mapping[str, str], hint: str) -> TooLarge:
    """The error for files that fit no tool, by path with their reasons; ``hint`` says what to do."""
    named = "; ".join(f"{shown(path)} {reason}" for path, reason in list(refused.items())[:3])
    more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
    files = "1 file" if len(refused) == 1 else f"{len(refused)} files"
    return TooLarge(
        operation, book_id, f"{files} cannot pass MCP tools: {named}{more}",
        hint,
        refused=[{"path": path, "reason": reason} for path, reason in refused.items()],
    )  # fmt: skip
