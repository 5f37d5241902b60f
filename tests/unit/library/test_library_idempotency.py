"""One effect and one answer for one key (P6)."""

import anyio
import pytest

from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import Conflict, InvalidArgument, ReadOnly
from panaversity_fs.library import Caller, CommitResult, Library
from support.stores import BOOK, CALLER, Store, ingest, lesson, written

pytestmark = pytest.mark.anyio

PATH = lesson(1)
OLD = digest_of(b"old")


async def test_P6_a_repeated_request_has_one_effect_and_the_same_answer(library: Library, store: Store) -> None:
    first = await library.write(BOOK, PATH, b"old", CALLER, expected=None, idempotency_key="k")
    assert await library.write(BOOK, PATH, b"old", CALLER, expected=None, idempotency_key="k") == first
    await library.write(BOOK, PATH, b"new", CALLER, expected=OLD)
    assert await library.write(BOOK, PATH, b"old", CALLER, expected=None, idempotency_key="k") == first
    async with store.open() as restarted:
        assert await restarted.write(BOOK, PATH, b"old", CALLER, expected=None, idempotency_key="k") == first
    info = await library.book(BOOK)
    assert info is not None
    assert info.revision == 2
    assert (await library.entry(BOOK, PATH)).sha256 == digest_of(b"new")


async def test_P6_a_repeated_delete_does_not_delete_what_came_later(library: Library) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    first = await library.delete(BOOK, PATH, CALLER, idempotency_key="k")
    await library.write(BOOK, PATH, b"new", CALLER, expected=None)
    assert await library.delete(BOOK, PATH, CALLER, idempotency_key="k") == first
    assert (await library.entry(BOOK, PATH)).sha256 == digest_of(b"new")


@pytest.mark.parametrize("count", [1, 100, 101])
async def test_P6_a_repeated_ingest_gives_the_same_manifest(library: Library, count: int) -> None:
    files = {lesson(n, 1 + n // 100): f"lesson {n}".encode() for n in range(count)}
    first = await ingest(library, files, key="k", with_manifest=True)
    await library.write(BOOK, lesson(50, 9), b"later", CALLER, expected=None)
    again = await ingest(library, files, key="k", with_manifest=True)
    assert first.manifest_hash is not None
    assert (again.manifest_hash, again.revision, again.counts) == (first.manifest_hash, 1, {"created": count})
    assert again.outcomes == (first.outcomes if count <= 100 else ())


async def test_P6_the_same_key_with_another_request_is_refused(library: Library) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None, idempotency_key="k")
    others = [
        library.write(BOOK, PATH, b"new", CALLER, expected=None, idempotency_key="k"),
        library.write(BOOK, PATH, b"old", CALLER, expected=OLD, idempotency_key="k"),
        library.write(BOOK, lesson(2), b"old", CALLER, expected=None, idempotency_key="k"),
        library.write(BOOK, PATH, b"old", CALLER, expected=None, idempotency_key="k", operation="upload_asset"),
        library.delete(BOOK, PATH, CALLER, idempotency_key="k"),
        ingest(library, {PATH: b"old"}, key="k", with_manifest=True),
    ]
    for other in others:
        with pytest.raises(InvalidArgument, match="another request") as refusal:
            await other
        assert refusal.value.details["name"] == "idempotency_key"


async def test_P6_keys_are_each_callers_and_each_books_own(library: Library) -> None:
    await library.write(BOOK, lesson(1), b"old", Caller("me", "tester"), expected=None, idempotency_key="k")
    await library.write(BOOK, lesson(2), b"old", Caller("you", "tester"), expected=None, idempotency_key="k")
    await library.write("b-book", lesson(3), b"old", Caller("me", "tester"), expected=None, idempotency_key="k")
    assert {entry.path for entry in await library.entries(BOOK, "")} == {lesson(1), lesson(2)}


async def test_P6_sixteen_repetitions_at_once_have_one_effect(library: Library) -> None:
    answers: list[CommitResult] = []

    async def one() -> None:
        answers.append(await ingest(library, {PATH: b"old"}, key="k", with_manifest=True))

    async with anyio.create_task_group() as tasks:
        for _ in range(16):
            tasks.start_soon(one)
    assert len(answers) == 16
    assert all(answer == answers[0] for answer in answers)
    info = await library.book(BOOK)
    assert info is not None
    assert info.revision == 1


async def test_P6_a_refusal_is_not_kept_as_the_answer(library: Library) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    for _ in range(2):
        with pytest.raises(Conflict):
            await library.write(BOOK, PATH, b"new", CALLER, expected=digest_of(b"x"), idempotency_key="k")
    await library.write(BOOK, PATH, b"x", CALLER, expected=OLD)
    result = await library.write(BOOK, PATH, b"new", CALLER, expected=digest_of(b"x"), idempotency_key="k")
    assert result.outcomes[0].mode == "updated"


@pytest.mark.parametrize("key", ["x" * 201, "line\nbreak", "nul\0"])
async def test_an_unusable_key_is_refused(library: Library, key: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await library.write(BOOK, PATH, b"old", CALLER, expected=None, idempotency_key=key)
    assert refusal.value.details["name"] == "idempotency_key"


async def test_S17_a_read_only_server_writes_nothing(library: Library, store: Store) -> None:
    told = await ingest(library, {PATH: b"old"}, with_manifest=True)
    assert told.manifest_hash is not None
    await library.write(BOOK, lesson(2), b"untold", CALLER, expected=None)
    async with store.open(read_only=True) as frozen:
        assert frozen.read_only
        writes = [
            frozen.write(BOOK, PATH, b"new", CALLER, expected=OLD),
            frozen.delete(BOOK, PATH, CALLER),
            frozen.create_book("b-book", CALLER),
            frozen.commit(BOOK, Changeset((written(lesson(9), b"old"),)), CALLER),
            ingest(frozen, {lesson(3): b"x"}),
        ]
        for write in writes:
            with pytest.raises(ReadOnly) as refusal:
                await write
            assert not refusal.value.retryable
        assert await frozen.read_bytes(BOOK, OLD, 10) == b"old"
        assert await frozen.manifest_text(BOOK, told.manifest_hash) == f"{PATH}:{OLD}\n".encode()
        plan = await frozen.plan(BOOK, told.manifest_hash)
        assert [file.path for file in plan.files] == [lesson(2)]
        assert not plan.persisted, "what nobody was told before cannot be promised"
    promised = await library.plan(BOOK, None)
    async with store.open(read_only=True) as frozen:
        assert (await frozen.plan(BOOK, None)).persisted
        assert (await frozen.plan(BOOK, promised.manifest_hash)).status == "unchanged"
