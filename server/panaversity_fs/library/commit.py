"""The one way a book changes: bytes durable first, then one transaction under the book's lock, then the answer (D4).

Order (RELIABILITY 3): foresee → publish bytes → lock → decide again → every named blob exists → journal, revision,
audit, chain head, promise of the manifest, idempotency record → commit. No bulk I/O happens inside the transaction.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import NoReturn

from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import BookGone, InvalidArgument, PanaversityError
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.paths import BASE, require_path
from panaversity_fs.library import rows
from panaversity_fs.library.answers import Caller, CommitResult, Outcome, count_modes
from panaversity_fs.library.auditing import checkpoint_of
from panaversity_fs.library.context import Context, require_writer
from panaversity_fs.library.deciding import CREATE, Decision, Refused, decide
from panaversity_fs.library.lives import incarnation_to_write, life_for
from panaversity_fs.library.observing import reported
from panaversity_fs.library.overlays import Overlay, judge_namespace, load_overlay
from panaversity_fs.library.presence import Found, Readable, require_blobs
from panaversity_fs.library.quotas import require_room
from panaversity_fs.library.staging import Staging
from panaversity_fs.library.views import BookView, empty_view
from panaversity_fs.store.books import BookRow, find_book, save_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.outcomes import again, carry_out
from panaversity_fs.store.told import RequestKey, find_request, save_request

NOTHING: Mapping[Digest, bytes] = MappingProxyType({})

_FORESIGHTS = 3
"""How often a commit that promises its manifest looks again after somebody was quicker."""


class Commit:
    """One changeset on its way into one book."""

    def __init__(
        self, context: Context, staging: Staging, changeset: Changeset, caller: Caller, key: str | None, promise: bool
    ) -> None:
        self._context = context
        self._staging = staging
        self._changeset = changeset
        self._caller = caller
        self._book_id = staging.book_id
        self._agent = require_writer(context, self._book_id, caller, changeset.operation)
        self._key = key and RequestKey(self._book_id, staging.incarnation, caller.subject, _usable(key, changeset))
        self._promise = promise
        self._found: BookRow | None = None  # the row as last looked at; a tombstone where this begins a new life
        judge_namespace(changeset)
        self._started = context.monotonic()
        for operation in changeset.operations:
            require_path(operation.path, changeset.operation)

    async def run(self) -> CommitResult:
        """Carry it out. Raises the refusal after recording it; nothing is changed then."""
        try:
            for left in reversed(range(_FORESIGHTS)):
                expected = await self._foresee() if self._promise else None
                if isinstance(expected, CommitResult):
                    return expected
                await self._staging.publish()
                result = await self._transact(expected, insist=left == 0)
                if result is not None:
                    return result
        except Refused as refused:
            await self._record_refusals(refused)
            raise refused.answer from None
        raise AssertionError("the last look is insisted on")

    async def carried_out(self) -> CommitResult | None:
        """The answer this request had before, for use cases that cannot even ask again once it was carried out (P6)."""
        async with self._context.database.read(self._changeset.operation) as connection:
            return await self._replayed(connection)

    async def refuse(self, refusal: PanaversityError) -> NoReturn:
        """Record a refusal that was found before there were bytes to commit, and raise it."""
        await self._record_refusals(Refused([refusal], refusal))
        raise refusal

    async def _foresee(self) -> Digest | CommitResult:
        """The manifest this commit would make now, its text staged; or the answer if the request was carried out."""
        async with self._context.database.read(self._changeset.operation) as connection:
            book, view = await self._load(connection, lock=False)
            if answer := await self._replayed(connection):
                return answer
            own = await self._load_overlay(connection, book)
            after = decide(self._book_id, book, view, self._changeset, own).view
        await self._staging.store_bytes(after.manifest_hash, after.text)
        return after.manifest_hash

    async def _transact(self, expected: Digest | None, insist: bool) -> CommitResult | None:
        """One transaction, again with fresh reads where the database gave it up. With a key that counts as well when
        its outcome is unknown: the next one waits for the book's lock, and then finds the answer if it happened (P6).
        """
        attempt = partial(self._attempt, expected, insist)
        return await carry_out(attempt, undecided=self._key is not None)

    async def _attempt(self, expected: Digest | None, insist: bool) -> CommitResult | None:
        """None when the manifest is not the foreseen one and nothing was done.

        ``insist`` stores the right text under the lock instead, so that busy writers cannot starve a promise.
        """
        async with self._context.database.write(self._changeset.operation, self._book_id) as connection:
            self._staging.lock_taken()
            book, view = await self._load(connection, lock=True)
            if answer := await self._replayed(connection):
                return answer
            own = await self._load_overlay(connection, book)
            decision = decide(self._book_id, book, view, self._changeset, own)
            if expected is not None and decision.view.manifest_hash != expected:
                if not insist:
                    return None
                expected = decision.view.manifest_hash
                await self._staging.store_under_lock(connection, expected, decision.view.text)
            found = await require_blobs(
                connection, self._staging, Readable(view, own), decision, self._changeset.operation
            )
            await require_room(self._context, connection, self._staging, self._changeset, book, decision, found)
            result, named = await self._write(connection, book, found, decision, expected)
        self._staging.committed(named)
        self._context.views.keep(self._book_id, decision.view)
        return result

    async def _load(self, connection: Connection, lock: bool) -> tuple[BookRow | None, BookView]:
        self._found = await find_book(connection, self._book_id, lock)
        book = life_for(self._found, self._staging.incarnation, self._changeset, CREATE)
        if book is None:
            return None, empty_view(self._staging.incarnation)
        return book, await self._context.views.load(connection, book)

    async def _load_overlay(self, connection: Connection, book: BookRow | None) -> Overlay | None:
        """The overlay this changeset is meant for, or None for the base; empty in a book that is about to be born."""
        if self._changeset.user_id == BASE:
            return None
        return await load_overlay(connection, book.book_id, self._changeset.user_id) if book else Overlay({})

    async def _replayed(self, connection: Connection) -> CommitResult | None:
        found = await find_request(connection, self._key) if self._key else None
        if found is None:
            return None
        payload, record = found
        if payload != self._changeset.payload_hash:
            raise InvalidArgument(
                self._changeset.operation, "idempotency_key", "was used for another request", "Use a new random key",
                name="idempotency_key",
            )  # fmt: skip
        return CommitResult.from_record(self._book_id, record)

    async def _write(
        self,
        connection: Connection,
        book: BookRow | None,
        found: Found,
        decision: Decision,
        promised: Digest | None,
    ) -> tuple[CommitResult, set[Digest]]:
        """All rows of the commit; answers the result and the digests that are named now."""
        context, staging, changeset = self._context, self._staging, self._changeset
        now = rows.time_of_commit(context.clock(), self._found)
        book = book or rows.newborn(self._book_id, staging.incarnation, decision, now)
        named = set(found)
        revision = book.revision + 1 if decision.changes else book.revision
        seal = rows.Seal(self._agent, changeset, now, revision, self._elapsed_ms(), context.token)
        if changeset.ingest_manifest and changeset.ingest_manifest != promised:
            named |= await self._remember_source(connection, seal)
        if promised:
            named |= await rows.promise(connection, staging, decision.view, now)
        await rows.save_named(connection, found, now)
        await rows.save_journal(connection, book, decision, seal, context.blobs.backend)
        book = await rows.append_audit(connection, book, rows.entries_of(book, decision, seal))
        book = replace(
            book, schema=decision.schema, numbering=decision.numbering, revision=revision,
            base_revision=decision.view.revision,
            ingest_manifest=changeset.ingest_manifest or book.ingest_manifest,
            changed_at=now,
        )  # fmt: skip
        await save_book(connection, book)
        await rows.drop_used_pins(connection, staging, named)
        result = replace(self._result(decision, revision, promised), checkpoint=checkpoint_of(book))
        if self._key:
            await save_request(connection, self._key, changeset.payload_hash, result.to_record(), now)
        return result, named

    async def _remember_source(self, connection: Connection, seal: "rows.Seal") -> set[Digest]:
        """Promise the source's manifest, whose text came with the request or was told before (DESIGN 6)."""
        digest = self._changeset.ingest_manifest
        assert digest is not None
        text = await self._source_text(digest)
        return await rows.promise_text(connection, self._staging, digest, text, seal)

    async def _source_text(self, digest: Digest) -> bytes | None:
        if digest not in self._staging.stored:
            return None
        (text,) = await self._context.blobs.read_many([self._staging.key(digest)])
        parse(text, self._changeset.operation)
        return text

    def _result(self, decision: Decision, revision: int, promised: Digest | None) -> CommitResult:
        operations = [(v, v.operation) for v in decision.verdicts]
        outcomes = tuple(
            Outcome(o.path, v.mode, v.before, v.after, o.size if isinstance(o, Write) else 0) for v, o in operations
        )
        return CommitResult(
            self._book_id, revision, decision.schema, decision.numbering, outcomes, promised, count_modes(outcomes)
        )

    @again(undecided=False)
    async def _record_refusals(self, refused: Refused) -> None:
        """One audit entry a refusal, in a transaction of its own; a book nobody created has no log yet."""
        async with self._context.database.write(self._changeset.operation, self._book_id) as connection:
            book = await find_book(connection, self._book_id, lock=True)
            if book is None or book.state != "live":
                return
            now = rows.time_of_commit(self._context.clock(), book)
            seal = rows.Seal(self._agent, self._changeset, now, book.revision, self._elapsed_ms(), self._context.token)
            book = await rows.append_audit(connection, book, rows.refusals_of(book, refused.refusals, seal))
            await save_book(connection, replace(book, changed_at=now))

    def _elapsed_ms(self) -> int:
        return int((self._context.monotonic() - self._started) * 1000)


