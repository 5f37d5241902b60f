"""Writes and deletes by the rules of conflict, over a real store (FR-002..005, R3, SC-003, P2, P5)."""

from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import pytest

from panaversity_fs.core.changes import Changeset, Delete, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import (
    BlobsMissing,
    Conflict,
    HashMismatch,
    HashRequired,
    InvalidArgument,
    InvalidPath,
    NotFound,
    PanaversityError,
    TooLarge,
)
from panaversity_fs.library import Caller, Library, Outcome
from support.stores import BOOK, CALLER, Clock, Store, ingest, lesson, pieces, written

pytestmark = pytest.mark.anyio

PATH = lesson(1)
OLD, NEW, OTHER = (digest_of(word) for word in (b"old", b"new", b"other"))


async def held(library: Library) -> dict[str, Digest]:
    return {file.path: file.sha256 for file in await library.entries(BOOK, "")}


async def test_FR_002_an_acknowledged_write_is_in_the_journal(library: Library, store: Store) -> None:
    result = await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    assert result.outcomes == (Outcome(PATH, "created", None, OLD, 3),)
    assert (result.revision, result.added) == (1, 1)
    entry = await library.entry(BOOK, PATH)
    assert (entry.sha256, entry.size, entry.revision, entry.agent_id) == (OLD, 3, 1, "tester")
    assert entry.storage_backend == store.medium.blobs.backend
    assert entry.source_path == "01-Part/01-Chapter/01-lesson-1.md"
    assert await library.read_bytes(BOOK, OLD, 100) == b"old"
    async with store.open() as restarted:
        assert await restarted.entry(BOOK, PATH) == entry


async def test_FR_003_the_right_expected_hash_updates(library: Library) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    result = await library.write(BOOK, PATH, b"new", CALLER, expected=OLD)
    assert result.outcomes == (Outcome(PATH, "updated", OLD, NEW, 3),)
    assert result.revision == 2


# what is there, what is expected, the refusal and the hash it must name
REFUSED = [
    (b"old", None, HashRequired, OLD),
    (b"new", None, HashRequired, NEW),
    (b"old", NEW, Conflict, OLD),
    (b"old", OTHER, Conflict, OLD),
    (None, OLD, NotFound, None),
    (None, NEW, NotFound, None),
]


@pytest.mark.parametrize(("there", "expected", "kind", "current"), REFUSED)
async def test_FR_004_FR_005_a_wrong_condition_is_refused_with_the_current_hash(
    library: Library, there: bytes | None, expected: Digest | None, kind: type[PanaversityError], current: Digest | None
) -> None:
    await library.create_book(BOOK, CALLER)
    if there is not None:
        await library.write(BOOK, PATH, there, CALLER, expected=None)
    before = await library.book(BOOK)
    with pytest.raises(kind) as refusal:
        await library.write(BOOK, PATH, b"new", CALLER, expected=expected)
    assert refusal.value.operation == "write_content"
    assert refusal.value.details["path"] == PATH
    assert refusal.value.details.get("current_hash") == current
    if current is not None:
        assert current in refusal.value.message
    assert await library.book(BOOK) == before
    assert await held(library) == ({} if there is None else {PATH: digest_of(there)})


async def test_equal_bytes_with_the_right_hash_change_nothing(library: Library) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    result = await library.write(BOOK, PATH, b"old", CALLER, expected=OLD)
    assert result.outcomes == (Outcome(PATH, "unchanged", OLD, OLD, 3),)
    assert (result.revision, result.unchanged) == (1, 1)
    assert (await library.entry(BOOK, PATH)).revision == 1


async def test_R3_deleting_is_idempotent_and_leaves_a_name_free(library: Library) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    assert (await library.delete(BOOK, PATH, CALLER)).outcomes == (Outcome(PATH, "deleted", OLD, None, 0),)
    for expected in (None, OLD, NEW):
        again = await library.delete(BOOK, PATH, CALLER, expected=expected)
        assert again.outcomes == (Outcome(PATH, "absent", None, None, 0),)
        assert again.revision == 2
    with pytest.raises(NotFound):
        await library.entry(BOOK, PATH)
    with pytest.raises(NotFound):
        await library.write(BOOK, PATH, b"new", CALLER, expected=OLD)
    recreated = await library.write(BOOK, PATH, b"new", CALLER, expected=None)
    assert recreated.outcomes[0].mode == "created"
    assert await held(library) == {PATH: NEW}


async def test_a_delete_with_a_wrong_hash_is_a_conflict(library: Library) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    with pytest.raises(Conflict) as refusal:
        await library.delete(BOOK, PATH, CALLER, expected=NEW)
    assert refusal.value.details["current_hash"] == OLD
    assert await held(library) == {PATH: OLD}


async def test_deleting_in_a_book_nobody_created_is_not_found_and_creates_none(library: Library) -> None:
    with pytest.raises(NotFound):
        await library.delete(BOOK, PATH, CALLER)
    assert await library.book(BOOK) is None


