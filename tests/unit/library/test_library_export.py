"""``export`` and ``import``: the same book in another place, byte for byte, or nothing at all."""

import asyncio
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panaversity_fs.core import pack
from panaversity_fs.core.audit import AuditEntry, first_break
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import Conflict, HashMismatch, NotFound, PanaversityError
from panaversity_fs.core.manifest import render
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema
from panaversity_fs.library import Library
from panaversity_fs.library.importing import Imported
from support import stack
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, ingest, lesson, new_store

pytestmark = pytest.mark.anyio

FILES = {lesson(n): f"lesson {n}".encode() * n for n in range(12)} | {"static/img/big.png": b"\x89PNG" * 200_000}
SOURCE = render({"01-Part/x.md": digest_of(b"as the author has it")})


async def fill(library: Library) -> None:
    await ingest(
        library, FILES, with_manifest=True, source_manifest=SOURCE, numbering=Numbering.NAME_NUMBER,
        schema=Schema.DOCUSAURUS,
    )  # fmt: skip


async def exported(library: Library, book: str = BOOK, *, overlays: bool = False) -> tuple[bytes, bytes]:
    target, log = io.BytesIO(), io.BytesIO()
    await library.export_book(book, target, log, overlays=overlays)
    return target.getvalue(), log.getvalue()


async def test_what_is_exported_and_imported_is_the_same_book(library: Library) -> None:
    await fill(library)
    data, _ = await exported(library)
    result = await library.import_book("copy", io.BytesIO(data), CALLER)
    old, new = await library.book(BOOK), await library.book("copy")
    assert old is not None
    assert new is not None
    same = ("schema", "numbering", "ingest_manifest", "file_count", "total_bytes")
    assert [getattr(old, name) for name in same] == [getattr(new, name) for name in same]
    assert result.manifest_hash == (await library.plan(BOOK, None)).manifest_hash
    for path, bytes_ in FILES.items():
        assert await library.read_bytes("copy", (await library.entry("copy", path)).sha256, 1 << 20) == bytes_
    assert await library.manifest_text("copy", digest_of(SOURCE)) == SOURCE
    assert (await exported(library, "copy"))[0] == data, "the same state makes the same bytes"


async def test_an_export_is_a_tar_with_the_log_beside(library: Library) -> None:
    await fill(library)
    data, log = await exported(library)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames()[:2] == ["book.json", "manifest.txt"]
        assert set(tar.getnames()[2:]) == {digest_of(d) for d in (*FILES.values(), SOURCE)}
        assert all(member.mtime == 0 for member in tar)
    entries = [json.loads(line) for line in log.splitlines()]
    assert (
        first_break((AuditEntry(**entry), stored) for entry in entries for stored in [entry.pop("entry_hash")]) is None
    )
    assert len(entries) == len(FILES)


async def test_an_empty_book_is_a_book(library: Library) -> None:
    await library.create_book(BOOK, CALLER, Schema.STRICT)
    await library.import_book("copy", io.BytesIO((await exported(library))[0]), CALLER)
    new = await library.book("copy")
    assert new is not None
    assert (new.file_count, new.schema) == (0, Schema.STRICT)


async def test_an_import_needs_a_free_id_and_an_export_a_book(library: Library) -> None:
    await fill(library)
    data, _ = await exported(library)
    with pytest.raises(Conflict):
        await library.import_book(BOOK, io.BytesIO(data), CALLER)
    with pytest.raises(NotFound):
        await exported(library, "nobody-s")
    await library.delete_book(BOOK, BOOK, CALLER)
    await library.import_book(BOOK, io.BytesIO(data), CALLER)
    assert (await exported(library))[0] == data


