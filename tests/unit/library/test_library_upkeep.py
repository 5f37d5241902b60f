"""What runs of gc and fsck leave in the store for whoever asks the server afterwards."""

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.library.upkeep import LastRun
from panaversity_fs.store.database import Database
from panaversity_fs.store.facts import remember
from support.stores import BOOK, CALLER, Store, lesson

pytestmark = pytest.mark.anyio


async def test_a_whole_run_is_remembered_by_other_processes_and_a_part_of_one_is_not(store: Store) -> None:
    async with store.open() as library:
        await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
        [done async for done in library.collect(really=False)]
        [done async for done in library.collect(really=True, book_id=BOOK)]
        assert await library.last_runs() == {}
        [done async for done in library.collect(really=True)]
        await library.note_run("fsck data", {"corrupt": 2})
    async with store.open() as library:
        runs = await library.last_runs()
        assert runs.keys() == {"gc", "fsck data"}
        assert runs["gc"].found == {"objects": 0, "bytes": 0, "left_alone": 0}
        assert runs["fsck data"].found == {"corrupt": 2}
        assert runs["fsck data"].at <= store.clock.now


async def test_what_gc_removed_is_counted(store: Store) -> None:
    from datetime import timedelta

    from panaversity_fs.library.keeping import Policy

    none = timedelta(0)
    async with store.open() as library:
        await library.write(BOOK, lesson(1), b"older", CALLER, expected=None)
        await library.write(BOOK, lesson(1), b"newer", CALLER, expected=digest_of(b"older"))
        [done async for done in library.collect(Policy(told=none, logged=none), really=True)]
        assert (await library.last_runs())["gc"].found == {"objects": 1, "bytes": 5, "left_alone": 0}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"at": 1, "found": {}}', '{"at": "x", "found": {}}',
                                  '{"at": "2030-01-01T00:00:00+00:00", "found": [1]}'])  # fmt: skip
async def test_a_damaged_note_counts_as_never(store: Store, text: str) -> None:
    async with store.open() as library:
        database = Database(store.url)
        await remember(database, "last_gc", text)
        await database.close()
        assert await library.last_runs() == {}


async def test_a_read_only_store_keeps_what_it_knew(store: Store) -> None:
    async with store.open() as library:
        await library.note_run("gc", {"objects": 1})
    async with store.open(read_only=True) as library:
        await library.note_run("gc", {"objects": 9})
        assert (await library.last_runs())["gc"] == LastRun((await library.last_runs())["gc"].at, {"objects": 1})


async def test_S39_notes_of_the_access_log_are_counted_as_they_wait_and_are_written(store: Store) -> None:
    async with store.open() as library:
        assert library.access_notes() == (0, 0, 0)
        library.accessed("read_content", BOOK, "", None, None, 0.1)
        assert library.access_notes() == (0, 0, 1)
    assert library.access_notes() == (1, 0, 0)
