"""Accepting a rollback is written into the log, once, and only where there is one to accept (DESIGN 9, S37)."""

import pytest

from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import AgentRequired, NotFound, ReadOnly
from panaversity_fs.library import Caller, Library
from panaversity_fs.library.auditing import AuditFilter
from support import stack
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, lesson

pytestmark = pytest.mark.anyio

READER = Caller("ci", "builder@ci")


async def accepted(library: Library) -> list[tuple[str, str]]:
    page = await library.audit_entries(BOOK, AuditFilter(operation="accept_rollback"), (0, 0), 10)
    return [(entry.agent_id, entry.path) for entry, _ in page.entries]


async def rolled_back(store: Store) -> Checkpoint:
    """A store restored from a backup that is two entries old; the checkpoint that somebody saw meanwhile."""
    async with store.open() as library:
        await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
    restore = stack.backup(store.folder)
    async with store.open() as library:
        await library.write(BOOK, lesson(2), b"two", CALLER, expected=None)
        await library.write(BOOK, lesson(3), b"three", CALLER, expected=None)
        seen = await library.checkpoint(BOOK)
    restore()
    return seen


async def test_S37_the_log_tells_who_went_on_after_which_checkpoint_and_only_once(store: Store) -> None:
    seen = await rolled_back(store)
    async with store.open() as library:
        assert await library.accept_rollback(BOOK, seen, READER)
        assert not await library.accept_rollback(BOOK, seen, READER)
        path = f"checkpoint:1:{seen.size}:{seen.root}"
        assert await accepted(library) == [("builder@ci", path)]
        assert await library.accept_rollback(BOOK, seen, CALLER)
        assert len(await accepted(library)) == 2
        assert (await library.verify_audit(BOOK)).valid
        # The bytes of the lost entries are still in the store: gc takes them, being nobody's.
        assert [done.strays async for done in library.collect(really=True)] == [2]
    await assert_store_ok(store)


async def test_S37_where_nothing_was_rolled_back_nothing_is_written(library: Library) -> None:
    await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
    seen = await library.checkpoint(BOOK)
    await library.write(BOOK, lesson(2), b"two", CALLER, expected=None)
    assert not await library.accept_rollback(BOOK, seen, READER)
    assert await accepted(library) == []
    forked = Checkpoint(BOOK, 1, 1, digest_of(b"another log"), "")
    assert await library.accept_rollback(BOOK, forked, READER)


async def test_R7_S17_it_is_a_change_by_a_named_agent_of_a_book_that_is(store: Store) -> None:
    seen = Checkpoint(BOOK, 1, 9, digest_of(b"seen"), "")
    async with store.open() as library:
        with pytest.raises(NotFound):
            await library.accept_rollback(BOOK, seen, READER)
        await library.create_book(BOOK, CALLER)
        with pytest.raises(AgentRequired):
            await library.accept_rollback(BOOK, seen, Caller("ci", "system"))
    async with store.open(read_only=True) as library:
        with pytest.raises(ReadOnly):
            await library.accept_rollback(BOOK, seen, READER)
