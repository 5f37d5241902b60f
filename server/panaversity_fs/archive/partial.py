"""The archive that goes on past bad, missing and late files (FR-014, F37).

Each file is read and verified before its header goes out: small ones are held meanwhile, a large one is read twice.
What cannot be delivered is left out, listed in a last member and told in the archive's comment. When nothing is left
out the bytes are those of the whole archive. The length is not known beforehand, so there are no ranges.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from zlib import crc32

import anyio

from panaversity_fs.archive.layout import Layout, directory
from panaversity_fs.archive.whole import Source, member_groups, small_groups
from panaversity_fs.archive.zip_format import Member, local_header
from panaversity_fs.core.errors import PanaversityError, TimedOut

ERRORS = "errors.json"
"""Name of the last member; no path of a book can be it, since those begin with ``content/`` or ``static/``."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A member that was left out, and why."""

    member: Member
    error: PanaversityError


Report = Callable[[Sequence[Trouble]], bytes]
"""Makes the text of ``errors.json``."""


class Patience:
    """How long may be spent waiting for the store, in seconds; time that the receiver takes does not count."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self.seconds = seconds
        self._left = seconds
        self._monotonic = monotonic

    async def wait(self, what: Coroutine[Any, Any, T]) -> T:
        """The result. Raises ``TimeoutError`` when it takes longer than what is left.

        A read that hangs inside the operating system is not left alone: it is waited for and then counts as late.
        """
        if self._left <= 0:
            what.close()
            raise TimeoutError
        began = self._monotonic()
        try:
            with anyio.fail_after(self._left):
                return await what
        finally:
            self._left -= self._monotonic() - began


async def stream_partial(
    members: Sequence[Member], source: Source, patience: Patience, report: Report, known: Sequence[Trouble] = ()
) -> AsyncIterator[bytes]:
    """The archive of those members that can be read in time, in steps of some 1 MiB.

    ``known`` is trouble with files that are not among ``members`` at all. Raises only when a large file that was whole
    a moment ago is not any more: then the body must break off.
    """
    writing = _Writing(source, patience)
    layout = Layout(members)
    everything = (0, layout.central_offset)
    source.announce(small_groups(layout, *everything, source.most))
    try:
        for group in member_groups(layout, *everything, source.most):
            async for piece in writing.group(members, group):
                yield piece
    finally:
        await source.close()
    troubles = sorted([*known, *writing.troubles], key=lambda trouble: trouble.member.name)
    comment = b""
    if troubles:
        total = len(members) + len(known)
        comment = f"incomplete: {len(troubles)} of {total} files are missing; see {ERRORS}".encode()
        text = report(troubles)
        yield writing.place(Member(ERRORS, len(text), crc32(text))) + text
    for piece in directory(writing.placed, writing.offset, comment):
        yield piece


class _Writing:
    """What was written so far (``placed``, up to ``offset``) and what was left out (``troubles``)."""

    def __init__(self, source: Source, patience: Patience) -> None:
        self._source, self._patience = source, patience
        self.placed: list[tuple[Member, int]] = []
        self.offset = 0
        self.troubles: list[Trouble] = []

    def place(self, member: Member) -> bytes:
        """The header of a member whose bytes come next."""
        header = local_header(member)
        self.placed.append((member, self.offset))
        self.offset += len(header) + member.size
        return header

    async def group(self, members: Sequence[Member], indexes: Sequence[int]) -> AsyncIterator[bytes]:
        """Header and bytes of these members as far as they can be delivered."""
        if members[indexes[0]].size > self._source.most:
            (index,) = indexes
            if await self._tried(members[index], self._whole(index, members[index].size)) is not None:
                yield self.place(members[index])
                async for piece in self._source.large(index, 0, members[index].size):
                    yield piece
            return
        framed = bytearray()
        for index, data in await self._small(members, indexes):
            framed += self.place(members[index])
            framed += data
        if framed:
            yield bytes(framed)

    async def _small(self, members: Sequence[Member], indexes: Sequence[int]) -> list[tuple[int, bytes]]:
        """All at once while all is well; one by one to find out which of them is not."""
        try:
            found = await self._patience.wait(self._source.small(indexes))
            return list(zip(indexes, found, strict=True))
        except (PanaversityError, TimeoutError):
            good = []
        for index in indexes:
            data = await self._tried(members[index], self._one(index))
            if data is not None:
                good.append((index, data))
        return good

    async def _one(self, index: int) -> bytes:
        (data,) = await self._source.small([index])
        return data

    async def _whole(self, index: int, size: int) -> bool:
        """Read a large member to its end, which verifies it."""
        async for _ in self._source.large(index, 0, size):
            pass
        return True

    async def _tried(self, member: Member, reading: Coroutine[Any, Any, T]) -> T | None:
        """The result, or None when there was trouble, which is noted."""
        try:
            return await self._patience.wait(reading)
        except PanaversityError as error:
            self.troubles.append(Trouble(member, error))
        except TimeoutError:
            hint = "Ask for the archive again, or for this file by its digest"
            problem = f"was not read within the {self._patience.seconds:g} s of one archive"
            self.troubles.append(Trouble(member, TimedOut("archive", member.name, problem, hint)))
        return None
