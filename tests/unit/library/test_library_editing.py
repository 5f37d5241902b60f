"""Editing and appending over a real store: one place only, nothing else touched, conflicts as for any write."""

import pytest

from panaversity_fs.core.digest import EMPTY, digest_of
from panaversity_fs.core.errors import (
    BookGone,
    Conflict,
    HashRequired,
    InvalidArgument,
    InvalidPath,
    NotFound,
    TooLarge,
)
from panaversity_fs.core.paths import BASE
from panaversity_fs.library import Library
from panaversity_fs.library.editing import Edited
from panaversity_fs.library.texts import MAX_TEXT, NotText
from panaversity_fs.store import audit_rows
from panaversity_fs.store.database import Database
from support.stores import BOOK, CALLER, Store, lesson

pytestmark = pytest.mark.anyio

PATH = lesson(1)
USER = "reader-1"
TEXT = b"\xef\xbb\xbf# Title\r\n\r\nOne two.  \r\nlast"


async def text_of(library: Library, path: str = PATH, user_id: str = BASE) -> bytes:
    entry = await library.entry(BOOK, path, user_id)
    blob = await library.open_blob(BOOK, entry.sha256, CALLER, user_id=user_id)
    return b"".join([piece async for piece in blob.stream()])


async def edit(library: Library, old: bytes, new: bytes, **options: object) -> Edited:
    options.setdefault("expected", digest_of(TEXT))
    return await library.edit(BOOK, PATH, old, new, CALLER, **options)  # type: ignore[arg-type]


async def test_D8_an_edit_leaves_mark_line_ends_and_missing_newline_alone(library: Library) -> None:
    await library.write(BOOK, PATH, TEXT, CALLER, expected=None)
    edited = await edit(library, b"two", b"three")
    after = TEXT.replace(b"two", b"three")
    assert await text_of(library) == after
    assert edited.file_hash == digest_of(after)
    assert edited.result is not None
    assert (edited.result.outcomes[0].mode, edited.result.revision) == ("updated", 2)
    assert "-One two.  \r\n+One three.  \r\n" in edited.diff.text
    assert (edited.diff.added, edited.diff.removed) == (1, 1)


async def test_lines_of_an_edit_end_as_those_of_the_text_do(library: Library) -> None:
    await library.write(BOOK, PATH, TEXT, CALLER, expected=None)
    await edit(library, b"# Title\n\nOne", b"# Other\n\nnew\n\nOne")
    assert await text_of(library) == TEXT.replace(b"# Title\r\n\r\nOne", b"# Other\r\n\r\nnew\r\n\r\nOne")


@pytest.mark.parametrize(
    ("text", "old", "count"),
    [(b"abc", b"x", 0), (b"a b a", b"a", 2), (b"aaa", b"aa", 2), (b"a" * 500, b"a", 101), (b"A", b"a", 0)],
)
async def test_an_old_text_that_is_not_there_exactly_once_is_refused_with_the_count(
    library: Library, text: bytes, old: bytes, count: int
) -> None:
    await library.write(BOOK, PATH, text, CALLER, expected=None)
    with pytest.raises(InvalidArgument) as refusal:
        await edit(library, old, b"new", expected=digest_of(text))
    assert refusal.value.details["count"] == count
    assert await text_of(library) == text


async def test_an_empty_old_text_is_refused(library: Library) -> None:
    await library.write(BOOK, PATH, TEXT, CALLER, expected=None)
    with pytest.raises(InvalidArgument, match="old_text: is empty"):
        await edit(library, b"", b"x")


async def test_a_dry_run_answers_the_difference_and_changes_nothing(library: Library) -> None:
    await library.write(BOOK, PATH, TEXT, CALLER, expected=None)
    before = await library.book(BOOK)
    edited = await edit(library, b"two", b"three", dry_run=True)
    assert (edited.result, edited.file_hash) == (None, digest_of(TEXT.replace(b"two", b"three")))
    assert "+One three." in edited.diff.text
    assert await library.book(BOOK) == before
    with pytest.raises(Conflict):
        await edit(library, b"two", b"three", dry_run=True, expected=EMPTY)


async def test_a_read_only_server_still_answers_dry_runs(library: Library, store: Store) -> None:
    await library.write(BOOK, PATH, TEXT, CALLER, expected=None)
    async with store.open(read_only=True) as reading:
        assert (await edit(reading, b"two", b"three", dry_run=True)).result is None


