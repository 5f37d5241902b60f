"""Pruning the audit log: particulars go, proofs stay, honest logs never alarm and a forged pruning does (S38)."""

import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panaversity_fs.core.audit import Checkpoint, continues
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import ChainBroken, NotFound, ReadOnly
from panaversity_fs.core.merkle import includes
from panaversity_fs.core.pruning import PRUNE, Pruning, pruning_in, stated
from panaversity_fs.library import Caller, Library, pruning
from panaversity_fs.library.auditing import AuditFilter
from panaversity_fs.library.inspecting import Depth
from panaversity_fs.library.pruning import Pruned
from support import stack
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, ingest, lesson, new_store

pytestmark = pytest.mark.anyio

MOST = 200 if os.environ.get("PANAVERSITY_TEST_FULL") == "1" else 8

OLD = datetime(2031, 1, 1, tzinfo=UTC)
LATER = datetime(2032, 1, 1, tzinfo=UTC)
KEPT, GONE, ALICE = lesson(1), lesson(2), "alice"


async def old_story(store: Store) -> list[Checkpoint]:
    """Nine entries in one year: what is written over, what goes, what stays, an overlay and a refusal; the checkpoint
    after each."""
    seen = []
    store.clock.now = datetime(2030, 6, 1, tzinfo=UTC)
    async with store.open() as library:

        async def note() -> None:
            seen.append(await library.checkpoint(BOOK))

        await library.create_book(BOOK, CALLER)
        await note()
        for number in range(3):
            before = digest_of(b"%d" % (number - 1)) if number else None
            await library.write(BOOK, KEPT, b"%d" % number, CALLER, expected=before)
            await note()
        await library.write(BOOK, GONE, b"gone", CALLER, expected=None)
        await note()
        await library.delete(BOOK, GONE, CALLER)
        await note()
        await library.write(BOOK, KEPT, b"hers", CALLER, expected=None, user_id=ALICE)
        await note()
        with pytest.raises(Exception, match="expected"):
            await library.write(BOOK, KEPT, b"blind", CALLER, expected=digest_of(b"nothing"))
        await note()
        await library.write(BOOK, lesson(3), b"three", CALLER, expected=None)
        await note()
    store.clock.now = LATER
    return seen


async def prune(library: Library, before: datetime = OLD, **how: bool) -> list[Pruned]:
    return [done async for done in library.prune_audit(before, "operator", **{"really": True, **how})]


async def particulars(library: Library) -> list[int]:
    page = await library.audit_entries(BOOK, AuditFilter(), (0, 0), 100)
    return [entry.seq for entry, _ in page.entries]


async def test_S38_pruned_entries_are_gone_and_every_old_checkpoint_still_verifies(store: Store) -> None:
    seen = await old_story(store)
    async with store.open() as library:
        assert await prune(library) == [Pruned(BOOK, 1, 9, 6)]
        # What says who wrote a living path, in the base and in an overlay, stays; and the entry that owns up.
        assert await particulars(library) == [4, 7, 9, 10]
        for old in seen:
            report = await library.verify_audit(BOOK, old)
            assert report.valid, report
            assert report.entries == 10
            proof = await library.consistency(BOOK, old, report.checkpoint)
            assert continues(old, report.checkpoint, proof) == ""
        page = await library.audit_entries(BOOK, AuditFilter(operation=PRUNE), (0, 0), 10)
        ((entry, _),) = page.entries
        assert (entry.agent_id, entry.status) == ("operator", "success")
        said = pruning_in(entry.path)
        assert said is not None
        assert (said.incarnation, said.upto) == (1, 9)
        receipt = await library.inclusion(BOOK, 2)
        assert includes(receipt.entry_hash, 1, 10, receipt.checkpoint.root, receipt.proof)
        assert [f async for f in library.inspect(Depth(structure=True, audit=True))] == []
    await assert_store_ok(store)


