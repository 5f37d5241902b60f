"""``export`` and ``import``: the same book in another place, byte for byte, or nothing at all."""

import io
import json
import tarfile

import pytest

from panaversity_fs.core import pack
from panaversity_fs.core.audit import AuditEntry, first_break
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import Conflict, HashMismatch, NotFound, PanaversityError
from panaversity_fs.core.manifest import render
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema
from panaversity_fs.library import Library
from support.stores import BOOK, CALLER, Store, ingest, lesson

pytestmark = pytest.mark.anyio

FILES = {lesson(n): f"lesson {n}".encode() * n for n in range(12)} | {"static/img/big.png": b"\x89PNG" * 200_000}
SOURCE = render({"01-Part/x.md": digest_of(b"as the author has it")})


async def fill(library: Library) -> None:
    await ingest(
        library, FILES, with_manifest=True, source_manifest=SOURCE, numbering=Numbering.NAME_NUMBER,
        schema=Schema.DOCUSAURUS,
    )  # fmt: skip


async def exported(library: Library, book: str = BOOK) -> tuple[bytes, bytes]:
    target, log = io.BytesIO(), io.BytesIO()
    await library.export_book(book, target, log)
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
