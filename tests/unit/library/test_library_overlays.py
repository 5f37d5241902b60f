"""Overlays: one user's layer over a book, apart from the base and from everybody else (FR-015..019, S12, S14, P11)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from panaversity_fs.core.audit import AuditEntry, first_break
from panaversity_fs.core.changes import Changeset, Delete, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import (
    BlobsMissing,
    Conflict,
    HashRequired,
    InvalidArgument,
    NotFound,
    PanaversityError,
    SchemaViolation,
)
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import BASE
from panaversity_fs.core.schema import Schema
from panaversity_fs.library import Caller, Library, Outcome
from panaversity_fs.store import audit_rows
from panaversity_fs.store.database import Database
from support.stores import BOOK, CALLER, Store, ingest, lesson, pieces, written

pytestmark = pytest.mark.anyio

PATH, OTHER_PATH = lesson(1), lesson(2)
OLD, NEW, OTHER, BASES = (digest_of(word) for word in (b"old", b"new", b"other", b"base"))
ALICE, BOB = "alice", "bob|2@x.org"


async def put(library: Library, data: bytes, user: str = BASE, path: str = PATH, expected: Digest | None = None) -> Any:
    return await library.write(BOOK, path, data, CALLER, expected=expected, user_id=user)


async def sees(library: Library, user: str, path: str = PATH) -> tuple[bytes, str] | None:
    """The bytes this user sees at the path, and from which layer; None: nothing."""
    try:
        entry, blob = await library.open_entry(BOOK, path, user)
    except NotFound:
        return None
    assert await library.entry(BOOK, path, user) == entry
    data = await library.read_bytes(BOOK, entry.sha256, 100, user)
    assert data == await blob.whole(100)
    assert (digest_of(data), len(data)) == (entry.sha256, entry.size)
    return data, entry.source


async def test_FR_015_FR_016_an_overlay_is_written_apart_and_read_first(library: Library) -> None:
    await put(library, b"base")
    result = await put(library, b"mine", ALICE)
    assert result.outcomes == (Outcome(PATH, "created", None, digest_of(b"mine"), 4),)
    assert await sees(library, ALICE) == (b"mine", "overlay")
    assert await sees(library, BASE) == (b"base", "base")
    assert await sees(library, BOB) == (b"base", "base")
    assert await sees(library, ALICE, OTHER_PATH) is None


async def test_FR_017_a_deleted_overlay_falls_back_to_the_base(library: Library) -> None:
    await put(library, b"base")
    await put(library, b"mine", ALICE)
    gone = await library.delete(BOOK, PATH, CALLER, user_id=ALICE)
    assert gone.outcomes == (Outcome(PATH, "deleted", digest_of(b"mine"), None, 0),)
    assert await sees(library, ALICE) == (b"base", "base")
    again = await library.delete(BOOK, PATH, CALLER, user_id=ALICE)
    assert again.outcomes == (Outcome(PATH, "absent", None, None, 0),)
    assert await sees(library, ALICE) == (b"base", "base"), "deleting through an overlay never reaches the base"
    await put(library, b"again", ALICE)
    assert await sees(library, ALICE) == (b"again", "overlay")


async def test_FR_019_an_overlay_survives_updates_and_the_end_of_its_base(library: Library) -> None:
    await put(library, b"base")
    await put(library, b"mine", ALICE)
    await put(library, b"newer", expected=BASES)
    assert await sees(library, ALICE) == (b"mine", "overlay")
    assert not (await library.entry(BOOK, PATH, ALICE)).orphaned
    await library.delete(BOOK, PATH, CALLER)
    assert await sees(library, ALICE) == (b"mine", "overlay")
    assert await sees(library, BASE) is None
    assert (await library.entry(BOOK, PATH, ALICE)).orphaned
    listed = await library.entries(BOOK, "content/", ALICE)
    assert [(e.path, e.source, e.orphaned) for e in listed] == [(PATH, "overlay", True)]
    assert await library.entries(BOOK, "content/", BOB) == await library.entries(BOOK, "content/") == []
    await put(library, b"back")
    assert not (await library.entry(BOOK, PATH, ALICE)).orphaned


async def test_an_overlay_of_a_path_the_base_never_held_is_no_orphan(library: Library) -> None:
    await put(library, b"base", path=OTHER_PATH)
    await put(library, b"mine", ALICE)
    (entry,) = [e for e in await library.entries(BOOK, "", ALICE) if e.source == "overlay"]
    assert (entry.path, entry.orphaned) == (PATH, False)


async def test_FR_016_a_list_shows_each_path_once_overlay_first_and_no_other_users(library: Library) -> None:
    await ingest(library, {lesson(n): b"base" for n in (1, 2, 3)})
    for user, path in [(ALICE, lesson(2)), (ALICE, lesson(4)), (BOB, lesson(3)), (BOB, lesson(5))]:
        await put(library, user.encode(), user, path)
    await library.delete(BOOK, lesson(4), CALLER, user_id=ALICE)
    await put(library, b"alice", ALICE, lesson(6))

    async def listed(user: str) -> list[tuple[str, str]]:
        return [(entry.path, entry.source) for entry in await library.entries(BOOK, "content/01-Part/", user)]

    base = [(lesson(n), "base") for n in (1, 2, 3)]
    assert await listed(BASE) == await listed("carol") == base
    assert await listed(ALICE) == [base[0], (lesson(2), "overlay"), base[2], (lesson(6), "overlay")]
    assert await listed(BOB) == [*base[:2], (lesson(3), "overlay"), (lesson(5), "overlay")]
    assert await library.entries(BOOK, lesson(6)[:-1], BOB) == []


# what the overlay holds, what the base holds, what is expected, the outcome: a mode or the refusal and its current hash
WRITES: list[tuple[bytes | None, bytes | None, Digest | None, str | tuple[type[PanaversityError], Digest | None]]] = [
    (overlay, base, expected, outcome)
    for base in (None, b"old", b"new", b"base")
    for overlay, expected, outcome in [
        (None, None, "created"),
        (None, OLD, (NotFound, None)),
        (None, BASES, (NotFound, None)),
        (b"old", None, (HashRequired, OLD)),
        (b"old", OLD, "updated"),
        (b"old", BASES, (Conflict, OLD)),
        (b"new", NEW, "unchanged"),
        (b"new", None, (HashRequired, NEW)),
    ]
]


@pytest.mark.parametrize(("overlay", "base", "expected", "outcome"), WRITES)
async def test_FR_015_FR_003_FR_004_FR_005_the_conflict_rules_judge_the_overlays_own_entry(
    library: Library, overlay: bytes | None, base: bytes | None, expected: Digest | None, outcome: Any
) -> None:
    await library.create_book(BOOK, CALLER)
    if base is not None:
        await put(library, base)
    if overlay is not None:
        await put(library, overlay, ALICE)
    before = await library.book(BOOK)
    if isinstance(outcome, str):
        result = await put(library, b"new", ALICE, expected=expected)
        assert result.outcomes[0].mode == outcome
        assert await sees(library, ALICE) == (b"new", "overlay")
    else:
        kind, current = outcome
        with pytest.raises(kind) as refusal:
            await put(library, b"new", ALICE, expected=expected)
        assert refusal.value.details.get("current_hash") == current
        assert await library.book(BOOK) == before
    assert await sees(library, BASE) == (None if base is None else (base, "base"))


# what the overlay holds, what is expected, the outcome of a delete; the base holds "base" each time
DELETES: list[tuple[bytes | None, Digest | None, str]] = [
    (None, None, "absent"),
    (None, BASES, "absent"),
    (b"old", None, "deleted"),
    (b"old", OLD, "deleted"),
    (b"old", BASES, "CONFLICT"),
    (b"old", OTHER, "CONFLICT"),
]


@pytest.mark.parametrize(("overlay", "expected", "outcome"), DELETES)
async def test_FR_017_R3_the_truth_table_of_deleting_an_overlay(
    library: Library, overlay: bytes | None, expected: Digest | None, outcome: str
) -> None:
    await put(library, b"base")
    if overlay is not None:
        await put(library, overlay, ALICE)
    call = library.delete(BOOK, PATH, CALLER, expected=expected, user_id=ALICE)
    if outcome == "CONFLICT":
        with pytest.raises(Conflict) as refusal:
            await call
        assert refusal.value.details["current_hash"] == OLD
    else:
        assert (await call).outcomes[0].mode == outcome
    assert await sees(library, ALICE) == ((b"old", "overlay") if outcome == "CONFLICT" else (b"base", "base"))
    assert await sees(library, BASE) == (b"base", "base")


SENTINELS = [
    "", " ", "__base__", "__BASE__", "__Base__", "system", "SYSTEM", "Syſtem", "ｓｙｓｔｅｍ", "sys\u200btem",
    "alice ", "\u00e9", "e\u0301", "B%", "../B", "a/b", "a\0b", "x" * 129,
]  # fmt: skip


@pytest.mark.parametrize("user", [user for user in SENTINELS if user != BASE])
async def test_S12_no_sentinel_and_no_hostile_user_id_passes_any_door_of_the_library(
    library: Library, user: str
) -> None:
    await put(library, b"base")
    before = await library.book(BOOK)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: put(library, b"x", user),
        lambda: library.delete(BOOK, PATH, CALLER, user_id=user),
        lambda: library.commit(BOOK, Changeset((Delete(PATH),), user_id=user), CALLER),
        lambda: library.entry(BOOK, PATH, user),
        lambda: library.open_entry(BOOK, PATH, user),
        lambda: library.entries(BOOK, "", user),
        lambda: library.read_bytes(BOOK, BASES, 100, user),
        lambda: library.open_blob(BOOK, BASES, CALLER, user_id=user),
    ]
    for call in calls:
        with pytest.raises(InvalidArgument) as refusal:
            await call()
        assert refusal.value.details["name"] == "user_id"
    assert await library.book(BOOK) == before


COLLIDING = [
    ("content/A.md", "content/a.md"),
    ("content/Part/x.md", "content/part/y.md"),
    ("content/x", "content/x/y.md"),
    ("content/x/y.md", "content/x"),
    ("content/Straße.md", "content/STRASSE.md"),
    ("static/img/01-A/@/x.png", "static/img/01-A/@/X.png"),
]


@pytest.mark.parametrize(("one", "other"), COLLIDING)
async def test_FR_018_F45_names_are_judged_against_base_and_overlay_together(
    library: Library, one: str, other: str
) -> None:
    await library.create_book(BOOK, CALLER, Schema.DOCUSAURUS)
    await put(library, b"base", path=one)
    with pytest.raises(SchemaViolation, match=r"collides|is a (file|folder)"):
        await put(library, b"x", ALICE, other)
    await put(library, b"x", ALICE, one)
    await library.delete(BOOK, one, CALLER)
    with pytest.raises(SchemaViolation, match=r"collides|is a (file|folder)"):
        await put(library, b"x", ALICE, other)
    await put(library, b"x", BOB, other)
    moved = await library.commit(BOOK, Changeset((Delete(one), written(other, b"x")), user_id=ALICE), CALLER)
    assert (moved.added, moved.deleted) == (1, 1)
    assert await sees(library, ALICE, one) is None


@pytest.mark.parametrize(("one", "other"), COLLIDING)
async def test_FR_019_P11_the_base_may_take_names_that_meet_an_overlay_and_learns_nothing(
    library: Library, one: str, other: str
) -> None:
    await library.create_book(BOOK, CALLER, Schema.DOCUSAURUS)
    await put(library, b"mine", ALICE, one)
    await put(library, b"base", path=other)
    assert await sees(library, ALICE, one) == (b"mine", "overlay")
    await put(library, b"more", ALICE, one, expected=digest_of(b"mine"))
    assert await sees(library, ALICE, other) == (b"base", "base")
    with pytest.raises(SchemaViolation):
        await put(library, b"x", ALICE, other)
    await library.delete(BOOK, one, CALLER, user_id=ALICE)
    await put(library, b"x", ALICE, other)


async def test_FR_018_the_schema_holds_in_overlays(library: Library) -> None:
    await library.create_book(BOOK, CALLER)
    for path in ("content/README.md", "other/x.md", "static/fonts/x.woff"):
        with pytest.raises(SchemaViolation):
            await put(library, b"x", ALICE, path)
    await put(library, b"<svg/>", ALICE, "static/img/01-Part/x.svg")
    assert await sees(library, ALICE, "static/img/01-Part/x.svg") == (b"<svg/>", "overlay")


async def test_an_overlay_never_moves_manifest_plan_counts_or_base_revision(library: Library) -> None:
    await ingest(library, {PATH: b"base"}, with_manifest=True)
    before = await library.plan(BOOK, None)
    info = await library.book(BOOK)
    await put(library, b"mine", ALICE)
    await put(library, b"more", ALICE, expected=digest_of(b"mine"))
    await put(library, b"new", ALICE, OTHER_PATH)
    await library.delete(BOOK, PATH, CALLER, user_id=ALICE)
    after, now = await library.plan(BOOK, None), await library.book(BOOK)
    assert replace(after, checkpoint=None) == replace(before, checkpoint=None)  # the log is of the whole book
    assert info is not None
    assert now is not None
    assert (info.revision, now.revision) == (1, 5)
    assert (now.base_revision, now.file_count, now.total_bytes) == (1, 1, 4)
    assert (await library.list_books())[0].file_count == 1
    assert await library.manifest_metadata(BOOK, before.manifest_hash) == await library.manifest_metadata(
        BOOK, after.manifest_hash
    )
    assert await library.manifest_text(BOOK, after.manifest_hash) == f"{PATH}:{BASES}\n".encode()
    result = await put(library, b"then", expected=BASES)
    assert result.revision == 6
    assert (await library.plan(BOOK, before.manifest_hash)).revision == 6


async def test_a_promised_manifest_of_an_overlay_commit_is_the_bases(library: Library) -> None:
    await ingest(library, {PATH: b"base"})
    result = await ingest(library, {PATH: b"mine"}, with_manifest=True, user_id=ALICE, operation="write_content")
    assert result.manifest_hash == (await library.plan(BOOK, None)).manifest_hash


async def test_overlay_commits_leave_the_cached_view_of_the_base_as_it_is(library: Library) -> None:
    await ingest(library, {lesson(n): b"base" for n in range(3)})
    view = library._context.views._views[BOOK]
    names = view.names
    await put(library, b"mine", ALICE)
    await put(library, b"mine", ALICE, lesson(9))
    await library.plan(BOOK, None)
    assert library._context.views._views[BOOK] is view
    assert view.names is names
    await put(library, b"base", path=lesson(8))
    assert set(library._context.views._views[BOOK].entries) == {lesson(n) for n in (0, 1, 2, 8)}


async def test_two_servers_over_one_store_agree_about_base_and_overlay(library: Library, store: Store) -> None:
    await put(library, b"base")
    async with store.open() as other:
        assert await sees(other, BASE) == (b"base", "base")
        await put(library, b"mine", ALICE)
        await put(library, b"new", path=OTHER_PATH)
        await put(other, b"more", ALICE, expected=digest_of(b"mine"))
        assert await sees(library, ALICE) == (b"more", "overlay")
        assert (await other.plan(BOOK, None)).manifest_hash == (await library.plan(BOOK, None)).manifest_hash
        await put(other, b"newer", path=OTHER_PATH, expected=NEW)
        assert await sees(library, ALICE, OTHER_PATH) == (b"newer", "base")


@pytest.mark.parametrize(
    "settings",
    [{"schema": Schema.STRICT}, {"numbering": Numbering.NAME_NUMBER}, {"ingest_manifest": OLD}],
    ids=["schema", "numbering", "ingest_manifest"],
)
async def test_an_overlay_changes_no_setting_of_the_book(library: Library, settings: dict[str, Any]) -> None:
    await put(library, b"base")
    before = await library.book(BOOK)
    with pytest.raises(InvalidArgument, match="belongs to the book"):
        await library.commit(BOOK, Changeset((Delete(PATH),), user_id=ALICE, **settings), CALLER)
    assert await library.book(BOOK) == before


async def test_a_change_of_numbering_cannot_fail_on_names_of_an_overlay(library: Library) -> None:
    """Fold-equal only after the change: refolding overlays would make the base's ingest fail on private names."""
    await ingest(library, {"content/x.md": b"base"}, numbering=Numbering.NUMBER_NAME)
    for path in ("content/A-01/x.md", "content/\uff10\uff11-A/x.md"):
        await put(library, b"mine", ALICE, path)
    renumbered = Changeset((), numbering=Numbering.NAME_NUMBER, operation="ingest")
    assert (await library.commit(BOOK, renumbered, CALLER)).numbering is Numbering.NAME_NUMBER
    assert (await library.entry(BOOK, "content/A-01/x.md", ALICE)).source_path == "01-A/x.md"


