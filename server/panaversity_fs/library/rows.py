"""What a commit writes, row by row: journal, blobs, audit, promises. Called inside the one transaction only.

Knows how values become rows; does not decide, and does not know when.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from panaversity_fs.core import audit
from panaversity_fs.core.audit import GENESIS, AuditEntry
from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import BlobsMissing, PanaversityError
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.merkle import extend
from panaversity_fs.core.paths import BASE, MAX_PATH_BYTES, fold
from panaversity_fs.library.deciding import Decision
from panaversity_fs.library.presence import ABSENT, Found, staged
from panaversity_fs.library.staging import Staging
from panaversity_fs.library.views import BookView, source_of
from panaversity_fs.store.audit_rows import append
from panaversity_fs.store.blob_rows import drop_pins, save_blobs
from panaversity_fs.store.books import BookRow
from panaversity_fs.store.database import Connection
from panaversity_fs.store.journal import JournalRow, record, refold
from panaversity_fs.store.told import ToldRow, find_told, save_told


@dataclass(frozen=True, slots=True)
class Seal:
    """What all rows of one commit share: who, what, when, the revision it makes, how long it took so far."""

    agent: str
    changeset: Changeset
    now: datetime
    revision: int
    elapsed_ms: int
    token: Callable[[], str]


def time_of_commit(now: datetime, book: BookRow | None) -> datetime:
    """The time of this commit: taken under the lock and strictly later than the last one, whatever the clock does."""
    now = now.astimezone(UTC)  # the log hashes the text, which comes back from the database in UTC
    return now if book is None else max(now, book.changed_at + timedelta(microseconds=1))


def newborn(book_id: str, incarnation: int, decision: Decision, now: datetime) -> BookRow:
    """The row of a book before its first change."""
    return BookRow(book_id, incarnation, "live", decision.schema, decision.numbering, 0, 0, None, 0, GENESIS, now, now)


async def save_named(connection: Connection, found: Found, now: datetime) -> None:
    """Let every blob the commit names be live, reviving a condemned one (RELIABILITY 4)."""
    await save_blobs(connection, [
        replace(row, state="live", created_at=now if row.state == ABSENT else row.created_at)
        for row in found.values() if row.state != "live"
    ])  # fmt: skip


async def save_journal(
    connection: Connection, book: BookRow, decision: Decision, seal: Seal, storage_backend: str
) -> None:
    """The journal rows of every path that changed, tombstones for what is gone (FR-001, FR-002)."""
    rows = []
    for verdict in decision.verdicts:
        if not verdict.changes:
            continue
        operation = verdict.operation
        kept = isinstance(operation, Write)
        digest = verdict.after or verdict.before
        assert digest is not None
        rows.append(JournalRow(
            book_id=book.book_id, path=operation.path, user_id=seal.changeset.user_id, sha256=digest,
            size=operation.size if isinstance(operation, Write) else 0, revision=seal.revision,
            last_written_at=seal.now, agent_id=seal.agent, storage_backend=storage_backend,
            path_fold=_unique_name(seal, operation.path, decision.numbering if kept else book.numbering),
            deleted=not kept,
        ))  # fmt: skip
    await record(connection, [row for row in rows if row.deleted])
    if decision.numbering != book.numbering:  # before new paths come: one may take the name another gives up here
        moved = {path: _folded(path, decision.numbering) for path in decision.view.entries}
        await refold(connection, book.book_id, moved)
    await record(connection, [row for row in rows if not row.deleted])


def _unique_name(seal: Seal, path: str, numbering: Numbering | None) -> str:
    return _folded(path, numbering) if seal.changeset.user_id == BASE else path


def _folded(path: str, numbering: Numbering | None) -> str:
    """The folded source path, or its digest where folding made it longer than a path may be (one sign can become
    eighteen): an index row has its bounds. Only ever compared with its like; no source path begins with a slash."""
    name = fold(source_of(path, numbering))
    return name if len(name.encode()) <= MAX_PATH_BYTES else f"/{digest_of(name.encode())}"


def entries_of(book: BookRow, decision: Decision, seal: Seal) -> list[AuditEntry]:
    """One entry an operation, and one for changed settings; their sequence follows the book's (FR-020)."""
    entries = []
    if decision.settings_changed:
        entries.append(_entry(book, seal, "set_book", "", None, None, 1))
    for verdict in decision.verdicts:
        path = verdict.operation.path
        number = len(entries) + 1
        entries.append(_entry(book, seal, seal.changeset.operation, path, verdict.before, verdict.after, number))
    if not decision.verdicts and not entries:
        entries.append(_entry(book, seal, seal.changeset.operation, "", None, None, 1))
    return entries


