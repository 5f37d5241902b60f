"""Archives out of dictionaries: a source that remembers what was read of it and can be told to fail.

Knows the archive package only; judges nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from zlib import crc32

from panaversity_fs.archive import SMALL, Layout, Member, Patience, Trouble, stream_partial, stream_range
from panaversity_fs.core.errors import HashMismatch

STEP = 1 << 16


def members_of(files: Mapping[str, bytes]) -> list[Member]:
    """The members as the library would hand them over: sorted, size and CRC-32 known."""
    return [Member(name, len(files[name]), crc32(files[name])) for name in sorted(files)]


class FakeSource:
    """Bytes by name. ``bad`` names are refused as damaged; ``read`` lists what was read, whole or not, ``spans``
    which bytes of large members."""

    most = SMALL

    def __init__(
        self,
        members: Sequence[Member],
        files: Mapping[str, bytes],
        bad: Collection[str] = (),
        delay: Callable[[str], float] = lambda _: 0.0,
    ) -> None:
        self._members, self._files, self._bad, self._delay = members, files, bad, delay
        self.read: list[str] = []
        self.spans: list[tuple[int, int]] = []

    def announce(self, groups: Iterable[Sequence[int]]) -> None:
        self.announced = [list(group) for group in groups]

    async def close(self) -> None:
        self.closed = True

    async def small(self, indexes: Sequence[int]) -> list[bytes]:
        return [await self._get(index) for index in indexes]

    async def large(self, index: int, start: int, end: int) -> AsyncIterator[bytes]:
        self.spans.append((start, end))
        data = await self._get(index)
        for at in range(start, end, STEP):
            yield data[at : min(at + STEP, end)]

    async def _get(self, index: int) -> bytes:
        name = self._members[index].name
        self.read.append(name)
        if seconds := self._delay(name):
            await asyncio.sleep(seconds)
        if name in self._bad:
            raise HashMismatch("read", name, "does not hold the bytes its name promises")
        return self._files[name]


def drained(layout: Layout, source: FakeSource, start: int, end: int) -> bytes:
    """A range of the archive at once."""

    async def drain() -> bytes:
        return b"".join([piece async for piece in stream_range(layout, source, start, end)])

    return asyncio.run(drain())


def whole(files: Mapping[str, bytes]) -> bytes:
    """The archive of these files."""
    members = members_of(files)
    layout = Layout(members)
    return drained(layout, FakeSource(members, files), 0, layout.size)


def partly(
    members: Sequence[Member], source: FakeSource, patience: Patience, known: Sequence[Trouble] = ()
) -> tuple[bytes, list[Trouble]]:
    """The archive that goes on, and what it reported."""
    reported: list[Trouble] = []

    def report(troubles: Sequence[Trouble]) -> bytes:
        reported.extend(troubles)
        return "\n".join(f"{t.member.name} {t.error.code}" for t in troubles).encode()

    async def drain() -> bytes:
        return b"".join([piece async for piece in stream_partial(members, source, patience, report, known)])

    return asyncio.run(drain()), reported
