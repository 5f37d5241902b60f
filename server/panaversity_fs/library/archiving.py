"""Archives of a book: which files of which manifest, where their bytes are, and what is told of those that are missing.

Base entries only, never an overlay (DESIGN 8). Knows manifests and blobs; the form of the archive is ``archive``'s.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from anyio import to_thread

from panaversity_fs.archive import Layout, Member, Patience, Trouble, stream_partial, stream_range
from panaversity_fs.core.digest import EMPTY, Digest, digest_of, short
from panaversity_fs.core.errors import NotFound
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library.absence import gone
from panaversity_fs.library.ahead import ReadAhead
from panaversity_fs.library.answers import Scope
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.planning import TOPS
from panaversity_fs.library.reading import Blob, small_for
from panaversity_fs.library.telling import manifest_entries, tell
from panaversity_fs.store.blob_rows import BlobRow, find_blobs
from panaversity_fs.store.blobs import BlobKey, BlobStore, absent, damaged
from panaversity_fs.store.books import BookRow, find_book
from panaversity_fs.store.told import find_told

_OPERATION = "archive"


@dataclass(frozen=True)
class Archive:
    """The archive of one manifest and scope. ``total_bytes`` counts the files, ``size`` the archive.

    ``missing`` are files whose bytes the store does not know any more; while there are any, only ``partial`` works.
    ``persisted`` is False when the manifest could not be promised, so that its hash may mean nothing later.
    """

    context: Context = field(repr=False)
    manifest_hash: Digest
    scope: Scope
    layout: Layout
    blobs: Sequence[Blob] = ()
    missing: tuple[Trouble, ...] = ()
    persisted: bool = True
    warning: tuple[str, str] | None = None

    @property
    def file_count(self) -> int:
        return len(self.layout.members) + len(self.missing)

    @property
    def total_bytes(self) -> int:
        return sum(member.size for member in self.layout.members)

    @property
    def size(self) -> int:
        return self.layout.size

    @property
    def identity(self) -> str:
        """What the bytes depend on, as text: the manifest and the scope."""
        return f"{self.manifest_hash}-{self.scope}"

    def require_whole(self) -> "Archive":
        """The archive itself when every file of it can be there. Raises ``NotFound``."""
        for trouble in self.missing:
            raise trouble.error
        return self

    def stream(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes, or a range of them, verified; ``HashMismatch`` or ``NotFound`` come in the middle (P4)."""
        return stream_range(self.layout, self._source(), start, self.size if end is None else end)

    def partial(self, seconds: float, left_out: Callable[[], None] = lambda: None) -> AsyncIterator[bytes]:
        """As much of it as the store delivers within ``seconds`` of waiting; what it does not is listed inside, and
        ``left_out`` is called before that list is sent."""

        def report(troubles: Sequence[Trouble]) -> bytes:
            left_out()
            return self._report(troubles)

        patience = Patience(seconds, self.context.monotonic)
        return stream_partial(self.layout.members, self._source(), patience, report, self.missing)

    def _source(self) -> "_BlobSource":
        return _BlobSource(self.context.blobs, self.blobs)

    def _report(self, troubles: Sequence[Trouble]) -> bytes:
        """``errors.json``: each error in the form all errors have."""
        errors = [{"path": t.member.name, "size": t.member.size, **t.error.to_wire()} for t in troubles]
        told = {"complete": False, "manifest_hash": self.manifest_hash, "scope": self.scope}
        body = {**told, "file_count": self.file_count, "missing_count": len(errors), "errors": errors}
        return json.dumps(body, ensure_ascii=False, indent=1).encode() + b"\n"


