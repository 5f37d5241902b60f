"""Which books there are and what can be said of each at a glance. Does not know their files."""

from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.core.schema import Schema
from panaversity_fs.library.absence import gone
from panaversity_fs.library.answers import BookInfo, Caller
from panaversity_fs.library.commit import commit
from panaversity_fs.library.deciding import CREATE
from panaversity_fs.library.facade import Facade
from panaversity_fs.store.books import BookRow, all_books, find_book
from panaversity_fs.store.journal import totals


class Books(Facade):
    """Creating, finding and listing books."""

    async def create_book(
        self,
        book_id: str,
        caller: Caller,
        schema: Schema | None = None,
        numbering: Numbering | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> BookInfo:
        """Let an empty book be. Raises ``Conflict`` when it exists, unless this very request made it."""
        changeset = Changeset((), schema=schema, numbering=numbering, operation=CREATE)
        await commit(self._context, book_id, changeset, caller, idempotency_key=idempotency_key)
        book = await self.book(book_id)
        assert book is not None
        return book

    async def book(self, book_id: str) -> BookInfo | None:
        """The book, or None when nobody created it. Raises ``BookGone`` for a deleted one."""
        require_book_id(book_id, "read")
        async with self._context.database.read("read") as connection:
            row = await find_book(connection, book_id)
            if row is None:
                return None
            if row.state != "live":
                raise gone("read", book_id)
            view = await self._context.views.load(connection, row)
        return _info(row, len(view.entries), view.total_bytes)

    async def list_books(self, book_id: str | None = None) -> list[BookInfo]:
        """Every living book, or the one asked for (an empty list when there is none), by id."""
        async with self._context.database.read("list_books") as connection:
            rows = [row for row in await all_books(connection) if row.state == "live"]
            counts = await totals(connection)
        return [_info(row, *counts.get(row.book_id, (0, 0))) for row in rows if book_id in (None, row.book_id)]


def _info(row: BookRow, count: int, total: int) -> BookInfo:
    return BookInfo(
        row.book_id, row.incarnation, row.schema, row.numbering, row.revision, row.base_revision,
        row.ingest_manifest, count, total, row.created_at,
    )  # fmt: skip