async def test_S38_the_book_goes_on_and_is_pruned_again_where_it_stopped(store: Store) -> None:
    await old_story(store)
    async with store.open() as library:
        await prune(library)
        await library.write(BOOK, KEPT, b"newer", CALLER, expected=digest_of(b"2"))
        await library.write(BOOK, GONE, b"again", CALLER, expected=None)
        await library.write(BOOK, KEPT, b"hers too", CALLER, expected=digest_of(b"hers"), user_id=ALICE)
        before = await library.checkpoint(BOOK)
        assert (await library.verify_audit(BOOK)).valid
        assert await prune(library) == []  # nothing old is left
        assert await prune(library, datetime(2033, 1, 1, tzinfo=UTC)) == [Pruned(BOOK, 1, 13, 2)]
        assert await particulars(library) == [9, 10, 11, 12, 13, 14]
        report = await library.verify_audit(BOOK, before)
        assert report.valid, report
    async with store.open() as library:  # and by a server that never saw the entries
        assert (await library.verify_audit(BOOK, before)).valid
    await assert_store_ok(store)


async def test_S38_in_steps_it_ends_where_one_step_would_have_ended(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "STEP", 2)
    seen = await old_story(store)
    async with store.open() as library:
        assert [done.upto for done in await prune(library)] == [2, 4, 6, 8, 9]
        assert [seq for seq in await particulars(library) if seq <= 9] == [4, 7, 9]
        for old in seen:
            assert (await library.verify_audit(BOOK, old)).valid
    await assert_store_ok(store)


async def test_S38_a_dry_run_says_what_would_go_and_changes_nothing(store: Store) -> None:
    await old_story(store)
    async with store.open() as library:
        assert await prune(library, really=False) == [Pruned(BOOK, 1, 9, 6)]
        assert len(await particulars(library)) == 9
    async with store.open(read_only=True) as library:
        assert await prune(library, really=False) == [Pruned(BOOK, 1, 9, 6)]
        with pytest.raises(ReadOnly):
            await prune(library)


async def test_S38_earlier_lives_of_a_book_are_pruned_as_well(store: Store) -> None:
    await old_story(store)
    store.clock.now = datetime(2030, 7, 1, tzinfo=UTC)
    async with store.open() as library:
        await library.delete_book(BOOK, BOOK, CALLER)
        await library.create_book(BOOK, CALLER)
        store.clock.now = LATER
        await library.write(BOOK, KEPT, b"second life", CALLER, expected=None)
        done = await prune(library)
        assert [(one.incarnation, one.removed) for one in done] == [(1, 13), (2, 1)]
        assert (await library.verify_audit(BOOK)).valid
    await assert_store_ok(store)


async def test_S38_who_wrote_a_path_last_is_still_told_with_a_manifest(store: Store) -> None:
    await old_story(store)
    async with store.open() as library:
        told = await library.plan(BOOK, None)
        before = await library.manifest_metadata(BOOK, told.manifest_hash)
        await prune(library)
        assert await library.manifest_metadata(BOOK, told.manifest_hash) == before
        assert set(before) == {KEPT, lesson(3)}


async def test_S38_a_log_that_was_tampered_with_is_not_pruned(store: Store) -> None:
    await old_story(store)
    tamper(store, "UPDATE audit_log SET agent_id = 'mallory' WHERE seq = 3")
    async with store.open() as library:
        with pytest.raises(ChainBroken, match="does not verify"):
            await prune(library)
        assert len(await particulars(library)) == 9


def tamper(store: Store, *statements: str) -> None:
    """As somebody with the database's password."""
    stack.tamper(store.folder, *statements)