class _BlobSource:
    """The members' bytes in the blob store."""

    def __init__(self, store: BlobStore, blobs: Sequence[Blob]) -> None:
        self._store = store
        self._blobs = blobs
        self._ahead = ReadAhead(store)
        self.most = small_for(store)

    def announce(self, groups: Iterable[Sequence[int]]) -> None:
        self._ahead = ReadAhead(self._store, ([self._blobs[index] for index in group] for group in groups))

    async def close(self) -> None:
        await self._ahead.close()

    async def small(self, indexes: Sequence[int]) -> list[bytes]:
        blobs = [self._blobs[index] for index in indexes]
        found = await self._ahead.take([blob.key for blob in blobs])
        for blob, data in zip(blobs, found, strict=True):
            if len(data) != blob.size or digest_of(data) != blob.digest:
                raise damaged(blob.key, "does not hold the bytes its name promises")
        return found

    def large(self, index: int, start: int, end: int) -> AsyncIterator[bytes]:
        return self._blobs[index].stream(start, end)


async def open_archive(context: Context, book_id: str, scope: Scope, manifest: Digest | None) -> Archive:
    """The archive of that told manifest, else of the current one, which is told first.

    A book nobody created is an empty archive with the warning ``BOOK_UNKNOWN``. Raises ``BookGone``, and ``NotFound``
    for a manifest that this book never told or that is only a source tree's text (S14).
    """
    require_book_id(book_id, _OPERATION)
    async with context.database.read(_OPERATION) as connection:
        book = await find_book(connection, book_id)
        if book is None:
            return _of_unknown_book(context, book_id, scope)
        if book.state != "live":
            raise gone(_OPERATION, book_id)
        view = await context.views.load(connection, book)
        wanted = view.manifest_hash if manifest is None else manifest
        told = await find_told(connection, book_id, book.incarnation, wanted)
    persisted, entries = True, view.digests_by_path
    if manifest is None:
        persisted = await tell(context, book, view, told)
    elif told is not None and told.of_source:
        raise _text_only(book_id, manifest)
    else:
        entries = await manifest_entries(context, book_id, manifest)
    entries = {path: digest for path, digest in entries.items() if path.startswith(TOPS[scope])}
    async with context.database.read(_OPERATION) as connection:
        rows = await find_blobs(connection, book_id, book.incarnation, set(entries.values()))
    # Off the loop: a layout of 100,000 files takes a good part of a second.
    return await to_thread.run_sync(_archive, context, book, (wanted, scope, persisted), entries, rows)


def _archive(
    context: Context,
    book: BookRow,
    what: tuple[Digest, Scope, bool],
    entries: Mapping[str, Digest],
    rows: Mapping[Digest, BlobRow],
) -> Archive:
    members, blobs, missing = list[Member](), list[Blob](), list[Trouble]()
    for path in sorted(entries):
        digest = entries[path]
        row = rows.get(digest)
        if row is None or row.state == "deleted":
            missing.append(Trouble(Member(path, 0, 0), absent(BlobKey(book.book_id, book.incarnation, digest))))
            continue
        members.append(Member(path, row.size, row.crc32))
        blobs.append(Blob(digest, row.size, row.key, context.blobs))
    manifest, scope, persisted = what
    return Archive(context, manifest, scope, Layout(members), blobs, tuple(missing), persisted)


def _of_unknown_book(context: Context, book_id: str, scope: Scope) -> Archive:
    warning = ("BOOK_UNKNOWN", f"nobody created the book {book_id} here")
    return Archive(context, EMPTY, scope, Layout([]), persisted=False, warning=warning)


def _text_only(book_id: str, manifest: Digest) -> NotFound:
    return NotFound(
        _OPERATION, f"{book_id} {short(manifest)}", "is a source tree's manifest, not the book's",
        "Plan again without it", kind="manifest", manifest_hash=manifest,
    )  # fmt: skip


class Archiving(Facade):
    """Whole books as one stream."""

    async def open_archive(self, book_id: str, scope: Scope = "all", manifest: Digest | None = None) -> Archive:
        """The archive of a told manifest, by default the current one (FR-011..014)."""
        return await open_archive(self._context, book_id, scope, manifest)
