"""A book looked over, over a real store (FR-010, S7)."""

from pathlib import Path

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import NotFound
from panaversity_fs.core.structure import Finding
from panaversity_fs.library import Library, checking
from panaversity_fs.store.blobs import BlobKey
from support.stores import BOOK, CALLER, Store, ingest, lesson, new_store

pytestmark = pytest.mark.anyio


def told(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(f.code, f.path) for f in findings]


async def test_FR_010_a_well_built_book_is_valid(library: Library) -> None:
    for number in (1, 2):
        await library.write(BOOK, lesson(number), b"# Lesson", CALLER, expected=None)
    image = "static/img/01-Part/01-Chapter/d.png"
    await library.write(BOOK, image, b"png", CALLER, expected=None)
    checked = await library.validate(BOOK)
    assert checked.valid
    assert (checked.errors, checked.warnings) == ((), ())
    assert (checked.files, checked.lessons, checked.assets, checked.parts, checked.chapters) == (3, 2, 1, 1, 1)
    assert (checked.blobs_checked, checked.texts_checked) == (2, 2)


async def test_FR_010_a_docusaurus_book_is_judged_as_its_own_or_strictly(library: Library) -> None:
    await ingest(library, {"content/README.md": b"x", lesson(1): b"y"})
    assert (await library.validate(BOOK)).valid
    checked = await library.validate(BOOK, strict=True)
    assert told(checked.errors) == [("SCHEMA_VIOLATION", "content/README.md")]
    assert (checked.judged_as, checked.schema, checked.valid) == ("strict", "docusaurus", False)


async def test_FR_010_missing_and_damaged_bytes_are_errors(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"one", lesson(2): b"one", lesson(3): b"two", lesson(4): b"four"})
        await store.medium.blobs.remove(BlobKey(BOOK, 1, digest_of(b"one")))
        store.medium.damage(BlobKey(BOOK, 1, digest_of(b"two")), b"2wo")
        store.medium.damage(BlobKey(BOOK, 1, digest_of(b"four")), b"cut")
        checked = await library.validate(BOOK)
    assert sorted(told(checked.errors)) == [
        ("DAMAGED_BLOB", lesson(3)), ("MISSING_BLOB", lesson(1)), ("MISSING_BLOB", lesson(2)),
        ("MISSING_BLOB", lesson(4)),
    ]  # fmt: skip


async def test_S7_invisible_characters_are_reported_without_the_text(library: Library) -> None:
    text = "canary line\nsee\u202e reversed\u200b\u200b\n"
    await library.write(BOOK, lesson(1), text.encode(), CALLER, expected=None)
    await library.write(BOOK, lesson(2), b"\xff", CALLER, expected=None)
    checked = await library.validate(BOOK)
    assert checked.valid
    assert told(checked.warnings) == [("INVISIBLE_CHARACTERS", lesson(1)), ("NOT_UTF8", lesson(2))]
    assert checked.warnings[0].problem.startswith("holds 3 invisible characters, the first in line 2: U+200B, U+202E")
    assert "canary" not in repr(checked)


async def test_P13_only_so_many_lessons_are_read_and_it_is_said(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ingest(library, {lesson(n): f"text {n}".encode() for n in range(1, 9)})
    monkeypatch.setattr(checking, "MAX_TEXTS", 3)
    checked = await library.validate(BOOK)
    assert (checked.lessons, checked.texts_checked, checked.blobs_checked) == (8, 3, 8)
    monkeypatch.setattr(checking, "MAX_TEXT_BYTES", 13)
    assert (await library.validate(BOOK)).texts_checked == 2
    monkeypatch.setattr(checking, "MAX_ONE_TEXT", 5)
    assert (await library.validate(BOOK)).texts_checked == 0
    monkeypatch.setattr(checking, "MAX_BLOBS", 2)
    assert (await library.validate(BOOK)).blobs_checked == 2


async def test_an_empty_book_is_valid_and_a_missing_one_is_not_found(library: Library, store: Store) -> None:
    with pytest.raises(NotFound):
        await library.validate(BOOK)
    await library.create_book(BOOK, CALLER)
    assert (await library.validate(BOOK)).valid
