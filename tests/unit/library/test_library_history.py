"""The past of a path over a real store: what happened, what two versions differ in, having one back."""

from dataclasses import replace

import pytest

from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.errors import BookGone, Conflict, HashRequired, InvalidArgument, NotFound
from panaversity_fs.library import Library
from panaversity_fs.library.texts import NotText
from panaversity_fs.store.blob_rows import find_blobs, save_blobs
from panaversity_fs.store.database import Database
from support.stores import BOOK, CALLER, Store, ingest, lesson

pytestmark = pytest.mark.anyio

PATH = lesson(1)
USER = "reader-1"
ONE, TWO, THREE = (digest_of(word) for word in (b"one\n", b"two\n", b"three\n"))


async def three_versions(library: Library) -> None:
    """Revisions 1 to 4: one, two, nothing, three."""
    await library.write(BOOK, PATH, b"one\n", CALLER, expected=None)
    await library.write(BOOK, PATH, b"two\n", CALLER, expected=ONE)
    await library.delete(BOOK, PATH, CALLER)
    await library.write(BOOK, PATH, b"three\n", CALLER, expected=None)


async def marked(store: Store, library: Library, digest: Digest, state: str) -> None:
    """Let a collector have brought these bytes to that state."""
    incarnation = (await library.book(BOOK)).incarnation  # type: ignore[union-attr]
    database = Database(store.url)
    async with database.write("test") as connection:
        row = (await find_blobs(connection, BOOK, incarnation, [digest]))[digest]
        await save_blobs(connection, [replace(row, state=state)])
    await database.close()


async def test_history_tells_every_change_newest_first(library: Library) -> None:
    await three_versions(library)
    changes, more = await library.history(BOOK, PATH)
    assert [(c.revision, c.operation, c.before, c.after) for c in changes] == [
        (4, "write_content", None, THREE),
        (3, "delete_content", TWO, None),
        (2, "write_content", ONE, TWO),
        (1, "write_content", None, ONE),
    ]
    assert [c.size for c in changes] == [6, None, 4, 4]
    assert [c.kept for c in changes] == [True, False, True, True]
    assert {c.agent_id for c in changes} == {"tester"}
    assert changes == sorted(changes, key=lambda c: c.when, reverse=True)
    assert not more


async def test_history_knows_neither_refusals_nor_writes_that_changed_nothing(library: Library) -> None:
    await library.write(BOOK, PATH, b"one\n", CALLER, expected=None)
    await library.write(BOOK, PATH, b"one\n", CALLER, expected=ONE)
    with pytest.raises(Conflict):
        await library.write(BOOK, PATH, b"two\n", CALLER, expected=EMPTY)
    await library.delete(BOOK, lesson(2), CALLER)
    assert len((await library.history(BOOK, PATH))[0]) == 1


async def test_history_comes_in_pages(library: Library) -> None:
    await three_versions(library)
    seen, before, more = [], None, True
    while more:
        page, more = await library.history(BOOK, PATH, before=before, limit=3)
        seen += page
        before = page[-1].seq
    assert seen == (await library.history(BOOK, PATH))[0]


async def test_a_path_that_never_was_has_no_history(library: Library) -> None:
    await library.write(BOOK, PATH, b"one\n", CALLER, expected=None)
    for path in (lesson(2), PATH[:-1], "content/_" + PATH[9:]):
        with pytest.raises(NotFound):
            await library.history(BOOK, path)
    with pytest.raises(NotFound):
        await library.history("no-book", PATH)


@pytest.mark.parametrize(
    ("a", "b", "removed", "added"),
    [("1", "2", "one", "two"), (ONE, TWO, "one", "two"), ("2", "current", "two", "three"), ("1", "4", "one", "three"),
     ("3", "current", None, "three"), ("2", "3", "two", None)],
)  # fmt: skip
async def test_two_versions_are_compared(
    library: Library, a: str, b: str, removed: str | None, added: str | None
) -> None:
    await three_versions(library)
    diff = (await library.compare(BOOK, PATH, a, b)).diff
    assert (f"-{removed}\n" in diff.text) is (removed is not None)
    assert (f"+{added}\n" in diff.text) is (added is not None)
    assert ("/dev/null" in diff.text) is (removed is None or added is None)


async def test_equal_versions_have_an_empty_difference(library: Library) -> None:
    await three_versions(library)
    assert (await library.compare(BOOK, PATH, "4", "current")).diff.text == ""


@pytest.mark.parametrize("which", ["", "latest", "-1", "1.0", "٣", "9" * 19, ONE.upper(), " 1"])
async def test_words_that_name_no_version_are_refused(library: Library, which: str) -> None:
    await three_versions(library)
    with pytest.raises(InvalidArgument) as refusal:
        await library.compare(BOOK, PATH, which, "current")
    assert refusal.value.details["name"] == "a"


async def test_versions_that_are_none_are_not_found(library: Library) -> None:
    await three_versions(library)
    await library.write(BOOK, lesson(2), b"elsewhere", CALLER, expected=None)
    for which in ("5000", EMPTY, digest_of(b"elsewhere")):  # S14: the book holds those bytes, this path never did
        with pytest.raises(NotFound):
            await library.compare(BOOK, PATH, which, "current")
    with pytest.raises(NotFound):
        await library.compare(BOOK, PATH, "3", "0")


async def test_what_is_no_text_is_not_compared(library: Library) -> None:
    await library.write(BOOK, PATH, b"\xff", CALLER, expected=None)
    with pytest.raises(NotText):
        await library.compare(BOOK, PATH, "0", "current")