async def test_S14_P11_bytes_of_an_overlay_are_nobody_elses(library: Library) -> None:
    me, them = Caller("me", "tester"), Caller("them", "tester")
    await put(library, b"base")
    await library.write(BOOK, PATH, b"secret", me, expected=None, user_id=ALICE)
    secret = digest_of(b"secret")
    manifest = (await library.plan(BOOK, None)).manifest_hash
    assert (await library.open_blob(BOOK, secret, them, user_id=ALICE)).size == 6
    closed: list[Callable[[], Awaitable[object]]] = [
        lambda: library.open_blob(BOOK, secret, me),
        lambda: library.open_blob(BOOK, secret, them),
        lambda: library.open_blob(BOOK, secret, them, user_id=BOB),
        lambda: library.open_blob(BOOK, secret, me, manifest=manifest),
        lambda: library.open_pack(BOOK, manifest, [secret], me),
        lambda: library.read_bytes(BOOK, secret, 100),
        lambda: library.read_bytes(BOOK, secret, 100, BOB),
    ]
    for call in closed:
        with pytest.raises(NotFound) as refusal:
            await call()
        with pytest.raises(NotFound) as unknown:
            await library.open_blob(BOOK, OTHER, them)
        assert refusal.value.problem == unknown.value.problem


async def test_S14_bytes_an_overlay_held_once_are_closed_to_its_user_too(library: Library) -> None:
    await put(library, b"base")
    await put(library, b"old", ALICE)
    await put(library, b"new", ALICE, expected=OLD)
    await library.delete(BOOK, PATH, CALLER, user_id=ALICE)
    for digest in (OLD, NEW):
        with pytest.raises(NotFound):
            await library.open_blob(BOOK, digest, CALLER, user_id=ALICE)
        with pytest.raises(BlobsMissing):
            await library.commit(BOOK, Changeset((Write(PATH, digest, 3),), user_id=ALICE), CALLER)


