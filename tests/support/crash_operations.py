"""The operations that are broken at every change of the disk, each with the state before and after it.

Knows the library's front door; does not know shims, processes or verdicts. Every operation carries an idempotency key,
so that repeating it after any trouble must end in the very state, revision and log length of an undisturbed run (P6).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from panaversity_fs.core.changes import Changeset, Delete, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import HashMismatch
from panaversity_fs.core.manifest import render
from panaversity_fs.library import Library
from panaversity_fs.library.context import SMALL
from panaversity_fs.library.keeping import Policy
from support.stores import BOOK, CALLER, Store, ingest, lesson, pieces, written

ASSET = "static/img/01-Part/01-Chapter/picture.png"
FIRST = {lesson(n): f"lesson {n}\n".encode() * (n + 1) for n in range(8)} | {ASSET: b"\x89PNG" + bytes(5000)}
PICTURE = bytes(range(256)) * 300
NEW = lesson(50)
LARGE = b"a long lesson\n" * (SMALL // 10)


async def _nothing(_: Library) -> object:
    return None


@dataclass(frozen=True)
class Operation:
    """One thing to break: ``run`` it on a store that ``prepare`` made. ``before`` and ``after`` are path → bytes."""

    name: str
    run: Callable[[Library], Awaitable[object]]
    after: Mapping[str, bytes]
    before: Mapping[str, bytes] = field(default_factory=lambda: dict(FIRST))
    armed_while_opening: bool = False
    """True when opening the store is itself what is broken."""
    later: timedelta = timedelta(0)
    """How long after its preparation it happens."""
    more: Callable[[Library], Awaitable[object]] = _nothing
    """What else happened to the store before."""

    async def prepare(self, store: Store) -> None:
        """The store this operation begins with."""
        if self.before:
            async with store.open() as library:
                await ingest(library, dict(self.before), schema="docusaurus", with_manifest=True)
                await self.more(library)

    @property
    def states(self) -> tuple[dict[str, Digest], dict[str, Digest]]:
        """(before, after) as path → digest."""
        return _digests(self.before), _digests(self.after)


def _digests(files: Mapping[str, bytes]) -> dict[str, Digest]:
    return {path: digest_of(data) for path, data in files.items()}


async def _create(library: Library) -> object:
    return await library.write(BOOK, NEW, b"created", CALLER, expected=None, idempotency_key="create")


async def _create_large(library: Library) -> object:
    """Too many bytes to be put under the lock: pinned, stored, then committed (D18)."""
    return await library.write(BOOK, NEW, LARGE, CALLER, expected=None, idempotency_key="create large")


async def _update(library: Library) -> object:
    before = digest_of(FIRST[lesson(3)])
    return await library.write(BOOK, lesson(3), b"updated", CALLER, expected=before, idempotency_key="update")


async def _delete(library: Library) -> object:
    return await library.delete(BOOK, lesson(2), CALLER, idempotency_key="delete")


async def _upload(library: Library) -> object:
    """PUT, then the call that names it (upload_asset)."""
    digest = digest_of(PICTURE)
    await library.put_blob(BOOK, digest, CALLER, pieces(PICTURE), len(PICTURE))
    path = ASSET.replace("picture", "other")
    changeset = Changeset((written(path, PICTURE),), operation="upload_asset")
    return await library.commit(BOOK, changeset, CALLER, idempotency_key="upload")


_ADDED = {lesson(60 + n): f"added {n}\n".encode() * (1 + 300 * n) for n in range(10)} | {
    ASSET.replace("picture", "new"): PICTURE
}
_CHANGED = {lesson(n): f"changed {n}".encode() for n in range(3)}
_GONE = [lesson(3), lesson(4), ASSET]
_MOVED = {lesson(5): lesson(95)}
_AFTER = {path: data for path, data in FIRST.items() if path not in _GONE and path not in _MOVED}
_AFTER |= _ADDED | _CHANGED | {new: FIRST[old] for old, new in _MOVED.items()}


async def _changeset(library: Library) -> object:
    """Twenty changes and a promised manifest: eleven additions, three updates, three deletions, a rename, a refresh."""
    writes = _ADDED | _CHANGED | {new: FIRST[old] for old, new in _MOVED.items()} | {lesson(6): FIRST[lesson(6)]}
    deletes = [Delete(path, digest_of(FIRST[path])) for path in (*_GONE, *_MOVED)]
    expected = {path: digest_of(FIRST[path]) for path in writes if path in FIRST}
    return await ingest(
        library, writes, deletes=deletes, expected=expected, key="changeset", with_manifest=True,
        source_manifest=render(_digests(_AFTER)), schema="docusaurus",
    )  # fmt: skip


async def collect_all(library: Library) -> object:
    """gc without any grace or retention."""
    none = timedelta(0)
    return [done async for done in library.collect(Policy(told=none, logged=none, requests=none), really=True)]


async def _with_rubbish(library: Library) -> None:
    """Bytes that three kinds of past leave behind: an update, a deletion, an upload nobody named."""
    for number in range(3):
        data = b"older %d" % number
        await library.write(BOOK, lesson(80 + number), data, CALLER, expected=None)
        await library.delete(BOOK, lesson(80 + number), CALLER)
    await library.write(BOOK, lesson(0), b"newer", CALLER, expected=digest_of(FIRST[lesson(0)]))
    await library.write(BOOK, lesson(0), FIRST[lesson(0)], CALLER, expected=digest_of(b"newer"))


async def _delete_book(library: Library) -> object:
    return await library.delete_book(BOOK, BOOK, CALLER, idempotency_key="end")


async def _forged(library: Library) -> object:
    """Bytes that are not what their digest says must be refused; a store that holds them is wrong."""
    promised = digest_of(b"what was promised")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"what was smuggled"

    try:
        await library.put_blob(BOOK, promised, CALLER, chunks(), len(b"what was promised"))
        changeset = Changeset((Write(NEW, promised, 17, None),), operation="upload_asset")
        await library.commit(BOOK, changeset, CALLER)
    except HashMismatch:
        return None
    return None


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("create", _create, {**FIRST, NEW: b"created"}),
        Operation("create large", _create_large, {**FIRST, NEW: LARGE}),
        Operation("update", _update, {**FIRST, lesson(3): b"updated"}),
        Operation("delete", _delete, {path: data for path, data in FIRST.items() if path != lesson(2)}),
        Operation("upload", _upload, {**FIRST, ASSET.replace("picture", "other"): PICTURE}),
        Operation("changeset", _changeset, _AFTER),
        Operation("first write", _create, {NEW: b"created"}, before={}),
        Operation("migration", _nothing, {}, before={}, armed_while_opening=True),
        Operation("gc", collect_all, dict(FIRST), later=timedelta(days=1), more=_with_rubbish),
        Operation("delete book", _delete_book, {}),
        Operation("forged", _forged, dict(FIRST)),
    )
}
CRASHED = [name for name in OPERATIONS if name != "forged"]
"""What the crash runner breaks; ``forged`` is only there for a mutant."""
