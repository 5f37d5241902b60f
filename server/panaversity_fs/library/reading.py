"""Reading what is there: entries by path, bytes by digest for those who may read a name of them (S14, P4)."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from panaversity_fs.core import pack
from panaversity_fs.core.digest import Digest, digest_of, short
from panaversity_fs.core.errors import NotFound, TooLarge
from panaversity_fs.core.paths import BASE, require_book_id, require_path
from panaversity_fs.library.answers import Caller, FileEntry
from panaversity_fs.library.context import Context
from panaversity_fs.library.telling import manifest_entries, require_book
from panaversity_fs.library.views import source_of
from panaversity_fs.store.blob_rows import find_blobs, find_pins
from panaversity_fs.store.blobs import CHUNK, BlobKey, BlobStore, absent, damaged, verified
from panaversity_fs.store.books import BookRow
from panaversity_fs.store.journal import JournalRow, entries_below, find_entry
from panaversity_fs.store.told import find_told

_SMALL = 256 * 1024
"""Up to this size a pack reads blobs in groups: one thread hop a group costs less than one a blob."""


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


async def entry(context: Context, book_id: str, path: str, user_id: str = BASE) -> FileEntry:
    """What this path holds now. Raises ``InvalidPath``, ``NotFound``, ``BookGone``."""
    require_book_id(book_id, "read")
    require_path(path, "read")
    async with context.database.read("read") as connection:
        book = await require_book(connection, book_id, "read")
        row = await find_entry(connection, book_id, path, user_id)
    if row is None:
        raise NotFound(
            "read", path, "nothing is there", "Look at list_books with include_structure", kind="path", path=path
        )
    return _entry(row, book)


async def entries(context: Context, book_id: str, prefix: str) -> list[FileEntry]:
    """Everything whose path begins with ``prefix`` (taken literally), sorted by path. Raises ``NotFound``."""
    require_book_id(book_id, "read")
    async with context.database.read("read") as connection:
        book = await require_book(connection, book_id, "read")
        rows = await entries_below(connection, book_id, prefix)
    return [_entry(row, book) for row in sorted(rows, key=lambda row: row.path)]


def _entry(row: JournalRow, book: BookRow) -> FileEntry:
    return FileEntry(
        row.path, source_of(row.path, book.numbering), row.sha256, row.size, row.revision, row.last_written_at,
        row.storage_backend, row.agent_id,
    )  # fmt: skip


async def read_bytes(context: Context, book_id: str, digest: Digest, limit: int) -> bytes:
    """A whole blob of a current entry, verified. Raises ``TooLarge`` above ``limit`` bytes."""
    blob = await open_blob(context, book_id, digest, Caller("library"))
    if blob.size > limit:
        raise TooLarge(
            "read", f"blob {short(digest)}", f"has {blob.size} bytes, more than {limit}",
            "Fetch it over HTTP", size=blob.size, limit=limit,
        )  # fmt: skip
    return b"".join([piece async for piece in blob.stream()])


async def open_blob(
    context: Context, book_id: str, digest: Digest, caller: Caller, manifest: Digest | None = None
) -> Blob:
    """A blob that a current entry, the named told manifest, or the caller's own pin names. Else ``NotFound``."""
    (blob,) = await _open(context, book_id, [digest], caller, manifest)
    return blob


async def open_pack(
    context: Context, book_id: str, manifest: Digest, digests: Sequence[Digest], caller: Caller
) -> list[Blob]:
    """The blobs in the order asked, all named by that told manifest. Raises ``NotFound`` for the first that is not."""
    return await _open(context, book_id, digests, caller, manifest)


async def _open(
    context: Context, book_id: str, digests: Sequence[Digest], caller: Caller, manifest: Digest | None
) -> list[Blob]:
    require_book_id(book_id, "read")
    allowed: Collection[Digest] = ()
    if manifest is not None:
        allowed = set((await manifest_entries(context, book_id, manifest)).values())
    async with context.database.read("read") as connection:
        book = await require_book(connection, book_id, "read")
        if manifest is None:
            allowed = (await context.views.load(connection, book)).sizes.keys()
        elif (told := await find_told(connection, book_id, book.incarnation, manifest)) and told.of_source:
            allowed = ()
        place = (book_id, book.incarnation)
        found = {d: (row.key, row.size) for d, row in (await find_blobs(connection, *place, set(digests))).items()}
        if hidden := [digest for digest in digests if digest not in allowed]:
            pins = await find_pins(connection, *place, hidden)
            own = {p.sha256: p.stored.size for p in pins if p.subject == caller.subject and p.stored is not None}
            found = {d: v for d, v in found.items() if d in allowed}
            found |= {d: (BlobKey(*place, d), size) for d, size in own.items() if d not in found}
    for digest in digests:
        if digest not in found:
            raise absent(BlobKey(*place, digest))
    return [Blob(digest, found[digest][1], found[digest][0], context.blobs) for digest in digests]


async def stream_pack(store: BlobStore, blobs: Sequence[Blob]) -> AsyncIterator[bytes]:
    """The pack of these blobs, uncompressed, verified blob by blob; memory stays near 4 MiB whatever their number.

    Raises ``HashMismatch`` or ``NotFound`` in the middle: whoever sends it must break off, not end, the body.
    """
    group: list[Blob] = []
    grouped = 0
    for blob in blobs:
        if blob.size <= _SMALL:
            group.append(blob)
            grouped += blob.size + pack.BLOCK
            if grouped >= CHUNK:
                yield await _framed(store, group)
                group, grouped = [], 0
            continue
        if group:
            yield await _framed(store, group)
            group, grouped = [], 0
        yield pack.header(blob.digest, blob.size)
        async for piece in blob.stream():
            yield piece
        yield pack.padding(blob.size)
    if group:
        yield await _framed(store, group)
    yield pack.END


async def _framed(store: BlobStore, group: Sequence[Blob]) -> bytes:
    framed = bytearray()
    for blob, data in zip(group, await store.read_many([b.key for b in group]), strict=True):
        if len(data) != blob.size or digest_of(data) != blob.digest:
            raise damaged(blob.key, "does not hold the bytes its name promises")
        framed += pack.member(blob.digest, data)
    return bytes(framed)
