"""A database that is damaged or lost: nothing is written over it, and what can come back does (F16, F17)."""

import random
from pathlib import Path

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ConfigInvalid, Conflict, HashMismatch, NotFound, PanaversityError
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.library import Library, open_library
from panaversity_fs.library.inspecting import Depth
from panaversity_fs.library.keeping import Policy
from panaversity_fs.library.rebuilding import Rebuilding
from panaversity_fs.store.blobs import BlobKey
from support import stack
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, ingest, lesson, new_store

pytestmark = pytest.mark.anyio

FILES = {lesson(n): f"lesson {n}".encode() for n in range(20)}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path, stack.OBJECTS or "folder")


def database_of(store: Store) -> Path:
    return store.folder / "store.db"


async def fill(store: Store) -> str:
    async with store.open() as library:
        result = await ingest(library, FILES, with_manifest=True, numbering=Numbering.NAME_NUMBER)
        await library.write(BOOK, lesson(1), b"mine", CALLER, expected=None, user_id="amy")
        await library.write(BOOK, lesson(50), b"never told", CALLER, expected=None)
    assert result.manifest_hash
    return result.manifest_hash


def opened_to_rebuild(store: Store) -> object:
    return open_library(store.url, "", blobs=store.medium.blobs, clock=store.clock, rebuilding=True)


async def refused(store: Store) -> str:
    with pytest.raises(ConfigInvalid) as refusal:
        async with store.open():
            pytest.fail("opened")
    assert "rebuild" in refusal.value.hint
    assert "backup" in refusal.value.hint
    return refusal.value.problem


async def test_F16_no_empty_database_is_made_over_a_store_that_has_bytes(store: Store) -> None:
    await fill(store)
    stack.lose_database(store.folder)
    assert "is empty" in await refused(store)
    if not stack.CLOUD:
        assert not database_of(store).exists()
        database_of(store).touch()
    assert "is empty" in await refused(store)


@stack.only_sqlite
@pytest.mark.parametrize("place", ["header", "root page", "pages"])
async def test_F16_a_damaged_database_is_not_written_to(store: Store, place: str) -> None:
    await fill(store)
    data = bytearray(database_of(store).read_bytes())
    rng = random.Random(16)
    if place == "header":
        data[:32] = bytes(32)
    elif place == "root page":
        data[100:400] = rng.randbytes(300)
    else:
        for page in range(1, len(data) // 4096):
            data[page * 4096 : page * 4096 + 8] = rng.randbytes(8)
    database_of(store).write_bytes(data)
    assert "damaged" in await refused(store)
    assert database_of(store).read_bytes() == data


async def test_F17_the_base_entries_of_a_told_manifest_come_back(store: Store) -> None:
    told = await fill(store)
    stack.lose_database(store.folder)
    async with opened_to_rebuild(store) as library:  # type: ignore[attr-defined]
        result = await library.rebuild(BOOK, told, CALLER, Rebuilding(numbering=Numbering.NAME_NUMBER))
        assert (result.manifest_hash, result.added) == (told, 20)
    async with store.open() as library:
        assert {e.path: e.sha256 for e in await library.entries(BOOK, "")} == {
            path: digest_of(data) for path, data in FILES.items()
        }
        for path, data in FILES.items():
            assert await library.read_bytes(BOOK, (await library.entry(BOOK, path)).sha256, 99) == data
        plan = await library.plan(BOOK, told)  # type: ignore[arg-type]
        assert (plan.status, plan.warning) == ("unchanged", None)
        deep = Depth(structure=True, wanted=lambda rows: {row.sha256 for row in rows}, audit=True)
        left = [(f.kind, f.digest) async for f in library.inspect(deep)]
        assert sorted(left) == sorted(("unreferenced", digest_of(data)) for data in (b"mine", b"never told"))
        assert sum([done.strays async for done in library.collect(Policy(), really=True)]) == 2
    await assert_store_ok(store)


async def test_F17_what_the_manifest_names_must_all_be_right(store: Store) -> None:
    told = await fill(store)
    stack.lose_database(store.folder)
    bad = store.medium
    bad.damage(BlobKey(BOOK, 1, digest_of(FILES[lesson(3)])), b"lessom 3")
    await bad.blobs.remove(BlobKey(BOOK, 1, digest_of(FILES[lesson(4)])))
    names = bad.names()
    async with opened_to_rebuild(store) as library:  # type: ignore[attr-defined]
        with pytest.raises(HashMismatch) as refusal:
            await library.rebuild(BOOK, told, CALLER, Rebuilding())
        lost = {digest_of(FILES[lesson(n)]) for n in (3, 4)}
        assert set(refusal.value.details["digests"]) == lost
        assert await library.book(BOOK) is None
        with pytest.raises(NotFound):
            await library.rebuild(BOOK, digest_of(b"nobody told it"), CALLER, Rebuilding())
    assert bad.names() == names


async def test_F17_a_rebuild_that_is_refused_keeps_the_bytes_and_a_book_with_rows_is_not_made_again(
    store: Store,
) -> None:
    told = await fill(store)
    async with store.open() as library:
        await expect(Conflict, library, told, Rebuilding())
    stack.lose_database(store.folder)
    names = store.medium.names()
    async with opened_to_rebuild(store) as library:  # type: ignore[attr-defined]
        from panaversity_fs.core.schema import Schema

        await library.rebuild(BOOK, told, CALLER, Rebuilding(Schema.STRICT))
    assert store.medium.names() == names


async def expect(kind: type[PanaversityError], library: Library, told: str, settings: Rebuilding) -> None:
    with pytest.raises(kind):
        await library.rebuild(BOOK, told, CALLER, settings)  # type: ignore[arg-type]
