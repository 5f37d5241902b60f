"""The archive of known files, or any range of it, byte for byte the same each time (FR-011, P4).

Bytes come from a ``Source``. Members before the range are not read at all. Small members are read in groups and come
verified; a large one is verified when it is sent whole. A range that cuts a large member is sent as it is stored: the
CRC-32 in both headers is that of the right bytes, so a damaged member is found by whoever unpacks it.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Protocol

from panaversity_fs.archive.layout import STEP, Layout
from panaversity_fs.archive.zip_format import local_header

SMALL = 256 * 1024
"""Up to this size members are read in groups: one hop to the store a group costs less than one a member."""


class Source(Protocol):
    """Where the members' bytes are; ``index`` counts them as the layout does."""

    most: int
    """Up to this size members are read in groups: ``SMALL``, or more where each answer comes late."""

    def announce(self, groups: Iterable[Sequence[int]]) -> None:
        """These groups will be asked for by ``small``, in this order: they may be read ahead."""

    async def close(self) -> None:
        """Nothing more will be asked for."""

    async def small(self, indexes: Sequence[int]) -> list[bytes]:
        """Several members whole, in order, each verified. Raises for the first that is wrong or missing."""

    def large(self, index: int, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes of one member in steps of some 1 MiB. A whole read is verified: the error comes before its end."""


async def stream_range(layout: Layout, source: Source, start: int, end: int) -> AsyncIterator[bytes]:
    """Bytes ``start`` up to and without ``end`` of the archive, in steps of some 1 MiB.

    Raises what the source raises, in the middle: whoever sends it must break off, not end, the body.
    """
    source.announce(small_groups(layout, start, end, source.most))
    try:
        async for place, piece in _members(layout, source, start, end):
            if cut := piece[max(0, start - place) : max(0, end - place)]:
                yield cut
    finally:
        await source.close()
    place = layout.central_offset
    if end > place:
        for piece in layout.directory():
            if cut := piece[max(0, start - place) : max(0, end - place)]:
                yield cut
            place += len(piece)


async def _members(layout: Layout, source: Source, start: int, end: int) -> AsyncIterator[tuple[int, bytes]]:
    """(offset in the archive, bytes) of the members the range touches, from their first byte on."""
    for group in member_groups(layout, start, end, source.most):
        place = layout.offsets[group[0]]
        if layout.members[group[0]].size <= source.most:
            yield place, await _framed(layout, source, group)
            continue
        (index,) = group
        header = local_header(layout.members[index])
        yield place, header
        place += len(header)
        first = min(max(0, start - place), layout.members[index].size)
        last = max(0, min(end - place, layout.members[index].size))
        place += first
        if first < last:
            async for piece in source.large(index, first, last):
                yield place, piece
                place += len(piece)


def small_groups(layout: Layout, start: int, end: int, most: int) -> Iterator[list[int]]:
    """Of ``member_groups`` those that are read at once."""
    return (group for group in member_groups(layout, start, end, most) if layout.members[group[0]].size <= most)


def member_groups(layout: Layout, start: int, end: int, most: int = SMALL) -> Iterator[list[int]]:
    """The members the range touches: neighbouring ones of up to ``most`` bytes, about ``STEP`` bytes together; larger
    ones alone."""
    group: list[int] = []
    for index in range(layout.first_touched(start), len(layout.members)):
        if layout.offsets[index] >= end:
            break
        large = layout.members[index].size > most
        if group and (large or layout.offsets[index + 1] - layout.offsets[group[0]] > STEP):
            yield group
            group = []
        if large:
            yield [index]
        else:
            group.append(index)
    if group:
        yield group


async def _framed(layout: Layout, source: Source, group: Sequence[int]) -> bytes:
    framed = bytearray()
    for index, data in zip(group, await source.small(group), strict=True):
        framed += local_header(layout.members[index])
        framed += data
    return bytes(framed)
