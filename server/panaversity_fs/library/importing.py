"""``import``: a book out of an export (``library.exporting``), in whatever store it was made.

Everything is verified before anything is named, and the book comes about in one commit. Overlays follow, one commit a
user: an import that dies in between is finished by repeating it, as long as nothing else happened to the book. The
export's log stays a file: this store's own log begins with the import. Does not know files.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from panaversity_fs.core import pack
from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import Digest, digest_of, is_digest
from panaversity_fs.core.errors import Conflict, HashMismatch, SchemaViolation
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import BASE, require_book_id, require_user_id
from panaversity_fs.core.schema import Schema
from panaversity_fs.library.answers import Caller
from panaversity_fs.library.commit import commit, open_staging
from panaversity_fs.library.context import Context
from panaversity_fs.library.deciding import CREATE
from panaversity_fs.library.exporting import FORMAT, WITH_OVERLAYS, Overlays
from panaversity_fs.library.lives import LIVE
from panaversity_fs.library.staging import Staging
from panaversity_fs.store.blobs import CHUNK
from panaversity_fs.store.books import BookRow, find_book
from panaversity_fs.store.endings import living_everywhere

_MAX_HEAD = 256 * CHUNK
_MAX_MEMBERS = 10_000_000
_SMALL = CHUNK // 4


@dataclass(frozen=True, slots=True)
class Imported:
    """What is there now. ``refused`` names overlay entries, as (user, path), that cannot join: the base has taken
    their names since they were written."""

    manifest_hash: Digest
    files: int
    overlay_files: int
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Export:
    """What the head of an export says."""

    facts: Mapping[str, Any]
    manifest: bytes
    entries: Mapping[str, Digest]
    overlays: Overlays

    @property
    def wanted(self) -> set[Digest]:
        """The blobs that have to follow."""
        named = {*self.entries.values(), *(d for held in self.overlays.values() for d in held.values())}
        source, own = self.facts["ingest_manifest"], self.facts["manifest_hash"]
        return named | ({source} if source is not None and source != own else set())


async def import_book(context: Context, book_id: str, source: BinaryIO, caller: Caller) -> Imported:
    """Let a book come about from an export; nothing of it is there unless all of it is right.

    Raises ``Conflict`` where there is a book, unless it is what an interrupted import of this very export left.
    """
    require_book_id(book_id, "import")
    events = _events(source)
    export = _head(events)
    begun = await _begun(context, book_id, export)
    async with await open_staging(context, book_id, caller, "import") as staging:
        await _take_in(staging, events, export.wanted)
        if export.facts["ingest_manifest"] == export.facts["manifest_hash"]:
            await staging.store_bytes(export.facts["manifest_hash"], export.manifest)
        if begun is None:
            await commit(context, book_id, _base(export, staging), caller, staging=staging, with_manifest=True)
        await context.pause("imported base")
        refused: list[tuple[str, str]] = []
        for user_id, held in sorted(export.overlays.items()):
            if begun is None or user_id not in begun:
                refused += await _restore(context, book_id, user_id, held, caller, staging)
    count = sum(map(len, export.overlays.values())) - len(refused)
    return Imported(export.facts["manifest_hash"], len(export.entries), count, tuple(refused))


async def _begun(context: Context, book_id: str, export: Export) -> set[str] | None:
    """The users whose overlays an interrupted import has restored already; None where there is no book yet."""
    async with context.database.read("import") as connection:
        book = await find_book(connection, book_id)
        if book is None or book.state != LIVE:
            return None
        view = await context.views.load(connection, book)
        layers: dict[str, dict[str, Digest]] = {}
        for user_id, path, digest in await living_everywhere(connection, book_id):
            if user_id != BASE:
                layers.setdefault(user_id, {})[path] = digest
    restored = {user_id for user_id, held in layers.items() if held.items() <= export.overlays.get(user_id, {}).items()}
    is_ours = view.manifest_hash == export.facts["manifest_hash"] and restored == layers.keys()
    if not is_ours or not export.overlays.keys() - restored or not _just_made(book):
        raise Conflict("import", book_id, "the book exists", "Choose another id, or delete it first")
    return restored


def _just_made(book: BookRow) -> bool:
    """True while the base was written once at most."""
    return book.base_revision <= 1


def _base(export: Export, staging: Staging) -> Changeset:
    facts = export.facts
    return Changeset(
        _writes(export.entries, staging),
        schema=Schema(facts["schema"]), numbering=Numbering(facts["numbering"]) if facts["numbering"] else None,
        ingest_manifest=facts["ingest_manifest"], operation="import" if export.entries else CREATE,
    )  # fmt: skip


def _writes(held: Mapping[str, Digest], staging: Staging) -> tuple[Write, ...]:
    return tuple(Write(path, digest, staging.stored[digest].size, None) for path, digest in held.items())


async def _restore(
    context: Context, book_id: str, user_id: str, held: Mapping[str, Digest], caller: Caller, staging: Staging
) -> list[tuple[str, str]]:
    """Let one user's overlay hold this. Answers what cannot join (a base may take a name that an overlay held)."""
    left, refused = dict(held), list[tuple[str, str]]()
    while left:
        changeset = Changeset(_writes(left, staging), user_id=user_id, operation="import")
        try:
            await commit(context, book_id, changeset, caller, staging=staging)
            break
        except SchemaViolation as fault:
            path = str(fault.details.get("path"))
            if path not in left:
                raise
            del left[path]
            refused.append((user_id, path))
    return refused