async def test_S14_P11_a_digest_may_be_named_without_bytes_only_where_it_may_be_read(library: Library) -> None:
    await put(library, b"base")
    await put(library, b"secret", ALICE)

    def named(data: bytes, user: str) -> Changeset:
        return Changeset((written(OTHER_PATH, data),), user_id=user)

    for user in (BASE, BOB):
        with pytest.raises(BlobsMissing) as missing:
            await library.commit(BOOK, named(b"secret", user), CALLER)
        with pytest.raises(BlobsMissing) as unknown:
            await library.commit(BOOK, named(b"unknown", user), CALLER)
        assert missing.value.problem == unknown.value.problem
    assert (await library.commit(BOOK, named(b"secret", ALICE), CALLER)).added == 1
    assert (await library.commit(BOOK, named(b"base", BOB), CALLER)).added == 1
    await library.put_blob(BOOK, NEW, CALLER, pieces(b"new"), 3)
    await library.commit(BOOK, Changeset((written(lesson(3), b"new"),), user_id=BOB), CALLER)
    assert await sees(library, BOB, lesson(3)) == (b"new", "overlay")
    with pytest.raises(NotFound):
        await library.open_blob(BOOK, NEW, CALLER)  # the pin is used up; only the overlay names it now


async def test_P11_writing_what_another_overlay_holds_already_looks_like_writing_something_new(
    library: Library,
) -> None:
    await put(library, b"base")
    await put(library, b"secret", ALICE)
    same = await put(library, b"secret", BOB)
    await library.delete(BOOK, PATH, CALLER, user_id=BOB)
    fresh = await put(library, b"unique", BOB)
    assert (same.outcomes[0].mode, same.counts) == (fresh.outcomes[0].mode, fresh.counts)
    await library.delete(BOOK, PATH, CALLER, user_id=BOB)
    assert await sees(library, ALICE) == (b"secret", "overlay")


