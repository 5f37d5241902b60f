"""Small changes of large texts: replace one passage, put something at the end (FEATURES: cheap edits).

What a user sees is what is edited: with his own id and nothing in his overlay yet, the base's text is taken, the
condition is judged on it, and the result becomes his overlay's. Everything is written through the one commit, and only
if nobody changed the text meanwhile. Does not know tools or URLs.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import anyio.to_thread

from panaversity_fs.core import edits
from panaversity_fs.core.changes import Changeset, Write, judge
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import InvalidArgument, PanaversityError
from panaversity_fs.core.paths import BASE, require_book_id, require_path
from panaversity_fs.core.textdiff import TextDiff, unified
from panaversity_fs.library.answers import Caller, CommitResult, Outcome
from panaversity_fs.library.commit import Commit, open_staging
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.lives import LIVE
from panaversity_fs.library.overlays import find_seen, require_namespace
from panaversity_fs.library.telling import require_book
from panaversity_fs.library.texts import MAX_TEXT, read_text, require_bytes
from panaversity_fs.store.blob_rows import BlobRow
from panaversity_fs.store.books import find_book

EDIT = "edit_content"
APPEND = "append_content"


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit did or, on a dry run (``result`` None), would do. ``file_hash`` is that of the new text."""

    diff: TextDiff
    file_hash: Digest
    result: CommitResult | None