def _events(source: BinaryIO) -> Iterator[pack.Event]:
    reader = pack.PackReader(_MAX_MEMBERS, "import")
    while chunk := source.read(CHUNK):
        yield from reader.feed(chunk)
    reader.close()


def _head(events: Iterator[pack.Event]) -> Export:
    """The members that say what follows."""
    facts_text = _whole(events, "book.json")
    text = _whole(events, "manifest.txt")
    try:
        facts = json.loads(facts_text)
        known = facts["format"] in (FORMAT, WITH_OVERLAYS) and is_digest(facts["manifest_hash"])
        known = known and (facts["ingest_manifest"] is None or is_digest(facts["ingest_manifest"]))
        known = known and Schema(facts["schema"]) in Schema
        known = known and (facts["numbering"] is None or Numbering(facts["numbering"]) in Numbering)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise _malformed("its book.json is of another format")
    if digest_of(text) != facts["manifest_hash"]:
        raise _malformed("its manifest is not the one it promises")
    layers = _layers(_whole(events, "overlays.json")) if facts["format"] == WITH_OVERLAYS else {}
    return Export(facts, text, parse(text, "import"), layers)


def _layers(text: bytes) -> Overlays:
    """Whose overlays hold what. Raises ``HashMismatch`` for what is no such list, ``InvalidArgument`` for a name that
    is no user's."""
    try:
        layers = json.loads(text)
        known = all(is_digest(digest) for held in layers.values() for digest in held.values())
    except (ValueError, TypeError, AttributeError, RecursionError):
        known = False
    if not known:
        raise _malformed("its overlays.json is of another form")
    for user_id in layers:
        require_user_id(user_id, "import")
    return layers  # type: ignore[no-any-return]


def _whole(events: Iterator[pack.Event], name: str) -> bytes:
    begin = next(events, None)
    if not isinstance(begin, pack.Begin) or begin.name != name or begin.size > _MAX_HEAD:
        raise _malformed(f"the member {name} is not where it belongs")
    return b"".join(_body(events))


def _body(events: Iterator[pack.Event]) -> Iterator[bytes]:
    while isinstance(event := next(events, None), bytes):
        yield event


async def _take_in(staging: Staging, events: Iterator[pack.Event], wanted: set[Digest]) -> None:
    """Every wanted blob once, and nothing else; each is verified on its way."""
    await staging.expect(wanted)
    for event in events:
        assert isinstance(event, pack.Begin)
        digest = Digest(event.name)
        if digest not in wanted or digest in staging.stored:
            raise _malformed("it holds a member that its manifest does not name")
        if event.size <= _SMALL:
            await staging.store_bytes(digest, b"".join(_body(events)))
        else:
            await staging.store(digest, event.size, _streamed(events))
    if missing := wanted - staging.stored.keys():
        raise _malformed(f"it lacks {len(missing)} blobs that its manifest names")


async def _streamed(events: Iterator[pack.Event]) -> AsyncIterator[bytes]:
    for piece in _body(events):
        yield piece


def _malformed(problem: str) -> HashMismatch:
    return HashMismatch("import", "export file", problem, "Export the book again")
