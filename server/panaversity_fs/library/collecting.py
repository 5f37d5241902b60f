"""``gc``: bytes that nobody may ask for any more leave the store (DESIGN 6, RELIABILITY 4; F33–F35, F44).

Decided by rows under the book's lock, never by a clock alone: live → condemned → deleted → row gone. Each step is a
transaction of its own and no bytes move inside one; a run that dies anywhere is finished by the next. It needs no grace
and no exclusive lock: writers, readers, uploads and tellers go on beside it. Does not know what keeps bytes
(``library.keeping``), nor how a late removal is made harmless (``store.blob_states``).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from panaversity_fs.core.audit import AuditEntry
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import NotFound, PanaversityError, ReadOnly, Unavailable
from panaversity_fs.core.paths import BASE
from panaversity_fs.library import rows
from panaversity_fs.library.context import Context
from panaversity_fs.library.keeping import READING_FAULTS, Keeper, NotRead, Policy, reason
from panaversity_fs.library.upkeep import note_run
from panaversity_fs.store.blob_rows import BlobRow, Pin
from panaversity_fs.store.blob_states import (
    Place,
    drop_deleted,
    forget_expired,
    forget_requests,
    forget_told,
    give_up,
    known_places,
    rows_of,
    set_state,
)
from panaversity_fs.store.blobs import BlobKey, Leftover, Listed
from panaversity_fs.store.books import BookRow, find_book, save_book
from panaversity_fs.store.database import Connection
from panaversity_fs.store.facts import REBUILT, recall
from panaversity_fs.store.outcomes import again

OPERATION = "gc"
_LOOKS = 5
"""How often a run reads promises again that were made while it read."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What one run did, or would do, to one life of a book. ``condemned`` rows wait for the next run;
    ``strays`` are objects without a row; ``size`` in bytes; ``trouble`` says why nothing was done at all."""

    book_id: str
    incarnation: int
    condemned: int = 0
    blobs: int = 0
    strays: int = 0
    size: int = 0
    leftovers: int = 0
    pins: int = 0
    promises: int = 0
    trouble: str = ""

    @property
    def deletions(self) -> int:
        """What the bound of a run counts."""
        return self.blobs + self.strays


@dataclass(frozen=True, slots=True)
class _Listing:
    keys: Sequence[Listed]
    leftovers: Sequence[Leftover]


@dataclass(frozen=True, slots=True)
class _Doomed:
    rows: Sequence[BlobRow]
    strays: Sequence[Listed]
    leftovers: Sequence[Leftover]
    condemned: int

    def counted(self, new: Collected) -> Collected:
        """The numbers of this decision added to those of the run."""
        return replace(
            new, condemned=self.condemned, blobs=len(self.rows), strays=len(self.strays),
            leftovers=len(self.leftovers),
            size=sum(row.size for row in self.rows) + sum(listed.size for listed in self.strays),
        )  # fmt: skip


_Step = Callable[[Connection, set[Digest], Sequence[Pin]], Awaitable[_Doomed]]


async def collect(context: Context, policy: Policy, *, really: bool, book_id: str | None) -> AsyncIterator[Collected]:
    """Collect every life of every book, or of one; without ``really`` only say what would go. Raises ``ReadOnly``."""
    if really and context.read_only:
        raise ReadOnly(OPERATION, "store", "the server is in read-only mode", "Run it without --yes")
    if policy.unknown_books is None:
        policy = replace(policy, unknown_books=await recall(context.database, REBUILT) is None)
    left, total = policy.most, {"objects": 0, "bytes": 0, "left_alone": 0}
    for place in sorted(await _places(context)):
        if book_id not in (None, place[0]):
            continue
        done = await Collection(context, place, replace(policy, most=left)).run(really)
        left -= done.deletions
        total = {name: count + _counts(done)[name] for name, count in total.items()}
        yield done
    if really and book_id is None:
        await note_run(context, "gc", total)


def _counts(done: Collected) -> dict[str, int]:
    return {"objects": done.deletions, "bytes": done.size, "left_alone": int(bool(done.trouble))}


async def _places(context: Context) -> set[Place]:
    async with context.database.read(OPERATION) as connection:
        known = await known_places(connection)
    return known | await context.blobs.places()  # outside: listing a bucket takes its time


class Collection:
    """One run over one life of a book."""

    def __init__(self, context: Context, place: Place, policy: Policy) -> None:
        self._context, self._place, self._policy = context, place, policy
        self._keeper = Keeper(context, place, policy)

    async def run(self, really: bool) -> Collected:
        """All steps, or a look at what they would do."""
        new = Collected(*self._place)
        try:
            if not await self._is_ours():
                return replace(new, trouble="no book of this id is known; its bytes are left alone")
            return await (self._carry_out(new) if really else self._look(new))
        except (*READING_FAULTS, NotFound) as fault:
            return replace(new, trouble=reason(fault))

    async def _is_ours(self) -> bool:
        if self._policy.unknown_books:
            return True
        async with self._context.database.read(OPERATION) as connection:
            return await find_book(connection, self._place[0]) is not None

    async def _look(self, new: Collected) -> Collected:
        now = self._context.clock()
        async with self._context.database.read(OPERATION) as connection:
            standing = await self._keeper.standing(connection, await self._present(connection), now)
        pins = [pin for pin in standing.pins if pin not in standing.expired]
        told = [row for row in standing.told if row not in standing.forgotten]
        await self._keeper.read_promises(told)
        listing = await self._list()
        async with self._context.database.read(OPERATION) as connection:
            kept = await self._keeper.kept(connection, await self._present(connection), pins, told, now)
            known = await rows_of(connection, *self._place)
        going = [row for row in known if row.sha256 not in kept and row.state != "deleted"]
        doomed = self._doom(known, going, pins, listing)
        return replace(doomed.counted(new), pins=len(standing.expired), promises=len(standing.forgotten))

    async def _carry_out(self, new: Collected) -> Collected:
        new = await self._settle(new)
        await self._context.pause("gc settled")
        await self._judged(self._mark)
        await self._context.pause("gc marked")
        listing = await self._list()
        await self._context.pause("gc listed")
        doomed: _Doomed = await self._judged(
            lambda connection, kept, pins: self._sweep(connection, kept, pins, listing)
        )
        await self._context.pause("gc swept")
        await self._context.blobs.remove_many([listed.key for listed in doomed.strays])
        for leftover in doomed.leftovers:
            await self._context.blobs.remove_leftover(leftover)
        await finish(self._context, self._place, doomed.rows)
        return doomed.counted(new)

    async def _present(self, connection: Connection, lock: bool = False) -> BookRow | None:
        """The book's row if this is its present life; locked either way."""
        book = await find_book(connection, self._place[0], lock)
        return book if book is not None and book.incarnation == self._place[1] else None

    @again(undecided=True)
    async def _settle(self, new: Collected) -> Collected:
        """Let go what has run out: pins, promises, idempotency records. Then read the promises that stand."""
        now = self._context.clock()
        async with self._context.database.write(OPERATION, self._place[0]) as connection:
            book = await self._present(connection, lock=True)
            standing = await self._keeper.standing(connection, book, now)
            await forget_told(connection, standing.forgotten)
            await forget_requests(connection, *self._place, now - self._policy.requests)
            pins = await forget_expired(connection, *self._place, now)
        return replace(new, pins=pins, promises=len(standing.forgotten))

    async def _judged(self, step: _Step) -> _Doomed:
        """Carry out a step under the lock with what is kept now; promises made meanwhile are read outside of it."""
        for _ in range(_LOOKS):
            async with self._context.database.read(OPERATION) as connection:
                standing = await self._keeper.standing(
                    connection, await self._present(connection), self._context.clock()
                )
            await self._keeper.read_promises(standing.told)
            try:
                return await self._judge(step)
            except NotRead:
                continue
        raise _busy(self._place)

    @again(undecided=False)  # the log names what goes, once
    async def _judge(self, step: _Step) -> _Doomed:
        async with self._context.database.write(OPERATION, self._place[0]) as connection:
            book = await self._present(connection, lock=True)
            now = self._context.clock()
            standing = await self._keeper.standing(connection, book, now)
            kept = await self._keeper.kept(connection, book, standing.pins, standing.told, now)
            return await step(connection, kept, standing.pins)

    async def _mark(self, connection: Connection, kept: set[Digest], _pins: Sequence[Pin]) -> _Doomed:
        known = await rows_of(connection, *self._place)
        unnamed = [row for row in known if row.state == "live" and row.sha256 not in kept]
        await set_state(connection, unnamed, "condemned")
        await set_state(connection, [r for r in known if r.state == "condemned" and r.sha256 in kept], "live")
        return _Doomed((), (), (), len(unnamed))

    async def _list(self) -> _Listing:
        keys = [listed async for listed in self._context.blobs.keys(*self._place)]
        return _Listing(keys, await self._context.blobs.leftovers(*self._place))

    async def _sweep(
        self, connection: Connection, kept: set[Digest], pins: Sequence[Pin], listing: _Listing
    ) -> _Doomed:
        """Judge again, then give the objects up: after this commit they may be removed at any time."""
        known = await rows_of(connection, *self._place)
        going = [row for row in known if row.state == "condemned" and row.sha256 not in kept]
        doomed = self._doom(known, going, pins, listing)
        taken = [row for row in doomed.rows if row.state == "condemned"]
        await set_state(connection, taken, "deleted")
        keys = [row.key for row in taken] + [listed.key for listed in doomed.strays]
        await give_up(connection, *self._place, keys)
        await log_upkeep(self._context, connection, self._place[0], OPERATION, keys)
        return doomed

    def _doom(
        self, known: Sequence[BlobRow], going: Sequence[BlobRow], pins: Iterable[Pin], listing: _Listing
    ) -> _Doomed:
        """What this run takes, within its bound; rows an earlier run left ``deleted`` are finished in any case."""
        pins = list(pins)
        coming = {pin.key for pin in pins}
        held = {row.key for row in known} | coming
        owners = {pin.upload_id for pin in pins}
        strays = [listed for listed in listing.keys if listed.key not in held]
        begun = [row for row in known if row.state == "deleted"]
        taken = list(going)[: self._policy.most]
        return _Doomed(
            [*begun, *taken],
            strays[: self._policy.most - len(taken)],
            [one for one in listing.leftovers if one.owner not in owners and one.key not in coming],
            len(going) - len(taken),
        )