async def test_a_changeset_of_an_overlay_is_all_or_nothing_in_one_namespace(library: Library) -> None:
    await put(library, b"base")
    await put(library, b"old", ALICE)
    operations = (written(OTHER_PATH, b"base"), Write(PATH, BASES, 4, NEW))
    with pytest.raises(Conflict):
        await library.commit(BOOK, Changeset(operations, user_id=ALICE), CALLER)
    assert await sees(library, ALICE, OTHER_PATH) is None
    result = await library.commit(BOOK, Changeset((operations[0], Delete(PATH, OLD)), user_id=ALICE), CALLER)
    assert (result.added, result.deleted, result.revision) == (1, 1, 3)
    assert await sees(library, ALICE) == (b"base", "base")
    assert await sees(library, ALICE, OTHER_PATH) == (b"base", "overlay")


async def test_P6_an_idempotency_key_belongs_to_one_namespace(library: Library) -> None:
    async def write(user: str) -> Any:
        return await library.write(BOOK, PATH, b"x", CALLER, expected=None, user_id=user, idempotency_key="k")

    await put(library, b"base")
    first = await write(ALICE)
    assert await write(ALICE) == first
    for user in (BASE, BOB):
        with pytest.raises(InvalidArgument, match="another request"):
            await write(user)


async def log(store: Store) -> list[AuditEntry]:
    database = Database(store.url)
    async with database.read("test") as connection:
        entries = await audit_rows.read_all(connection, BOOK, 1)
    await database.close()
    assert first_break(entries) is None
    return [entry for entry, _ in entries]


