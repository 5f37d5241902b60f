"""``gc``: whatever somebody may still ask for stays, everything else goes, and the store is whole after it (F44)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from panaversity_fs.core.changes import Changeset, Delete
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import BlobsMissing, NotFound, ReadOnly
from panaversity_fs.core.manifest import render
from panaversity_fs.library import Caller, Library, planning
from panaversity_fs.library.collecting import Collected
from panaversity_fs.library.keeping import Policy
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.database import Connection, Database
from panaversity_fs.store.facts import REBUILT, remember
from panaversity_fs.store.tables import blobs, manifests, requests, uploads
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, ingest, lesson, new_store, pieces, written

pytestmark = pytest.mark.anyio

NOW = Policy(told=timedelta(0), logged=timedelta(0))
"""Nothing is retained: only journal, pins and the current manifest keep bytes."""
MONTH = timedelta(days=31)


async def gc(library: Library, policy: Policy = NOW, *, really: bool = True) -> list[Collected]:
    return [done async for done in library.collect(policy, really=really)]


async def removed(library: Library, policy: Policy = NOW) -> int:
    done = await gc(library, policy)
    assert not any(one.trouble for one in done), done
    return sum(one.deletions for one in done)


def there(store: Store, data: bytes) -> bool:
    return any(digest_of(data) in name for name in store.medium.names())


async def change(library: Library, old: bytes, new: bytes) -> None:
    await library.write(BOOK, lesson(1), new, CALLER, expected=digest_of(old) if old else None)


async def test_what_was_replaced_goes_and_what_is_there_stays(library: Library, store: Store) -> None:
    await change(library, b"", b"old")
    await change(library, b"old", b"new")
    assert await removed(library) == 1
    assert not there(store, b"old")
    assert await library.read_bytes(BOOK, digest_of(b"new"), 100) == b"new"


async def test_no_transaction_is_open_while_the_medium_is_listed(
    library: Library, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket of many books takes longer to list than a database lets a transaction be idle."""
    database, blobs, opened, seen = library._context.database, library._context.blobs, [], []
    read, places = database.read, blobs.places

    @asynccontextmanager
    async def watched(operation: str) -> AsyncIterator[Connection]:
        async with read(operation) as connection:
            opened.append(operation)
            yield connection
            opened.pop()

    async def listed() -> set[tuple[str, int]]:
        seen.append(list(opened))
        return await places()

    await change(library, b"", b"old")
    monkeypatch.setattr(database, "read", watched)
    monkeypatch.setattr(blobs, "places", listed)
    await gc(library)
    assert seen
    assert not any(seen)


async def test_an_overlay_keeps_its_bytes(library: Library, store: Store) -> None:
    await change(library, b"", b"base")
    await library.write(BOOK, lesson(1), b"mine", CALLER, expected=None, user_id="amy")
    assert await removed(library) == 0
    assert there(store, b"mine")


async def test_the_log_keeps_what_it_names_for_the_retention(library: Library, store: Store) -> None:
    await change(library, b"", b"old")
    await change(library, b"old", b"new")
    assert await removed(library, Policy()) == 0
    store.clock.now += MONTH
    assert await removed(library, Policy()) == 1
    assert (there(store, b"old"), there(store, b"new")) == (False, True)


async def test_a_told_manifest_keeps_its_text_and_what_it_names_from_its_last_telling_on(
    library: Library, store: Store
) -> None:
    await change(library, b"", b"old")
    told = await library.plan(BOOK, None)
    await change(library, b"old", b"new")
    policy = replace(NOW, told=timedelta(days=30))
    store.clock.now += timedelta(days=29)
    assert await removed(library, policy) == 0
    assert await library.manifest_text(BOOK, told.manifest_hash) == render({lesson(1): digest_of(b"old")})
    (blob,) = await library.open_pack(BOOK, told.manifest_hash, [digest_of(b"old")], CALLER)
    assert b"".join([piece async for piece in blob.stream()]) == b"old"
    store.clock.now += timedelta(days=2)
    assert await removed(library, policy) == 2
    with pytest.raises(NotFound):
        await library.manifest_text(BOOK, told.manifest_hash)
    assert (await library.plan(BOOK, told.manifest_hash)).warning is not None


async def test_the_current_manifest_and_the_source_last_ingested_never_go(library: Library, store: Store) -> None:
    source = render({"source.md": digest_of(b"of the author")})
    result = await ingest(library, {lesson(1): b"x"}, with_manifest=True, source_manifest=source)
    store.clock.now += MONTH * 20
    assert await removed(library, Policy()) == 0
    assert result.manifest_hash
    assert (await library.plan(BOOK, result.manifest_hash)).status == "unchanged"
    assert await library.manifest_text(BOOK, result.manifest_hash)
    assert await library.manifest_text(BOOK, digest_of(source)) == source


