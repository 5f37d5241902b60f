"""Plans and promises: what leads from the manifest a caller has to the book's, and what stays answerable
(FR-025..027, SC-007, R2, F32, F42)."""

import random
from datetime import timedelta

import anyio
import pytest

from panaversity_fs.core.changes import Changeset, Delete
from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.errors import BlobsMissing, HashMismatch, NotFound, Unavailable
from panaversity_fs.core.manifest import parse, render
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.library import Caller, Library, Plan, PlanFile, planning
from panaversity_fs.library.telling import tell
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.books import find_book
from panaversity_fs.store.database import Database
from panaversity_fs.store.told import ToldRow, find_told
from support.stores import BOOK, CALLER, Store, ingest, lesson

pytestmark = pytest.mark.anyio

IMAGE = "static/img/01-Part/x.png"


def listed(plan: Plan) -> dict[str, str]:
    return {file.path: file.change_type for file in plan.files}


async def readable(library: Library, manifest: Digest) -> None:
    """Every byte a told manifest names can be had through it."""
    entries = parse(await library.manifest_text(BOOK, manifest))
    blobs = await library.open_pack(BOOK, manifest, list(entries.values()), CALLER)
    for blob in blobs:
        data = b"".join([piece async for piece in blob.stream()])
        assert digest_of(data) == blob.digest
    packed = b"".join([piece async for piece in library.stream_pack(blobs)])
    assert len(packed) % 512 == 0


async def told_row(store: Store, manifest: Digest) -> ToldRow:
    database = Database(store.url)
    async with database.read("test") as connection:
        row = await find_told(connection, BOOK, 1, manifest)
    await database.close()
    assert row is not None
    return row


async def test_FR_025_a_plan_without_a_known_manifest_lists_everything(library: Library) -> None:
    await ingest(library, {lesson(1): b"one", IMAGE: b"image"})
    plan = await library.plan(BOOK, None)
    text = f"{lesson(1)}:{digest_of(b'one')}\n{IMAGE}:{digest_of(b'image')}\n".encode()
    assert plan.manifest_hash == digest_of(text)
    assert plan.files == (
        PlanFile(lesson(1), digest_of(b"one"), None, "added", 3),
        PlanFile(IMAGE, digest_of(b"image"), None, "added", 5),
    )
    assert (plan.status, plan.changed_count, plan.total_files, plan.total_bytes) == ("changed", 2, 2, 8)
    assert (plan.revision, plan.incarnation, plan.truncated, plan.persisted, plan.warning) == (1, 1, False, True, None)
    assert await library.manifest_text(BOOK, plan.manifest_hash) == text


async def test_FR_026_SC_007_a_plan_lists_exactly_what_changed(library: Library) -> None:
    await ingest(library, {lesson(n): f"lesson {n}".encode() for n in range(6)})
    before = await library.plan(BOOK, None)
    await ingest(
        library, {lesson(1): b"changed", lesson(9): b"new"}, expected={lesson(1): digest_of(b"lesson 1")},
        deletes=[Delete(lesson(2))],
    )  # fmt: skip
    plan = await library.plan(BOOK, before.manifest_hash)
    assert plan.files == (
        PlanFile(lesson(1), digest_of(b"changed"), digest_of(b"lesson 1"), "modified", 7),
        PlanFile(lesson(2), None, digest_of(b"lesson 2"), "deleted", 0),
        PlanFile(lesson(9), digest_of(b"new"), None, "added", 3),
    )
    unchanged = await library.plan(BOOK, plan.manifest_hash)
    assert (unchanged.status, unchanged.files, unchanged.changed_count) == ("unchanged", (), 0)
    back = await library.plan(BOOK, before.manifest_hash)
    assert back == plan


async def test_FR_027_a_change_taken_back_is_no_change(library: Library) -> None:
    await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
    before = await library.plan(BOOK, None)
    await library.write(BOOK, lesson(1), b"two", CALLER, expected=digest_of(b"one"))
    await library.write(BOOK, lesson(1), b"one", CALLER, expected=digest_of(b"two"))
    plan = await library.plan(BOOK, before.manifest_hash)
    assert (plan.status, plan.manifest_hash, plan.revision) == ("unchanged", before.manifest_hash, 3)