async def finish(context: Context, place: Place, given_up: Sequence[BlobRow]) -> None:
    """Remove objects whose rows are ``deleted``, then those rows. Harmless however late it comes."""
    await context.blobs.remove_many([row.key for row in given_up])
    await context.pause("gc removed")
    await _forget(context, place, given_up)


@again(undecided=True)
async def _forget(context: Context, place: Place, given_up: Sequence[BlobRow]) -> None:
    async with context.database.write(OPERATION, place[0]) as connection:
        await find_book(connection, place[0], lock=True)
        await drop_deleted(connection, given_up)


def _busy(place: Place) -> PanaversityError:
    return Unavailable(OPERATION, place[0], "manifests are told faster than they are read", "Run it again")


async def log_upkeep(
    context: Context, connection: Connection, book_id: str, operation: str, keys: Sequence[BlobKey]
) -> None:
    """One audit entry for every object an upkeep takes away; its "path" is ``blob:`` and the digest, which no path is.

    They go into the log of the book's present life; a book nobody created has none.
    """
    book = await find_book(connection, book_id, lock=True)
    if book is None or not keys:
        return
    now = rows.time_of_commit(context.clock(), book)
    entries = [
        AuditEntry(
            id=context.token(),
            book_id=book_id,
            incarnation=book.incarnation,
            seq=book.chain_seq + number,
            revision=book.revision,
            timestamp=now.isoformat(timespec="microseconds"),
            agent_id=f"panaversity-fs {operation}",
            operation=operation,
            path=f"blob:{key.digest}",
            user_id=BASE,
            prev_hash=None,
            new_hash=None,
            status="success",
            error_message=None,
            execution_time_ms=0,
        )
        for number, key in enumerate(keys, 1)
    ]
    grown = await rows.append_audit(connection, book, entries)
    await save_book(connection, replace(grown, changed_at=now))
