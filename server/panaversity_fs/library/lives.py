"""The lives of a book: deleting ends one, creating or writing to it anew begins the next (F41).

A tombstone keeps the number of the last life, so that manifests, pins, blobs and idempotency keys of it fit no later
one. Pure: rows in, the row to work with or ``BookGone`` out. Does not know what deleting does (``library.deletion``).
"""

from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.errors import BookGone
from panaversity_fs.library.absence import gone
from panaversity_fs.store.books import BookRow

LIVE = "live"
DELETED = "deleted"


def incarnation_to_write(book: BookRow | None) -> int:
    """The life that bytes sent now belong to: the present one, or the one a first write would begin."""
    if book is None:
        return 1
    return book.incarnation if book.state == LIVE else book.incarnation + 1


def begins_a_life(changeset: Changeset, creating: str) -> bool:
    """True for what may bring a deleted book about again: its creation, or writes that expect nothing to be there.

    Whoever expects something believes in the life that ended, and is told so.
    """
    if changeset.operation == creating:
        return True
    operations = changeset.operations
    return bool(operations) and all(isinstance(o, Write) and o.expected is None for o in operations)


def life_for(book: BookRow | None, incarnation: int, changeset: Changeset, creating: str) -> BookRow | None:
    """The living row that a change whose bytes were sent for life ``incarnation`` meets; None: it begins that life.

    Raises ``BookGone`` when the book is deleted, or was deleted and created again while the change was under way.
    """
    if book is None:
        return None
    if book.state == LIVE:
        if book.incarnation == incarnation:
            return book
        raise BookGone(
            changeset.operation, book.book_id, "the book was deleted and created again meanwhile",
            "Read it again, then repeat",
        )  # fmt: skip
    if book.incarnation + 1 == incarnation and begins_a_life(changeset, creating):
        return None
    raise gone(changeset.operation, book.book_id)
