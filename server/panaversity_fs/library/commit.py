"""The one way a book changes: bytes durable first, then one transaction under the book's lock, then the answer (D4).

Order (RELIABILITY 3): foresee → publish bytes → lock → decide again → every named blob exists → journal, revision,
audit, chain head, promise of the manifest, idempotency record → commit. No bulk I/O happens inside the transaction.
"""

from dataclasses import replace

from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.paths import require_path
from panaversity_fs.library import rows
from panaversity_fs.library.absence import gone
from panaversity_fs.library.answers import Caller, CommitResult, Outcome, count_modes
from panaversity_fs.library.context import Context, require_writer
from panaversity_fs.library.deciding import Decision, Refused, decide
from panaversity_fs.library.presence import require_blobs
from panaversity_fs.library.staging import Staging
from panaversity_fs.library.views import BookView, empty_view
from panaversity_fs.store.books import BookRow, find_book, save_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.told import RequestKey, find_request, save_request

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

    async def _foresee(self) -> Digest | CommitResult:
        """The manifest this commit would make now, its text staged; or the answer if the request was carried out."""
        async with self._context.database.read(self._changeset.operation) as connection:
            book, view = await self._load(connection, lock=False)
            if answer := await self._replayed(connection):
                return answer
            after = decide(self._book_id, book, view, self._changeset).view
        await self._staging.store_bytes(after.manifest_hash, after.text)
        return after.manifest_hash

    async def _transact(self, expected: Digest | None, insist: bool) -> CommitResult | None:
        """One transaction; None when the manifest is not the foreseen one and nothing was done.

        ``insist`` stores the right text under the lock instead, so that busy writers cannot starve a promise.
        """
        async with self._context.database.write(self._changeset.operation) as connection:
            book, view = await self._load(connection, lock=True)
            if answer := await self._replayed(connection):
                return answer
            decision = decide(self._book_id, book, view, self._changeset)
            if expected is not None and decision.view.manifest_hash != expected:
                if not insist:
                    return None
                expected = decision.view.manifest_hash
                await self._staging.store_under_lock(expected, decision.view.text)
            result, named = await self._write(connection, book, view, decision, expected)
        self._staging.committed(named)
        self._context.views.keep(self._book_id, decision.view)
        return result

    async def _load(self, connection: Connection, lock: bool) -> tuple[BookRow | None, BookView]:
        book = await find_book(connection, self._book_id, lock)
        if book is None:
            return None, empty_view(self._staging.incarnation)
        if book.state != "live":
            raise gone(self._changeset.operation, self._book_id)
        return book, await self._context.views.load(connection, book)

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
        before: BookView,
        decision: Decision,
        promised: Digest | None,
    ) -> tuple[CommitResult, set[Digest]]:
        """All rows of the commit; answers the result and the digests that are named now."""
        context, staging, changeset = self._context, self._staging, self._changeset
        now = rows.time_of_commit(context.clock(), book)
        book = book or rows.newborn(self._book_id, staging.incarnation, decision, now)
        found = await require_blobs(connection, staging, before, decision, changeset.operation)
        named = set(found)
        revision = decision.view.revision if decision.changes else book.revision
        seal = rows.Seal(self._agent, changeset, now, revision, self._elapsed_ms(), context.token)
        if changeset.ingest_manifest and changeset.ingest_manifest != promised:
            named |= await self._remember_source(connection, seal)
        if promised:
            named |= await rows.promise(connection, staging, decision.view, now)
        await rows.save_named(connection, staging, found, now)
        await rows.save_journal(connection, book, decision, seal, context.blobs.backend)
        seq, head = await rows.append_audit(connection, book, rows.entries_of(book, decision, seal))
        await save_book(connection, replace(
            book, schema=decision.schema, numbering=decision.numbering, revision=revision,
            base_revision=revision if decision.changes else book.base_revision,
            ingest_manifest=changeset.ingest_manifest or book.ingest_manifest,
            chain_seq=seq, chain_head=head, changed_at=now,
        ))  # fmt: skip
        await rows.drop_used_pins(connection, staging, named)
        result = self._result(decision, revision, promised)
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
        entries = decision.view.entries
        outcomes = tuple(
            Outcome(v.operation.path, v.mode, v.before, v.after,
                    entries[v.operation.path].size if v.operation.path in entries else 0)
            for v in decision.verdicts
        )  # fmt: skip
        return CommitResult(
            self._book_id, revision, decision.schema, decision.numbering, outcomes, promised, count_modes(outcomes)
        )

    async def _record_refusals(self, refused: Refused) -> None:
        """One audit entry a refusal, in a transaction of its own; a book nobody created has no log yet."""
        async with self._context.database.write(self._changeset.operation) as connection:
            book = await find_book(connection, self._book_id, lock=True)
            if book is None or book.state != "live":
                return
            now = rows.time_of_commit(self._context.clock(), book)
            seal = rows.Seal(self._agent, self._changeset, now, book.revision, self._elapsed_ms(), self._context.token)
            seq, head = await rows.append_audit(connection, book, rows.refusals_of(book, refused.refusals, seal))
            await save_book(connection, replace(book, chain_seq=seq, chain_head=head, changed_at=now))

    def _elapsed_ms(self) -> int:
        return int((self._context.monotonic() - self._started) * 1000)


def _usable(key: str, changeset: Changeset) -> str:
    if not key or len(key) > 200 or not key.isprintable():
        raise InvalidArgument(
            changeset.operation, "idempotency_key", "is not 1 to 200 printable characters", "Use a random text",
            name="idempotency_key",
        )  # fmt: skip
    return key


async def open_staging(context: Context, book_id: str, caller: Caller, operation: str) -> Staging:
    """A staging for this book's present life, or for the one its first write will begin."""
    require_writer(context, book_id, caller, operation)
    async with context.database.read(operation) as connection:
        book = await find_book(connection, book_id)
    return Staging(context, book_id, book.incarnation if book else 1, caller.subject)
