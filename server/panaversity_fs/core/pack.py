"""Packs: many blobs in one HTTP body, as a tar stream whose member names are digests (D12).

Frames and unframes bytes that are handed in; does not read sockets, compress, or decide what a member may be called
(the caller compares each name with what it expects, and never extracts one to a path: S23).
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from panaversity_fs.core.errors import HashMismatch

BLOCK = 512
END = bytes(2 * BLOCK)
"""Two empty blocks close a pack; a pack without them was cut off."""
CHANGESET_MEMBER = "changeset.json"
PACK_TYPE = "application/x-tar"


def header(name: str, size: int) -> bytes:
    """The header block of one member: a regular file, mode 0644, no times, no owner."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """The zero bytes that follow a member of ``size`` bytes."""
    return bytes(-size % BLOCK)


def member(name: str, data: bytes) -> bytes:
    """One whole small member: header, bytes, padding."""
    return header(name, len(data)) + data + padding(len(data))


@dataclass(frozen=True, slots=True)
class Begin:
    """A member begins: its name as the sender wrote it and its exact size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The member that began last is complete."""


Event = Begin | bytes | Finish


class PackReader:
    """Unframe a pack from chunks of any size; memory is one block plus the chunk.

    ``feed`` yields ``Begin``, then the member's bytes in pieces, then ``Finish``. ``close`` must be called at the end
    of the body. Both raise ``HashMismatch`` for a malformed, cut or over-long pack.
    """

    def __init__(self, max_members: int, operation: str = "pack") -> None:
        self._operation = operation
        self._members_left = max_members
        self._block = bytearray()
        self._body_left = 0
        self._padding_left = 0
        self._in_member = False
        self._empty_blocks = 0

    @property
    def ended(self) -> bool:
        """True once the closing blocks were read."""
        return self._empty_blocks == 2

    def feed(self, chunk: bytes | memoryview) -> Iterator[Event]:
        view = memoryview(chunk)
        while view:
            if self._empty_blocks == 2:
                if any(view):
                    raise self._malformed("bytes follow the end of the pack")
                return
            if self._in_member and self._body_left:
                piece, view = view[: self._body_left], view[self._body_left :]
                self._body_left -= len(piece)
                yield bytes(piece)
                if not self._body_left:
                    yield self._finish()
            elif self._padding_left:
                taken = min(self._padding_left, len(view))
                self._padding_left -= taken
                view = view[taken:]
            else:
                taken = BLOCK - len(self._block)
                self._block += view[:taken]
                view = view[taken:]
                if len(self._block) == BLOCK:
                    yield from self._begin()

    def close(self) -> None:
        """The body has ended. Raises when the pack has not."""
        if not self.ended:
            raise self._malformed("ends early")

    def _begin(self) -> Iterator[Event]:
        block = bytes(self._block)
        self._block.clear()
        if block == bytes(BLOCK):
            self._empty_blocks += 1
            return
        if self._empty_blocks:
            raise self._malformed("holds an empty block between members")
        self._members_left -= 1
        if self._members_left < 0:
            raise self._malformed("has too many members")
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError, ValueError):
            raise self._malformed("has a broken member header") from None
        if info.type != tarfile.REGTYPE or info.size < 0:
            raise self._malformed("holds a member that is not a regular file")
        self._in_member, self._body_left = True, info.size
        self._padding_left = len(padding(info.size))
        yield Begin(info.name, info.size)
        if not info.size:
            yield self._finish()

    def _finish(self) -> Finish:
        self._in_member = False
        return Finish()

    def _malformed(self, problem: str) -> HashMismatch:
        return HashMismatch(self._operation, "pack", problem, "Send the request again")