async def compete(library: Library, expected: Digest | None) -> tuple[list[str], list[PanaversityError]]:
    won: list[str] = []
    lost: list[PanaversityError] = []

    async def one(number: int) -> None:
        try:
            await library.write(BOOK, PATH, f"writer {number}".encode(), CALLER, expected=expected)
        except PanaversityError as refusal:
            lost.append(refusal)
        else:
            won.append(f"writer {number}")

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(one, number)
    return won, lost


async def test_R3_a_changeset_of_deletes_alone_brings_no_book_about(library: Library) -> None:
    for operation in ("ingest", "delete_content"):
        with pytest.raises(NotFound):
            await library.commit(BOOK, Changeset((Delete(PATH),), operation=operation), CALLER)
    assert await library.book(BOOK) is None


async def test_FR_002_a_sender_that_breaks_off_is_not_called_a_broken_disk(store: Store) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError("the sender went away")

    async with store.open() as library:
        with pytest.raises(ConnectionResetError):
            await library.put_blob(BOOK, NEW, CALLER, broken(), None)


async def test_SC_003_of_sixteen_concurrent_updates_exactly_one_wins(library: Library) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    (winner,), lost = await compete(library, OLD)
    now = digest_of(winner.encode())
    assert await held(library) == {PATH: now}
    assert [type(refusal) for refusal in lost] == [Conflict] * 15
    assert {refusal.details["current_hash"] for refusal in lost} == {now}


async def test_SC_003_of_sixteen_concurrent_creates_exactly_one_wins(library: Library) -> None:
    (winner,), lost = await compete(library, None)
    now = digest_of(winner.encode())
    assert await held(library) == {PATH: now}
    assert [type(refusal) for refusal in lost] == [HashRequired] * 15
    assert {refusal.details["current_hash"] for refusal in lost} == {now}


async def test_SC_003_of_eight_concurrent_create_book_exactly_one_wins(library: Library) -> None:
    won = []

    async def one() -> None:
        with suppress(Conflict):
            won.append(await library.create_book(BOOK, CALLER))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(one)
    assert len(won) == 1
    with pytest.raises(Conflict, match="the book exists"):
        await library.create_book(BOOK, CALLER)


async def test_P2_one_conflict_among_twenty_changes_nothing_and_every_conflict_is_listed(library: Library) -> None:
    files = {lesson(n): f"lesson {n}".encode() for n in range(20)}
    await library.write(BOOK, lesson(3), b"an agent's", CALLER, expected=None)
    await library.write(BOOK, lesson(7), b"another's", CALLER, expected=None)
    before = await library.book(BOOK)
    with pytest.raises(Conflict) as refusal:
        await ingest(library, files, expected={lesson(7): OLD, lesson(9): OLD})
    listed = {c["path"]: (c["code"], c["expected_hash"], c["current_hash"]) for c in refusal.value.details["conflicts"]}
    assert listed == {
        lesson(3): ("HASH_REQUIRED", None, digest_of(b"an agent's")),
        lesson(7): ("CONFLICT", OLD, digest_of(b"another's")),
        lesson(9): ("NOT_FOUND", OLD, None),
    }
    assert refusal.value.exit_status == 11
    assert "and 2 more" in refusal.value.problem
    assert await library.book(BOOK) == before
    assert await held(library) == {lesson(3): digest_of(b"an agent's"), lesson(7): digest_of(b"another's")}


async def test_P2_a_changeset_is_one_revision_whatever_it_holds(library: Library) -> None:
    await ingest(library, {lesson(n): f"lesson {n}".encode() for n in range(20)})
    deletes = [Delete(lesson(1), digest_of(b"lesson 1")), Delete(lesson(2))]
    changes = {lesson(30): b"new", lesson(3): b"changed", lesson(4): b"lesson 4"}
    expected = {lesson(3): digest_of(b"lesson 3"), lesson(4): digest_of(b"lesson 4")}
    result = await ingest(library, changes, deletes=deletes, expected=expected)
    assert (result.added, result.updated, result.deleted, result.unchanged) == (1, 1, 2, 1)
    assert result.revision == 2
    assert len(await held(library)) == 19


