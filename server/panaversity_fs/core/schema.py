"""Which safe paths have a place in a book: the profiles ``strict`` and ``docusaurus`` (FR-007, FR-008, R1).

Knows one path, the book's schema and its numbering; does not know what else the book holds.
"""

import re
from enum import StrEnum

from panaversity_fs.core.errors import SchemaViolation
from panaversity_fs.core.mapping import Numbering, canonical, decode
from panaversity_fs.core.paths import require_path

LESSON_PATTERN = "content/{NN-Name}/{NN-Name}/{NN-name}(.summary)?.md"
ASSET_PATTERN = "static/(img|slides|videos|audio)/{path}"

_STRICT = re.compile(
    r"content/[0-9]{2}-[^/]+/[0-9]{2}-[^/]+/([0-9]{2}-[^/]+\.md|[^/]+\.summary\.md)|static/(img|slides|videos|audio)/.+"
)


class Schema(StrEnum):
    """``strict`` for a book born by ``write_content``, ``docusaurus`` (a superset) for one born by an ingest."""

    STRICT = "strict"
    DOCUSAURUS = "docusaurus"


def schema_fault(path: str, schema: Schema, numbering: Numbering | None) -> tuple[str, str] | None:
    """Why a safe path has no place in such a book, as (what is wrong, what to do), or None."""
    if decode(path, numbering) is None:
        return f"is neither {LESSON_PATTERN} nor {ASSET_PATTERN}", "Put lessons below content/ and media below static/"
    right = canonical(path, numbering)
    if right is None:
        return "has a folder named @, which is reserved", "Name the folder otherwise"
    if right != path:
        return f"is kept as {right}", f"Use {right}"
    if schema is Schema.STRICT and not _STRICT.fullmatch(path):
        wanted = ASSET_PATTERN if path.startswith("static/") else LESSON_PATTERN
        return f"does not match {wanted} of a strict book", "Name it so, or widen the book with --schema docusaurus"
    return None


def require_place(path: str, schema: Schema, numbering: Numbering | None, operation: str) -> str:
    """The path itself when it is safe and legal. Raises ``InvalidPath`` or ``SchemaViolation``."""
    require_path(path, operation)
    if fault := schema_fault(path, schema, numbering):
        problem, hint = fault
        pattern = ASSET_PATTERN if path.startswith("static/") else LESSON_PATTERN
        raise SchemaViolation(operation, path, problem, hint, path=path, pattern=pattern)
    return path
