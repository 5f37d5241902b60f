"""The operations that are broken at every change of the disk, each with the state before and after it.

Knows the library's front door; does not know shims, processes or verdicts. Every operation carries an idempotency key,
so that repeating it after any trouble must end in the very state, revision and log length of an undisturbed run (P6).
"""

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from panaversity_fs.core import pack
from panaversity_fs.core.changes import Changeset, Delete, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import Conflict, HashMismatch
from panaversity_fs.core.manifest import render
from panaversity_fs.core.site_meta import SiteMeta
from panaversity_fs.library import Library, Offer
from panaversity_fs.library.context import SMALL
from panaversity_fs.library.inspecting import Depth
from panaversity_fs.library.keeping import Policy
from panaversity_fs.store.blobs import BlobKey
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
    between: tuple[Mapping[str, bytes], ...] = ()
    """States a killed process may leave, of what is promised to be finished by repeating it, and not in one piece."""
    damaged: bool = False
    """True where the store is damaged before: then no crash may make it worse, and repeating puts it right."""

    async def prepare(self, store: Store) -> None:
        """The store this operation begins with."""
        if self.before:
            async with store.open() as library:
                await ingest(library, dict(self.before), schema="docusaurus", with_manifest=True)
                await self.more(library)

    @property
    def states(self) -> tuple[dict[str, Digest], dict[str, Digest]]:
        """(before, after) as path → digest; a path of an overlay stands behind its user and a blank."""
        return _digests(self.before), _digests(self.after)

    @property
    def halfway(self) -> list[dict[str, Digest]]:
        """The states in between, in the same form."""
        return [_digests(files) for files in self.between]


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
    sites = [done async for done in library.collect_sites(really=True)]
    blobs = [done async for done in library.collect(Policy(told=none, logged=none, requests=none), really=True)]
    return [*sites, *blobs]


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


SITE = bytes(range(255, -1, -1)) * 5000


async def _keep_site(library: Library) -> object:
    """Built sites for the team: one in place of another that is over its time, so that bytes come and go."""
    for document, data in (("one", SITE), ("two", SITE[1:])):
        meta = SiteMeta(document, digest_of(data), 1000)
        await library.keep_site(BOOK, Offer(meta, digest_of(data), len(data)), pieces(data), CALLER)
        site = await library.open_site(BOOK, meta.key)
        assert b"".join([piece async for piece in library.stream_site(site)]) == data
    return None


async def _with_site(library: Library) -> None:
    """A site that will be over its time."""
    meta = SiteMeta("old", digest_of(b"old"), 1000)
    await library.keep_site(BOOK, Offer(meta, digest_of(PICTURE), len(PICTURE)), pieces(PICTURE), CALLER)


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


HERS = b"hers " * 2000


async def _overlay(library: Library) -> object:
    return await library.write(BOOK, lesson(1), HERS, CALLER, expected=None, user_id="alice", idempotency_key="overlay")