async def test_R6_FR_022_the_log_links_each_namespace_by_itself(library: Library, store: Store) -> None:
    await put(library, b"base")
    await put(library, b"old", ALICE)
    with pytest.raises(Conflict):
        await put(library, b"x", ALICE, expected=BASES)
    await put(library, b"new", ALICE, expected=OLD)
    await put(library, b"other", BOB)
    await library.delete(BOOK, PATH, CALLER, user_id=ALICE)
    told = [(e.user_id, e.prev_hash, e.new_hash, e.status, e.revision) for e in await log(store)]
    assert told == [
        (BASE, None, BASES, "success", 1),
        (ALICE, None, OLD, "success", 2),
        (ALICE, OLD, OLD, "refused", 2),
        (ALICE, OLD, NEW, "success", 3),
        (BOB, None, OTHER, "success", 4),
        (ALICE, NEW, None, "success", 5),
    ]


async def test_overlays_are_there_after_a_restart(library: Library, store: Store) -> None:
    await put(library, b"base")
    await put(library, b"mine", ALICE)
    await library.delete(BOOK, PATH, CALLER)
    async with store.open() as restarted:
        assert await sees(restarted, ALICE) == (b"mine", "overlay")
        assert (await restarted.entry(BOOK, PATH, ALICE)).orphaned
        await put(restarted, b"more", ALICE, expected=digest_of(b"mine"))


async def test_a_book_born_by_an_overlay_holds_nothing_for_the_others(library: Library) -> None:
    assert (await put(library, b"mine", ALICE)).revision == 1
    assert await sees(library, ALICE) == (b"mine", "overlay")
    assert await sees(library, BASE) is None
    info = await library.book(BOOK)
    assert info is not None
    assert (info.schema, info.base_revision, info.file_count) == (Schema.STRICT, 0, 0)
    assert (await put(library, b"base")).revision == 2


async def test_deleting_an_overlay_of_a_book_nobody_created_creates_none(library: Library) -> None:
    for call in (
        library.delete(BOOK, PATH, CALLER, user_id=ALICE),
        library.commit(BOOK, Changeset((Delete(PATH),), user_id=ALICE), CALLER),
    ):
        with pytest.raises(NotFound):
            await call
    assert await library.book(BOOK) is None