async def test_a_promise_is_made_again_when_it_was_collected(library: Library, store: Store) -> None:
    await change(library, b"", b"one")
    first = await library.plan(BOOK, None)
    await change(library, b"one", b"two")
    store.clock.now += MONTH
    assert await removed(library, Policy()) == 2
    await change(library, b"two", b"one")
    again = await library.plan(BOOK, None)
    assert again.manifest_hash == first.manifest_hash
    assert again.persisted
    assert await library.manifest_text(BOOK, again.manifest_hash)


async def test_pins_keep_uploads_until_they_expire(store: Store) -> None:
    async with store.open() as library:
        await change(library, b"", b"x")
        await library.put_blob(BOOK, digest_of(b"for later"), CALLER, pieces(b"for later"), None)
        assert await removed(library) == 0
        store.clock.now += timedelta(hours=25)
        done = (await gc(library))[0]
        assert (done.pins, done.strays) == (1, 1)
        assert not there(store, b"for later")
    await assert_store_ok(store)


async def test_D18_bytes_put_for_later_are_named_under_the_generation_they_were_put(
    library: Library, store: Store
) -> None:
    await change(library, b"", b"one")
    await change(library, b"one", b"two")
    assert await removed(library) == 1
    await library.put_blob(BOOK, digest_of(b"one"), CALLER, pieces(b"one"), None)
    blob = await library.open_blob(BOOK, digest_of(b"one"), CALLER)
    assert blob.key.generation == 1
    assert b"".join([piece async for piece in blob.stream()]) == b"one"
    changeset = Changeset((written(lesson(1), b"one", digest_of(b"two")),), operation="ingest")
    await library.commit(BOOK, changeset, CALLER)
    assert await library.read_bytes(BOOK, digest_of(b"one"), 10) == b"one"


async def test_F34_a_removal_that_comes_late_meets_the_old_object_only(library: Library, store: Store) -> None:
    await change(library, b"", b"back")
    old = (await library.open_blob(BOOK, digest_of(b"back"), CALLER)).key
    await change(library, b"back", b"other")
    assert await removed(library) == 1
    await change(library, b"other", b"back")
    new = (await library.open_blob(BOOK, digest_of(b"back"), CALLER)).key
    assert (old.generation, new.generation) == (0, 1)
    await store.medium.blobs.remove(old)
    assert await library.read_bytes(BOOK, digest_of(b"back"), 10) == b"back"


async def test_a_dry_run_says_what_a_real_one_does_and_does_nothing(library: Library, store: Store) -> None:
    await change(library, b"", b"one")
    await library.plan(BOOK, None)
    await change(library, b"one", b"two")
    store.clock.now += MONTH
    before = store.medium.names()
    dry = await gc(library, Policy(), really=False)
    assert store.medium.names() == before
    assert dry == await gc(library, Policy())
    assert (dry[0].blobs, dry[0].promises, dry[0].size) == (2, 1, 3 + len(render({lesson(1): digest_of(b"one")})))


async def test_a_run_is_bounded_and_the_next_goes_on(library: Library, store: Store) -> None:
    data = b""
    for number in range(6):
        await change(library, data, data := f"version {number}".encode())
    for left in (3, 1, 0):
        assert await removed(library, replace(NOW, most=2)) == (2 if left else 1)
        assert len(store.medium.names()) == left + 1
    assert await removed(library) == 0


async def test_what_was_taken_is_in_the_audit_log(library: Library) -> None:
    await change(library, b"", b"one")
    await change(library, b"one", b"two")
    await removed(library)
    report = await library.verify_audit(BOOK)
    assert report.valid
    assert report.entries == 3


async def test_objects_nobody_names_go_and_answers_kept_for_keys_after_a_week(store: Store) -> None:
    async with store.open() as library:
        await library.write(BOOK, lesson(1), b"x", CALLER, expected=None, idempotency_key="k")
        batch = store.medium.blobs.batch()
        await batch.add_bytes(BlobKey(BOOK, 1, digest_of(b"stray")), b"stray")
        await batch.add_bytes(BlobKey("unborn", 1, digest_of(b"stray")), b"stray")
        await batch.publish()
        assert await removed(library) == 2
        assert not there(store, b"stray")
        database = Database(store.url)
        for days, left in ((6, 1), (2, 0)):
            store.clock.now += timedelta(days=days)
            await gc(library)
            async with database.read("test") as connection:
                assert len((await connection.execute(select(requests))).all()) == left
        await database.close()
    await assert_store_ok(store)


async def test_F17_a_rebuilt_store_keeps_the_bytes_of_books_that_have_no_rows_yet(store: Store) -> None:
    async with store.open() as library:
        batch = store.medium.blobs.batch()
        await batch.add_bytes(BlobKey("not-yet", 1, digest_of(b"x")), b"x")
        await batch.publish()
        database = Database(store.url)
        await remember(database, REBUILT, "today")
        await database.close()
        (done,) = await gc(library)
        assert (done.deletions, bool(done.trouble)) == (0, True)
        assert await removed(library, replace(NOW, unknown_books=True)) == 1