async def test_FR_003_an_edit_of_a_changed_text_is_an_audited_conflict(library: Library, store: Store) -> None:
    await library.write(BOOK, PATH, b"newer", CALLER, expected=None)
    with pytest.raises(Conflict) as refusal:
        await edit(library, b"two", b"three")
    assert refusal.value.details["current_hash"] == digest_of(b"newer")
    assert refusal.value.operation == "edit_content"
    with pytest.raises(NotFound):
        await library.edit(BOOK, lesson(2), b"a", b"b", CALLER, expected=EMPTY)
    assert await text_of(library) == b"newer"
    database = Database(store.url)
    async with database.read("test") as connection:
        log = [entry for entry, _ in await audit_rows.read_all(connection, BOOK, 1)]
    await database.close()
    assert [(e.operation, e.path, e.status, (e.error_message or "").partition(":")[0]) for e in log[1:]] == [
        ("edit_content", PATH, "refused", "CONFLICT"),
        ("edit_content", lesson(2), "refused", "NOT_FOUND"),
    ]


async def test_a_file_that_is_no_text_and_one_too_large_are_refused(library: Library) -> None:
    await library.write(BOOK, PATH, b"\xff\xfe", CALLER, expected=None)
    with pytest.raises(NotText) as refusal:
        await edit(library, b"a", b"b", expected=digest_of(b"\xff\xfe"))
    assert refusal.value.code == "INVALID_ARGUMENT"
    large = b"x" * (MAX_TEXT + 1)
    await library.write(BOOK, lesson(2), large, CALLER, expected=None)
    with pytest.raises(TooLarge):
        await library.append(BOOK, lesson(2), b"b", CALLER, expected=digest_of(large))


async def test_P6_a_repeated_edit_has_one_effect_and_the_same_answer(library: Library) -> None:
    await library.write(BOOK, PATH, TEXT, CALLER, expected=None)
    first = await edit(library, b"two", b"two two", idempotency_key="k")
    assert await edit(library, b"two", b"two two", idempotency_key="k") == first
    assert (await library.book(BOOK)).revision == 2  # type: ignore[union-attr]
    with pytest.raises(InvalidArgument, match="another request"):
        await edit(library, b"two", b"other", idempotency_key="k")


async def test_appending_follows_the_rules_of_a_write(library: Library) -> None:
    created = await library.append(BOOK, PATH, b"one\n", CALLER, expected=None)
    assert created.outcomes[0].mode == "created"
    with pytest.raises(HashRequired):
        await library.append(BOOK, PATH, b"two\n", CALLER, expected=None)
    with pytest.raises(Conflict):
        await library.append(BOOK, PATH, b"two\n", CALLER, expected=EMPTY)
    with pytest.raises(NotFound):
        await library.append(BOOK, lesson(2), b"two\n", CALLER, expected=EMPTY)
    result = await library.append(BOOK, PATH, b"two\n", CALLER, expected=digest_of(b"one\n"), idempotency_key="k")
    assert await text_of(library) == b"one\ntwo\n"
    again = await library.append(BOOK, PATH, b"two\n", CALLER, expected=digest_of(b"one\n"), idempotency_key="k")
    assert again == result
    assert await text_of(library) == b"one\ntwo\n"


async def test_hostile_names_and_books_are_refused_before_anything_is_read(library: Library) -> None:
    with pytest.raises(InvalidPath):
        await library.append(BOOK, "content/../x.md", b"a", CALLER, expected=None)
    with pytest.raises(InvalidArgument):
        await library.append(BOOK, PATH, b"a", CALLER, expected=None, user_id="__base__ ")
    with pytest.raises(NotFound):
        await edit(library, b"a", b"b")
    await library.write(BOOK, PATH, TEXT, CALLER, expected=None)
    await library.delete_book(BOOK, BOOK, CALLER)
    with pytest.raises(BookGone):
        await edit(library, b"two", b"b")


async def test_FR_019_a_users_first_edit_takes_the_base_and_leaves_it_alone(library: Library) -> None:
    await library.write(BOOK, PATH, TEXT, CALLER, expected=None)
    mine = TEXT.replace(b"two", b"mine")
    edited = await edit(library, b"two", b"mine", user_id=USER)
    assert edited.result is not None
    assert edited.result.outcomes[0].mode == "created"
    assert await text_of(library) == TEXT
    assert await text_of(library, user_id=USER) == mine
    with pytest.raises(Conflict) as refusal:  # he sees his own text now
        await edit(library, b"two", b"other", user_id=USER)
    assert refusal.value.details["current_hash"] == digest_of(mine)
    await library.append(BOOK, PATH, b"!", CALLER, expected=digest_of(mine), user_id=USER)
    assert await text_of(library, user_id=USER) == mine + b"!"
    assert await text_of(library) == TEXT
