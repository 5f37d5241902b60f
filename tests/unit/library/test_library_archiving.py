"""Archives of books: which state, which scope, what happens to missing bytes, and never an overlay."""

import io
import json
import zipfile
from dataclasses import replace

import pytest

from panaversity_fs.core.changes import Changeset, Delete
from panaversity_fs.core.digest import EMPTY, digest_of
from panaversity_fs.core.errors import HashMismatch, InvalidArgument, NotFound
from panaversity_fs.core.manifest import render
from panaversity_fs.core.schema import Schema
from panaversity_fs.library import Archive, Library
from panaversity_fs.store.blob_rows import find_blobs, save_blobs
from panaversity_fs.store.blobs import BlobKey
from support.stores import BOOK, CALLER, Store, ingest

pytestmark = pytest.mark.anyio

FILES = {
    "content/01-Part/02-Chapter/03-a.md": b"# A\r\n",
    "content/01-Part/02-Chapter/04-empty.md": b"",
    "content/z.md": b"the last",
    "static/img/01-Part/@/p.png": bytes(range(256)) * 1200,
    "static/videos/@/same.mp4": b"the last",
}


async def read(archive: Archive, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in archive.stream(start, end)])


async def read_partial(archive: Archive) -> bytes:
    return b"".join([piece async for piece in archive.partial(60)])


