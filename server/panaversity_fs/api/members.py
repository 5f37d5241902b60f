"""The members of a pack as they stream in: name, size and bytes, one after the other, nothing kept.

Knows how decoding and unframing are joined; does not judge names or sizes.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from panaversity_fs.api.compression import Decoder
from panaversity_fs.core.pack import Begin, Event, Finish, PackReader


@dataclass(frozen=True, slots=True)
class Member:
    """One member; its bytes must be read before the next one is asked for."""

    name: str
    size: int
    _events: AsyncIterator[Event]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes piece by piece. Raises ``HashMismatch`` when the pack is cut or malformed."""
        async for event in self._events:
            if isinstance(event, Finish):
                return
            assert isinstance(event, bytes)
            yield event

    async def read(self) -> bytes:
        """The bytes at once; the caller has judged ``size``."""
        return b"".join([chunk async for chunk in self.chunks()])


async def members(chunks: AsyncIterator[bytes], decoder: Decoder, reader: PackReader) -> AsyncGenerator[Member]:
    """Every member of the body. Raises what ``Decoder`` and ``PackReader`` raise, also at the end of the body."""
    async with aclosing(_events(chunks, decoder, reader)) as events:
        async for event in events:
            assert isinstance(event, Begin), "the member before was not read to its end"
            yield Member(event.name, event.size, events)


async def _events(chunks: AsyncIterator[bytes], decoder: Decoder, reader: PackReader) -> AsyncGenerator[Event]:
    async for chunk in chunks:
        for piece in decoder.feed(chunk):
            for event in reader.feed(piece):
                yield event
    decoder.close()
    reader.close()