async def _resumed(library: Library) -> object:
    """An upload in two requests, or what is left of it, then the call that names it."""
    digest, size = digest_of(PICTURE), len(PICTURE)
    at = await library.upload_offset(BOOK, digest, CALLER)
    if at < size // 2:
        at = (await library.resume_blob(BOOK, digest, CALLER, at, size, pieces(PICTURE[at : size // 2], 9000))).offset
    await library.resume_blob(BOOK, digest, CALLER, at, size, pieces(PICTURE[at:], 9000))
    changeset = Changeset((written(ASSET.replace("picture", "other"), PICTURE),), operation="upload_asset")
    return await library.commit(BOOK, changeset, CALLER, idempotency_key="resumed")


async def _with_past(library: Library) -> None:
    """Entries that are history by the time of the pruning."""
    await _with_rubbish(library)
    await library.write(BOOK, lesson(1), b"hers", CALLER, expected=None, user_id="alice")
    await library.delete(BOOK, lesson(1), CALLER, user_id="alice")


async def _prune(library: Library) -> object:
    before = datetime(2030, 6, 1, tzinfo=UTC)
    return [done async for done in library.prune_audit(before, "operator", really=True)]


def _exported() -> bytes:
    """An export of two lessons and two overlays, as ``panaversity-fs export --overlays`` writes it."""
    base = {path: digest_of(FIRST[path]) for path in (lesson(0), lesson(1))}
    overlays = {"alice": {lesson(0): digest_of(HERS)}, "bob": {lesson(1): digest_of(FIRST[lesson(0)])}}
    facts = {
        "format": 2, "schema": "docusaurus", "numbering": None, "manifest_hash": digest_of(render(base)),
        "ingest_manifest": None, "files": 2, "bytes": 0,
    }  # fmt: skip
    head = [("book.json", json.dumps(facts).encode()), ("manifest.txt", render(base))]
    head.append(("overlays.json", json.dumps(overlays).encode()))
    blobs = [(digest_of(data), data) for data in (FIRST[lesson(0)], FIRST[lesson(1)], HERS)]
    return b"".join(pack.member(name, data) for name, data in [*head, *blobs]) + pack.END


_IMPORTED = {lesson(0): FIRST[lesson(0)], lesson(1): FIRST[lesson(1)]}
_WITH_ALICE = _IMPORTED | {f"alice {lesson(0)}": HERS}
_WITH_BOTH = _WITH_ALICE | {f"bob {lesson(1)}": FIRST[lesson(0)]}


async def _import(library: Library) -> object:
    """Repeated when all of it is there, it is refused: then there is nothing left to do."""
    try:
        return await library.import_book(BOOK, io.BytesIO(_exported()), CALLER)
    except Conflict:
        return None


def _folder_of(library: Library) -> Path:
    """Where this store's blobs lie; its right bytes are kept beside, in ``rescue``."""
    return Path(library._context.blobs._root)  # type: ignore[attr-defined]


async def _with_damage(library: Library) -> None:
    """One blob flipped and one gone, right bytes of both in a folder beside."""
    rescue = _folder_of(library).parent / "rescue"
    rescue.mkdir()
    for number, path in enumerate((lesson(0), ASSET)):
        data = FIRST[path]
        (rescue / f"{number}.bin").write_bytes(data)
        stored = _folder_of(library) / BlobKey(BOOK, 1, digest_of(data)).name
        if number:
            stored.unlink()
        else:
            stored.write_bytes(b"?" * len(data))


async def _repair(library: Library) -> object:
    depth = Depth(structure=True, wanted=lambda rows: {row.sha256 for row in rows})
    findings = [finding async for finding in library.inspect(depth)]
    rescue = str(_folder_of(library).parent / "rescue")
    return [done async for done in library.repair(findings, really=True, source=rescue)]


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
        Operation("delete book", _delete_book, {}, more=_with_site),
        Operation("keep site", _keep_site, dict(FIRST), later=timedelta(days=30), more=_with_site),
        Operation("overlay", _overlay, {**FIRST, f"alice {lesson(1)}": HERS}),
        Operation("resumed upload", _resumed, {**FIRST, ASSET.replace("picture", "other"): PICTURE}),
        Operation("prune", _prune, dict(FIRST), later=timedelta(days=400), more=_with_past),
        Operation("import", _import, _WITH_BOTH, before={}, between=(_IMPORTED, _WITH_ALICE)),
        Operation("repair", _repair, dict(FIRST), more=_with_damage, damaged=True),
        Operation("forged", _forged, dict(FIRST)),
    )
}
UNORDERED = ("migration", "repair")
"""Where the order of calls is another: nothing is acknowledged, or the bytes that are renamed are not ours."""
CRASHED = [name for name in OPERATIONS if name != "forged"]
"""What the crash runner breaks; ``forged`` is only there for a mutant."""
