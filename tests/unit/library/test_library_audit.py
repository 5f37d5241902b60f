"""The log: one entry an operation, in the same transaction, chained without a gap (FR-020..023, R6, R7, SC-009)."""

from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest

from panaversity_fs.core.audit import AuditEntry, first_break
from panaversity_fs.core.changes import Changeset, Delete
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import AgentRequired, Conflict, HashRequired, PanaversityError, SchemaViolation
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.library import Caller, Library
from panaversity_fs.store import audit_rows
from panaversity_fs.store.database import Database
from support.stores import BOOK, CALLER, Clock, Store, ingest, lesson

pytestmark = pytest.mark.anyio

PATH = lesson(1)
OLD, NEW = digest_of(b"old"), digest_of(b"new")


async def log(store: Store, book: str = BOOK) -> list[AuditEntry]:
    database = Database(store.url)
    async with database.read("test") as connection:
        entries = await audit_rows.read_all(connection, book, 1)
    await database.close()
    assert first_break(entries) is None
    return [entry for entry, _ in entries]


def told(entry: AuditEntry) -> tuple[str, str, str | None, str | None, str]:
    return entry.operation, entry.path, entry.prev_hash, entry.new_hash, entry.status


async def test_FR_020_every_operation_writes_one_entry(library: Library, store: Store) -> None:
    await library.write(BOOK, PATH, b"old", Caller("local", "alice"), expected=None)
    await library.write(BOOK, PATH, b"new", Caller("local", "bob"), expected=OLD)
    await library.write(BOOK, PATH, b"new", CALLER, expected=NEW)
    await library.delete(BOOK, PATH, CALLER)
    await library.delete(BOOK, PATH, CALLER)
    entries = await log(store)
    assert [told(entry) for entry in entries] == [
        ("write_content", PATH, None, OLD, "success"),
        ("write_content", PATH, OLD, NEW, "success"),
        ("write_content", PATH, NEW, NEW, "success"),
        ("delete_content", PATH, NEW, None, "success"),
        ("delete_content", PATH, None, None, "success"),
    ]
    assert [entry.agent_id for entry in entries] == ["alice", "bob", "tester", "tester", "tester"]
    assert [entry.revision for entry in entries] == [1, 2, 2, 3, 3]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert len({entry.id for entry in entries}) == 5


async def test_FR_020_an_ingest_writes_one_entry_a_file_and_one_for_its_settings(
    library: Library, store: Store
) -> None:
    await library.create_book(BOOK, CALLER)
    files = {lesson(n): f"lesson {n}".encode() for n in range(5)}
    await ingest(library, files, numbering=Numbering.NUMBER_NAME)
    await ingest(library, {lesson(7): b"x"}, deletes=[Delete(lesson(0))])
    entries = await log(store)
    assert [(e.operation, e.path) for e in entries] == [
        ("create_book", ""),
        ("set_book", ""),
        *(("ingest", path) for path in files),
        ("ingest", lesson(0)),
        ("ingest", lesson(7)),
    ]


async def test_R6_a_refusal_is_logged_and_breaks_no_link(library: Library, store: Store) -> None:
    await library.write(BOOK, PATH, b"old", CALLER, expected=None)
    for expected in (None, NEW):
        with pytest.raises((HashRequired, Conflict)):
            await library.write(BOOK, PATH, b"new", CALLER, expected=expected)
    with pytest.raises(SchemaViolation):
        await library.write(BOOK, "content/x.md", b"x", CALLER, expected=None)
    with pytest.raises(PanaversityError):
        await library.write(BOOK, lesson(2), b"x", CALLER, expected=OLD)
    await library.write(BOOK, PATH, b"new", CALLER, expected=OLD)
    entries = await log(store)
    assert [told(entry) for entry in entries] == [
        ("write_content", PATH, None, OLD, "success"),
        ("write_content", PATH, OLD, OLD, "refused"),
        ("write_content", PATH, OLD, OLD, "refused"),
        ("write_content", "content/x.md", None, None, "refused"),
        ("write_content", lesson(2), None, None, "refused"),
        ("write_content", PATH, OLD, NEW, "success"),
    ]
    codes = [(entry.error_message or "").split(":")[0] for entry in entries]
    assert codes == ["", "HASH_REQUIRED", "CONFLICT", "SCHEMA_VIOLATION", "NOT_FOUND", ""]


