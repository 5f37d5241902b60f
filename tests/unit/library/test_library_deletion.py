"""A book's end and its next life: gone is not empty, and nothing of the old life fits the new one (F41)."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from panaversity_fs.core.changes import Changeset, Delete
from panaversity_fs.core.digest import EMPTY, digest_of
from panaversity_fs.core.errors import (
    AgentRequired,
    BlobsMissing,
    BookGone,
    Conflict,
    InvalidArgument,
    NotFound,
    ReadOnly,
)
from panaversity_fs.library import Caller, Library
from panaversity_fs.library.context import SMALL
from panaversity_fs.store import audit_rows
from panaversity_fs.store.database import Database
from panaversity_fs.store.journal import entries_below
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, ingest, lesson, new_store, pieces, written

pytestmark = pytest.mark.anyio

PATH, OTHER = lesson(1), lesson(2)
ONE = digest_of(b"one")


async def lived(library: Library) -> None:
    """Two files and one overlay."""
    await library.write(BOOK, PATH, b"one", CALLER, expected=None)
    await library.write(BOOK, OTHER, b"two", CALLER, expected=None)
    await library.write(BOOK, PATH, b"mine", CALLER, expected=None, user_id="reader-1")


async def log_of(store: Store, incarnation: int) -> list[tuple[str, str, str, str | None, str | None]]:
    database = Database(store.url)
    async with database.read("test") as connection:
        found = await audit_rows.read_all(connection, BOOK, incarnation)
    await database.close()
    return [(e.operation, e.path, e.user_id, e.prev_hash, e.new_hash) for e, _ in found]


async def test_F41_a_deleted_book_is_gone_not_empty(library: Library) -> None:
    await lived(library)
    plan = await library.plan(BOOK, None)
    ending = await library.delete_book(BOOK, BOOK, CALLER)
    assert (ending.existed, ending.files, ending.overlay_files, ending.incarnation) == (True, 2, 1, 1)
    asked: list[Callable[[], Awaitable[object]]] = [
        lambda: library.book(BOOK), lambda: library.plan(BOOK, None), lambda: library.plan(BOOK, plan.manifest_hash),
        lambda: library.entry(BOOK, PATH), lambda: library.entries(BOOK, ""), lambda: library.history(BOOK, PATH),
        lambda: library.manifest_text(BOOK, plan.manifest_hash), lambda: library.delta(BOOK, "2020-01-01T00:00:00Z"),
        lambda: library.validate(BOOK), lambda: library.read_bytes(BOOK, ONE, 10),
        lambda: library.open_blob(BOOK, ONE, CALLER, manifest=plan.manifest_hash),
        lambda: library.delete(BOOK, PATH, CALLER), lambda: library.compare(BOOK, PATH, "1", "current"),
    ]  # fmt: skip
    for ask in asked:
        with pytest.raises(BookGone):
            await ask()
    assert await library.list_books() == []
    assert await library.list_books(BOOK) == []


async def test_deleting_is_confirmed_by_the_id_and_needs_a_book_an_agent_and_a_writable_server(
    library: Library, store: Store
) -> None:
    with pytest.raises(NotFound):
        await library.delete_book(BOOK, BOOK, CALLER)
    await lived(library)
    for confirm in ("", "yes", BOOK + " ", BOOK.upper()):
        with pytest.raises(InvalidArgument) as refusal:
            await library.delete_book(BOOK, confirm, CALLER)
        assert refusal.value.details["name"] == "confirm"
    with pytest.raises(AgentRequired):
        await library.delete_book(BOOK, BOOK, Caller("local", "system"))
    async with store.open(read_only=True) as reading:
        with pytest.raises(ReadOnly):
            await reading.delete_book(BOOK, BOOK, CALLER)
    assert (await library.book(BOOK)).file_count == 2  # type: ignore[union-attr]


async def test_R3_deleting_again_is_fine_and_changes_nothing(library: Library, store: Store) -> None:
    await lived(library)
    first = await library.delete_book(BOOK, BOOK, CALLER)
    log = await log_of(store, 1)
    again = await library.delete_book(BOOK, BOOK, CALLER)
    assert (again.existed, again.revision) == (False, first.revision)
    assert await log_of(store, 1) == log


async def test_FR_020_the_end_of_every_file_and_of_the_book_is_audited(library: Library, store: Store) -> None:
    await lived(library)
    await library.delete_book(BOOK, BOOK, CALLER)
    assert (await log_of(store, 1))[-4:] == [
        ("delete_book", PATH, "__base__", ONE, None),
        ("delete_book", OTHER, "__base__", digest_of(b"two"), None),
        ("delete_book", PATH, "reader-1", digest_of(b"mine"), None),
        ("delete_book", "", "__base__", None, None),
    ]


@pytest.mark.parametrize("how", ["create", "write", "ingest", "append"])
async def test_F41_the_next_life_begins_from_nothing(library: Library, store: Store, how: str) -> None:
    await lived(library)
    old = await library.plan(BOOK, None)
    ended = (await library.delete_book(BOOK, BOOK, CALLER)).revision
    if how == "create":
        book = await library.create_book(BOOK, CALLER)
        assert (book.revision, book.file_count) == (0, 0)
        await library.write(BOOK, PATH, b"new", CALLER, expected=None)
    elif how == "write":
        await library.write(BOOK, PATH, b"new", CALLER, expected=None)
    elif how == "append":
        await library.append(BOOK, PATH, b"new", CALLER, expected=None)
    else:
        await ingest(library, {PATH: b"new"}, with_manifest=True)
    book = await library.book(BOOK)  # type: ignore[assignment]
    assert (book.incarnation, book.revision, book.file_count) == (2, 1, 1)
    assert ended > 1
    assert [entry.path for entry in await library.entries(BOOK, "")] == [PATH]
    with pytest.raises(NotFound):
        await library.entry(BOOK, OTHER)
    assert (await library.entry(BOOK, PATH, "reader-1")).source == "base"  # the old overlay is gone too
    plan = await library.plan(BOOK, old.manifest_hash)
    assert plan.warning is not None
    assert plan.warning[0] == "MANIFEST_UNKNOWN"
    assert (plan.incarnation, [f.path for f in plan.files]) == (2, [PATH])
    with pytest.raises(NotFound):
        await library.manifest_text(BOOK, old.manifest_hash)
    with pytest.raises(NotFound):
        await library.read_bytes(BOOK, ONE, 10)
    assert len(await log_of(store, 2)) == (2 if how == "create" else 1)
    async with store.open() as restarted:
        assert await restarted.book(BOOK) == book
        assert (await restarted.plan(BOOK, None)).manifest_hash == plan.manifest_hash


async def test_whoever_expects_something_of_a_deleted_book_does_not_bring_it_about(library: Library) -> None:
    await lived(library)
    await library.delete_book(BOOK, BOOK, CALLER)
    with pytest.raises(BookGone):
        await library.write(BOOK, PATH, b"new", CALLER, expected=ONE)
    with pytest.raises(BookGone):
        await library.commit(BOOK, Changeset((Delete(PATH),), operation="ingest"), CALLER)
    with pytest.raises(BookGone):
        await ingest(library, {PATH: b"new"}, deletes=[Delete(OTHER)])
    with pytest.raises(BookGone):
        await library.append(BOOK, PATH, b"new", CALLER, expected=ONE)
    assert await library.list_books() == []


async def test_P6_idempotency_keys_of_the_old_life_do_not_answer_in_the_new_one(library: Library) -> None:
    first = await library.write(BOOK, PATH, b"one", CALLER, expected=None, idempotency_key="k")
    await library.delete_book(BOOK, BOOK, CALLER)
    again = await library.write(BOOK, PATH, b"one", CALLER, expected=None, idempotency_key="k")
    assert first.outcomes[0].mode == again.outcomes[0].mode == "created"
    assert [entry.path for entry in await library.entries(BOOK, "")] == [PATH]


async def test_P6_a_repeated_deletion_never_hits_the_next_life(library: Library) -> None:
    await lived(library)
    first = await library.delete_book(BOOK, BOOK, CALLER, idempotency_key="k")
    await library.write(BOOK, PATH, b"new", CALLER, expected=None)
    assert await library.delete_book(BOOK, BOOK, CALLER, idempotency_key="k") == first
    assert (await library.entry(BOOK, PATH)).sha256 == digest_of(b"new")
    other = Caller("somebody-else", "tester")
    assert (await library.delete_book(BOOK, BOOK, other, idempotency_key="k")).incarnation == 2
    await library.write(BOOK, PATH, b"x", CALLER, expected=None, idempotency_key="w")
    with pytest.raises(InvalidArgument, match="another request"):
        await library.delete_book(BOOK, BOOK, CALLER, idempotency_key="w")


async def test_D18_bytes_pinned_in_the_old_life_are_not_known_in_the_new_one(tmp_path: Path) -> None:
    store, data = new_store(tmp_path / "pins"), b"sent before"
    async with store.open() as library:
        await lived(library)
        await library.put_blob(BOOK, digest_of(data), CALLER, pieces(data), len(data))
        await library.delete_book(BOOK, BOOK, CALLER)
        await library.create_book(BOOK, CALLER)
        with pytest.raises(BlobsMissing):
            await library.commit(BOOK, Changeset((written(PATH, data),)), CALLER)
        await library.put_blob(BOOK, digest_of(data), CALLER, pieces(data), len(data))
        await library.commit(BOOK, Changeset((written(PATH, data),)), CALLER)
    await assert_store_ok(store, killed=True)  # the old pin waits for its time


@pytest.mark.parametrize("reborn", [False, True])
async def test_F41_a_change_under_way_while_the_book_is_deleted_is_refused(
    library: Library, store: Store, reborn: bool
) -> None:
    await lived(library)
    path, data = lesson(3), b"on its way"
    async with library.staging(BOOK, CALLER) as staging:
        await staging.store_bytes(digest_of(data), data)
        await library.delete_book(BOOK, BOOK, CALLER)
        if reborn:
            await library.create_book(BOOK, CALLER)
        with pytest.raises(BookGone, match="meanwhile" if reborn else "deleted"):
            await library.commit(BOOK, Changeset((written(path, data),)), CALLER, staging=staging)
    await assert_store_ok(store)


async def test_F41_of_two_writers_who_begin_a_life_one_creates_and_one_joins(library: Library) -> None:
    await lived(library)
    await library.delete_book(BOOK, BOOK, CALLER)
    outcomes: list[str] = []

    async def write(path: str) -> None:
        result = await library.write(BOOK, path, path.encode(), CALLER, expected=None)
        outcomes.append(result.outcomes[0].mode)

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(write, lesson(number))
    book = await library.book(BOOK)
    assert book is not None
    assert (book.incarnation, book.revision, book.file_count) == (2, 6, 6)
    assert outcomes == ["created"] * 6


async def test_a_view_of_the_old_life_is_not_taken_for_the_new_one(library: Library, store: Store) -> None:
    """Two processes over one store: the other one deletes and begins anew, up to the very revision known here."""
    await library.write(BOOK, PATH, b"one", CALLER, expected=None)
    known = await library.plan(BOOK, None)
    async with store.open() as other:
        await other.delete_book(BOOK, BOOK, CALLER)
        await other.write(BOOK, OTHER, b"two", CALLER, expected=None)
    plan = await library.plan(BOOK, None)
    assert (plan.revision, known.revision) == (1, 1)
    assert [f.path for f in plan.files] == [OTHER]
    with pytest.raises(Conflict):
        await library.write(BOOK, OTHER, b"x", CALLER, expected=EMPTY)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("size", [3, 2 * SMALL])
async def test_F41_a_write_that_believes_in_the_old_life_lands_in_the_present_one(
    library: Library, store: Store, begun: bool, size: int
) -> None:
    """A process spares the look at the book's row and finds out in the commit: two processes, either way of writing."""
    data = b"x" * size
    await library.write(BOOK, PATH, b"one", CALLER, expected=None)
    async with store.open() as other:
        await other.delete_book(BOOK, BOOK, CALLER)
        if begun:
            await other.write(BOOK, OTHER, b"two", CALLER, expected=None)
    await library.write(BOOK, PATH, data, CALLER, expected=None)
    book = await library.book(BOOK)
    assert book is not None
    assert (book.incarnation, book.file_count) == (2, 1 + begun)
    assert await library.read_bytes(BOOK, digest_of(data), size) == data
    seen = await assert_store_ok(store)
    assert PATH in seen.state[BOOK]


async def test_F41_an_update_that_believes_in_the_old_life_is_told_that_it_ended(
    library: Library, store: Store
) -> None:
    await library.write(BOOK, PATH, b"one", CALLER, expected=None)
    async with store.open() as other:
        await other.delete_book(BOOK, BOOK, CALLER)
    with pytest.raises(BookGone):
        await library.write(BOOK, PATH, b"two", CALLER, expected=ONE)
    await assert_store_ok(store)


async def test_other_books_are_left_alone(library: Library, store: Store) -> None:
    await lived(library)
    await library.write("a-book-2", PATH, b"one", CALLER, expected=None)
    await library.delete_book(BOOK, BOOK, CALLER)
    assert (await library.entry("a-book-2", PATH)).sha256 == ONE
    database = Database(store.url)
    async with database.read("test") as connection:
        assert await entries_below(connection, BOOK, "", tombstones=True) == []
    await database.close()


async def test_a_life_ends_and_begins_many_times(library: Library, store: Store) -> None:
    for number in range(1, 5):
        await library.write(BOOK, lesson(number), b"text", CALLER, expected=None)
        assert (await library.delete_book(BOOK, BOOK, CALLER)).incarnation == number
    await assert_store_ok(store, holds={BOOK: {}})