@dataclass(frozen=True, slots=True)
class _Request:
    """One edit as asked. ``identity`` stands for it when it comes again with its key (P6)."""

    book_id: str
    path: str
    user_id: str
    operation: str
    expected: Digest | None
    key: str | None
    identity: Digest

    def changeset(self, *writes: Write) -> Changeset:
        return Changeset(writes, user_id=self.user_id, operation=self.operation, asked=self.identity)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The text as this user sees it. ``own``: it lies in the very namespace that will be written."""

    digest: Digest
    row: BlobRow
    own: bool


def _request(
    book_id: str, path: str, user_id: str, operation: str, expected: Digest | None, key: str | None, *texts: bytes
) -> _Request:
    require_book_id(book_id, operation)
    require_path(path, operation)
    require_namespace(user_id, operation)
    asked = json.dumps([path, expected, *(digest_of(text) for text in texts)]).encode()
    return _Request(book_id, path, user_id, operation, expected, key, digest_of(asked))


async def _look(context: Context, request: _Request) -> _Seen | None:
    async with context.database.read(request.operation) as connection:
        found = await find_book(connection, request.book_id)
        if request.operation == APPEND and request.expected is None and (found is None or found.state != LIVE):
            return None  # as a write, an append may bring the book about
        book = await require_book(connection, request.book_id, request.operation)
        entry = await find_seen(connection, book, request.path, request.user_id)
        if entry is None:
            return None
        row = await require_bytes(connection, book, entry.sha256, request.operation, request.path)
    own = request.user_id == BASE or entry.source == "overlay"
    return _Seen(entry.sha256, row, own)


def _refusal(request: _Request, seen: _Seen | None) -> PanaversityError | None:
    """Why the condition of this request is not met, judged on what its user sees; None when it is."""
    probe = Write(request.path, digest_of(b""), 0, request.expected)
    try:
        judge(probe, seen.digest if seen else None, request.operation)
    except PanaversityError as refusal:
        return refusal
    return None


async def _carry_out(
    context: Context, request: _Request, caller: Caller, change: Callable[[bytes], bytes]
) -> tuple[CommitResult, bytes, bytes]:
    """Judge, change, commit; answers the commit with the text before and after."""
    async with await open_staging(context, request.book_id, caller, request.operation) as staging:
        first = Commit(context, staging, request.changeset(), caller, request.key, promise=False)
        if answer := await first.carried_out():
            return answer, *await _texts_of(context, request, answer.outcomes[0])
        seen = await _look(context, request)
        if refusal := _refusal(request, seen):
            await first.refuse(refusal)
        before = await read_text(context, seen.row, request.operation, request.path) if seen else b""
        after = change(before)
        digest = digest_of(after)
        # A text taken from the base is new in the overlay, whatever condition it was judged by.
        expected = request.expected if seen is None or seen.own else None
        changeset = request.changeset(Write(request.path, digest, len(after), expected))
        await staging.store_bytes(digest, after)
        result = await Commit(context, staging, changeset, caller, request.key, promise=False).run()
    return result, before, after


async def _texts_of(context: Context, request: _Request, outcome: Outcome) -> tuple[bytes, bytes]:
    """The texts a request met and left when it was carried out, for answering it again."""
    async with context.database.read(request.operation) as connection:
        book = await require_book(connection, request.book_id, request.operation)
        rows = [
            await require_bytes(connection, book, digest, request.operation, request.path) if digest else None
            for digest in (outcome.before, outcome.after)
        ]
    before, after = [await read_text(context, row, request.operation, request.path) if row else b"" for row in rows]
    return before, after


async def _diff(path: str, before: bytes, after: bytes) -> TextDiff:
    labels = edits.label(path, digest_of(before)), edits.label(path, digest_of(after))
    return await anyio.to_thread.run_sync(unified, before.decode(), after.decode(), *labels)


def _bounded(text: bytes, request: _Request) -> bytes:
    if len(text) > MAX_TEXT:
        raise InvalidArgument(
            request.operation, request.path, f"would have more than {MAX_TEXT} bytes", "Split the lesson",
            name="path", path=request.path,
        )  # fmt: skip
    return text


def _replacing(request: _Request, old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(text: bytes) -> bytes:
        try:
            return _bounded(edits.replace_once(text, old, new), request)
        except edits.Misfit as misfit:
            raise InvalidArgument(
                EDIT, request.path, f"old_text {misfit}; it must occur exactly once",
                "Read it again and take more of the text around the place" if misfit.count else "Read it again",
                name="old_text", path=request.path, count=misfit.count,
            ) from None  # fmt: skip

    return change


class Editing(Facade):
    """Changing a part of a text."""

    async def edit(
        self,
        book_id: str,
        path: str,
        old: bytes,
        new: bytes,
        caller: Caller,
        *,
        expected: Digest,
        user_id: str = BASE,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Edited:
        """Replace the one place that holds ``old``; a dry run answers the difference and changes nothing.

        Raises ``InvalidArgument`` (with ``count``) unless there is exactly one such place, ``NotText``, ``TooLarge``,
        ``Conflict``, ``NotFound``.
        """
        request = _request(book_id, path, user_id, EDIT, expected, idempotency_key, old, new)
        if not old:
            raise InvalidArgument(EDIT, "old_text", "is empty", "Give the passage to replace", name="old_text")
        change = _replacing(request, old, new)
        if dry_run:
            return await self._try(request, change)
        result, before, after = await _carry_out(self._context, request, caller, change)
        return Edited(await _diff(path, before, after), digest_of(after), result)

    async def _try(self, request: _Request, change: Callable[[bytes], bytes]) -> Edited:
        seen = await _look(self._context, request)
        if refusal := _refusal(request, seen):
            raise refusal
        assert seen is not None  # an edit names what it expects, so nothing there was a refusal
        before = await read_text(self._context, seen.row, request.operation, request.path)
        after = change(before)
        return Edited(await _diff(request.path, before, after), digest_of(after), None)

    async def append(
        self,
        book_id: str,
        path: str,
        added: bytes,
        caller: Caller,
        *,
        expected: Digest | None,
        user_id: str = BASE,
        idempotency_key: str | None = None,
    ) -> CommitResult:
        """Put ``added`` at the end of a text; where nothing is, it becomes the text. Raises as a write does."""
        request = _request(book_id, path, user_id, APPEND, expected, idempotency_key, added)
        result, _, _ = await _carry_out(
            self._context, request, caller, lambda text: _bounded(edits.append(text, added), request)
        )
        return result