async def test_one_path_named_twice_in_one_changeset_is_refused(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    with pytest.raises(InvalidArgument, match="twice"):
        await ingest(library, {PATH: b"new"}, deletes=[Delete(PATH)])


async def test_BLOBS_MISSING_names_every_digest_that_is_not_there(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    changeset = Changeset((written(lesson(1), b"never sent"), written(lesson(2), b"nor this")))
    with pytest.raises(BlobsMissing) as refusal:
        await library.commit(BOOK, changeset, CALLER)
    assert refusal.value.details["digests"] == sorted([digest_of(b"never sent"), digest_of(b"nor this")])
    assert await held(library) == {}


async def test_a_size_that_lies_is_refused(library: Library) -> None:
    await library.write(BOOK, lesson(1), b"old", CALLER, expected=None)
    lie = Changeset((Write(lesson(2), OLD, 4),))
    with pytest.raises(InvalidArgument, match="declares 4 bytes but its blob has 3"):
        await library.commit(BOOK, lie, CALLER)
    async with library.staging(BOOK, CALLER) as staging:
        with pytest.raises(HashMismatch):
            await staging.store(NEW, 4, pieces(b"new"))
    assert await held(library) == {lesson(1): OLD}


async def test_S14_a_digest_is_no_capability(library: Library) -> None:
    mine, theirs = Caller("me", "tester"), Caller("them", "tester")
    await library.create_book(BOOK, mine)
    secret = digest_of(b"secret")
    await library.put_blob(BOOK, secret, theirs, pieces(b"secret"), 6)
    guess = Changeset((written(lesson(1), b"secret"),))
    with pytest.raises(BlobsMissing):
        await library.commit(BOOK, guess, mine)
    with pytest.raises(NotFound):
        await library.open_blob(BOOK, secret, mine)
    assert (await library.open_blob(BOOK, secret, theirs)).size == 6
    assert (await library.commit(BOOK, guess, theirs)).added == 1
    assert (await library.open_blob(BOOK, secret, mine)).size == 6
    await library.delete(BOOK, lesson(1), mine)
    with pytest.raises(NotFound):
        await library.open_blob(BOOK, secret, mine)
    with pytest.raises(BlobsMissing):
        await library.commit(BOOK, guess, mine)


async def test_S14_bytes_of_another_book_are_unknown(library: Library) -> None:
    await library.write("b-book", PATH, b"old", CALLER, expected=None)
    await library.create_book(BOOK, CALLER)
    with pytest.raises(BlobsMissing):
        await library.commit(BOOK, Changeset((written(PATH, b"old"),)), CALLER)
    with pytest.raises(NotFound):
        await library.open_blob(BOOK, OLD, CALLER)


async def test_S14_a_source_manifest_made_up_by_a_writer_opens_nothing(library: Library) -> None:
    await library.write(BOOK, lesson(1), b"secret", CALLER, expected=None)
    await library.delete(BOOK, lesson(1), CALLER)
    secret = digest_of(b"secret")
    made_up = f"{lesson(1)}:{secret}\n".encode()
    await ingest(library, {lesson(2): b"mine"}, source_manifest=made_up)
    with pytest.raises(NotFound):
        await library.open_blob(BOOK, secret, CALLER, manifest=digest_of(made_up))
    with pytest.raises(NotFound):
        await library.open_pack(BOOK, digest_of(made_up), [secret], CALLER)


async def test_bytes_sent_by_PUT_serve_a_later_commit_and_their_pin_goes(library: Library) -> None:
    await library.put_blob(BOOK, NEW, CALLER, pieces(b"new", 1), None)
    await library.put_blob(BOOK, NEW, CALLER, pieces(b"new"), 3)
    assert await library.book(BOOK) is None, "an upload does not create a book"
    result = await library.commit(BOOK, Changeset((written(PATH, b"new"),)), CALLER)
    assert result.added == 1


async def test_wrong_bytes_sent_by_PUT_leave_nothing(library: Library) -> None:
    with pytest.raises(HashMismatch):
        await library.put_blob(BOOK, NEW, CALLER, pieces(b"not"), 3)


async def test_bytes_of_current_entries_may_be_named_without_sending_them(library: Library) -> None:
    await library.write(BOOK, lesson(1), b"old", CALLER, expected=None)
    result = await library.commit(BOOK, Changeset((written(lesson(2), b"old"),)), CALLER)
    assert result.added == 1
    assert await held(library) == {lesson(1): OLD, lesson(2): OLD}


async def test_reading_whole_is_limited(library: Library) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    assert await library.read_bytes(BOOK, OLD, 3) == b"old"
    with pytest.raises(TooLarge):
        await library.read_bytes(BOOK, OLD, 2)


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "content/../x.md", "content//x.md", "content/CON.md", "content/a\0"]
)
async def test_FR_009_hostile_paths_are_refused_before_anything_is_stored(library: Library, path: str) -> None:
    with pytest.raises(InvalidPath):
        await library.write(BOOK, path, b"x", CALLER, expected=None)
    with pytest.raises(InvalidPath):
        await ingest(library, {path: b"x"})
    with pytest.raises(InvalidPath):
        await library.delete(BOOK, path, CALLER)
    assert await library.book(BOOK) is None


@pytest.mark.parametrize("book", ["", "a", "A-Book", "../x", "a_b", "-ab", "x" * 64])
async def test_hostile_book_ids_are_refused(library: Library, book: str) -> None:
    for call in (
        library.write(book, PATH, b"x", CALLER, expected=None),
        library.delete(book, PATH, CALLER),
        library.plan(book, None),
        library.entry(book, PATH),
        library.book(book),
        library.manifest_text(book, OLD),
    ):
        with pytest.raises(InvalidArgument):
            await call


async def test_the_clock_may_run_backwards(store: Store) -> None:
    """F40 is judged in the audit tests; here the rules of conflict hold just the same."""
    store.clock = Clock(step=-3600)
    async with store.open() as library:
        await library.write(BOOK, PATH, b"old", CALLER, expected=None)
        await library.write(BOOK, PATH, b"new", CALLER, expected=OLD)
        assert await held(library) == {PATH: NEW}
