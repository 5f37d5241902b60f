"""The blob port: bytes kept under their digest, immutable once published (DESIGN 6, D1).

An adapter knows one medium. It does not know journals, manifests or who may read what. Its contract, kept by one
suite for all adapters (``tests/contract``):

* a blob is visible under its key entirely or not at all, and only after ``Batch.publish`` made it durable;
* bytes whose SHA-256 or length differ from what was promised are never published;
* publishing never overwrites: the same key again is a no-op, so bytes cannot change under a name;
* ``remove`` of an absent key is fine; reading one raises ``NotFound``;
* ``keys`` answers every visible blob, ``leftovers`` whatever never became visible; both may miss what comes meanwhile;
* a full medium raises ``StorageFull``, any other trouble ``Unavailable``; nothing half-written stays visible.
"""

import re
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from panaversity_fs.core.digest import Digest, is_digest, short
from panaversity_fs.core.errors import HashMismatch, NotFound

if TYPE_CHECKING:
    from panaversity_fs.store.partials import Partials

CHUNK = 1 << 20
"""Bytes handed over per step, 1 MiB: half the CPU of smaller steps (measured on a 200 MB archive)."""


@dataclass(frozen=True, slots=True)
class BlobKey:
    """Where a blob lives. ``generation`` rises when a digest returns while its old object is being deleted."""

    book_id: str
    incarnation: int
    digest: Digest
    generation: int = 0

    @property
    def folder(self) -> str:
        return f"books/{self.book_id}/{self.incarnation}/blobs/{self.digest[:2]}"

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.digest}" + (f".{self.generation}" if self.generation else "")

    @classmethod
    def named(cls, book_id: str, incarnation: int, name: str) -> "BlobKey | None":
        """The key whose ``name`` ends in this last segment, or None for a name no key has."""
        digest, dot, generation = name.partition(".")
        if not is_digest(digest) or (dot and not re.fullmatch("[1-9][0-9]{0,8}", generation)):
            return None
        return cls(book_id, incarnation, Digest(digest), int(generation or 0))


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of bytes once they were written: their length and CRC-32 (for archives, D14)."""

    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One visible blob of a listing; ``size`` in bytes."""

    key: BlobKey
    size: int


@dataclass(frozen=True, slots=True)
class Leftover:
    """Bytes on their way in: ``name`` is the adapter's own and never used twice, ``owner`` whom the batch was for.

    Where a medium cannot tell the owner, ``key`` says which blob they are to become: whoever may put that, owns them.
    """

    name: str
    owner: str
    key: BlobKey | None = None


class Checker:
    """Hash and count bytes on their way and compare with what was promised."""

    def __init__(self, digest: Digest, size: int | None, operation: str) -> None:
        self._digest, self._size, self._operation = digest, size, operation
        self._sha256, self._crc32, self._count = sha256(), 0, 0

    def update(self, data: bytes) -> None:
        """Take the next bytes. Raises ``HashMismatch`` as soon as they are more than promised."""
        self._count += len(data)
        if self._size is not None and self._count > self._size:
            raise self._mismatch(f"holds more than the {self._size} bytes promised")
        self._sha256.update(data)
        self._crc32 = zlib.crc32(data, self._crc32)

    def finish(self) -> Stored:
        """All bytes were seen. Raises ``HashMismatch`` unless length and digest are the promised ones."""
        if self._size is not None and self._count != self._size:
            raise self._mismatch(f"holds {self._count} bytes instead of {self._size}")
        if self._sha256.hexdigest() != self._digest:
            raise self._mismatch(f"has the digest {short(self._sha256.hexdigest())}")
        return Stored(self._count, self._crc32)

    def _mismatch(self, problem: str) -> HashMismatch:
        return HashMismatch(
            self._operation, short(self._digest), problem, "Send the bytes again or correct the digest",
            expected=self._digest, size=self._count,
        )  # fmt: skip