DIG = "INSERT INTO audit_holes SELECT book_id, incarnation, seq, entry_hash FROM audit_log WHERE "
FORGERIES = {
    "an entry is dug out that no pruning covers": [DIG + "seq = 9", "DELETE FROM audit_log WHERE seq = 9"],
    "the entry that owns up is dug out": [DIG + "seq = 10", "DELETE FROM audit_log WHERE seq = 10"],
    "an entry that stayed is dug out besides": [DIG + "seq = 4", "DELETE FROM audit_log WHERE seq = 4"],
    "a hole is closed": ["DELETE FROM audit_holes WHERE seq = 3"],
    "a hole gets another hash": [f"UPDATE audit_holes SET entry_hash = '{'ab' * 32}' WHERE seq = 3"],
    "a hole holds no hash": [f"UPDATE audit_holes SET entry_hash = '{'zz' * 32}' WHERE seq = 3"],
    "a forged entry fills a hole": [
        "INSERT INTO audit_log SELECT book_id, incarnation, 3, 'f', revision, timestamp, 'mallory', operation, path, "
        "user_id, prev_hash, new_hash, status, error_message, execution_time_ms, entry_hash FROM audit_log "
        "WHERE seq = 4",
        "DELETE FROM audit_holes WHERE seq = 3",
    ],
    "the pruning says it went further": ["UPDATE audit_log SET path = replace(path, ':9:', ':11:') WHERE seq = 10"],
    "the pruning states something else": [
        f"UPDATE audit_log SET path = 'audit:1:9:{digest_of(b'anything')}' WHERE seq = 10"
    ],
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_S38_a_forged_pruning_is_found(store: Store, name: str) -> None:
    await old_story(store)
    async with store.open() as library:
        await prune(library)
        await library.write(BOOK, lesson(4), b"after", CALLER, expected=None)
        assert (await library.verify_audit(BOOK)).valid
    tamper(store, *FORGERIES[name])
    async with store.open() as library:
        report = await library.verify_audit(BOOK)
        assert not report.valid
        assert [f.kind async for f in library.inspect(Depth(audit=True))] == ["audit"]


async def test_S38_an_unpruned_log_whose_entries_were_dug_out_is_found(store: Store) -> None:
    await old_story(store)
    tamper(store, DIG + "seq <= 3", "DELETE FROM audit_log WHERE seq <= 3")
    async with store.open() as library:
        report = await library.verify_audit(BOOK)
        assert report.found is not None
        assert (report.found.seq, report.found.fault) == (1, "pruned")


@stack.only_sqlite
async def test_S16_S38_the_guard_stands_again_after_a_pruning_and_holes_have_their_own(store: Store) -> None:
    await old_story(store)
    with closing(sqlite3.connect(store.folder / "store.db")) as connection:
        before = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    async with store.open() as library:
        await prune(library)
    with closing(sqlite3.connect(store.folder / "store.db")) as connection:
        assert sorted(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")) == sorted(
            before
        )
        for statement in ("DELETE FROM audit_log", "UPDATE audit_log SET path = ''", "DELETE FROM audit_holes",
                          "UPDATE audit_holes SET entry_hash = ''"):  # fmt: skip
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)


@given(st.data())
@settings(max_examples=MOST, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_S38_honest_logs_never_alarm_however_they_are_pruned(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("pruned")
    stack.copy_database(empty_database, folder)
    store = new_store(folder)
    steps = data.draw(
        st.lists(st.sampled_from(["write", "delete", "overlay", "ingest", "prune", "refused"]), max_size=14)
    )

    async def run() -> None:
        seen = []
        async with store.open() as library:
            await library.create_book(BOOK, CALLER)
            for number, step in enumerate(steps):
                path, held = lesson(number % 3), await current(library, lesson(number % 3))
                if step == "write":
                    await library.write(BOOK, path, b"%d" % number, Caller("local", "a"), expected=held)
                elif step == "delete":
                    await library.delete(BOOK, path, CALLER)
                elif step == "overlay":
                    await library.delete(BOOK, path, CALLER, user_id=ALICE)
                    await library.write(BOOK, path, b"%d" % number, CALLER, expected=None, user_id=ALICE)
                elif step == "ingest":
                    known = {path: held} if held else {}
                    await ingest(library, {path: b"i%d" % number}, expected=known)
                elif step == "refused":
                    with pytest.raises(Exception, match="write_content"):
                        await library.write(BOOK, path, b"no", CALLER, expected=digest_of(b"never"))
                else:
                    await prune(library, store.clock.now)
                seen.append(await library.checkpoint(BOOK))
            await prune(library, store.clock.now)
            for old in seen:
                report = await library.verify_audit(BOOK, old)
                assert report.valid, report
        await assert_store_ok(store)

    asyncio.run(run())


async def current(library: Library, path: str) -> Digest | None:
    try:
        return (await library.entry(BOOK, path)).sha256
    except NotFound:
        return None


@given(st.integers(1, 10**6), st.integers(1, 10**9), st.lists(st.integers(1, 10**6), unique=True))
def test_S38_what_a_path_states_is_read_back_and_two_statements_differ(life: int, upto: int, kept: list[int]) -> None:
    root = digest_of(b"root")
    said = Pruning(life, upto, stated(life, upto, root, sorted(kept)))
    assert pruning_in(said.path) == said
    assert said.statement != stated(life, upto, root, [*sorted(kept), upto + 10**6])
    assert said.statement != stated(life, upto + 1, root, sorted(kept))
    assert pruning_in(f"content/{said.path}") is None
