"""What a book takes by its schema, its numbering and the names it holds already (FR-007, FR-008, F43, F45, R1)."""

import pytest

from panaversity_fs.core.changes import Changeset, Delete
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import PanaversityError, SchemaViolation
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import fold
from panaversity_fs.core.schema import Schema
from panaversity_fs.library import Library
from panaversity_fs.store.database import Database
from panaversity_fs.store.journal import changed_since
from support.stores import BOOK, CALLER, Store, ingest, lesson

pytestmark = pytest.mark.anyio

STRICT, DOCUSAURUS = Schema.STRICT, Schema.DOCUSAURUS
BY_NUMBER, BY_NAME = Numbering.NUMBER_NAME, Numbering.NAME_NUMBER


async def paths(library: Library) -> list[str]:
    return [file.path for file in await library.entries(BOOK, "")]


async def test_a_book_born_by_a_write_is_strict_and_one_born_by_an_ingest_is_not(library: Library) -> None:
    assert (await library.write(BOOK, lesson(1), b"x", CALLER, expected=None)).schema is STRICT
    assert (await ingest(library, {"content/README.md": b"x"}, book="b-book")).schema is DOCUSAURUS
    with pytest.raises(SchemaViolation):
        await library.write("c-book", "content/README.md", b"x", CALLER, expected=None)
    assert await library.book("c-book") is None