async def test_the_text_of_a_small_change_is_told_with_its_plan(library: Library) -> None:
    await ingest(library, {lesson(1): b"one", lesson(2): b"two"})
    first = await library.plan(BOOK, None)
    assert await library.texts(BOOK, first, 6) == {digest_of(b"one"): "one", digest_of(b"two"): "two"}
    assert await library.texts(BOOK, first, 5) == {}
    await ingest(library, {lesson(3): "drei – ü\r\n\0".encode()}, deletes=[Delete(lesson(1))])
    plan = await library.plan(BOOK, first.manifest_hash)
    assert await library.texts(BOOK, plan, 64) == {digest_of("drei – ü\r\n\0".encode()): "drei – ü\r\n\0"}
    unchanged = await library.plan(BOOK, plan.manifest_hash)
    assert await library.texts(BOOK, unchanged, 64) == {}


async def test_a_change_that_is_not_all_text_comes_without_any(library: Library) -> None:
    await ingest(library, {lesson(1): b"one", IMAGE: b"\xff\xfe"})
    assert await library.texts(BOOK, await library.plan(BOOK, None), 64) == {}
    content = await library.plan(BOOK, None, "content")
    assert await library.texts(BOOK, content, 64) == {digest_of(b"one"): "one"}


@pytest.mark.parametrize("instead", [b"six", b"cut short".ljust(40), b"\xff"])
async def test_P4_damaged_bytes_never_come_along(store: Store, instead: bytes) -> None:
    async with store.open() as library:
        await ingest(library, {lesson(1): b"one", lesson(2): b"two"})
        plan = await library.plan(BOOK, None)
        store.medium.damage(BlobKey(BOOK, 1, digest_of(b"two")), instead)
        assert await library.texts(BOOK, plan, 64) == {}


