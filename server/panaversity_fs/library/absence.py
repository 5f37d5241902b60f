"""Two ways of not being there: a book nobody created, and one that was deleted. Neither is an empty one (F41)."""

from panaversity_fs.core.errors import BookGone, NotFound


def gone(operation: str, book_id: str) -> BookGone:
    """A deleted book answers that it is gone, never that it is empty (F41)."""
    return BookGone(operation, book_id, "the book was deleted", "Create it again under this or another id")


def no_book(operation: str, book_id: str) -> NotFound:
    """Nobody created a book of this name."""
    return NotFound(
        operation, book_id, "no such book", "Look at list_books, or create it by writing to it",
        kind="book", book_id=book_id,
    )  # fmt: skip
