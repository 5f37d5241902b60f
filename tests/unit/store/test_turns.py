"""Turns within a process: books are served in order, readers always find a connection, nobody waits for ever."""

import anyio
import pytest

from panaversity_fs.store.outcomes import NothingDone
from panaversity_fs.store.turns import Turns

pytestmark = pytest.mark.anyio


def soon(seconds: float = 5.0) -> float:
    return anyio.current_time() + seconds


async def test_writers_of_one_book_take_turns_and_hold_one_connection() -> None:
    turns, inside, most = Turns(4, 3), 0, 0

    async def write() -> None:
        nonlocal inside, most
        async with turns.writing("test", "a-book", soon()):
            inside += 1
            most = max(most, inside)
            async with turns.writing("test", "another", soon()), turns.reading("test", soon()):  # there is room beside
                await anyio.sleep(0)
            inside -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(write)
    assert most == 1


async def test_a_reader_finds_a_connection_however_many_write() -> None:
    turns = Turns(4, 3)
    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(_write_for_ever, turns, f"book-{number}")
        await anyio.sleep(0.01)
        with anyio.fail_after(1):
            async with turns.reading("test", soon()):
                pass
        tasks.cancel_scope.cancel()


async def _write_for_ever(turns: Turns, book_id: str) -> None:
    async with turns.writing("test", book_id, soon()):
        await anyio.sleep_forever()


@pytest.mark.parametrize("waiting", ["a-book", "another"])
async def test_F27_waiting_ends_with_a_word_and_leaves_nothing_taken(waiting: str) -> None:
    turns = Turns(1, 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_write_for_ever, turns, "a-book")
        await anyio.sleep(0)
        with pytest.raises(NothingDone, match=r"busy with this book|too many writers") as refusal:
            async with turns.writing("test", waiting, soon(0.02)):
                pytest.fail("two at once")
        tasks.cancel_scope.cancel()
    assert refusal.value.retryable
    async with turns.writing("test", waiting, soon()):
        pass
    assert not turns._lines


async def test_F26_whoever_is_cancelled_while_waiting_leaves_the_line() -> None:
    turns = Turns(1, 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_write_for_ever, turns, "a-book")
        await anyio.sleep(0)
        with anyio.move_on_after(0.01):
            async with turns.writing("test", "a-book", soon()):
                pytest.fail("two at once")
        assert turns._lines["a-book"].people == 1
        tasks.cancel_scope.cancel()
    with anyio.fail_after(1):
        async with turns.writing("test", "a-book", soon()):
            pass


async def test_F27_all_waits_of_one_transaction_have_one_end() -> None:
    turns = Turns(1, 1)
    async with anyio.create_task_group() as tasks, turns.reading("test", soon()):
        tasks.start_soon(_write_for_ever, turns, "another")  # holds the writer's place and waits for a connection
        await anyio.sleep(0)
        began = anyio.current_time()
        with pytest.raises(NothingDone):
            async with turns.writing("test", "a-book", soon(0.2)):
                pytest.fail("two at once")
        assert anyio.current_time() - began < 0.35
        tasks.cancel_scope.cancel()
