"""What stat said of every file when it was hashed, so that an unchanged file need not be read again.

Knows marks and when they may be believed; does not know which folder they belong to. A cache is never trusted
without a check and never fatal: what cannot be read is a cache with nothing in it. It is sealed with a checksum, for a
flipped bit in a digest would look like an edit of its file for as long as the file rests.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from panaversity_builder.book.sealed import Miss, seal, unseal
from panaversity_fs.core.digest import Digest, is_digest

FORMAT: Final = 2
RACY_NS: Final = 2_000_000_000
"""A file changed less than this before the cache was written may change again within one tick of its clock."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The four numbers that tell whether a file is still the one that was hashed, and its digest."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    digest: Digest

    @classmethod
    def of(cls, status: os.stat_result, digest: Digest) -> "Mark":
        """The mark of a file with this status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, digest)


class StatCache:
    """Marks by path, and the moment they were taken."""

    def __init__(self, marks: Mapping[str, Mark] | None = None, written_ns: int = 0) -> None:
        self._marks = dict(marks or {})
        self._written_ns = written_ns
        self.dirty = False
        """True when it no longer says what its file says."""

    def believed(self, path: str, status: os.stat_result) -> Mark | None:
        """The mark of this path when the file cannot have changed since, else None."""
        mark = self._marks.get(path)
        if (
            mark is None
            or mark.mtime_ns > self._written_ns - RACY_NS
            or mark.mtime_ns != status.st_mtime_ns
            or mark.size != status.st_size
            or mark.ctime_ns != status.st_ctime_ns
            or mark.inode != status.st_ino
        ):
            return None
        return mark

    def replace(self, marks: Mapping[str, Mark], written_ns: int) -> None:
        """Hold these marks from now on; nothing is dirty when all of them were held and believed before."""
        racy = any(m.mtime_ns > self._written_ns - RACY_NS for m in marks.values())
        self.dirty = self.dirty or racy or marks != self._marks
        if self.dirty:
            self._marks, self._written_ns = dict(marks), written_ns

    def to_bytes(self) -> bytes:
        """The file form."""
        files = {p: [m.size, m.mtime_ns, m.ctime_ns, m.inode, m.digest] for p, m in self._marks.items()}
        return seal({"version": FORMAT, "written_ns": self._written_ns, "files": files})

    @classmethod
    def from_bytes(cls, data: bytes) -> "StatCache":
        """Read the file form; anything odd gives an empty cache."""
        try:
            body = unseal(data)
            if body["version"] != FORMAT or type(body["written_ns"]) is not int:
                return cls()
            marks = {path: Mark(*numbers) for path, numbers in body["files"].items()}
        except (Miss, ValueError, TypeError, KeyError, AttributeError):
            return cls()
        sound = all(is_digest(m.digest) and type(m.mtime_ns) is int is type(m.size) for m in marks.values())
        return cls(marks, body["written_ns"]) if sound else cls()
