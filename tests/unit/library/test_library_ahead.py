"""Reading ahead: order kept, memory bounded, nothing left behind (DESIGN 8, P13)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import Unavailable
from panaversity_fs.library.ahead import ReadAhead
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.memory_blobs import MemoryBlobs


@dataclass(frozen=True)
class Item:
    key: BlobKey
    size: int


class Late(MemoryBlobs):
    """Answers after a few turns of the loop; counts the bytes that were asked for and not taken yet."""

    prompt = False

    def __init__(self) -> None:
        super().__init__()
        self.running = self.most = self.asked = 0
        self.wrong: set[BlobKey] = set()

    async def read_many(self, keys: Sequence[BlobKey]) -> list[bytes]:
        self.asked += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            if self.wrong & set(keys):
                raise Unavailable("read", "blob store", "cannot be used now")
            return await super().read_many(keys)
        finally:
            self.running -= 1


def filled(store: MemoryBlobs, sizes: Sequence[Sequence[int]]) -> list[list[Item]]:
    groups = []
    for number, group in enumerate(sizes):
        items = []
        for place, size in enumerate(group):
            data = f"{number}-{place}".encode().ljust(size, b".")
            key = BlobKey("a-book", 1, digest_of(data))
            store.blobs[key.name] = data
            items.append(Item(key, len(data)))
        groups.append(items)
    return groups


def keys(group: Sequence[Item]) -> list[BlobKey]:
    return [item.key for item in group]


@given(st.lists(st.lists(st.integers(5, 90), min_size=1, max_size=4), max_size=12), st.integers(1, 300))
def test_groups_come_in_their_order_and_no_more_than_the_window_and_one_is_on_its_way(
    sizes: list[list[int]], window: int
) -> None:
    async def scenario() -> None:
        store = Late()
        groups = filled(store, sizes)
        ahead = ReadAhead(store, groups, window)
        largest = max((sum(item.size for item in group) for group in groups), default=0)
        for group in groups:
            assert await ahead.take(keys(group)) == [store.blobs[key.name] for key in keys(group)]
            assert ahead.held <= window + largest
        assert store.asked == len(groups)
        await ahead.close()
        assert store.running == 0

    asyncio.run(scenario())


async def _five(store: MemoryBlobs) -> tuple[ReadAhead, list[list[Item]]]:
    groups = filled(store, [[10], [10], [10], [10], [10]])
    return ReadAhead(store, groups, 1000), groups


def test_several_groups_are_asked_for_at_once_where_answers_come_late() -> None:
    async def scenario() -> int:
        store = Late()
        ahead, groups = await _five(store)
        for group in groups:
            await ahead.take(keys(group))
        return store.most

    assert asyncio.run(scenario()) == 5


def test_a_prompt_medium_is_read_group_by_group() -> None:
    async def scenario() -> int:
        store = Late()
        store.prompt = True
        ahead, groups = await _five(store)
        for group in groups:
            await ahead.take(keys(group))
        return store.most

    assert asyncio.run(scenario()) == 1


def test_an_error_comes_with_the_group_it_belongs_to() -> None:
    async def scenario() -> None:
        store = Late()
        ahead, groups = await _five(store)
        store.wrong = {groups[2][0].key}
        for number, group in enumerate(groups):
            if number == 2:
                with pytest.raises(Unavailable):
                    await ahead.take(keys(group))
            else:
                await ahead.take(keys(group))

    asyncio.run(scenario())


def test_a_group_that_was_not_announced_is_read_all_the_same() -> None:
    async def scenario() -> None:
        store = Late()
        ahead, groups = await _five(store)
        assert await ahead.take(keys(groups[3])) == [store.blobs[groups[3][0].key.name]]
        assert await ahead.take(keys(groups[0])) == [store.blobs[groups[0][0].key.name]]
        await ahead.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("taken", range(5))
def test_whoever_breaks_off_leaves_nothing_running_and_no_error_unseen(taken: int) -> None:
    faults: list[object] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
        store = Late()
        ahead, groups = await _five(store)
        store.wrong = {groups[4][0].key}
        for group in groups[:taken]:
            await ahead.take(keys(group))
        await ahead.close()
        assert store.running == 0
        await ahead.close()

    asyncio.run(scenario())
    assert faults == []