async def test_F42_the_plan_of_an_empty_book_is_the_empty_manifest(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    plan = await library.plan(BOOK, None)
    assert (plan.manifest_hash, plan.files, plan.warning, plan.persisted) == (EMPTY, (), None, True)
    assert (await library.plan(BOOK, EMPTY)).status == "unchanged"
    assert await library.manifest_text(BOOK, EMPTY) == b""
    await library.write(BOOK, lesson(1), b"x", CALLER, expected=None)
    assert listed(await library.plan(BOOK, EMPTY)) == {lesson(1): "added"}


async def test_a_book_nobody_created_is_a_warning_and_no_error(library: Library) -> None:
    plan = await library.plan(BOOK, digest_of(b"anything"))
    assert plan.warning is not None
    assert plan.warning[0] == "BOOK_UNKNOWN"
    assert (plan.manifest_hash, plan.revision, plan.incarnation, plan.files) == (EMPTY, 0, 0, ())
    assert plan.status == "changed"


async def test_F49_a_manifest_nobody_was_told_or_of_another_book_is_a_warning_and_the_full_list(
    library: Library,
) -> None:
    await ingest(library, {lesson(1): b"one"})
    await ingest(library, {lesson(2): b"two"}, book="b-book")
    foreign = (await library.plan("b-book", None)).manifest_hash
    for unknown in (digest_of(b"anything"), foreign, digest_of(b"one")):
        plan = await library.plan(BOOK, unknown)
        assert plan.warning is not None
        assert plan.warning[0] == "MANIFEST_UNKNOWN"
        assert (plan.status, listed(plan)) == ("changed", {lesson(1): "added"})
        with pytest.raises(NotFound):
            await library.manifest_text(BOOK, unknown)
        with pytest.raises(NotFound):
            await library.manifest_metadata(BOOK, unknown)


async def test_a_scope_narrows_the_list_and_not_the_manifest(library: Library) -> None:
    await ingest(library, {lesson(1): b"one", IMAGE: b"image"})
    whole = await library.plan(BOOK, None)
    for scope, path in (("content", lesson(1)), ("assets", IMAGE)):
        plan = await library.plan(BOOK, None, scope)  # type: ignore[arg-type]
        assert listed(plan) == {path: "added"}
        assert (plan.manifest_hash, plan.total_files) == (whole.manifest_hash, 2)


async def test_a_long_plan_is_cut_and_says_so(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "MAX_PLAN_FILES", 10)
    await ingest(library, {lesson(n): b"x" for n in range(10)})
    assert not (await library.plan(BOOK, None)).truncated
    await ingest(library, {lesson(11): b"x"})
    plan = await library.plan(BOOK, None)
    assert (len(plan.files), plan.changed_count, plan.total_files, plan.truncated) == (10, 11, 11, True)
    assert [file.path for file in plan.files] == sorted(lesson(n) for n in range(10))
    assert len(parse(await library.manifest_text(BOOK, plan.manifest_hash))) == 11


async def test_what_was_told_survives_changes_and_a_restart(library: Library, store: Store) -> None:
    await ingest(library, {lesson(1): b"one", lesson(2): b"two"})
    told = (await library.plan(BOOK, None)).manifest_hash
    await library.write(BOOK, lesson(1), b"changed", CALLER, expected=digest_of(b"one"))
    await library.delete(BOOK, lesson(2), CALLER)
    async with store.open() as restarted:
        await readable(restarted, told)
        assert listed(await restarted.plan(BOOK, told)) == {lesson(1): "modified", lesson(2): "deleted"}
        with pytest.raises(NotFound):
            await restarted.open_blob(BOOK, digest_of(b"one"), CALLER)
        assert (await restarted.open_blob(BOOK, digest_of(b"one"), CALLER, manifest=told)).size == 3
        with pytest.raises(NotFound):
            await restarted.open_blob(BOOK, digest_of(b"changed"), CALLER, manifest=told)


async def test_telling_again_renews_the_promise_at_most_once_an_hour(library: Library, store: Store) -> None:
    await ingest(library, {lesson(1): b"one"})
    plan = await library.plan(BOOK, None)
    first = await told_row(store, plan.manifest_hash)
    store.clock.now += timedelta(minutes=59)
    await library.plan(BOOK, plan.manifest_hash)
    assert await told_row(store, plan.manifest_hash) == first
    store.clock.now += timedelta(minutes=2)
    await library.plan(BOOK, plan.manifest_hash)
    renewed = await told_row(store, plan.manifest_hash)
    assert renewed.last_told_at - first.last_told_at > timedelta(hours=1)
    assert renewed.created_at == first.created_at


async def test_a_commit_may_promise_its_manifest_in_the_same_transaction(library: Library, store: Store) -> None:
    result = await ingest(library, {lesson(1): b"one"}, with_manifest=True)
    assert result.manifest_hash is not None
    row = await told_row(store, result.manifest_hash)
    assert (row.revision, row.file_count, row.total_bytes) == (1, 1, 3)
    plan = await library.plan(BOOK, result.manifest_hash)
    assert plan.status == "unchanged"
    nothing = await ingest(library, {}, with_manifest=True)
    assert (nothing.manifest_hash, nothing.revision) == (result.manifest_hash, 1)


async def test_commits_at_once_each_promise_the_manifest_they_made(library: Library) -> None:
    made: list[tuple[str, Digest]] = []

    async def one(number: int) -> None:
        result = await ingest(library, {lesson(number): b"x"}, with_manifest=True)
        assert result.manifest_hash is not None
        made.append((lesson(number), result.manifest_hash))

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(one, number)
    assert len({manifest for _, manifest in made}) == 16
    for path, manifest in made:
        assert path in parse(await library.manifest_text(BOOK, manifest))
        await readable(library, manifest)


def source_text(**files: bytes) -> bytes:
    return render({f"content/{name}.md": digest_of(data) for name, data in files.items()})


async def test_D15_the_source_manifest_equal_to_the_new_one_needs_no_bytes(library: Library) -> None:
    text = source_text(a=b"1")
    changeset = {"ingest_manifest": digest_of(text)}
    result = await ingest(library, {"content/a.md": b"1"}, with_manifest=True, **changeset)
    assert result.manifest_hash == digest_of(text)
    plan = await library.plan(BOOK, digest_of(text))
    assert (plan.status, plan.ingest_manifest) == ("unchanged", digest_of(text))


async def test_a_source_manifest_sent_as_text_is_answerable(library: Library) -> None:
    await ingest(library, {"content/theirs.md": b"agent's"})
    text = source_text(a=b"1")
    await ingest(library, {"content/a.md": b"1"}, with_manifest=True, source_manifest=text)
    plan = await library.plan(BOOK, digest_of(text))
    assert plan.ingest_manifest == digest_of(text)
    assert listed(plan) == {"content/theirs.md": "added"}
    assert await library.manifest_text(BOOK, digest_of(text)) == text


async def test_a_known_source_manifest_needs_no_text_again(library: Library) -> None:
    await ingest(library, {"content/theirs.md": b"agent's"})
    text = source_text(a=b"1")
    await ingest(library, {"content/a.md": b"1"}, source_manifest=text)
    result = await ingest(library, {}, ingest_manifest=digest_of(text))
    assert result.revision == 2
    await ingest(library, {}, source_manifest=text)
    info = await library.book(BOOK)
    assert info is not None
    assert info.ingest_manifest == digest_of(text)


async def test_an_unknown_source_manifest_is_asked_for(library: Library) -> None:
    await ingest(library, {"content/theirs.md": b"agent's"})
    text = source_text(a=b"1")
    with pytest.raises(BlobsMissing) as refusal:
        await ingest(library, {"content/a.md": b"1"}, with_manifest=True, ingest_manifest=digest_of(text))
    assert refusal.value.details["digests"] == [digest_of(text)]
    assert [file.path for file in await library.entries(BOOK, "")] == ["content/theirs.md"]


@pytest.mark.parametrize("text", [b"no digest\n", b"content/a.md:" + b"0" * 64, b"\xff", b"b:" + b"0" * 64 + b"\na"])
async def test_a_source_manifest_that_is_none_is_refused(library: Library, text: bytes) -> None:
    await ingest(library, {"content/theirs.md": b"agent's"})
    with pytest.raises(HashMismatch):
        await ingest(library, {"content/a.md": b"1"}, source_manifest=text)
    assert [file.path for file in await library.entries(BOOK, "")] == ["content/theirs.md"]


async def test_a_manifest_known_as_a_sources_becomes_the_books_own_when_it_is_told(library: Library) -> None:
    text = source_text(a=b"1", b=b"2")
    await ingest(library, {"content/a.md": b"1"}, source_manifest=text)
    with pytest.raises(NotFound):
        await library.open_blob(BOOK, digest_of(b"1"), CALLER, manifest=digest_of(text))
    await ingest(library, {"content/b.md": b"2"})
    plan = await library.plan(BOOK, None)
    assert (plan.manifest_hash, plan.persisted) == (digest_of(text), True)
    await readable(library, plan.manifest_hash)


async def test_F32_every_manifest_told_while_writers_write_can_be_read_to_the_end(library: Library) -> None:
    told: set[Digest] = set()
    rng = random.Random(32)
    writing = 4

    async def write(number: int) -> None:
        nonlocal writing
        held: dict[str, Digest] = {}
        for step in range(12):
            path, data = lesson(rng.randrange(3), number), f"{number} {step}".encode()
            await library.write(BOOK, path, data, CALLER, expected=held.get(path))
            held[path] = digest_of(data)
            if step % 4 == 3:
                gone = rng.choice(sorted(held))
                await library.delete(BOOK, gone, CALLER, expected=held.pop(gone))
        writing -= 1

    async def plan() -> None:
        while writing:
            answer = await library.plan(BOOK, None)
            if answer.incarnation:
                assert answer.persisted
                told.add(answer.manifest_hash)

    async with anyio.create_task_group() as tasks:
        for number in range(1, 5):
            tasks.start_soon(write, number)
        for _ in range(3):
            tasks.start_soon(plan)
    assert len(told) > 5
    for manifest in told:
        await readable(library, manifest)


async def test_a_commit_of_settings_only_keeps_the_manifest(library: Library) -> None:
    await ingest(library, {"content/a.md": b"1"})
    before = await library.plan(BOOK, None)
    await library.commit(BOOK, Changeset((), numbering=Numbering.NAME_NUMBER), CALLER)
    after = await library.plan(BOOK, before.manifest_hash)
    assert (after.manifest_hash, after.revision, after.numbering) == (before.manifest_hash, 2, Numbering.NAME_NUMBER)


async def test_a_plan_of_one_scope_is_unchanged_only_when_the_whole_manifest_is(library: Library) -> None:
    await ingest(library, {"content/a.md": b"1"})
    before = await library.plan(BOOK, None)
    await ingest(library, {"static/img/@/a.png": b"2"})
    moved = await library.plan(BOOK, before.manifest_hash, "content")
    assert (moved.status, moved.files) == ("changed", ())
    assert (await library.plan(BOOK, moved.manifest_hash, "content")).status == "unchanged"


async def test_a_manifest_the_book_came_back_to_is_told_for_the_newest_revision(library: Library) -> None:
    """Who wrote a path last is answered as of that revision, and the book holds the same files at two of them."""
    alice, bob = Caller("local", "alice"), Caller("local", "bob")
    await library.write(BOOK, lesson(1), b"one", alice, expected=None)
    first = await library.plan(BOOK, None)
    await library.write(BOOK, lesson(1), b"two", bob, expected=digest_of(b"one"))
    await library.write(BOOK, lesson(1), b"one", bob, expected=digest_of(b"two"))
    again = await library.plan(BOOK, None)
    assert again.manifest_hash == first.manifest_hash
    assert (await library.manifest_metadata(BOOK, first.manifest_hash))[lesson(1)][1] == "bob"


async def test_a_slow_teller_does_not_take_a_promise_back_to_an_older_revision(store: Store) -> None:
    async with store.open() as library:
        await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
        context = library._context
        async with context.database.read("test") as connection:
            row = await find_book(connection, BOOK)
            assert row is not None
            stale = await context.views.load(connection, row)
        await library.write(BOOK, lesson(1), b"two", CALLER, expected=digest_of(b"one"))
        await library.write(BOOK, lesson(1), b"one", CALLER, expected=digest_of(b"two"))
        newest = await library.plan(BOOK, None)
        assert await tell(context, row, stale, None)
        async with context.database.read("test") as connection:
            told = await find_told(connection, BOOK, 1, newest.manifest_hash)
        assert told is not None
        assert told.revision == newest.revision == 3


@pytest.mark.parametrize("late", [1, 4, 5])
async def test_P3_a_plan_nobody_can_stand_by_is_made_again_or_refused_never_answered(
    library: Library, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """The book moves on and its old bytes are collected between the look and the promise, so many times (DESIGN 5)."""
    await library.write(BOOK, lesson(1), b"version 0", CALLER, expected=None)
    looks = 0

    async def too_late(*arguments: object) -> bool:
        nonlocal looks
        looks += 1
        if looks > late:
            return await tell(*arguments)  # type: ignore[arg-type]
        held = digest_of(b"version %d" % (looks - 1))
        await library.write(BOOK, lesson(1), b"version %d" % looks, CALLER, expected=held)
        return False

    monkeypatch.setattr(planning, "tell", too_late)
    if late == 5:
        with pytest.raises(Unavailable) as refused:
            await library.plan(BOOK, None)
        assert refused.value.retryable
        return
    plan = await library.plan(BOOK, None)
    assert (plan.persisted, plan.revision) == (True, 1 + late)
    assert [file.current_hash for file in plan.files] == [digest_of(b"version %d" % late)]
