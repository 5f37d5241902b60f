"""The port of uploads that may break off and go on later: bytes kept in order, unverified and visible to nobody.

An adapter knows one medium. What comes of a partial (a blob, verified on its way; or nothing) is decided elsewhere, and
so is who may go on with it. Its contract, kept by one suite for all adapters:

* ``append`` takes bytes only at the very end of what is there, and only from one sender at a time;
* what was received before a sender broke off stays; it need not survive a power cut, because nobody believes it unread;
* a partial is among the ``leftovers`` of the blob store, under its owner, and is removed as such.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from panaversity_fs.core.errors import Conflict, NotFound, Unavailable
from panaversity_fs.store.blobs import CHUNK


@dataclass(frozen=True, slots=True)
class Partial:
    """One upload that may go on. ``owner`` is the id of its pin and is never used twice."""

    book_id: str
    incarnation: int
    owner: str

    @property
    def name(self) -> str:
        """What the leftover is called."""
        return f"books/{self.book_id}/{self.incarnation}/incoming/{self.owner}-part"


class Partials(Protocol):
    """The partials of one medium."""

    async def size(self, partial: Partial) -> int:
        """How many bytes are there; 0 where there is none."""

    async def append(self, partial: Partial, at: int, chunks: AsyncIterator[bytes]) -> int:
        """Take these bytes behind the first ``at``; how many are there then. Raises ``Conflict`` (with ``offset``)
        where another number is there, ``Unavailable`` while somebody else is sending, and whatever the sender raises.
        """

    def stream(self, partial: Partial) -> AsyncIterator[bytes]:
        """All bytes, unverified. Raises ``NotFound``."""

    async def remove(self, partial: Partial) -> None:
        """Forget it; fine when it is gone."""


def elsewhere(at: int, size: int) -> Conflict:
    """The error of every adapter for bytes that do not follow those that are there."""
    return Conflict(
        "upload", "offset", f"is {at} where {size} bytes were received", f"Go on at byte {size}", offset=size
    )


def busy() -> Unavailable:
    """The error of every adapter for a second sender."""
    return Unavailable("upload", "bytes", "are being sent by another request", "Try again in a moment")


def vanished() -> NotFound:
    """The error of every adapter for a partial that was taken away."""
    return NotFound("upload", "bytes", "received before are gone", "Send them again", kind="upload")


class MemoryPartials:
    """The adapter over a dictionary: name → bytes."""

    def __init__(self) -> None:
        self.received: dict[str, bytearray] = {}
        self._sending: set[str] = set()

    async def size(self, partial: Partial) -> int:
        return len(self.received.get(partial.name, b""))

    async def append(self, partial: Partial, at: int, chunks: AsyncIterator[bytes]) -> int:
        if partial.name in self._sending:
            raise busy()
        data = self.received.setdefault(partial.name, bytearray())
        if len(data) != at:
            raise elsewhere(at, len(data))
        self._sending.add(partial.name)
        try:
            async for piece in chunks:
                data += piece
        finally:
            self._sending.discard(partial.name)
        return len(data)

    async def stream(self, partial: Partial) -> AsyncIterator[bytes]:
        if partial.name not in self.received:
            raise vanished()
        data = bytes(self.received[partial.name])
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]

    async def remove(self, partial: Partial) -> None:
        self.received.pop(partial.name, None)
