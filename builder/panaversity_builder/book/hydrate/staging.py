"""Bytes on their way into the folder: fetched, verified and kept by digest under ``.panaversity/staging``.

A file that bears a digest here may be torn (nothing is flushed before the end), so a later run hashes it again before
it believes it. A large file grows as ``<digest>.part`` and is resumed where it stopped (P9). Knows bytes and digests;
does not know paths of the book or what a server is.
"""

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator

from panaversity_builder.book.hydrate.folder import CHUNK, STAGING, STATE, Changed, Folder, hash_rest
from panaversity_builder.durable import write_all
from panaversity_fs.core.digest import Digest, is_digest, short
from panaversity_fs.core.errors import Unavailable

PLACE = f"{STATE}/{STAGING}"
PART = ".part"


class Staging:
    """The staging folder of one output folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.held: dict[Digest, int] = {}
        """What is here, whole and verified, with its size in bytes."""

    def resume(self, wanted: Collection[Digest]) -> None:
        """Make the folder, take over what an interrupted run left and is wanted still, remove the rest."""
        self._folder.make_folder(PLACE)
        for name in self._folder.names(PLACE):
            digest = name.removesuffix(PART)
            if not is_digest(digest) or Digest(digest) not in wanted:
                self._folder.remove(f"{PLACE}/{name}")
            elif name == digest:
                self._believe(Digest(digest))

    def _believe(self, digest: Digest) -> None:
        with contextlib.suppress(Changed):
            actual, (size, *_) = self._folder.digest(self.name(digest))
            if actual == digest:
                self.held[digest] = size
                return
        self._folder.remove(self.name(digest))

    def names(self) -> frozenset[Digest]:
        """What seems to be here, not read: what a preview may count on."""
        return frozenset(Digest(name) for name in self._folder.names(PLACE) if is_digest(name))

    def name(self, digest: Digest) -> str:
        """The path of a staged blob within the output folder."""
        return f"{PLACE}/{digest}"

    def take(self, digest: Digest, size: int, chunks: Iterable[bytes]) -> None:
        """Store one blob as it streams. Raises ``Unavailable`` when it is another one; nothing is kept then."""
        self._folder.remove(self.name(digest))
        hasher, length = hashlib.sha256(), 0
        file = self._folder.create(self.name(digest))
        try:
            for chunk in chunks:
                hasher.update(chunk)
                length += len(chunk)
                write_all(file, chunk)
        finally:
            os.close(file)
        if length != size or hasher.hexdigest() != digest:
            self._folder.remove(self.name(digest))
            raise _damaged(digest)
        self.held[digest] = size

    def part_size(self, digest: Digest) -> int:
        """How many bytes of a large blob are here already."""
        status = self._folder.status(self.name(digest) + PART)
        return status.st_size if status else 0

    def grow(self, digest: Digest, size: int, rest: Iterator[bytes]) -> None:
        """Append ``rest`` to what is here of a large blob, its beginning hashed again (F50: a prefix may be damaged).

        What arrived stays when the stream breaks. Raises ``Unavailable`` for wrong bytes; then nothing is kept.
        """
        part = self.name(digest) + PART
        hasher = hashlib.sha256()
        file = self._folder.append(part)
        try:
            hash_rest(file, hasher)
            for chunk in rest:
                hasher.update(chunk)
                write_all(file, chunk)
            length = os.fstat(file).st_size
        finally:
            os.close(file)
        if length != size or hasher.hexdigest() != digest:
            self._folder.remove(part)
            raise _damaged(digest)
        self._folder.place_over(part, self.name(digest))
        self.held[digest] = size

    def discard_part(self, digest: Digest) -> None:
        """Forget what is here of a large blob."""
        self._folder.remove(self.name(digest) + PART)

    def copy(self, digest: Digest, path: str) -> bool:
        """Take the bytes from a file of the output folder; False when it does not hold them any more."""
        with contextlib.suppress(Changed, Unavailable), self._folder.reading(path) as file:
            size = os.fstat(file).st_size
            self.take(digest, size, iter(lambda: os.read(file, CHUNK), b""))
            return True
        return False

    def duplicate(self, digest: Digest, number: int) -> str:
        """A second file of the same bytes, for a second path; answers its path."""
        name = f"{self.name(digest)}.{number}"
        self._folder.remove(name)
        with self._folder.reading(self.name(digest)) as file:
            copy = self._folder.create(name)
            try:
                while chunk := os.read(file, CHUNK):
                    write_all(copy, chunk)
            finally:
                os.close(copy)
        return name

    def clear(self) -> None:
        """Remove everything staged."""
        for name in self._folder.names(PLACE):
            self._folder.remove(f"{PLACE}/{name}")
        self.held.clear()


def _damaged(digest: Digest) -> Unavailable:
    return Unavailable(
        "hydrate", short(digest), "arrived with other bytes than its digest promises",
        "Try again; if it stays, look for a proxy that changes answers, or check the server with panaversity-fs fsck",
        digest=digest,
    )  # fmt: skip