class Batch(Protocol):
    """Bytes on their way in. Nothing is visible before ``publish``; ``discard`` forgets what was not published."""

    async def add(self, key: BlobKey, size: int | None, chunks: AsyncIterator[bytes]) -> Stored:
        """Take one blob as a stream. Raises ``HashMismatch``; what was taken before stays taken."""

    async def add_bytes(self, key: BlobKey, data: bytes) -> Stored:
        """Take one small blob at once. Raises ``HashMismatch``."""

    async def publish(self) -> set[BlobKey]:
        """Make all taken blobs durable, then visible; answer the keys that did not exist before."""

    async def discard(self) -> None:
        """Remove what was taken and not published. Never raises for what is already gone."""


class BlobStore(Protocol):
    """One medium."""

    backend: str
    """The word the journal keeps in ``storage_backend``."""
    prompt: bool
    """True where a small blob is durable about as fast as a commit is: it may be put while a lock is held."""
    partials: "Partials"
    """Uploads that may break off and go on."""

    def apart(self, part: str) -> "BlobStore":
        """A part of the same medium with a prefix of its own: neither sees anything of the other."""

    def batch(self, owner: str = "") -> Batch:
        """A new, empty batch. ``owner`` (an upload's id) is found again in ``leftovers``."""

    async def size(self, key: BlobKey) -> int | None:
        """Length in bytes, or None when there is no such blob."""

    def stream(self, key: BlobKey, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes ``start`` … ``end`` (exclusive) in steps of at most ``CHUNK``, unverified. Raises ``NotFound``."""

    async def read_many(self, keys: Sequence[BlobKey]) -> list[bytes]:
        """Several small blobs whole, in order, unverified. Raises ``NotFound``."""

    async def link(self, key: BlobKey, seconds: float) -> str | None:
        """A URL under which anybody may fetch the blob from the medium itself for so long; None where none can."""

    async def remove(self, key: BlobKey) -> None:
        """Forget the blob, durably; fine when there is none."""

    async def remove_many(self, keys: Sequence[BlobKey]) -> None:
        """Forget these blobs, durably, as quickly as the medium can; after an error some may be left."""

    async def places(self) -> set[tuple[str, int]]:
        """(book id, incarnation) of every book that has or had bytes here."""

    def keys(self, book_id: str, incarnation: int) -> AsyncIterator[Listed]:
        """Every visible blob of one life of a book, in no order."""

    async def leftovers(self, book_id: str, incarnation: int) -> Sequence[Leftover]:
        """What is on its way in, or was left there by a process that died."""

    async def remove_leftover(self, leftover: Leftover) -> None:
        """Forget it; fine when it is gone."""

    async def quarantine(self, key: BlobKey) -> str:
        """Move the blob out of sight, keeping its bytes; answers where they are. Raises ``NotFound``."""

    async def check(self) -> None:
        """Raise ``Unavailable`` when the medium cannot be used now."""


def absent(key: BlobKey) -> NotFound:
    """The error of every adapter for a key it does not hold."""
    return NotFound("read", f"blob {short(key.digest)}", "is not in the store", kind="blob", digest=key.digest)


async def verified(store: BlobStore, key: BlobKey, size: int) -> AsyncIterator[bytes]:
    """A whole blob, hashed on its way out; if it is wrong, ``HashMismatch`` comes *instead of* the last piece (P4)."""
    checker = Checker(key.digest, size, "read")
    held = b""
    async for piece in store.stream(key, 0, size):
        checker.update(piece)
        if held:
            yield held
        held = piece
    try:
        checker.finish()
    except HashMismatch as fault:
        raise damaged(key, fault.problem) from fault
    if held:
        yield held


def damaged(key: BlobKey, problem: str) -> HashMismatch:
    """Bytes in the store are not what their name says: our fault, not the caller's."""
    return DamagedBlob("read", f"blob {short(key.digest)}", problem, "Run panaversity-fs fsck", expected=key.digest)


class DamagedBlob(HashMismatch):
    """``HASH_MISMATCH`` of stored bytes."""

    http_status = 500