@pytest.mark.parametrize("which", ["1", ONE])
async def test_an_old_version_is_restored_by_the_rules_of_a_write(library: Library, which: str) -> None:
    await three_versions(library)
    with pytest.raises(HashRequired):
        await library.restore(BOOK, PATH, which, CALLER, expected=None)
    with pytest.raises(Conflict):
        await library.restore(BOOK, PATH, which, CALLER, expected=TWO)
    result = await library.restore(BOOK, PATH, which, CALLER, expected=THREE, idempotency_key="k")
    assert (result.outcomes[0].mode, result.outcomes[0].after, result.revision) == ("updated", ONE, 5)
    assert await library.restore(BOOK, PATH, which, CALLER, expected=THREE, idempotency_key="k") == result
    assert (await library.entry(BOOK, PATH)).sha256 == ONE
    newest = (await library.history(BOOK, PATH))[0][0]
    assert (newest.operation, newest.before, newest.after) == ("restore_content", THREE, ONE)


async def test_a_deleted_file_comes_back_as_a_new_one(library: Library) -> None:
    await three_versions(library)
    await library.delete(BOOK, PATH, CALLER)
    assert (await library.restore(BOOK, PATH, "2", CALLER, expected=None)).outcomes[0].mode == "created"


async def test_a_large_file_that_is_no_text_is_restored_byte_for_byte(library: Library) -> None:
    path, data = "static/img/01-Part/01-Chapter/x.png", bytes(range(256)) * 10_000
    await library.write(BOOK, path, data, CALLER, expected=None)
    await library.delete(BOOK, path, CALLER)
    await library.restore(BOOK, path, digest_of(data), CALLER, expected=None)
    assert await library.read_bytes(BOOK, digest_of(data), len(data)) == data


async def test_a_version_that_held_nothing_cannot_be_restored(library: Library) -> None:
    await three_versions(library)
    with pytest.raises(NotFound, match="held nothing"):
        await library.restore(BOOK, PATH, "3", CALLER, expected=THREE)


async def test_collected_bytes_are_said_to_be_collected(library: Library, store: Store) -> None:
    await three_versions(library)
    await marked(store, library, ONE, "deleted")
    with pytest.raises(NotFound, match="no longer kept") as refusal:
        await library.restore(BOOK, PATH, "1", CALLER, expected=THREE)
    assert refusal.value.details["kind"] == "bytes"
    with pytest.raises(NotFound, match="no longer kept"):
        await library.compare(BOOK, PATH, "1", "current")
    kept = {c.revision: c.kept for c in (await library.history(BOOK, PATH))[0]}
    assert kept == {1: False, 2: True, 3: False, 4: True}
    await marked(store, library, ONE, "condemned")  # given up, not yet gone: a restore revives it
    result = await library.restore(BOOK, PATH, "1", CALLER, expected=THREE)
    assert result.outcomes[0].after == ONE


async def test_R5_a_user_sees_his_own_past_first_and_nobody_elses(library: Library) -> None:
    await library.write(BOOK, PATH, b"one\n", CALLER, expected=None)
    await library.write(BOOK, PATH, b"two\n", CALLER, expected=None, user_id=USER)
    assert [c.after for c in (await library.history(BOOK, PATH, USER))[0]] == [TWO]
    assert [c.after for c in (await library.history(BOOK, PATH))[0]] == [ONE]
    comparison = await library.compare(BOOK, PATH, "1", "current", USER)
    assert (comparison.a.digest, comparison.b.digest) == (ONE, TWO)
    assert (await library.compare(BOOK, PATH, "2", "1", USER)).a.digest == TWO
    assert (await library.compare(BOOK, PATH, "2", "current", "reader-2")).a.digest == ONE
    for stranger in ("reader-2", "__base__"):
        with pytest.raises(NotFound):
            await library.compare(BOOK, PATH, TWO, "current", stranger)
        with pytest.raises(NotFound):
            await library.restore(BOOK, PATH, TWO, CALLER, expected=ONE, user_id=stranger)
    await library.restore(BOOK, PATH, "1", CALLER, expected=TWO, user_id=USER)
    assert (await library.entry(BOOK, PATH, USER)).sha256 == ONE
    await library.delete(BOOK, PATH, CALLER, user_id=USER)  # from here on he sees the base again
    await library.write(BOOK, PATH, b"three\n", CALLER, expected=ONE)
    assert [(await library.compare(BOOK, PATH, at, "2", USER)).a.digest for at in ("4", "5")] == [ONE, THREE]


async def test_F41_a_new_life_knows_nothing_of_the_old_ones_past(library: Library) -> None:
    await three_versions(library)
    await library.delete_book(BOOK, BOOK, CALLER)
    with pytest.raises(BookGone):
        await library.history(BOOK, PATH)
    await library.write(BOOK, PATH, b"new\n", CALLER, expected=None)
    assert [c.revision for c in (await library.history(BOOK, PATH))[0]] == [1]
    with pytest.raises(NotFound):
        await library.restore(BOOK, PATH, ONE, CALLER, expected=digest_of(b"new\n"))


async def test_a_file_of_an_ingest_has_a_past_too(library: Library) -> None:
    await ingest(library, {PATH: b"one\n", lesson(2): b"x"})
    await ingest(library, {PATH: b"two\n"}, expected={PATH: ONE})
    assert [(c.operation, c.revision) for c in (await library.history(BOOK, PATH))[0]] == [("ingest", 2), ("ingest", 1)]
