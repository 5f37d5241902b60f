"""GitHub's cache as actions see it: immutable entries, exact keys before prefixes, the newest first, scoped by branch.

Knows keys, versions (paths are part of an entry's identity) and scopes; does not know what is stored.
"""

import hashlib
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One entry. ``ref`` is the branch that wrote it."""

    key: str
    version: str
    ref: str
    data: bytes


class Down(Exception):
    """The service does not answer."""


@dataclass
class CacheService:
    """The entries of one repository, the newest last."""

    entries: list[Entry] = field(default_factory=list)
    default_ref: str = "refs/heads/main"
    is_down: bool = False
    read_only: bool = False

    def find(self, keys: list[str], version: str, ref: str) -> Entry | None:
        """The entry for the first of the keys that has one, on this ref before the default branch."""
        self._ask()
        for scope in dict.fromkeys((ref, self.default_ref)):
            seen = [e for e in reversed(self.entries) if e.ref == scope and e.version == version]
            exact = (e for e in seen if e.key == keys[0])
            prefixed = (e for key in keys for e in seen if e.key.startswith(key))
            if found := next(exact, None) or next(prefixed, None):
                return found
        return None

    def add(self, entry: Entry) -> bool:
        """Keep an entry; False if its key is taken."""
        self._ask()
        if self.read_only:
            raise Down("the token may not write")
        if any((e.key, e.version, e.ref) == (entry.key, entry.version, entry.ref) for e in self.entries):
            return False
        self.entries.append(entry)
        return True

    def _ask(self) -> None:
        if self.is_down:
            raise Down("getCacheEntry failed: connect ECONNREFUSED")


def version_of(paths: list[str], cross_os: bool) -> str:
    """What besides the key makes an entry: its paths as they were written, and the system unless that is waived."""
    return hashlib.sha256("|".join([*paths, "any" if cross_os else "Linux"]).encode()).hexdigest()


def packed(workspace: Path, paths: list[str]) -> bytes | None:
    """The paths as an archive; None when none of them is there."""
    there = [path for path in paths if (workspace / path).exists()]
    if not there:
        return None
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in there:
            archive.add(workspace / path, arcname=path)
    return out.getvalue()


def unpacked(data: bytes, workspace: Path) -> None:
    """Lay an archive out again. Times come back, inodes do not."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(workspace, filter="fully_trusted")