async def test_a_refused_ingest_logs_every_conflict(library: Library, store: Store) -> None:
    await ingest(library, {lesson(n): b"old" for n in range(3)})
    with pytest.raises(Conflict):
        await ingest(library, {lesson(n): b"new" for n in range(4)})
    refused = [entry.path for entry in await log(store) if entry.status == "refused"]
    assert refused == [lesson(0), lesson(1), lesson(2)]


async def test_a_refusal_on_a_book_nobody_created_creates_none(library: Library, store: Store) -> None:
    with pytest.raises(PanaversityError):
        await library.write(BOOK, PATH, b"x", CALLER, expected=OLD)
    assert await library.book(BOOK) is None
    assert await log(store) == []


async def test_R6_sixteen_concurrent_writers_leave_no_gap(library: Library, store: Store) -> None:
    async def one(number: int) -> None:
        await library.write(BOOK, lesson(number), b"x", CALLER, expected=None)
        with pytest.raises(HashRequired):
            await library.write(BOOK, lesson(number), b"y", CALLER, expected=None)
        await library.delete(BOOK, lesson(number), CALLER, expected=digest_of(b"x"))

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(one, number)
    entries = await log(store)
    assert [entry.seq for entry in entries] == list(range(1, 49))
    successes = [entry.revision for entry in entries if entry.status == "success"]
    assert successes == list(range(1, 33))


@pytest.mark.parametrize("agent", [None, "", "   ", "system", " system ", "x" * 201, "line\nbreak", "bidi\u202etxt"])
async def test_R7_SC_009_a_write_without_a_usable_agent_is_refused(library: Library, agent: str | None) -> None:
    nobody = Caller("local", agent)
    for call in (
        library.write(BOOK, PATH, b"x", nobody, expected=None),
        library.create_book(BOOK, nobody),
        library.commit(BOOK, Changeset(()), nobody),
        ingest(library, {PATH: b"x"}, caller=nobody),
    ):
        with pytest.raises(AgentRequired) as refusal:
            await call
        assert refusal.value.exit_status == 16
    assert await library.book(BOOK) is None


CLOCKS = {
    "backwards": Clock(step=-3600),
    "standing still": Clock(step=0),
    "ten years on": Clock(datetime(2040, 1, 1, tzinfo=UTC)),
    "in another zone": Clock(datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
}


@pytest.mark.parametrize("name", CLOCKS)
async def test_F40_times_rise_strictly_whatever_the_clock_does(store: Store, name: str) -> None:
    store.clock = CLOCKS[name]
    async with store.open() as library:
        for number in range(5):
            await library.write(BOOK, lesson(number), b"x", CALLER, expected=None)
            with pytest.raises(HashRequired):
                await library.write(BOOK, lesson(number), b"y", CALLER, expected=None)
        written = [(await library.entry(BOOK, lesson(n))).last_written_at for n in range(5)]
    times = [entry.timestamp for entry in await log(store)]
    assert len(set(times)) == 10
    assert times == sorted(times)
    assert all(time.endswith("+00:00") and len(time) == 32 for time in times)
    assert written == [datetime.fromisoformat(time) for time in times[::2]]


async def test_manifest_metadata_says_who_wrote_what_when_as_of_that_manifest(library: Library) -> None:
    alice, bob = Caller("local", "alice"), Caller("local", "bob")
    first = await ingest(library, {lesson(1): b"1", lesson(2): b"2"}, caller=alice, with_manifest=True)
    second = await ingest(
        library, {lesson(2): b"2b", lesson(1): b"1"}, caller=bob, with_manifest=True,
        expected={lesson(2): digest_of(b"2"), lesson(1): digest_of(b"1")},
    )  # fmt: skip
    assert first.manifest_hash is not None
    assert second.manifest_hash is not None
    before = await library.manifest_metadata(BOOK, first.manifest_hash)
    after = await library.manifest_metadata(BOOK, second.manifest_hash)
    assert {path: agent for path, (_, agent) in before.items()} == {lesson(1): "alice", lesson(2): "alice"}
    assert {path: agent for path, (_, agent) in after.items()} == {lesson(1): "alice", lesson(2): "bob"}
    assert after[lesson(1)] == before[lesson(1)]
    assert after[lesson(2)][0] == (await library.entry(BOOK, lesson(2))).last_written_at.isoformat(
        timespec="microseconds"
    )
