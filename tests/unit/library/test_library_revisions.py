"""The past of a whole book over a real store: which commits changed its base, by whom and by how much."""

from dataclasses import replace
from datetime import timedelta

import pytest

from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import BookGone, Conflict, NotFound
from panaversity_fs.core.manifest import render
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.library import Caller, Library
from panaversity_fs.store import revisions as store_revisions
from panaversity_fs.store.blob_rows import find_blobs, save_blobs
from panaversity_fs.store.database import Database
from panaversity_fs.store.tables import blobs
from support.stores import BOOK, CALLER, Store, ingest, lesson

pytestmark = pytest.mark.anyio

OTHER = Caller("local", "an-agent")
ONE = digest_of(b"one\n")


async def busy_book(library: Library) -> None:
    """Revision 1 adds two files, 2 changes one, 3 deletes the other; what changed nothing lies between."""
    await ingest(library, {lesson(1): b"one\n", lesson(2): b"second"}, with_manifest=True)
    await library.write(BOOK, lesson(1), b"one\n", OTHER, expected=ONE)
    await library.write(BOOK, lesson(1), b"longer text\n", OTHER, expected=ONE)
    with pytest.raises(Conflict):
        await library.write(BOOK, lesson(1), b"late\n", OTHER, expected=ONE)
    await library.delete(BOOK, lesson(2), CALLER)


async def test_every_commit_is_one_revision_with_its_files_and_bytes(library: Library) -> None:
    await busy_book(library)
    found, more = await library.revisions(BOOK)
    rows = [one.row for one in found]
    assert [(r.revision, r.agent_id, r.operation) for r in rows] == [
        (3, "tester", "delete_content"),
        (2, "an-agent", "write_content"),
        (1, "tester", "ingest"),
    ]
    assert [(r.added, r.modified, r.deleted) for r in rows] == [(0, 0, 1), (0, 1, 0), (2, 0, 0)]
    assert [(r.written, r.gone) for r in rows] == [(0, 6), (12, 4), (10, 0)]
    assert [r.when for r in rows] == sorted((r.when for r in rows), reverse=True)
    assert not more


async def test_a_manifest_is_named_where_somebody_was_told_it(library: Library) -> None:
    await busy_book(library)
    told = (await library.plan(BOOK, None)).manifest_hash
    found, _ = await library.revisions(BOOK)
    assert [one.manifest_hash is not None for one in found] == [True, False, True]
    assert found[0].manifest_hash == told


async def test_the_text_of_a_source_tree_is_not_the_books_manifest(library: Library) -> None:
    source = render({lesson(1): ONE})
    await library.write(BOOK, lesson(2), b"an agent's", OTHER, expected=None)
    await ingest(library, {lesson(1): b"one\n"}, source_manifest=source)
    assert [one.manifest_hash for one in (await library.revisions(BOOK))[0]] == [None, None]
    told = (await library.plan(BOOK, None)).manifest_hash
    assert (await library.revisions(BOOK))[0][0].manifest_hash == told != digest_of(source)


async def test_an_overlay_is_nobody_elses_business(library: Library) -> None:
    await busy_book(library)
    await library.write(BOOK, lesson(1), b"mine", CALLER, expected=None, user_id="reader-1")
    await library.write(BOOK, lesson(1), b"all's", CALLER, expected=digest_of(b"longer text\n"))
    found, _ = await library.revisions(BOOK)
    assert [one.row.revision for one in found] == [5, 3, 2, 1]


async def test_a_change_of_numbering_is_a_revision_without_files(library: Library) -> None:
    await ingest(library, {"content/01-Part/01-one.md": b"one\n"}, numbering=Numbering.NUMBER_NAME)
    await ingest(library, {}, numbering=Numbering.NAME_NUMBER)
    newest = (await library.revisions(BOOK))[0][0].row
    assert (newest.revision, newest.operation, newest.settings) == (2, "set_book", True)
    assert (newest.added, newest.modified, newest.deleted) == (0, 0, 0)


