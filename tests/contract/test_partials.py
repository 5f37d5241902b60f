"""The contract of uploads that may go on, on every medium (F35, F63)."""

import os
from collections.abc import AsyncIterator

import pytest

from panaversity_fs.core.errors import Conflict, NotFound, Unavailable
from panaversity_fs.store.partials import Partial
from support.stores import InFolder, Medium, pieces

pytestmark = pytest.mark.anyio

PARTIAL = Partial("a-book", 1, "r" + "0" * 31)


async def whole(medium: Medium) -> bytes:
    return b"".join([piece async for piece in medium.blobs.partials.stream(PARTIAL)])


async def test_F63_bytes_are_appended_at_the_end_only(medium: Medium) -> None:
    partials = medium.blobs.partials
    assert await partials.size(PARTIAL) == 0
    assert await partials.append(PARTIAL, 0, pieces(b"first ")) == 6
    assert await partials.size(PARTIAL) == 6
    for at in (0, 5, 7):
        with pytest.raises(Conflict) as fault:
            await partials.append(PARTIAL, at, pieces(b"second"))
        assert fault.value.details["offset"] == 6
    assert await partials.append(PARTIAL, 6, pieces(b"second", 2)) == 12
    assert await whole(medium) == b"first second"


async def test_F35_what_came_before_a_sender_broke_off_stays(medium: Medium) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"received"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await medium.blobs.partials.append(PARTIAL, 0, broken())
    assert await medium.blobs.partials.size(PARTIAL) == 8
    assert await medium.blobs.partials.append(PARTIAL, 8, pieces(b" all")) == 12


async def test_two_senders_at_once_are_told_apart(medium: Medium) -> None:
    partials = medium.blobs.partials

    async def meanwhile() -> AsyncIterator[bytes]:
        yield b"one"
        with pytest.raises(Unavailable) as fault:
            await partials.append(PARTIAL, 3, pieces(b"other"))
        assert fault.value.retryable
        yield b"two"

    assert await partials.append(PARTIAL, 0, meanwhile()) == 6
    assert await whole(medium) == b"onetwo"


async def test_it_is_a_leftover_of_its_owner_and_never_a_blob(medium: Medium) -> None:
    await medium.blobs.partials.append(PARTIAL, 0, pieces(b"x"))
    (leftover,) = await medium.blobs.leftovers("a-book", 1)
    assert (leftover.name, leftover.owner) == (PARTIAL.name, PARTIAL.owner)
    assert medium.names() == set()
    assert await medium.blobs.leftovers("a-book", 2) in ([], ())
    await medium.blobs.remove_leftover(leftover)
    assert await medium.blobs.partials.size(PARTIAL) == 0
    with pytest.raises(NotFound):
        await whole(medium)


async def test_removing_twice_is_fine(medium: Medium) -> None:
    await medium.blobs.partials.append(PARTIAL, 0, pieces(b"x"))
    for _ in range(2):
        await medium.blobs.partials.remove(PARTIAL)
    assert await medium.blobs.partials.size(PARTIAL) == 0


async def test_a_planted_link_is_not_written_through(folder: InFolder) -> None:
    path = folder.root / PARTIAL.name
    path.parent.mkdir(parents=True)
    elsewhere = folder.root / "elsewhere"
    elsewhere.write_bytes(b"mine")
    os.symlink(elsewhere, path)
    with pytest.raises(Unavailable):
        await folder.blobs.partials.append(PARTIAL, 4, pieces(b"x"))
    assert elsewhere.read_bytes() == b"mine"