async def test_FR_007_a_strict_book_names_the_pattern_and_the_way_out(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    with pytest.raises(SchemaViolation) as refusal:
        await library.write(BOOK, "content/README.md", b"x", CALLER, expected=None)
    assert "content/{NN-Name}/{NN-Name}/{NN-name}" in refusal.value.message
    assert "--schema docusaurus" in refusal.value.hint
    assert refusal.value.exit_status == 12


async def test_an_ingest_into_a_strict_book_lists_every_path_without_a_place(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    with pytest.raises(SchemaViolation) as refusal:
        await ingest(library, {"content/README.md": b"x", lesson(1): b"y", "content/index.mdx": b"z"})
    assert [c["path"] for c in refusal.value.details["conflicts"]] == ["content/README.md", "content/index.mdx"]
    assert {c["code"] for c in refusal.value.details["conflicts"]} == {"SCHEMA_VIOLATION"}
    assert await paths(library) == []


async def test_widening_happens_in_the_same_commit_and_only_when_asked(library: Library) -> None:
    await library.write(BOOK, lesson(1), b"x", CALLER, expected=None)
    result = await ingest(library, {"content/README.md": b"x"}, schema=DOCUSAURUS)
    assert (result.schema, result.revision) == (DOCUSAURUS, 2)
    assert (await ingest(library, {"content/index.mdx": b"x"})).schema is DOCUSAURUS


async def test_narrowing_needs_every_path_to_conform(library: Library) -> None:
    await ingest(library, {"content/README.md": b"x", lesson(1): b"y"})
    narrow = Changeset((), schema=STRICT, operation="ingest")
    with pytest.raises(SchemaViolation, match=r"README\.md"):
        await library.commit(BOOK, narrow, CALLER)
    away = Changeset((Delete("content/README.md"),), schema=STRICT, operation="ingest")
    assert (await library.commit(BOOK, away, CALLER)).schema is STRICT
    assert await paths(library) == [lesson(1)]


@pytest.mark.parametrize(
    "path", ["lesson.md", "other/01-A/01-B/01-c.md", "static/fonts/x.woff", "content", "static/img"]
)
async def test_FR_008_nothing_lies_outside_content_and_static(library: Library, path: str) -> None:
    with pytest.raises(SchemaViolation):
        await ingest(library, {path: b"x"})


COLLIDING = [
    ("content/A.md", "content/a.md"),
    ("content/Part/x.md", "content/part/y.md"),
    ("content/x", "content/x/y.md"),
    ("content/x/y.md", "content/x"),
    ("content/ﬁne.md", "content/fine.md"),  # the ligature folds to two letters
    ("content/Straße.md", "content/STRASSE.md"),
    ("content/x\u00b2.md", "content/x2.md"),
    ("static/img/01-A/@/x.png", "content/01-A/X.png"),  # one source path under two book paths
]


@pytest.mark.parametrize(("one", "other"), COLLIDING)
async def test_F45_names_that_meet_are_refused_in_one_commit_and_across_commits(
    library: Library, one: str, other: str
) -> None:
    with pytest.raises(PanaversityError) as refusal:
        await ingest(library, {one: b"1", other: b"2"})
    assert refusal.value.code == "SCHEMA_VIOLATION"
    await ingest(library, {one: b"1"})
    with pytest.raises(SchemaViolation):
        await ingest(library, {other: b"2"})
    assert await paths(library) == [one]


async def test_F45_the_refusal_names_both(library: Library) -> None:
    await ingest(library, {"content/A.md": b"1"})
    with pytest.raises(SchemaViolation) as refusal:
        await ingest(library, {"content/a.md": b"2"})
    assert str(refusal.value) == ("ingest: content/a.md: collides with A.md. Give one of the two another name.")


@pytest.mark.parametrize(("one", "other"), COLLIDING[:-1])
async def test_F43_a_rename_to_a_colliding_name_is_one_commit(library: Library, one: str, other: str) -> None:
    await ingest(library, {one: b"same"})
    result = await ingest(library, {other: b"same"}, deletes=[Delete(one, digest_of(b"same"))])
    assert (result.added, result.deleted) == (1, 1)
    assert await paths(library) == [other]
    await ingest(library, {one: b"same"}, deletes=[Delete(other)])
    assert await paths(library) == [one]


async def test_F43_after_a_restart_the_names_are_known(library: Library, store: Store) -> None:
    await ingest(library, {"content/A.md": b"1"})
    async with store.open() as restarted:
        with pytest.raises(SchemaViolation):
            await ingest(restarted, {"content/a.md": b"2"})
        await restarted.delete(BOOK, "content/A.md", CALLER)
    with pytest.raises(SchemaViolation):
        await ingest(library, {"content/b.md": b"1", "content/B.md": b"1"})
    await ingest(library, {"content/a.md": b"2"})


LONG = "content/01-" + "/".join(["ﷺ" * 39] * 8) + "/{}.md"
"""A legal path whose signs are eighteen letters each when they are folded: 10 KB."""


async def folds(store: Store) -> dict[str, str]:
    database = Database(store.url)
    async with database.read("test") as connection:
        found = {row.path: row.path_fold for row in await changed_since(connection, BOOK, 0)}
    await database.close()
    return found


async def test_F45_a_name_that_folding_makes_very_long_is_kept_by_its_digest(library: Library, store: Store) -> None:
    one, other = LONG.format("A"), LONG.format("a")
    await ingest(library, {one: b"1"}, numbering=BY_NUMBER)
    with pytest.raises(SchemaViolation, match="collides"):
        await ingest(library, {other: b"2"})
    before = await folds(store)
    assert before == {one: "/" + digest_of(fold(one.removeprefix("content/")).encode())}
    await library.commit(BOOK, Changeset((), numbering=BY_NAME, operation="ingest"), CALLER)
    assert (await folds(store))[one] != before[one], "another source path"
    await ingest(library, {other: b"1"}, deletes=[Delete(one, digest_of(b"1"))])
    assert len(set((await folds(store)).values())) == 1, "they are one name"
    assert await paths(library) == [other]


async def test_F45_a_file_named_as_the_digest_of_a_long_name_is_another_file(library: Library) -> None:
    named = "content/" + digest_of(fold(LONG.format("a").removeprefix("content/")).encode())
    await ingest(library, {LONG.format("a"): b"1", named: b"2"})
    assert await paths(library) == sorted([LONG.format("a"), named], key=str.encode)


async def test_numbering_is_set_once_and_every_answer_shows_the_source_path(library: Library) -> None:
    result = await ingest(library, {"content/01-Part/x.md": b"1"}, numbering=BY_NAME)
    assert result.source_path("content/01-Part/x.md") == "Part-01/x.md"
    assert (await library.entry(BOOK, "content/01-Part/x.md")).source_path == "Part-01/x.md"
    again = await ingest(library, {"content/01-Part/y.md": b"1"})
    assert again.numbering is BY_NAME


async def test_a_change_of_numbering_is_a_revision_and_refolds_every_name(library: Library) -> None:
    await ingest(library, {"content/01-Part/x.md": b"1", "content/y.md": b"2"}, numbering=BY_NUMBER)
    result = await library.commit(BOOK, Changeset((), numbering=BY_NAME, operation="ingest"), CALLER)
    assert (result.revision, result.numbering) == (2, BY_NAME)
    assert (await library.entry(BOOK, "content/01-Part/x.md")).source_path == "Part-01/x.md"
    plan = await library.plan(BOOK, None)
    assert (plan.numbering, plan.revision) == (BY_NAME, 2)
    with pytest.raises(SchemaViolation):
        await ingest(library, {"content/01-part/z.md": b"3"})


async def test_a_new_path_may_take_the_name_another_gives_up_by_the_change_of_numbering(library: Library) -> None:
    await ingest(library, {"content/01-A/x.md": b"1"}, numbering=BY_NUMBER)
    result = await ingest(library, {"content/A-01/x.md": b"2"}, numbering=BY_NAME)
    assert result.added == 1
    sources = {file.path: file.source_path for file in await library.entries(BOOK, "")}
    assert sources == {"content/01-A/x.md": "A-01/x.md", "content/A-01/x.md": "01-A/x.md"}


async def test_two_names_may_change_places_when_numbering_changes(library: Library) -> None:
    await ingest(library, {"content/01-A/x.md": b"1", "content/A-01/x.md": b"2"}, numbering=BY_NUMBER)
    await library.commit(BOOK, Changeset((), numbering=BY_NAME, operation="ingest"), CALLER)
    await library.commit(BOOK, Changeset((), numbering=BY_NUMBER, operation="ingest"), CALLER)
    assert (await library.entry(BOOK, "content/01-A/x.md")).source_path == "01-A/x.md"


async def test_create_book_keeps_its_settings(library: Library) -> None:
    made = await library.create_book(BOOK, CALLER, DOCUSAURUS, BY_NAME)
    assert (made.schema, made.numbering, made.revision, made.file_count) == (DOCUSAURUS, BY_NAME, 0, 0)
    await library.write(BOOK, "content/README.md", b"x", CALLER, expected=None)
    assert await library.list_books() == [await library.book(BOOK)]
    assert await library.list_books("other") == []


async def test_a_prefix_is_taken_literally(library: Library) -> None:
    names = ["content/a_b.md", "content/axb.md", "content/A_b2/x.md", "content/a_b/y.md"]
    for number, name in enumerate(names):
        book = f"book-{number}"
        await ingest(library, {name: b"x"}, book=book)
        found = [file.path for file in await library.entries(book, "content/a_b")]
        assert found == ([name] if name.startswith("content/a_b") else [])