async def test_F35_files_on_their_way_in_go_unless_an_upload_owns_them(tmp_path: Path) -> None:
    store = new_store(tmp_path, "folder")
    async with store.open() as library:
        await change(library, b"", b"x")
        forgotten = tmp_path / "blobs/books/a-book/1/incoming/0123-1"
        forgotten.write_bytes(b"half of it")
        async with library.staging(BOOK, CALLER) as staging:
            await staging.store(digest_of(b"y" * 9), 9, pieces(b"y" * 9, 4))
            assert len(store.medium.leftovers()) == 2
            assert (await gc(library))[0].leftovers == 1
            assert len(store.medium.leftovers()) == 1
            await staging.keep_pins()
        assert there(store, b"y" * 9)
        store.clock.now += timedelta(hours=25)
        assert await removed(library) == 1
    await assert_store_ok(store)


async def test_F41_the_bytes_of_a_deleted_book_live_out_the_retention(store: Store) -> None:
    async with store.open() as library:
        await change(library, b"", b"x")
        store.clock.now += MONTH
        await library.delete_book(BOOK, BOOK, CALLER)
        assert await removed(library, Policy()) == 0
        assert there(store, b"x")
        await library.write(BOOK, lesson(1), b"next life", CALLER, expected=None)
        store.clock.now += MONTH
        assert await removed(library, Policy()) == 1
        assert (there(store, b"x"), there(store, b"next life")) == (False, True)
    await assert_store_ok(store)


async def test_F44_a_blob_under_many_paths_stays_until_the_last_is_gone(library: Library, store: Store) -> None:
    files = {lesson(number % 100, number // 100 + 1): b"shared" for number in range(1000)}
    await ingest(library, files)
    first, *others = files
    await ingest(library, {}, deletes=[Delete(path, digest_of(b"shared")) for path in others])
    assert await removed(library) == 0
    assert await library.read_bytes(BOOK, (await library.entry(BOOK, first)).sha256, 10) == b"shared"
    await library.delete(BOOK, first, CALLER, expected=digest_of(b"shared"))
    assert await removed(library) == 1
    assert store.medium.names() == set()


async def test_nothing_is_taken_while_a_promise_cannot_be_read(store: Store) -> None:
    async with store.open() as library:
        await change(library, b"", b"one")
        told = await library.plan(BOOK, None)
        await change(library, b"one", b"two")
        text = BlobKey(BOOK, 1, told.manifest_hash)
        store.medium.damage(text, b"\0" * 3)
        (done,) = await gc(library, replace(NOW, told=MONTH))
        assert done.trouble
        assert done.deletions == 0
        assert there(store, b"one")


async def test_S17_a_read_only_store_is_looked_at_only(store: Store) -> None:
    async with store.open() as library:
        await change(library, b"", b"one")
        await change(library, b"one", b"two")
    async with store.open(read_only=True) as library:
        with pytest.raises(ReadOnly):
            await gc(library)
        assert (await gc(library, really=False))[0].blobs == 1


async def test_an_upload_whose_pin_was_collected_is_asked_for_its_bytes_again(store: Store) -> None:
    async with store.open() as library:
        await change(library, b"", b"x")
        async with library.staging(BOOK, Caller("slow", "slow")) as staging:
            await staging.store_bytes(digest_of(b"late"), b"late")
            await staging.publish()
            store.clock.now += timedelta(hours=25)
            assert await removed(library) == 1
            changeset = Changeset((written(lesson(2), b"late"),), operation="ingest")
            with pytest.raises(BlobsMissing):
                await library.commit(BOOK, changeset, Caller("slow", "slow"), staging=staging)
    await assert_store_ok(store)


async def test_no_row_is_left_behind(library: Library, store: Store) -> None:
    await change(library, b"", b"one")
    await library.plan(BOOK, None)
    await library.delete(BOOK, lesson(1), CALLER, expected=digest_of(b"one"))
    await removed(library)
    database = Database(store.url)
    async with database.read("test") as connection:
        assert [len((await connection.execute(select(table))).all()) for table in (blobs, manifests, uploads)] == [
            0
        ] * 3
    await database.close()


async def test_a_promise_that_went_between_reading_and_renewing_it_is_not_believed(
    library: Library, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan looks at revision r; a writer makes r + 1; a month later gc takes r's promise; then the plan is told: it
    is made again for what is there now."""
    await change(library, b"", b"one")
    await library.plan(BOOK, None)
    really_tell, answers = planning.tell, []

    async def slowly(*arguments: object) -> bool:
        if not answers:
            await change(library, b"one", b"two")
            store.clock.now += MONTH
            assert await removed(library, Policy()) == 2
        answers.append(await really_tell(*arguments))  # type: ignore[arg-type]
        return answers[-1]

    with monkeypatch.context() as patched:
        patched.setattr(planning, "tell", slowly)
        plan = await library.plan(BOOK, None)
    assert answers == [False, True]
    assert plan.persisted
    assert [file.current_hash for file in plan.files] == [digest_of(b"two")]
    assert (await library.plan(BOOK, plan.manifest_hash)).warning is None
