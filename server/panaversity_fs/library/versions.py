"""Naming a version of a path: by revision, by digest or as it is now (DESIGN 7: history, diff, restore).

A user sees his own overlay first, then the base, in the past as in the present. A digest names a version only if the
path really held it where the caller may look: a digest is no capability (S14). Does not read bytes.
"""

from dataclasses import dataclass

from panaversity_fs.core.digest import Digest, is_digest, short
from panaversity_fs.core.errors import InvalidArgument, NotFound
from panaversity_fs.core.paths import BASE, shown
from panaversity_fs.library.overlays import find_seen
from panaversity_fs.store.books import BookRow
from panaversity_fs.store.database import Connection
from panaversity_fs.store.history import ChangeRow, PathLife, change_to, last_change

CURRENT = "current"
_LONGEST_REVISION = 18
"""Digits; every revision fits into the database's integers."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a path held: ``digest`` None for nothing. ``revision`` is that of the change which brought it there."""

    digest: Digest | None
    revision: int | None


async def resolve(
    connection: Connection, book: BookRow, path: str, user_id: str, which: str, operation: str, name: str
) -> Version:
    """The version that ``which`` names. Raises ``InvalidArgument`` for other words, ``NotFound`` for no such version.

    ``name`` is the argument's, for the message.
    """
    if which == CURRENT:
        entry = await find_seen(connection, book, path, user_id)
        return Version(entry.sha256, entry.revision) if entry else Version(None, None)
    if is_digest(which):
        return await _of_digest(connection, book, path, user_id, Digest(which), operation)
    if which.isascii() and which.isdecimal() and len(which) <= _LONGEST_REVISION:
        return await _at_revision(connection, book, path, user_id, int(which), operation)
    raise InvalidArgument(
        operation, name, f"{shown(which)!r} names no version",
        "Give a revision number, a SHA-256 of its history, or current", name=name, reason="names no version",
    )  # fmt: skip


def namespaces(book: BookRow, path: str, user_id: str) -> list[PathLife]:
    """Where this user looks for a path, in order."""
    return [PathLife(book.book_id, book.incarnation, path, user) for user in dict.fromkeys((user_id, BASE))]


async def _of_digest(
    connection: Connection, book: BookRow, path: str, user_id: str, digest: Digest, operation: str
) -> Version:
    for life in namespaces(book, path, user_id):
        if row := await change_to(connection, life, digest):
            return Version(digest, row.revision)
    raise NotFound(
        operation, path, f"never held {short(digest)}", "Look at its history", kind="version", path=path, digest=digest
    )


async def _at_revision(
    connection: Connection, book: BookRow, path: str, user_id: str, revision: int, operation: str
) -> Version:
    if revision > book.revision:
        raise NotFound(
            operation, path, f"has no revision {revision}; the book is at {book.revision}", "Look at its history",
            kind="version", path=path, revision=revision,
        )  # fmt: skip
    found: ChangeRow | None = None
    for life in namespaces(book, path, user_id):
        found = await last_change(connection, life, revision)
        if found is not None and found.after is not None:
            break
    return Version(found.after, found.revision) if found else Version(None, None)