def _usable(key: str, changeset: Changeset) -> str:
    if not key or len(key) > 200 or not key.isprintable():
        raise InvalidArgument(
            changeset.operation, "idempotency_key", "is not 1 to 200 printable characters", "Use a random text",
            name="idempotency_key",
        )  # fmt: skip
    return key


async def open_staging(
    context: Context, book_id: str, caller: Caller, operation: str, *, guess: bool = False
) -> Staging:
    """A staging for this book's present life, or for the one its first write will begin.

    ``guess`` believes in the life this process saw last and spares a look; the commit finds out (``BookGone``).
    """
    require_writer(context, book_id, caller, operation)
    if guess and (incarnation := context.views.incarnation_of(book_id)) is not None:
        return Staging(context, book_id, incarnation, caller.subject)
    async with context.database.read(operation) as connection:
        book = await find_book(connection, book_id)
    return Staging(context, book_id, incarnation_to_write(book), caller.subject)


async def commit(
    context: Context,
    book_id: str,
    changeset: Changeset,
    caller: Caller,
    *,
    idempotency_key: str | None = None,
    staging: Staging | None = None,
    with_manifest: bool = False,
    at_hand: Mapping[Digest, bytes] = NOTHING,
) -> CommitResult:
    """Apply a changeset entirely or not at all (P2); the answer comes after the commit (P1).

    ``staging`` holds the bytes that came along; without one, ``at_hand`` are those there are. ``with_manifest``
    promises the manifest the book has afterwards.
    """

    async def run_with(own: Staging) -> CommitResult:
        return await Commit(context, own, changeset, caller, idempotency_key, with_manifest).run()

    async def run(guess: bool) -> CommitResult:
        async with await open_staging(context, book_id, caller, changeset.operation, guess=guess) as own:
            await _bring(context, own, at_hand)
            return await run_with(own)

    async def run_twice() -> CommitResult:
        try:
            return await run(guess=True)
        except BookGone:  # it may be another life than the one this process knows
            return await run(guess=False)

    call = run_twice() if staging is None else run_with(staging)
    return await reported(context.observer, context.monotonic, changeset, call)


async def _bring(context: Context, staging: Staging, at_hand: Mapping[Digest, bytes]) -> None:
    """Few bytes wait for the lock, where putting them is quick; more are pinned and stored before it is taken (D18)."""
    for digest, data in at_hand.items():
        if context.blobs.prompt and len(data) < context.small:
            staging.offer(digest, data)
        else:
            await staging.store_bytes(digest, data)
