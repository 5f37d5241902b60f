"""Stored bytes as text: whole, verified, and refused when they are none (DESIGN 7: over MCP content is UTF-8).

Knows blobs' rows and one limit; does not know who asks nor which path it is for beyond its name in a message.
"""

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.edits import is_text
from panaversity_fs.core.errors import InvalidArgument, NotFound, TooLarge
from panaversity_fs.library.context import Context
from panaversity_fs.store.blob_rows import BlobRow, find_blobs
from panaversity_fs.store.blobs import verified
from panaversity_fs.store.books import BookRow
from panaversity_fs.store.database import Connection

MAX_TEXT = 8 * 1024 * 1024
"""Bytes of a file that is read into memory to be edited or compared."""


class NotText(InvalidArgument):
    """``INVALID_ARGUMENT`` of a file that is no UTF-8 text; the doors add the URL of its bytes."""


async def require_bytes(connection: Connection, book: BookRow, digest: Digest, operation: str, path: str) -> BlobRow:
    """The row of bytes this life of the book holds. Raises ``NotFound`` when they were collected."""
    row = (await find_blobs(connection, book.book_id, book.incarnation, [digest])).get(digest)
    if row is None or row.state == "deleted":
        raise NotFound(
            operation, path, "the bytes of that version are no longer kept; they were collected after the retention",
            "Choose another version of the history", kind="bytes", path=path, digest=digest,
        )  # fmt: skip
    return row


async def read_text(context: Context, row: BlobRow, operation: str, path: str) -> bytes:
    """The whole bytes, verified, which are UTF-8. Raises ``NotText``, ``TooLarge`` above ``MAX_TEXT`` bytes."""
    if row.size > MAX_TEXT:
        raise TooLarge(
            operation, path, f"has {row.size} bytes, more than {MAX_TEXT}", "Fetch it over HTTP and send it whole",
            path=path, size=row.size, limit=MAX_TEXT,
        )  # fmt: skip
    data = b"".join([piece async for piece in verified(context.blobs, row.key, row.size)])
    if not is_text(data):
        raise NotText(
            operation, path, "is not UTF-8 text", "Fetch its bytes over HTTP", name="path", path=path,
            reason="is not UTF-8 text", digest=row.sha256,
        )  # fmt: skip
    return data