def opened(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def of_book(library: Library, **more: object) -> dict[str, bytes]:
    archive = await library.open_archive(BOOK, **more)  # type: ignore[arg-type]
    data = await read(archive)
    assert len(data) == archive.size
    return opened(data)


async def test_FR_011_an_archive_holds_the_book(library: Library) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    archive = await library.open_archive(BOOK)
    assert opened(await read(archive)) == FILES
    assert (archive.file_count, archive.total_bytes) == (5, sum(map(len, FILES.values())))
    assert archive.manifest_hash == digest_of(render({path: digest_of(data) for path, data in FILES.items()}))
    assert await read_partial(archive) == await read(archive)


@pytest.mark.parametrize("scope", ["all", "content", "assets"])
async def test_FR_013_a_scope_holds_its_folders_only(library: Library, scope: str) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    wanted = {"all": "", "content": "content/", "assets": "static/"}[scope]
    held = await of_book(library, scope=scope)
    assert held == {path: data for path, data in FILES.items() if path.startswith(wanted)}
    assert held


async def test_an_archive_never_holds_an_overlay(library: Library) -> None:
    """R5."""
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    path, before = "content/01-Part/02-Chapter/03-a.md", await read(await library.open_archive(BOOK))
    await library.write(BOOK, path, b"mine", CALLER, expected=None, user_id="ann")
    await library.write(BOOK, path.replace("03", "05"), b"mine alone", CALLER, expected=None, user_id="ann")
    assert await read(await library.open_archive(BOOK)) == before


async def test_a_told_manifest_names_an_earlier_state(library: Library) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    told = (await library.open_archive(BOOK)).manifest_hash
    before = await read(await library.open_archive(BOOK))
    gone = Delete("content/z.md", digest_of(FILES["content/z.md"]))
    await ingest(library, {"content/new.md": b"new"}, deletes=[gone])
    assert (await of_book(library)).keys() == (FILES.keys() | {"content/new.md"}) - {"content/z.md"}
    assert await read(await library.open_archive(BOOK, manifest=told)) == before, "the archive told its manifest"


async def test_the_same_state_gives_the_same_bytes_whatever_lies_between(library: Library) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    before = await library.open_archive(BOOK)
    await ingest(library, {"content/new.md": b"new"})
    await library.commit(BOOK, Changeset((Delete("content/new.md", digest_of(b"new")),)), CALLER)
    after = await library.open_archive(BOOK)
    assert after.identity == before.identity
    assert await read(after) == await read(before)


async def test_empty_books_and_books_nobody_created_are_empty_archives(library: Library) -> None:
    unknown = await library.open_archive("nobody-made-it")
    assert unknown.warning is not None
    assert unknown.warning[0] == "BOOK_UNKNOWN"
    assert opened(await read(unknown)) == opened(await read_partial(unknown)) == {}
    await library.create_book(BOOK, CALLER)
    empty = await library.open_archive(BOOK)
    assert (empty.warning, empty.manifest_hash, opened(await read(empty))) == (None, EMPTY, {})


async def test_manifests_that_name_no_bytes_of_this_book_are_refused(library: Library) -> None:
    """Unknown ones, those of another book, and a source tree's own text (S14)."""
    text = render({"content/secret.md": digest_of(b"guessed")})
    await ingest(library, FILES, schema=Schema.DOCUSAURUS, source_manifest=text)
    await ingest(library, {"content/a.md": b"other"}, book="other-book", schema=Schema.DOCUSAURUS)
    other = (await library.open_archive("other-book")).manifest_hash
    for manifest in (digest_of(b"never told"), other, digest_of(text)):
        with pytest.raises(NotFound):
            await library.open_archive(BOOK, manifest=manifest)
    with pytest.raises(InvalidArgument):
        await library.open_archive("No Book")


async def test_P4_damaged_bytes_break_the_archive_off_and_partial_lists_them(store: Store) -> None:
    """One small and one large file; the fixture's oracle is left out, since this store is damaged on purpose."""
    large = b"large" * 100_000
    async with store.open() as library:
        await ingest(library, {**FILES, "static/img/@/large.png": large}, schema=Schema.DOCUSAURUS)
        for path, data in (("content/01-Part/02-Chapter/03-a.md", b"# A\r\n"), ("static/img/@/large.png", large)):
            key = BlobKey(BOOK, 1, digest_of(data))
            assert key.name in store.medium.names()
            store.medium.damage(key, data[:-1] + b"X")
            archive = await library.open_archive(BOOK)
            with pytest.raises(HashMismatch):
                await read(archive)
            files = opened(await read_partial(archive))
            told = json.loads(files.pop("errors.json"))
            assert path not in files
            assert len(files) == 5
            assert (told["complete"], told["missing_count"], told["file_count"]) == (False, 1, 6)
            assert (told["errors"][0]["path"], told["errors"][0]["error"]["code"]) == (path, "HASH_MISMATCH")
            store.medium.damage(key, data)
        await store.medium.blobs.remove(BlobKey(BOOK, 1, digest_of(b"")))
        archive = await library.open_archive(BOOK)
        with pytest.raises(NotFound):
            await read(archive)
        told = json.loads(opened(await read_partial(archive))["errors.json"])
        assert [e["error"]["code"] for e in told["errors"]] == ["NOT_FOUND"]


async def test_bytes_that_were_collected_are_missing_before_anything_is_sent(store: Store) -> None:
    """Of a row that says deleted the object may be there still, but nobody promises for how long."""
    async with store.open() as library:
        await ingest(library, FILES, schema=Schema.DOCUSAURUS)
        digest = digest_of(b"the last")
        async with library._context.database.write("test") as connection:
            row = (await find_blobs(connection, BOOK, 1, [digest]))[digest]
            await save_blobs(connection, [replace(row, state="deleted")])
        archive = await library.open_archive(BOOK)
        with pytest.raises(NotFound):
            archive.require_whole()
        files = opened(await read_partial(archive))
        told = json.loads(files.pop("errors.json"))
        assert {e["path"] for e in told["errors"]} == {"content/z.md", "static/videos/@/same.mp4"}
        assert (archive.file_count, told["file_count"]) == (5, 5)
        assert files.keys() == FILES.keys() - {"content/z.md", "static/videos/@/same.mp4"}


async def test_a_read_only_server_archives_without_a_promise(store: Store) -> None:
    async with store.open() as library:
        await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    async with store.open(read_only=True) as library:
        archive = await library.open_archive(BOOK)
        assert opened(await read(archive)) == FILES
        assert archive.persisted is False
