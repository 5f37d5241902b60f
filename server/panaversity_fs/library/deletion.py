"""Deleting a book: its life ends, its row stays as a tombstone, and nobody is told that it is empty (F41).

Under the book's lock, in one transaction: an audit entry for every path that held something and one for the book, the
journal's rows removed, the state changed. Bytes, promises and the log stay for the retention; ``gc`` takes them later.
Built sites kept for the team go with the book at once.
"""

from dataclasses import dataclass, replace

from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import BASE, require_book_id, shown
from panaversity_fs.library import rows
from panaversity_fs.library.absence import no_book
from panaversity_fs.library.answers import Caller
from panaversity_fs.library.auditing import checkpoint_of
from panaversity_fs.library.context import Context, require_writer
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.lives import DELETED, LIVE
from panaversity_fs.library.site_keeping import remove_objects
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.books import BookRow, find_book, save_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.endings import find_request_of_any_life, forget_journal, living_everywhere
from panaversity_fs.store.outcomes import carry_out
from panaversity_fs.store.site_cache_rows import forget_sites
from panaversity_fs.store.told import RequestKey, save_request

OPERATION = "delete_book"


@dataclass(frozen=True, slots=True)
class Ending:
    """A book that is gone. ``existed`` is False when it was gone before; ``files`` counts base files, ``overlay_files``
    those of all overlays; ``revision`` is its last one; ``checkpoint`` is that of the log that outlives it."""

    book_id: str
    incarnation: int
    existed: bool
    revision: int
    files: int
    overlay_files: int
    checkpoint: Checkpoint | None = None


async def delete_book(context: Context, book_id: str, confirm: str, caller: Caller, key: str | None) -> Ending:
    """End this life of a book. A key makes a repetition harmless even when the book was created again meanwhile (P6).

    Raises ``InvalidArgument`` unless ``confirm`` is the book's id, ``NotFound`` when nobody ever created it.
    """
    started = context.monotonic()
    require_book_id(book_id, OPERATION)
    if confirm != book_id:
        raise InvalidArgument(
            OPERATION, "confirm", f"{shown(confirm)!r} is not {book_id}", "Repeat the book's id to delete it",
            name="confirm", reason="is not the book's id",
        )  # fmt: skip
    agent = require_writer(context, book_id, caller, OPERATION)
    payload = digest_of(f"{OPERATION}\n{book_id}".encode())

    async def end() -> tuple[Ending, list[BlobKey]]:
        elapsed = int((context.monotonic() - started) * 1000)
        return await _end_life(context, book_id, caller, agent, key, payload, elapsed)

    # A key finds out what became of an ending whose answer was lost.
    ending, sites = await carry_out(end, undecided=bool(key))
    await remove_objects(context, sites)
    return ending


async def _end_life(
    context: Context, book_id: str, caller: Caller, agent: str, key: str | None, payload: Digest, elapsed: int
) -> tuple[Ending, list[BlobKey]]:
    """The one transaction; answers the sites' objects that nobody names any more as well."""
    async with context.database.write(OPERATION, book_id) as connection:
        book = await find_book(connection, book_id, lock=True)
        if book is None:
            raise no_book(OPERATION, book_id)
        request = key and RequestKey(book_id, book.incarnation, caller.subject, key)
        if request and (answer := await _answered(connection, request, payload)):
            return answer, []
        if book.state != LIVE:
            return Ending(book_id, book.incarnation, False, book.revision, 0, 0, checkpoint_of(book)), []
        now = rows.time_of_commit(context.clock(), book)
        seal = rows.Seal(agent, Changeset((), operation=OPERATION), now, book.revision + 1, elapsed, context.token)
        ending = await _end(connection, book, seal)
        sites = await forget_sites(connection, book_id)
        if request:
            await save_request(connection, request, payload, _record(ending), now)
    return ending, sites


async def _answered(connection: Connection, request: RequestKey, payload: Digest) -> Ending | None:
    found = await find_request_of_any_life(connection, request)
    if found is None:
        return None
    if found[0] != payload:
        raise InvalidArgument(
            OPERATION, "idempotency_key", "was used for another request", "Use a new random key", name="idempotency_key"
        )
    told = found[1].get("checkpoint")  # not kept by earlier versions
    return replace(Ending(request.book_id, *found[1]["ending"]), checkpoint=Checkpoint(**told) if told else None)


def _record(ending: Ending) -> dict[str, object]:
    numbers = [ending.incarnation, ending.existed, ending.revision, ending.files, ending.overlay_files]
    return {"ending": numbers, "checkpoint": ending.checkpoint.to_wire() if ending.checkpoint else None}


async def _end(connection: Connection, book: BookRow, seal: rows.Seal) -> Ending:
    held = await living_everywhere(connection, book.book_id)
    ended = await rows.append_audit(connection, book, rows.ending_of(book, held, seal))
    await forget_journal(connection, book.book_id)
    tombstone = replace(
        ended, state=DELETED, revision=seal.revision, base_revision=seal.revision, ingest_manifest=None,
        changed_at=seal.now,
    )  # fmt: skip
    await save_book(connection, tombstone)
    files = sum(user_id == BASE for user_id, _, _ in held)
    return Ending(
        book.book_id, book.incarnation, True, seal.revision, files, len(held) - files, checkpoint_of(tombstone)
    )


class Deletion(Facade):
    """Ending a book's life."""

    async def delete_book(
        self, book_id: str, confirm: str, caller: Caller, *, idempotency_key: str | None = None
    ) -> Ending:
        """Let a book be gone; fine when it already is. ``confirm`` repeats its id."""
        return await delete_book(self._context, book_id, confirm, caller, idempotency_key)
