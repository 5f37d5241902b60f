"""Stores to test with: media of blobs that can be looked into and damaged, a clock that obeys, and open libraries.

Knows the library's front door and the two media; judges nothing (``support.oracle`` does).
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from panaversity_fs.core.changes import Changeset, Delete, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.library import Caller, CommitResult, Library, open_library
from panaversity_fs.library.context import SMALL
from panaversity_fs.store.blobs import BlobKey, BlobStore
from panaversity_fs.store.local_blobs import LocalBlobs
from panaversity_fs.store.memory_blobs import MemoryBlobs
from panaversity_fs.store.site_cache_rows import PART
from support import stack
from support.object_store import InBucket, moto, rclone

BOOK = "a-book"
CALLER = Caller("local", "tester")


class Medium(Protocol):
    """A blob store with its covers off. A new adapter needs one such class and a line in ``MEDIA``."""

    blobs: BlobStore
    exclusive: bool
    """Of two that create one name at once, one is told that it was there."""

    def names(self) -> set[str]:
        """The key names of all visible blobs, whoever put them there."""

    def site_names(self) -> set[str]:
        """The key names of all built sites, without the prefix of their part."""

    def site_bytes(self, name: str) -> bytes:
        """What stands under this name of a built site."""

    def leftovers(self) -> list[str]:
        """What is on its way in, or was forgotten there."""

    def damage(self, key: BlobKey, data: bytes) -> None:
        """Let other bytes stand under this key."""

    def damage_site(self, name: str, data: bytes | None) -> None:
        """Let other bytes, or None, stand under this name of a built site."""


class InMemory:
    """Blobs of this process; ``root`` is not used."""

    exclusive = True

    def __init__(self, root: Path | None = None) -> None:
        self.blobs = MemoryBlobs()

    def names(self) -> set[str]:
        return set(self.blobs.blobs)

    def site_names(self) -> set[str]:
        return set(self.blobs.apart(PART).blobs)

    def site_bytes(self, name: str) -> bytes:
        return self.blobs.apart(PART).blobs[name]

    def leftovers(self) -> list[str]:
        return []

    def damage(self, key: BlobKey, data: bytes) -> None:
        self.blobs.blobs[key.name] = data

    def damage_site(self, name: str, data: bytes | None) -> None:
        sites = self.blobs.apart(PART).blobs
        sites.pop(name, None)
        sites |= {name: data} if data is not None else {}


class InFolder:
    """Blobs below a folder."""

    exclusive = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = LocalBlobs(str(root))

    def names(self) -> set[str]:
        return {name for name in self._files() if "/blobs/" in name and not name.startswith(PART)}

    def site_names(self) -> set[str]:
        return {name[len(PART) + 1 :] for name in self._files() if "/blobs/" in name and name.startswith(PART)}

    def site_bytes(self, name: str) -> bytes:
        return (self.root / PART / name).read_bytes()

    def leftovers(self) -> list[str]:
        return sorted(name for name in self._files() if "/incoming/" in name)

    def damage(self, key: BlobKey, data: bytes) -> None:
        path = self.root / key.name
        path.chmod(0o600)
        path.write_bytes(data)

    def damage_site(self, name: str, data: bytes | None) -> None:
        path = self.root / PART / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True) if data is None else path.write_bytes(data)

    def _files(self) -> list[str]:
        return [
            os.path.relpath(os.path.join(folder, name), self.root)
            for folder, _, names in os.walk(self.root)
            for name in names
        ]


MEDIA: dict[str, Callable[[Path], Medium]] = {
    "memory": InMemory,
    "folder": InFolder,
    "moto": lambda _root: InBucket(moto()),
    "rclone": lambda _root: InBucket(rclone()),
}


class Clock:
    """Answers the time it was given, a second later each time unless it stands still."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC), step: float = 1.0) -> None:
        self.now = start
        self.step = timedelta(seconds=step)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


@dataclass
class Store:
    """A database file and a medium that outlive the libraries opened over them."""

    folder: Path
    medium: Medium
    clock: Clock = field(default_factory=Clock)
    small: int = SMALL
    """Bytes from which on a single write pins and stores before it takes the lock."""

    @property
    def url(self) -> str:
        return stack.database_url(self.folder)

    def open(self, *, read_only: bool = False) -> AbstractAsyncContextManager[Library]:
        """The library over this store, as a process just started would open it."""
        return open_library(
            self.url, str(self.folder / "blobs"), read_only=read_only, blobs=self.medium.blobs, clock=self.clock,
            small=self.small,
        )  # fmt: skip


def new_store(folder: Path, medium: str = "memory", small: int = SMALL) -> Store:
    """An empty store below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return Store(folder, MEDIA[stack.medium(medium)](folder / "blobs"), small=small)


def lesson(number: int, chapter: int = 1) -> str:
    """A path that is legal in every book."""
    return f"content/01-Part/{chapter:02}-Chapter/{number % 100:02}-lesson-{number}.md"


def written(path: str, data: bytes, expected: Digest | None = None) -> Write:
    """The operation that lets ``path`` hold ``data``."""
    return Write(path, digest_of(data), len(data), expected)


async def pieces(data: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    """The bytes in steps of ``size``, as a socket would hand them over."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def ingest(
    library: Library,
    writes: Mapping[str, bytes],
    *,
    deletes: Iterable[Delete] = (),
    expected: Mapping[str, Digest] | None = None,
    caller: Caller = CALLER,
    book: str = BOOK,
    key: str | None = None,
    with_manifest: bool = False,
    source_manifest: bytes | None = None,
    **settings: object,
) -> CommitResult:
    """One changeset with its bytes, as the data plane sends it; ``source_manifest`` is sent as text."""
    expected = expected or {}
    operations = (*deletes, *(written(path, data, expected.get(path)) for path, data in writes.items()))
    if source_manifest is not None:
        settings["ingest_manifest"] = digest_of(source_manifest)
    settings.setdefault("operation", "ingest")
    changeset = Changeset(operations, **settings)  # type: ignore[arg-type]
    sent = [*writes.values(), *([] if source_manifest is None else [source_manifest])]
    async with library.staging(book, caller) as staging:
        await staging.expect({digest_of(data) for data in sent})
        for data in sent:
            await staging.store_bytes(digest_of(data), data)
        return await library.commit(
            book, changeset, caller, idempotency_key=key, staging=staging, with_manifest=with_manifest
        )
