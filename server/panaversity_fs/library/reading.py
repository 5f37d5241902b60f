"""Reading what is there: entries by path, bytes by digest for those who may read a name of them (S14, P4)."""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from panaversity_fs.archive import SMALL
from panaversity_fs.core import pack
from panaversity_fs.core.digest import Digest, digest_of, short
from panaversity_fs.core.errors import NotFound, TooLarge
from panaversity_fs.core.paths import BASE, require_book_id, require_path
from panaversity_fs.library.ahead import ReadAhead
from panaversity_fs.library.answers import Caller, FileEntry
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.overlays import all_seen, find_seen, require_namespace
from panaversity_fs.library.telling import manifest_entries, require_book
from panaversity_fs.store.blob_rows import find_blobs, find_pins
from panaversity_fs.store.blobs import CHUNK, BlobKey, BlobStore, absent, damaged, verified
from panaversity_fs.store.books import BookRow
from panaversity_fs.store.database import Connection
from panaversity_fs.store.journal import is_named
from panaversity_fs.store.told import find_told


def small_for(store: BlobStore) -> int:
    """Up to this size blobs of this medium are read in groups: where each answer comes late, larger ones are, too."""
    return SMALL if store.prompt else CHUNK


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes the caller may read; ``size`` in bytes."""

    digest: Digest
    size: int
    key: BlobKey
    store: BlobStore

    def stream(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes in steps of at most 1 MiB. A whole read is verified: ``HashMismatch`` comes before its end."""
        if start == 0 and end in (None, self.size):
            return verified(self.store, self.key, self.size)
        return self.store.stream(self.key, start, self.size if end is None else end)

    async def link(self, seconds: float) -> str | None:
        """A URL of the medium itself, good for so long, which nobody verifies on the way; None where there is none."""
        return await self.store.link(self.key, seconds)

    async def whole(self, limit: int) -> bytes:
        """All the bytes at once, verified. Raises ``TooLarge`` above ``limit`` bytes."""
        if self.size > limit:
            raise TooLarge(
                "read", f"blob {short(self.digest)}", f"has {self.size} bytes, more than {limit}",
                "Fetch it over HTTP", size=self.size, limit=limit,
            )  # fmt: skip
        return b"".join([piece async for piece in self.stream()])


async def entry(context: Context, book_id: str, path: str, user_id: str = BASE) -> FileEntry:
    """What this user sees at a path now: the overlay first, else the base (FR-016). Raises ``InvalidPath``,
    ``NotFound``, ``BookGone``."""
    _require_names(book_id, path, user_id)
    async with context.database.read("read") as connection:
        return await _entry(connection, await require_book(connection, book_id, "read"), path, user_id)


def _require_names(book_id: str, path: str, user_id: str) -> None:
    require_book_id(book_id, "read")
    require_path(path, "read")
    require_namespace(user_id, "read")


async def _entry(connection: Connection, book: BookRow, path: str, user_id: str) -> FileEntry:
    found = await find_seen(connection, book, path, user_id)
    if found is None:
        raise NotFound(
            "read", path, "nothing is there", "Look at list_books with include_structure", kind="path", path=path
        )
    return found


async def open_entry(context: Context, book_id: str, path: str, user_id: str = BASE) -> tuple[FileEntry, Blob]:
    """What this user sees at a path, and its bytes, of one moment: a write in between cannot part them. Raises as
    ``entry`` does."""
    _require_names(book_id, path, user_id)
    async with context.database.read("read") as connection:
        book = await require_book(connection, book_id, "read")
        seen = await _entry(connection, book, path, user_id)
        found = await find_blobs(connection, book_id, book.incarnation, [seen.sha256])
    if seen.sha256 not in found:
        raise absent(BlobKey(book_id, book.incarnation, seen.sha256))
    return seen, Blob(seen.sha256, seen.size, found[seen.sha256].key, context.blobs)


async def entries(context: Context, book_id: str, prefix: str, user_id: str = BASE) -> list[FileEntry]:
    """Everything this user sees whose path begins with ``prefix`` (taken literally), sorted by path, orphaned overlay
    entries included. Raises ``NotFound``."""
    require_book_id(book_id, "read")
    require_namespace(user_id, "read")
    async with context.database.read("read") as connection:
        book = await require_book(connection, book_id, "read")
        return await all_seen(connection, book, prefix, user_id)


async def read_bytes(context: Context, book_id: str, digest: Digest, limit: int, user_id: str = BASE) -> bytes:
    """A whole blob of an entry this user sees, verified. Raises ``TooLarge`` above ``limit`` bytes."""
    blob = await open_blob(context, book_id, digest, Caller("library"), user_id=user_id)
    return await blob.whole(limit)


async def open_blob(
    context: Context, book_id: str, digest: Digest, caller: Caller, manifest: Digest | None = None, user_id: str = BASE
) -> Blob:
    """A blob that a current entry, the named told manifest, the caller's own pin, or an entry of the given user's
    overlay names; no other overlay's (S14, P11). Else ``NotFound``."""
    (blob,) = await _open(context, book_id, [digest], caller, manifest, user_id)
    return blob


async def open_pack(
    context: Context, book_id: str, manifest: Digest, digests: Sequence[Digest], caller: Caller
) -> list[Blob]:
    """The blobs in the order asked, all named by that told manifest. Raises ``NotFound`` for the first that is not."""
    return await _open(context, book_id, digests, caller, manifest)


