"""The doors of change: single writes and deletes, uploads and whole changesets, all through the one commit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from panaversity_fs.core.changes import Changeset, Delete, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.paths import BASE, require_book_id, require_path
from panaversity_fs.library import telling
from panaversity_fs.library.answers import Caller, CommitResult
from panaversity_fs.library.commit import commit, open_staging
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.overlays import require_namespace
from panaversity_fs.library.staging import Staging


class Writing(Facade):
    """Everything that changes the files of a book."""

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
        return await commit(
            self._context, book_id, changeset, caller,
            idempotency_key=idempotency_key, staging=staging, with_manifest=with_manifest,
        )  # fmt: skip

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
        """Let one path hold these bytes, in the base or in one user's overlay; ``expected`` is what that very namespace
        holds. Raises ``HashRequired``, ``Conflict``, ``NotFound``, ``SchemaViolation``, …"""
        require_path(path, operation)
        require_namespace(user_id, operation)
        digest = digest_of(data)
        changeset = Changeset((Write(path, digest, len(data), expected),), user_id=user_id, operation=operation)
        return await commit(
            self._context, book_id, changeset, caller, idempotency_key=idempotency_key, at_hand={digest: data}
        )

    async def delete(
        self,
        book_id: str,
        path: str,
        caller: Caller,
        *,
        expected: Digest | None = None,
        user_id: str = BASE,
        idempotency_key: str | None = None,
        operation: str = "delete_content",
    ) -> CommitResult:
        """Let one path of one namespace hold nothing; fine when it already does (R3). Deleted from an overlay, the path
        falls back to the base (FR-017). Raises ``Conflict``; ``NotFound`` for no book."""
        require_path(path, operation)
        require_namespace(user_id, operation)
        async with self._context.database.read(operation) as connection:
            await telling.require_book(connection, require_book_id(book_id, operation), operation)
        changeset = Changeset((Delete(path, expected),), user_id=user_id, operation=operation)
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
