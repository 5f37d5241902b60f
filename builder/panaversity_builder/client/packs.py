"""Packs on the wire, both ways, in bounded memory: framed by ``core.pack``, compressed with zstd.

Knows streams of bytes; does not know HTTP, books or what a member means.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from io import RawIOBase
from typing import BinaryIO, cast

from panaversity_builder.client.seam import BlobSource, PackMember
from panaversity_fs.core import pack
from panaversity_fs.core.digest import Digest, short
from panaversity_fs.core.errors import HashMismatch, PanaversityError, Unavailable

PACK_TYPE = pack.PACK_TYPE
PIECE = 256 * 1024
"""Bytes that are decompressed or compressed at once."""
LEVEL = 3
MAX_WINDOW = 8 * 1024 * 1024
"""Bytes of history a sender may ask us to keep."""


def load() -> None:
    """Load the compressor, for whoever has time now and may need it soon."""
    import zstandard  # noqa: F401


def write_pack(changeset: bytes, blobs: BlobSource, coding: str = "zstd") -> Iterator[bytes]:
    """One changeset and its blobs as a pack, in the content coding ``zstd`` or ``identity``."""
    frames = _frames(changeset, blobs)
    yield from _gathered(frames) if coding == "identity" else zstd(frames)


def zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Compress a stream piece by piece."""
    import zstandard

    packer = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    for piece in _gathered(chunks):
        if out := packer.compress(piece):
            yield out
    yield packer.flush()


def _frames(changeset: bytes, blobs: BlobSource) -> Iterator[bytes]:
    yield pack.member(pack.CHANGESET_MEMBER, changeset)
    for digest, size, chunks in blobs():
        yield pack.header(digest, size)
        yield from chunks()
        yield pack.padding(size)
    yield pack.END


def _gathered(frames: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: small ones are joined, so that the compressor is not called per header."""
    held = bytearray()
    for frame in frames:
        held += frame
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    yield bytes(held)


class _Chunks(RawIOBase):
    """Chunks as the file object that the decompressor reads from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = chunk
        taken = self._left if size < 0 else self._left[:size]
        self._left = self._left[len(taken) :]
        return taken


def unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress a stream piece by piece, never more than ``PIECE`` bytes at once. Raises ``Unavailable`` on damage."""
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(cast(BinaryIO, _Chunks(chunks)))
    while True:
        try:
            piece = reader.read(PIECE)
        except zstandard.ZstdError as fault:
            raise Unavailable("download", "pack", f"is damaged ({fault})", "Try again") from fault
        if not piece:
            return
        yield piece


def read_pack(chunks: Iterator[bytes], digests: Sequence[Digest]) -> Iterator[PackMember]:
    """The members of an uncompressed pack, which must be exactly ``digests`` in that order.

    Each member's bytes are to be read before the next member; what is left unread is skipped. Raises ``HashMismatch``
    for a pack that is not what was asked for, ``Unavailable`` for one that ends early.
    """
    reader = pack.PackReader(max_members=len(digests), operation="download")
    events = (event for chunk in chunks for event in reader.feed(chunk))
    for digest in digests:
        body = _begun(events, digest, reader)
        yield digest, body[0], body[1]
        for _ in body[1]:
            pass
    for _event in events:
        raise HashMismatch("download", "pack", "holds more than was asked for", "Try again")
    if not reader.ended:
        raise _cut_off()


def _begun(events: Iterator[pack.Event], digest: Digest, reader: pack.PackReader) -> tuple[int, Iterator[bytes]]:
    """The next member, which must be ``digest``: its size and its bytes."""
    begin = next(events, None)
    if begin is None and not reader.ended:
        raise _cut_off()
    if not isinstance(begin, pack.Begin) or begin.name != digest:
        raise HashMismatch("download", short(digest), "is missing from the pack, or not in its place", "Try again")
    return begin.size, member_bytes(events, _cut_off)


def member_bytes(events: Iterator[pack.Event], cut_off: Callable[[], PanaversityError]) -> Iterator[bytes]:
    """The bytes of the member that has just begun; ``cut_off`` is raised where the pack ends in the middle of it."""
    for event in events:
        if isinstance(event, pack.Finish):
            return
        if isinstance(event, bytes):
            yield event
    raise cut_off()


def _cut_off() -> Unavailable:
    return Unavailable("download", "pack", "the connection ended in the middle of it", "Try again")