def members(data: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def packed(parts: list[tuple[str, bytes]]) -> bytes:
    return b"".join(pack.member(name, data) for name, data in parts) + pack.END


@pytest.mark.parametrize(
    "damage", ["cut", "flipped", "lacks one", "one more", "twice", "another manifest", "no book.json", "format 2"]
)
async def test_a_damaged_export_leaves_nothing(library: Library, store: Store, damage: str) -> None:
    await fill(library)
    data, _ = await exported(library)
    parts = members(data)
    made = {
        "cut": data[: len(data) // 2],
        "flipped": packed([*parts[:2], (parts[2][0], b"?" + parts[2][1][1:]), *parts[3:]]),
        "lacks one": packed(parts[:-2]),
        "one more": packed([*parts, ("ab" * 32, b"who asked?")]),
        "twice": packed([*parts[:3], parts[2], *parts[3:]]),
        "another manifest": packed([parts[0], ("manifest.txt", parts[1][1][:-150] + b"\n"), *parts[2:]]),
        "no book.json": packed(parts[1:]),
        "format 2": packed([("book.json", parts[0][1].replace(b'"format": 1', b'"format": 2')), *parts[1:]]),
    }[damage]
    before = store.medium.names()
    with pytest.raises(HashMismatch):
        await library.import_book("copy", io.BytesIO(made), CALLER)
    assert await library.book("copy") is None
    assert store.medium.names() == before


@pytest.mark.parametrize("seed", range(30))
async def test_hostile_bytes_are_refused_with_a_typed_error(library: Library, seed: int) -> None:
    import random

    rng = random.Random(seed)
    data = bytearray(packed([("book.json", b'{"format": 1}'), ("manifest.txt", b"")]))
    for _ in range(3):
        data[rng.randrange(len(data))] = rng.randrange(256)
    with pytest.raises(PanaversityError):
        await library.import_book("copy", io.BytesIO(bytes(data)), CALLER)


ALICE, BOB = "alice", "bob@example.org"


async def overlay(library: Library, user_id: str, path: str, data: bytes) -> None:
    await library.write(BOOK, path, data, CALLER, expected=None, user_id=user_id)


async def overlays_of(library: Library, book: str, users: tuple[str, ...] = (ALICE, BOB)) -> dict[str, dict[str, str]]:
    """User → path → digest of what only that user sees."""
    found = {}
    for user_id in users:
        seen = await library.entries(book, "", user_id=user_id)
        found[user_id] = {entry.path: str(entry.sha256) for entry in seen if entry.source == "overlay"}
    return found


async def test_overlays_are_their_users_own_and_left_out_unless_asked_for(library: Library) -> None:
    await fill(library)
    without, _ = await exported(library)
    await overlay(library, ALICE, lesson(1), b"hers alone")
    assert (await exported(library))[0] == without
    assert b"hers alone" not in without
    data, _ = await exported(library, overlays=True)
    names = [name for name, _ in members(data)]
    assert names[:3] == ["book.json", "manifest.txt", "overlays.json"]
    assert digest_of(b"hers alone") in names


async def test_FR_019_overlays_come_back_orphans_and_shared_bytes_too(library: Library) -> None:
    await fill(library)
    await overlay(library, ALICE, lesson(1), b"hers")
    await overlay(library, ALICE, lesson(2), FILES[lesson(3)])  # bytes the base holds too
    await overlay(library, BOB, lesson(1), b"hers")  # and another overlay
    await library.delete(BOOK, lesson(2), CALLER)
    data, _ = await exported(library, overlays=True)
    done = await library.import_book("copy", io.BytesIO(data), CALLER)
    assert (done.files, done.overlay_files, done.refused) == (len(FILES) - 1, 3, ())
    assert await overlays_of(library, "copy") == await overlays_of(library, BOOK)
    assert (await exported(library, "copy", overlays=True))[0] == data


async def test_an_overlay_whose_name_the_base_has_taken_since_is_named_and_left_out(library: Library) -> None:
    await fill(library)
    folder = "content/01-Part/02-Chapter"
    await overlay(library, ALICE, f"{folder}/01-Mine.md", b"hers")
    await overlay(library, ALICE, lesson(1), b"hers too")
    await ingest(library, {f"{folder}/01-mine.md": b"the author's"})
    done = await library.import_book("copy", io.BytesIO((await exported(library, overlays=True))[0]), CALLER)
    assert done.refused == ((ALICE, f"{folder}/01-Mine.md"),)
    assert await overlays_of(library, "copy") == {ALICE: {lesson(1): digest_of(b"hers too")}, BOB: {}}


class _CutOff(BaseException):
    """The process died here."""


async def test_P9_an_import_that_was_cut_between_overlays_is_finished_by_the_next(
    store: Store, tmp_path: Path, empty_database: Path
) -> None:
    async with store.open() as library:
        await fill(library)
        await overlay(library, ALICE, lesson(1), b"hers")
        await overlay(library, BOB, lesson(1), b"his")
        data, _ = await exported(library, overlays=True)
        wanted = await overlays_of(library, BOOK)
    for commits in (1, 2):
        (tmp_path / f"{commits}").mkdir()
        stack.copy_database(empty_database, tmp_path / f"{commits}")
        other = new_store(tmp_path / f"{commits}")
        await _import_dying_after(other, data, commits)
        async with other.open() as library:
            assert await library.import_book(BOOK, io.BytesIO(data), CALLER) == Imported(
                (await library.plan(BOOK, None)).manifest_hash, len(FILES), 2
            )
            assert await overlays_of(library, BOOK) == wanted
            with pytest.raises(Conflict):
                await library.import_book(BOOK, io.BytesIO(data), CALLER)
            [done async for done in library.collect(really=True)]
        await assert_store_ok(other)


async def _import_dying_after(store: Store, data: bytes, commits: int) -> None:
    """Carry out so many of the import's commits."""
    import panaversity_fs.library.importing as importing

    left, real = commits, importing.commit

    async def counted(*arguments: object, **named: object) -> object:
        nonlocal left
        if not left:
            raise _CutOff
        left -= 1
        return await real(*arguments, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing, "commit", counted)
        with pytest.raises(_CutOff):
            async with store.open() as library:
                await library.import_book(BOOK, io.BytesIO(data), CALLER)


async def test_a_book_that_went_on_since_is_not_taken_for_an_interrupted_import(library: Library) -> None:
    await fill(library)
    await overlay(library, ALICE, lesson(1), b"hers")
    data, _ = await exported(library, overlays=True)
    plain, _ = await exported(library)
    await library.import_book("copy", io.BytesIO(plain), CALLER)
    await library.write("copy", lesson(1), b"Alice's new one", CALLER, expected=None, user_id=ALICE)
    with pytest.raises(Conflict):
        await library.import_book("copy", io.BytesIO(data), CALLER)


@pytest.mark.parametrize(
    "text",
    [b"[]", b"{", b'{"alice": []}', b'{"alice": {"content/a.md": "short"}}', b"null", b'{"alice": {"a": 1}}'],
)
async def test_hostile_overlays_are_refused_before_anything_is_there(library: Library, text: bytes) -> None:
    await fill(library)
    parts = members((await exported(library))[0])
    facts = parts[0][1].replace(b'"format": 1', b'"format": 2')
    made = packed([("book.json", facts), parts[1], ("overlays.json", text), *parts[2:]])
    with pytest.raises(PanaversityError):
        await library.import_book("copy", io.BytesIO(made), CALLER)
    assert await library.book("copy") is None


async def test_S12_an_overlay_of_nobody_a_caller_could_be_is_refused(library: Library) -> None:
    await fill(library)
    parts = members((await exported(library))[0])
    facts = parts[0][1].replace(b'"format": 1', b'"format": 2')
    some = parts[2][0]
    for user_id in ("__base__", "system", "", "a b"):
        text = json.dumps({user_id: {lesson(1): some}}).encode()
        made = packed([("book.json", facts), parts[1], ("overlays.json", text), *parts[2:]])
        with pytest.raises(PanaversityError):
            await library.import_book("copy", io.BytesIO(made), CALLER)
        assert await library.book("copy") is None


MOST = 200 if os.environ.get("PANAVERSITY_TEST_FULL") == "1" else 6
_PATHS = st.sampled_from([lesson(n) for n in range(4)] + ["static/img/a.png", "static/img/b.png"])
_LAYER = st.dictionaries(_PATHS, st.binary(max_size=8), max_size=4)


@given(base=_LAYER, hers=_LAYER, his=_LAYER, gone=st.sets(_PATHS, max_size=3))
@settings(max_examples=MOST)
def test_R5_whatever_a_book_and_its_overlays_hold_comes_back_and_its_log_verifies(
    tmp_path_factory: pytest.TempPathFactory,
    empty_database: Path,
    base: Mapping[str, bytes],
    hers: Mapping[str, bytes],
    his: Mapping[str, bytes],
    gone: set[str],
) -> None:
    folder = tmp_path_factory.mktemp("round")
    stack.copy_database(empty_database, folder)
    store = new_store(folder)

    async def run() -> None:
        async with store.open() as library:
            await library.create_book(BOOK, CALLER, Schema.DOCUSAURUS)
            if base:
                await ingest(library, base)
            for user_id, layer in ((ALICE, hers), (BOB, his)):
                for path, data in layer.items():
                    await overlay(library, user_id, path, data)
            for path in gone:
                await library.delete(BOOK, path, CALLER)
            data, log = await exported(library, overlays=True)
            await library.import_book("copy", io.BytesIO(data), CALLER)
            assert (await exported(library, "copy", overlays=True))[0] == data
            assert await overlays_of(library, "copy") == await overlays_of(library, BOOK)
            entries = [json.loads(line) for line in log.splitlines()]
            assert first_break((AuditEntry(**e), h) for e in entries for h in [e.pop("entry_hash")]) is None
            # Its own log begins with the import, and names who made it.
            for path in base.keys() - gone:
                changes, _ = await library.history("copy", path)
                assert [change.operation for change in changes] == ["import"]
        await assert_store_ok(store)

    asyncio.run(run())


async def test_S38_the_log_beside_an_export_shows_what_was_pruned(store: Store) -> None:
    async with store.open() as library:
        await ingest(library, {lesson(1): b"old"})
        await ingest(library, {lesson(1): b"new"}, expected={lesson(1): digest_of(b"old")})
        assert [done.removed async for done in library.prune_audit(store.clock(), "olga", really=True)] == [1]
        _, log = await exported(library)
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert lines[0].keys() == {"seq", "entry_hash"}
