"""Compress and decompress streams in bounded steps; the guard against decompression bombs (S23, P13).

Knows zstd, gzip and identity; does not know what the bytes mean or where they come from.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import zstandard

from panaversity_fs.api.limits import MIB, RATIO, RATIO_FREE
from panaversity_fs.core.errors import HashMismatch, InvalidArgument, TooLarge

STEP = 1 * MIB
"""Bytes compressed at a time: long enough that the hop to a thread does not show, short enough to stay small."""
INLINE_STEP = 64 * 1024
"""Below this the event loop compresses itself: the hop would cost more than the work."""
_SLICE = 512
"""Compressed bytes fed at a time: zstd's densest block gives 32 KiB a byte, so one slice gives at most 16 MiB."""


class _Encoder(Protocol):
    def compress(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...


def _encoder(encoding: str) -> _Encoder | None:
    if encoding == "zstd":
        # A small window and level: text shrinks to nearly the same, and each answer holds under 2 MiB.
        return zstandard.ZstdCompressor(level=3).compressobj()
    return zlib.compressobj(level=4, wbits=31) if encoding == "gzip" else None


async def compressed(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """The stream in that encoding, gathered into steps of about ``STEP`` bytes."""
    encoder = _encoder(encoding)
    async for step in _gathered(chunks):
        out = step if encoder is None else await _compress(encoder, step)
        if out:
            yield out
    if encoder is not None:
        yield await asyncio.to_thread(encoder.flush)


async def _compress(encoder: _Encoder, step: bytes) -> bytes:
    return encoder.compress(step) if len(step) < INLINE_STEP else await asyncio.to_thread(encoder.compress, step)


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= STEP:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


class Decoder:
    """Undo a content encoding piece by piece; what comes out is bounded by what came in.

    ``feed`` yields decoded pieces, ``close`` must follow the last one. Raises ``InvalidArgument`` for an encoding we do
    not speak, ``HashMismatch`` for damaged or cut data, ``TooLarge`` for a bomb.
    """

    def __init__(self, encoding: str, operation: str) -> None:
        self._operation = operation
        self._received = self._made = 0
        name = encoding.strip().lower() or "identity"
        if name == "zstd":
            # A sender may ask for a window of gigabytes; RFC 8878 recommends that 8 MiB be enough.
            self._zstd = zstandard.ZstdDecompressor(max_window_size=8 * MIB).decompressobj()
        elif name in ("gzip", "x-gzip"):
            name = "gzip"
            self._gzip = zlib.decompressobj(wbits=31)
        elif name != "identity":
            raise InvalidArgument(
                operation, "Content-Encoding", "is not one of zstd, gzip and identity", "Send one of these",
                name="Content-Encoding", reason="is unknown",
            )  # fmt: skip
        self._name = name

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The decoded pieces of this chunk, none larger than 16 MiB."""
        if self._name == "identity":
            yield chunk
            return
        try:
            for piece in self._unzstd(chunk) if self._name == "zstd" else self._gunzip(chunk):
                self._made += len(piece)
                if self._made > RATIO_FREE + RATIO * self._received:
                    raise self._bomb()
                if piece:
                    yield piece
        except (zstandard.ZstdError, zlib.error):
            raise self._damaged("is damaged") from None

    def close(self) -> None:
        """The body has ended. Raises when its encoding has not."""
        if (self._name == "zstd" and not self._zstd.eof) or (self._name == "gzip" and not self._gzip.eof):
            raise self._damaged("ends early")

    def _unzstd(self, chunk: bytes) -> Iterator[bytes]:
        for start in range(0, len(chunk), _SLICE):
            if self._zstd.eof:
                raise self._damaged("goes on after its end")
            data = chunk[start : start + _SLICE]
            self._received += len(data)
            yield self._zstd.decompress(data)
            if self._zstd.unused_data:
                raise self._damaged("goes on after its end")

    def _gunzip(self, chunk: bytes) -> Iterator[bytes]:
        self._received += len(chunk)
        while chunk:
            if self._gzip.eof:
                raise self._damaged("goes on after its end")
            yield self._gzip.decompress(chunk, STEP)
            chunk = self._gzip.unconsumed_tail or self._gzip.unused_data

    def _damaged(self, problem: str) -> HashMismatch:
        return HashMismatch(self._operation, "body", f"its {self._name} encoding {problem}", "Send the request again")

    def _bomb(self) -> TooLarge:
        return TooLarge(
            self._operation, "body", f"expands to more than {RATIO} times its size",
            "Send it with Content-Encoding: identity, or large files by PUT", limit=RATIO, size=self._made,
        )  # fmt: skip
