"""The use cases: everything the server can do, and the only place that knows in which order things are stored.

``Library`` is what every door calls. Doors know protocols and callers; the library knows books. It stands on ``store``
and ``core`` only.
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from panaversity_fs.core.changes import Changeset, Delete, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import InvalidArgument, PanaversityError
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import BASE, require_book_id, require_path
from panaversity_fs.core.schema import Schema
from panaversity_fs.library import planning, reading, telling
from panaversity_fs.library.absence import gone
from panaversity_fs.library.answers import (
    BookInfo,
    Caller,
    CommitResult,
    FileEntry,
    Health,
    Outcome,
    Plan,
    PlanFile,
    Scope,
)
from panaversity_fs.library.commit import Commit, open_staging
from panaversity_fs.library.context import Context
from panaversity_fs.library.deciding import CREATE
from panaversity_fs.library.reading import Blob
from panaversity_fs.library.staging import Staging
from panaversity_fs.store.blobs import BlobStore
from panaversity_fs.store.books import BookRow, all_books, find_book
from panaversity_fs.store.database import Database
from panaversity_fs.store.journal import totals
from panaversity_fs.store.local_blobs import LocalBlobs
from panaversity_fs.store.migrate import HEAD, migrate, store_id

__all__ = [
    "Blob", "BookInfo", "Caller", "CommitResult", "FileEntry", "Health", "Library", "Outcome", "Plan", "PlanFile",
    "Scope", "Staging", "open_library",
]  # fmt: skip


class Library:
    """One store of books. Every method raises the typed errors of ``core.errors`` only."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def read_only(self) -> bool:
        return self._context.read_only

    async def create_book(
        self, book_id: str, caller: Caller, schema: Schema | None = None, numbering: Numbering | None = None
    ) -> BookInfo:
        """Let an empty book be. Raises ``Conflict`` when it exists."""
        changeset = Changeset((), schema=schema, numbering=numbering, operation=CREATE)
        await self.commit(book_id, changeset, caller)
        book = await self.book(book_id)
        assert book is not None
        return book

    async def book(self, book_id: str) -> BookInfo | None:
        """The book, or None when nobody created it. Raises ``BookGone`` for a deleted one."""
        require_book_id(book_id, "read")
        async with self._context.database.read("read") as connection:
            row = await find_book(connection, book_id)
            if row is None:
                return None
            if row.state != "live":
                raise gone("read", book_id)
            view = await self._context.views.load(connection, row)
        return _info(row, len(view.entries), view.total_bytes)

    async def list_books(self, book_id: str | None = None) -> list[BookInfo]:
        """Every living book, or the one asked for (an empty list when there is none), by id."""
        async with self._context.database.read("list_books") as connection:
            rows = [row for row in await all_books(connection) if row.state == "live"]
            counts = await totals(connection)
        return [_info(row, *counts.get(row.book_id, (0, 0))) for row in rows if book_id in (None, row.book_id)]

    async def commit(
        self,
        book_id: str,
        changeset: Changeset,
        caller: Caller,
        *,
        idempotency_key: str | None = None,
        staging: Staging | None = None,
        with_manifest: bool = False,
    ) -> CommitResult:
        """Apply a changeset entirely or not at all (P2); the answer comes after the commit (P1).

        ``staging`` holds the bytes that came along. ``with_manifest`` promises the manifest the book has afterwards.
        """
        if staging is not None:
            return await Commit(self._context, staging, changeset, caller, idempotency_key, with_manifest).run()
        async with await open_staging(self._context, book_id, caller, changeset.operation) as own:
            return await Commit(self._context, own, changeset, caller, idempotency_key, with_manifest).run()

    async def write(
        self,
        book_id: str,
        path: str,
        data: bytes,
        caller: Caller,
        *,
        expected: Digest | None,
        user_id: str = BASE,
        idempotency_key: str | None = None,
        operation: str = "write_content",
    ) -> CommitResult:
        """Let one path hold these bytes. Raises ``HashRequired``, ``Conflict``, ``NotFound``, ``SchemaViolation``, …"""
        require_path(path, operation)
        digest = digest_of(data)
        changeset = Changeset((Write(path, digest, len(data), expected),), user_id=user_id, operation=operation)
        async with await open_staging(self._context, book_id, caller, operation) as staging:
            await staging.store_bytes(digest, data)
            return await self.commit(book_id, changeset, caller, idempotency_key=idempotency_key, staging=staging)

    async def delete(
        self,
        book_id: str,
        path: str,
        caller: Caller,
        *,
        expected: Digest | None = None,
        idempotency_key: str | None = None,
        operation: str = "delete_content",
    ) -> CommitResult:
        """Let one path hold nothing; fine when it already does (R3). Raises ``Conflict``; ``NotFound`` for no book."""
        require_path(path, operation)
        async with self._context.database.read(operation) as connection:
            await telling.require_book(connection, require_book_id(book_id, operation), operation)
        changeset = Changeset((Delete(path, expected),), operation=operation)
        return await self.commit(book_id, changeset, caller, idempotency_key=idempotency_key)

    @asynccontextmanager
    async def staging(self, book_id: str, caller: Caller, operation: str = "ingest") -> AsyncIterator[Staging]:
        """A place for bytes that a commit will name; what it does not name is removed again afterwards."""
        async with await open_staging(self._context, book_id, caller, operation) as staging:
            yield staging

    async def put_blob(
        self, book_id: str, digest: Digest, caller: Caller, chunks: AsyncIterator[bytes], size: int | None
    ) -> int:
        """Store bytes for a later commit of the same caller (pinned for 24 hours). Raises ``HashMismatch``."""
        async with await open_staging(self._context, book_id, caller, "upload") as staging:
            stored = await staging.store(digest, size, chunks)
            await staging.keep_pins()
            return stored.size

    async def entry(self, book_id: str, path: str, user_id: str = BASE) -> FileEntry:
        """What a path holds now. Raises ``NotFound``."""
        return await reading.entry(self._context, book_id, path, user_id)

    async def entries(self, book_id: str, prefix: str) -> list[FileEntry]:
        """Everything whose path begins with ``prefix``, sorted."""
        return await reading.entries(self._context, book_id, prefix)

    async def read_bytes(self, book_id: str, digest: Digest, limit: int) -> bytes:
        """A whole current blob, verified. Raises ``TooLarge`` above ``limit`` bytes."""
        return await reading.read_bytes(self._context, book_id, digest, limit)

    async def open_blob(self, book_id: str, digest: Digest, caller: Caller, *, manifest: Digest | None = None) -> Blob:
        """Bytes by digest for somebody who may read a name of them (S14). Raises ``NotFound``."""
        return await reading.open_blob(self._context, book_id, digest, caller, manifest)

    async def open_pack(self, book_id: str, manifest: Digest, digests: Sequence[Digest], caller: Caller) -> list[Blob]:
        """Many blobs of one told manifest. Raises ``NotFound`` before the first byte."""
        return await reading.open_pack(self._context, book_id, manifest, digests, caller)

    def stream_pack(self, blobs: Sequence[Blob]) -> AsyncIterator[bytes]:
        """The uncompressed pack of these blobs, verified; break the body off when it raises."""
        return reading.stream_pack(self._context.blobs, blobs)

    async def plan(self, book_id: str, known: Digest | None, scope: Scope = "all") -> Plan:
        """The difference between the manifest the caller has and the book (FR-025)."""
        return await planning.plan(self._context, book_id, known, scope)

    async def manifest_text(self, book_id: str, manifest: Digest) -> bytes:
        """The text of a told manifest of this book. Raises ``NotFound``."""
        require_book_id(book_id, "manifest")
        return await telling.manifest_text(self._context, book_id, manifest)

    async def manifest_metadata(self, book_id: str, manifest: Digest) -> dict[str, tuple[str, str]]:
        """Path → (ISO time, agent) of the last write, as of that manifest."""
        require_book_id(book_id, "manifest")
        found = await telling.manifest_metadata(self._context, book_id, manifest)
        return {path: (when.isoformat(timespec="microseconds"), agent) for path, (when, agent) in found.items()}

    async def health(self) -> Health:
        """What readiness stands on, looked at now."""
        database = storage = "ok"
        try:
            async with self._context.database.read("readyz") as connection:
                await find_book(connection, "readyz")
        except PanaversityError as fault:
            database = fault.problem
        try:
            await self._context.blobs.check()
        except PanaversityError as fault:
            storage = fault.problem
        return Health(database, storage, HEAD)


def _info(row: BookRow, count: int, total: int) -> BookInfo:
    return BookInfo(
        row.book_id, row.incarnation, row.schema, row.numbering, row.revision, row.base_revision,
        row.ingest_manifest, count, total, row.created_at,
    )  # fmt: skip


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_library(
    database_url: str,
    storage_root: str,
    *,
    read_only: bool = False,
    blobs: BlobStore | None = None,
    clock: Callable[[], datetime] = _now,
    monotonic: Callable[[], float] = time.monotonic,
    token: Callable[[], str] = lambda: secrets.token_hex(16),
) -> AsyncIterator[Library]:
    """Open a store, its tables brought to this version, and close it afterwards. Raises ``Unavailable``, …"""
    if not database_url.startswith("sqlite+aiosqlite://"):
        raise InvalidArgument("start", "DATABASE_URL", "names a database this version cannot use", "Use SQLite")
    database = Database(database_url)
    try:
        await migrate(database)
        store = blobs if blobs is not None else LocalBlobs(storage_root)
        await store.check()
        yield Library(Context(database, store, await store_id(database), clock, monotonic, token, read_only))
    finally:
        await database.close()