def refusals_of(book: BookRow, refusals: Sequence[PanaversityError], seal: Seal) -> list[AuditEntry]:
    """One entry a refusal; its hashes say what was there and stays there."""
    entries = []
    for number, refusal in enumerate(refusals, 1):
        path = str(refusal.details.get("path", refusal.subject))
        held = refusal.details.get("current_hash")
        entry = _entry(book, seal, seal.changeset.operation, path, held, held, number)
        entries.append(replace(entry, status="refused", error_message=f"{refusal.code}: {refusal.problem}"))
    return entries


def ending_of(book: BookRow, held: Sequence[tuple[str, str, Digest]], seal: Seal) -> list[AuditEntry]:
    """One entry for each (user id, path, digest) that a deleted book held, then one for the book itself (F41)."""
    verb = seal.changeset.operation
    entries = [
        replace(_entry(book, seal, verb, path, digest, None, number), user_id=user_id)
        for number, (user_id, path, digest) in enumerate(held, 1)
    ]
    return [*entries, _entry(book, seal, verb, "", None, None, len(held) + 1)]


def _entry(
    book: BookRow, seal: Seal, operation: str, path: str, before: str | None, after: str | None, number: int
) -> AuditEntry:
    return AuditEntry(
        id=seal.token(), book_id=book.book_id, incarnation=book.incarnation, seq=book.chain_seq + number,
        revision=seal.revision, timestamp=seal.now.isoformat(timespec="microseconds"), agent_id=seal.agent,
        operation=operation, path=path, user_id=seal.changeset.user_id, prev_hash=before, new_hash=after,
        status="success", error_message=None, execution_time_ms=seal.elapsed_ms,
    )  # fmt: skip


async def append_audit(connection: Connection, book: BookRow, entries: list[AuditEntry]) -> BookRow:
    """Chain the entries to the book's head and add them to its tree; answer the row with the log grown, to be saved."""
    hashes = audit.chain(book.chain_head, entries)
    await append(connection, zip(entries, hashes, strict=True))
    return replace(
        book, chain_seq=book.chain_seq + len(entries), chain_head=[book.chain_head, *hashes][-1],
        chain_edge=extend(book.chain_edge, book.chain_seq, hashes),
    )  # fmt: skip


async def promise(connection: Connection, staging: Staging, view: BookView, now: datetime) -> set[Digest]:
    """Tell the view's manifest, whose text is staged: from now on it stays answerable. Answers what is named.

    A book comes back to what it was, and a slow teller comes late: the newest revision and time it was told for stay.
    """
    known = await find_told(connection, staging.book_id, staging.incarnation, view.manifest_hash)
    revision = view.revision if known is None or known.of_source else max(known.revision, view.revision)
    await save_told(connection, ToldRow(
        staging.book_id, staging.incarnation, view.manifest_hash, revision, len(view.entries), view.total_bytes,
        known.created_at if known else now, max(known.last_told_at, now) if known else now,
    ))  # fmt: skip
    return await _name_text(connection, staging, view.manifest_hash, now)


async def promise_text(
    connection: Connection, staging: Staging, digest: Digest, text: bytes | None, seal: Seal
) -> set[Digest]:
    """Tell the manifest of a source tree. Raises ``BlobsMissing`` when its text was neither sent nor told before."""
    known = await find_told(connection, staging.book_id, staging.incarnation, digest)
    if known is not None:
        await save_told(connection, replace(known, last_told_at=seal.now))
        return {digest} if digest in staging.stored else set()
    if text is None:
        raise BlobsMissing(
            seal.changeset.operation, staging.book_id, "the text of the source's manifest is not known",
            "Send it as a blob and repeat", digests=[digest],
        )  # fmt: skip
    row = ToldRow(
        staging.book_id, staging.incarnation, digest, seal.revision, len(parse(text)), None, seal.now, seal.now
    )
    await save_told(connection, row)
    return await _name_text(connection, staging, digest, seal.now)


async def _name_text(connection: Connection, staging: Staging, digest: Digest, now: datetime) -> set[Digest]:
    found = await staged(connection, staging, [digest])
    if digest not in found:
        raise BlobsMissing(
            "manifest", staging.book_id, "the text of the manifest was taken away", "Repeat", digests=[digest]
        )
    await save_named(connection, found, now)
    return {digest}


async def drop_used_pins(connection: Connection, staging: Staging, named: Iterable[Digest]) -> None:
    """Pins of what is named now have done their work."""
    place = (staging.book_id, staging.incarnation)
    pinned = set(named) - staging.never_pinned
    await drop_pins(connection, *place, staging.subject, pinned, staging.upload_id)