async def _open(
    context: Context,
    book_id: str,
    digests: Sequence[Digest],
    caller: Caller,
    manifest: Digest | None,
    user_id: str = BASE,
) -> list[Blob]:
    require_book_id(book_id, "read")
    require_namespace(user_id, "read")
    allowed: Collection[Digest] = ()
    if manifest is not None:
        allowed = set((await manifest_entries(context, book_id, manifest)).values())
    async with context.database.read("read") as connection:
        book = await require_book(connection, book_id, "read")
        if manifest is None:
            allowed = (await context.views.load(connection, book)).sizes.keys()
        elif (told := await find_told(connection, book_id, book.incarnation, manifest)) and told.of_source:
            allowed = ()
        if user_id != BASE:
            own = {digest for digest in digests if await is_named(connection, book_id, user_id, digest)}
            allowed = own | {digest for digest in digests if digest in allowed}
        place = (book_id, book.incarnation)
        found = {d: (row.key, row.size) for d, row in (await find_blobs(connection, *place, set(digests))).items()}
        if hidden := [digest for digest in digests if digest not in allowed]:
            pins = await find_pins(connection, *place, hidden)
            sent = {p.sha256: (p.key, p.stored.size) for p in pins if p.subject == caller.subject and p.stored}
            found = {d: v for d, v in found.items() if d in allowed}
            found |= {d: v for d, v in sent.items() if d not in found}
    for digest in digests:
        if digest not in found:
            raise absent(BlobKey(*place, digest))
    return [Blob(digest, found[digest][1], found[digest][0], context.blobs) for digest in digests]


async def stream_pack(store: BlobStore, blobs: Sequence[Blob]) -> AsyncIterator[bytes]:
    """The pack of these blobs, uncompressed, verified blob by blob; memory stays near 4 MiB whatever their number, plus
    what is read ahead (``ReadAhead``).

    Raises ``HashMismatch`` or ``NotFound`` in the middle: whoever sends it must break off, not end, the body.
    """
    small = small_for(store)
    ahead = ReadAhead(store, (group for group in _groups(blobs, small) if group[0].size <= small))
    try:
        for group in _groups(blobs, small):
            if group[0].size <= small:
                yield await _framed(ahead, group)
                continue
            (blob,) = group
            yield pack.header(blob.digest, blob.size)
            async for piece in blob.stream():
                yield piece
            yield pack.padding(blob.size)
        yield pack.END
    finally:
        await ahead.close()


def _groups(blobs: Iterable[Blob], small: int) -> Iterator[list[Blob]]:
    """Neighbouring small blobs, up to about 1 MiB together; large ones alone."""
    group: list[Blob] = []
    grouped = 0
    for blob in blobs:
        if group and (blob.size > small or grouped >= CHUNK):
            yield group
            group, grouped = [], 0
        if blob.size > small:
            yield [blob]
        else:
            group.append(blob)
            grouped += blob.size + pack.BLOCK
    if group:
        yield group


async def _framed(ahead: ReadAhead, group: Sequence[Blob]) -> bytes:
    framed = bytearray()
    for blob, data in zip(group, await ahead.take([b.key for b in group]), strict=True):
        if len(data) != blob.size or digest_of(data) != blob.digest:
            raise damaged(blob.key, "does not hold the bytes its name promises")
        framed += pack.member(blob.digest, data)
    return bytes(framed)


class Reading(Facade):
    """Everything that reads what is there."""

    async def entry(self, book_id: str, path: str, user_id: str = BASE) -> FileEntry:
        """What this user sees at a path now: the overlay first, else the base. Raises ``NotFound``."""
        return await entry(self._context, book_id, path, user_id)

    async def open_entry(self, book_id: str, path: str, user_id: str = BASE) -> tuple[FileEntry, Blob]:
        """What this user sees at a path, and its bytes, of one moment. Raises ``NotFound``."""
        return await open_entry(self._context, book_id, path, user_id)

    async def entries(self, book_id: str, prefix: str, user_id: str = BASE) -> list[FileEntry]:
        """Everything this user sees whose path begins with ``prefix``, sorted; orphaned overlay entries included."""
        return await entries(self._context, book_id, prefix, user_id)

    async def read_bytes(self, book_id: str, digest: Digest, limit: int, user_id: str = BASE) -> bytes:
        """A whole blob this user sees now, verified. Raises ``TooLarge`` above ``limit`` bytes."""
        return await read_bytes(self._context, book_id, digest, limit, user_id)

    async def open_blob(
        self, book_id: str, digest: Digest, caller: Caller, *, manifest: Digest | None = None, user_id: str = BASE
    ) -> Blob:
        """Bytes by digest for somebody who may read a name of them (S14). Raises ``NotFound``."""
        return await open_blob(self._context, book_id, digest, caller, manifest, user_id)

    async def open_pack(self, book_id: str, manifest: Digest, digests: Sequence[Digest], caller: Caller) -> list[Blob]:
        """Many blobs of one told manifest. Raises ``NotFound`` before the first byte."""
        return await open_pack(self._context, book_id, manifest, digests, caller)

    def stream_pack(self, blobs: Sequence[Blob]) -> AsyncIterator[bytes]:
        """The uncompressed pack of these blobs, verified; break the body off when it raises."""
        return stream_pack(self._context.blobs, blobs)
