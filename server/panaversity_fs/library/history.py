"""The past of one path: who changed it when, what two versions differ in, and having an old one back.

Built on the audit log (what happened) and the blobs (what is still kept); a restore is a write like any other and goes
through the one commit. Does not know refusals, and nothing of a book's earlier lives.
"""

from dataclasses import dataclass
from datetime import datetime

import anyio.to_thread

from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.edits import label
from panaversity_fs.core.errors import NotFound
from panaversity_fs.core.paths import BASE, require_book_id, require_path
from panaversity_fs.core.textdiff import TextDiff, unified
from panaversity_fs.library.answers import Caller, CommitResult
from panaversity_fs.library.commit import commit, open_staging
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.overlays import require_namespace
from panaversity_fs.library.revisions import Revision, revisions
from panaversity_fs.library.telling import require_book
from panaversity_fs.library.texts import read_text, require_bytes
from panaversity_fs.library.versions import Version, resolve
from panaversity_fs.store.blob_rows import BlobRow, find_blobs
from panaversity_fs.store.blobs import verified
from panaversity_fs.store.history import ChangeRow, PathLife, changes_of


@dataclass(frozen=True, slots=True)
class PastChange:
    """One change of a path. ``size`` in bytes and ``kept`` are of the bytes it left; no size where none are known."""

    seq: int
    revision: int
    when: datetime
    agent_id: str
    operation: str
    before: Digest | None
    after: Digest | None
    size: int | None
    kept: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What leads from version ``a`` of a path to version ``b``."""

    a: Version
    b: Version
    diff: TextDiff


async def history(
    context: Context, book_id: str, path: str, user_id: str, before: int | None, limit: int
) -> tuple[list[PastChange], bool]:
    """Changes of one path in one namespace, newest first, older than entry ``before``; and whether there are more.

    Raises ``NotFound`` when it never held anything.
    """
    operation = "history"
    _require_names(book_id, path, user_id, operation)
    async with context.database.read(operation) as connection:
        book = await require_book(connection, book_id, operation)
        life = PathLife(book_id, book.incarnation, path, user_id)
        rows = await changes_of(connection, life, before, limit + 1)
        left = {row.after for row in rows if row.after is not None}
        blobs = await find_blobs(connection, book_id, book.incarnation, left)
    if not rows and before is None:
        raise NotFound(operation, path, "nothing was ever there", "Look at list_books", kind="path", path=path)
    return [_past(row, blobs.get(row.after) if row.after else None) for row in rows[:limit]], len(rows) > limit


def _require_names(book_id: str, path: str, user_id: str, operation: str) -> None:
    require_book_id(book_id, operation)
    require_path(path, operation)
    require_namespace(user_id, operation)


def _past(row: ChangeRow, blob: BlobRow | None) -> PastChange:
    kept = blob is not None and blob.state != "deleted"
    return PastChange(
        row.seq, row.revision, row.timestamp, row.agent_id, row.operation, row.before, row.after,
        blob.size if blob else None, kept,
    )  # fmt: skip


async def compare(context: Context, book_id: str, path: str, a: str, b: str, user_id: str) -> Comparison:
    """The unified diff of two versions of a path, bounded (``core.textdiff``); a version may be nothing.

    Raises ``NotFound`` for no such version, collected bytes and a path that never was; ``NotText``, ``TooLarge``.
    """
    operation = "diff_content"
    _require_names(book_id, path, user_id, operation)
    async with context.database.read(operation) as connection:
        book = await require_book(connection, book_id, operation)
        versions = [
            await resolve(connection, book, path, user_id, which, operation, name)
            for which, name in ((a, "a"), (b, "b"))
        ]
        if all(version.digest is None for version in versions):
            raise NotFound(
                operation, path, "neither version holds anything", "Look at its history", kind="version", path=path
            )
        blobs = [
            await require_bytes(connection, book, version.digest, operation, path) if version.digest else None
            for version in versions
        ]
    old, new = [(await read_text(context, row, operation, path)).decode() if row else "" for row in blobs]
    labels = label(path, versions[0].digest), label(path, versions[1].digest)
    diff = await anyio.to_thread.run_sync(unified, old, new, *labels)
    return Comparison(versions[0], versions[1], diff)


async def restore(
    context: Context, book_id: str, path: str, which: str, caller: Caller, *,
    expected: Digest | None, user_id: str, idempotency_key: str | None,
) -> CommitResult:  # fmt: skip
    """Let a path hold again what it held in that version, by the rules of a write.

    Raises ``NotFound`` for no such version, for one that holds nothing, and for collected bytes; else as a write does.
    """
    operation = "restore_content"
    _require_names(book_id, path, user_id, operation)
    async with context.database.read(operation) as connection:
        book = await require_book(connection, book_id, operation)
        version = await resolve(connection, book, path, user_id, which, operation, "revision")
        if version.digest is None:
            raise NotFound(
                operation, path, "held nothing in that version", "Use delete_content", kind="version", path=path
            )
        row = await require_bytes(connection, book, version.digest, operation, path)
    changeset = Changeset((Write(path, version.digest, row.size, expected),), user_id=user_id, operation=operation)
    async with await open_staging(context, book_id, caller, operation) as staging:
        # The bytes are sent again as anybody else's would be: pinned first, so that no collector can take them.
        await staging.store(version.digest, row.size, verified(context.blobs, row.key, row.size))
        return await commit(
            context, book_id, changeset, caller, idempotency_key=idempotency_key, staging=staging
        )  # fmt: skip


class History(Facade):
    """What was, and having it back."""

    async def history(
        self, book_id: str, path: str, user_id: str = BASE, *, before: int | None = None, limit: int = 100
    ) -> tuple[list[PastChange], bool]:
        """Changes of one path, newest first, older than entry ``before``; and whether there are more."""
        return await history(self._context, book_id, path, user_id, before, limit)

    async def revisions(
        self, book_id: str, *, before: int | None = None, limit: int = 100
    ) -> tuple[list[Revision], bool]:
        """Revisions of the base, newest first, made before entry ``before``; and whether there are more."""
        return await revisions(self._context, book_id, before, limit)

    async def compare(self, book_id: str, path: str, a: str, b: str, user_id: str = BASE) -> Comparison:
        """The difference of two versions, each a revision number, a digest or "current"."""
        return await compare(self._context, book_id, path, a, b, user_id)

    async def restore(
        self,
        book_id: str,
        path: str,
        which: str,
        caller: Caller,
        *,
        expected: Digest | None,
        user_id: str = BASE,
        idempotency_key: str | None = None,
    ) -> CommitResult:
        """Write an old version again. Raises as a write does, and ``NotFound`` where its bytes were collected."""
        return await restore(
            self._context, book_id, path, which, caller,
            expected=expected, user_id=user_id, idempotency_key=idempotency_key,
        )  # fmt: skip