async def test_bytes_that_were_collected_have_no_size_any_more(library: Library, store: Store) -> None:
    await busy_book(library)
    database = Database(store.url)
    async with database.write("test") as connection:
        row = (await find_blobs(connection, BOOK, 1, [ONE]))[ONE]
        await connection.execute(blobs.delete().where(blobs.c.sha256 == ONE))
    found = {one.row.revision: one.row for one in (await library.revisions(BOOK))[0]}
    assert (found[1].written, found[2].gone, found[2].written) == (None, None, 12)
    async with database.write("test") as connection:
        await save_blobs(connection, [replace(row, state="live")])
    await database.close()


async def test_pages_hold_every_revision_once_however_far_back_they_reach(library: Library) -> None:
    await ingest(library, {lesson(n): b"first %d" % n for n in range(1, 40)})  # one revision of many entries
    held: Digest | None = digest_of(b"first 1")
    for number in range(12):
        text = b"text %d" % number
        await library.write(BOOK, lesson(1), text, CALLER, expected=held)
        held = digest_of(text)
    for size in (1, 2, 3, 5, 13, 100):
        seen: list[int] = []
        before, more = None, True
        while more:
            page, more = await library.revisions(BOOK, before=before, limit=size)
            assert len(page) <= size
            seen += [one.row.revision for one in page]
            before = page[-1].row.first_seq
        assert seen == list(range(13, 0, -1)), size
    assert page[-1].row.added == 39


async def test_no_revision_is_cut_in_two_by_a_page(library: Library) -> None:
    counts = [1, 7, 2, 30, 1, 1, 9, 3]
    for revision, count in enumerate(counts):
        await ingest(library, {lesson(n, revision): b"%d" % revision for n in range(count)})
    for size in range(1, 10):
        added: list[int] = []
        before, more = None, True
        while more:
            page, more = await library.revisions(BOOK, before=before, limit=size)
            added += [one.row.added for one in page]
            before = page[-1].row.first_seq
        assert added == counts[::-1], size


async def test_a_page_costs_what_it_shows_and_not_the_whole_log(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ingest(library, {lesson(n): b"first %d" % n for n in range(1, 90)})
    for number in range(12):
        await library.write(
            BOOK, lesson(95), b"%d" % number, CALLER, expected=digest_of(b"%d" % (number - 1)) if number else None
        )
    lows: list[int] = []
    reach = store_revisions._reach

    async def watched(*arguments: object) -> int:
        lows.append(await reach(*arguments))  # type: ignore[arg-type]
        return lows[-1]

    monkeypatch.setattr(store_revisions, "_reach", watched)
    await library.revisions(BOOK, limit=1)
    assert lows == [94]  # eight of 101 entries


async def test_a_book_that_is_not_there_has_no_past(library: Library) -> None:
    with pytest.raises(NotFound):
        await library.revisions(BOOK)
    await busy_book(library)
    await library.delete_book(BOOK, BOOK, CALLER)
    with pytest.raises(BookGone):
        await library.revisions(BOOK)


async def test_S38_a_revision_of_which_entries_were_pruned_says_that_it_is_not_whole(
    library: Library, store: Store
) -> None:
    await ingest(library, {lesson(1): b"one\n", lesson(2): b"second"})
    await library.write(BOOK, lesson(1), b"two\n", CALLER, expected=ONE)
    store.clock.now += timedelta(days=400)
    await library.write(BOOK, lesson(3), b"young", CALLER, expected=None)
    found = [one async for one in library.prune_audit(store.clock.now - timedelta(days=30), "tester", really=True)]
    assert [one.removed for one in found] == [1]
    rows = (await library.revisions(BOOK))[0]
    assert [(one.row.revision, one.row.added, one.complete) for one in rows] == [
        (3, 1, True),
        (2, 0, False),
        (1, 1, False),
    ]
