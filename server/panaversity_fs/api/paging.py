"""Pages of sorted lists without server state: the cursor is the last name that was answered (S6, F68).

Pure. Because a cursor names a place and not a position, a page stays right when entries come and go between calls.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from panaversity_fs.core.errors import InvalidArgument

T = TypeVar("T")


def to_cursor(name: str) -> str:
    """The opaque form of "everything after this name"."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def from_cursor(cursor: str, operation: str) -> str:
    """The name a cursor stands for. Raises ``InvalidArgument`` for anything ``to_cursor`` would not have written."""
    try:
        name = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        name = ""
    if not name or to_cursor(name) != cursor:
        raise InvalidArgument(
            operation, "cursor", "is not one of ours", "Pass next_cursor as it came", name="cursor", reason="is unknown"
        )
    return name


def page(
    items: Sequence[T], cursor: str | None, size: int, name: Callable[[T], str], operation: str
) -> tuple[list[T], str | None]:
    """The next ``size`` of ``items`` (sorted by ``name``), and the cursor of the page after it or None at the end."""
    after = from_cursor(cursor, operation) if cursor is not None else None
    rest = [item for item in items if after is None or name(item) > after]
    taken = rest[:size]
    return taken, to_cursor(name(taken[-1])) if len(rest) > size else None
