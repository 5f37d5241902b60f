"""Views: brought forward by what changed, never shown to a reader whose snapshot is older (DESIGN 5)."""

from dataclasses import replace

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.library import Library
from panaversity_fs.library.views import Held, ViewCache, empty_view
from panaversity_fs.store.books import BookRow, find_book
from panaversity_fs.store.database import Connection, Database
from support.stores import BOOK, CALLER, Store, ingest, lesson

pytestmark = pytest.mark.anyio


async def row(connection: Connection) -> BookRow:
    book = await find_book(connection, BOOK)
    assert book is not None
    return book


async def test_a_reader_of_an_older_snapshot_gets_the_view_of_that_snapshot(library: Library, store: Store) -> None:
    await ingest(library, {lesson(1): b"1"})
    views, database = ViewCache(), Database(store.url)
    async with database.read("old") as old:
        before = await row(old)
        await ingest(library, {lesson(2): b"2"})
        async with database.read("new") as new:
            latest = await views.load(new, await row(new))
        view = await views.load(old, before)
        assert (view.revision, set(view.entries)) == (1, {lesson(1)})
        async with database.read("new") as new:
            assert await views.load(new, await row(new)) is latest, "the later view is the one that is kept"
    await database.close()


async def test_a_kept_view_is_brought_forward_and_equals_a_fresh_one(library: Library, store: Store) -> None:
    await ingest(library, {lesson(1): b"1", lesson(2): b"2"})
    views, database = ViewCache(), Database(store.url)
    async with database.read("test") as connection:
        await views.load(connection, await row(connection))
    await library.delete(BOOK, lesson(1), CALLER)
    await ingest(library, {lesson(2): b"22", lesson(3): b"3"}, expected={lesson(2): digest_of(b"2")})
    async with database.read("test") as connection:
        forward = await views.load(connection, await row(connection))
        fresh = await ViewCache().load(connection, await row(connection))
    assert forward.entries == fresh.entries
    assert (forward.text, forward.revision, forward.sizes) == (fresh.text, fresh.revision, fresh.sizes)
    await database.close()


@pytest.mark.parametrize("change", [{"incarnation": 2}, {"numbering": Numbering.NAME_NUMBER}], ids=str)
async def test_a_view_of_another_life_or_numbering_is_not_used(
    library: Library, store: Store, change: dict[str, object]
) -> None:
    await library.create_book(BOOK, CALLER)
    views, database = ViewCache(), Database(store.url)
    stale = empty_view(1).after([(lesson(9), Held(digest_of(b"9"), 1))], 0, None)
    views.keep(BOOK, stale)
    async with database.read("test") as connection:
        book = await row(connection)
        assert await views.load(connection, book) is stale
        view = await views.load(connection, replace(book, **change))  # type: ignore[arg-type]
    assert view is not stale
    assert view.entries == {}
    assert view.numbering == change.get("numbering")
    await database.close()


def test_only_the_books_asked_for_last_are_kept() -> None:
    views = ViewCache()
    for number in range(40):
        views.keep(f"book-{number}", empty_view(1))
    assert len(views._views) == 16
    assert "book-39" in views._views
