"""``export`` and ``import``: a book as one tar that any store can take in.

Members in this order: ``book.json`` (format, schema, numbering, hashes, counts), ``manifest.txt``, then every blob
under its digest, sorted. The same state makes the same bytes: no times, ids or revisions. Base entries only; overlays
and the log stay, and the log is written beside for whoever wants to verify it. Whatever is taken in is verified first.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from panaversity_fs.core import pack
from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import EMPTY, Digest, digest_of, is_digest
from panaversity_fs.core.errors import Conflict, HashMismatch
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.core.schema import Schema
from panaversity_fs.library.absence import no_book
from panaversity_fs.library.answers import Caller, CommitResult, Plan
from panaversity_fs.library.commit import commit, open_staging
from panaversity_fs.library.context import Context
from panaversity_fs.library.deciding import CREATE
from panaversity_fs.library.lives import LIVE
from panaversity_fs.library.planning import plan
from panaversity_fs.library.reading import open_pack
from panaversity_fs.library.staging import Staging
from panaversity_fs.library.telling import manifest_text
from panaversity_fs.store import audit_rows
from panaversity_fs.store.blobs import CHUNK
from panaversity_fs.store.books import find_book

FORMAT = 1
_MAX_HEAD = 256 * CHUNK
_MAX_MEMBERS = 10_000_000
_SMALL = CHUNK // 4
_STEP = 2_000


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written; sizes in bytes."""

    manifest_hash: Digest
    files: int
    blobs: int
    log_entries: int


async def export_book(context: Context, book_id: str, target: BinaryIO, log: BinaryIO) -> Exported:
    """Write the book as it is now, promised first, so that nothing of it can go meanwhile."""
    promised = await plan(context, book_id, None, "all")
    if promised.warning is not None:
        raise no_book("export", book_id)
    text = await manifest_text(context, book_id, promised.manifest_hash)
    digests = sorted(set(parse(text, "export").values()))
    texts = await _source_text(context, book_id, promised)
    target.write(pack.member("book.json", _described(promised)))
    target.write(pack.member("manifest.txt", text))
    blobs = await open_pack(context, book_id, promised.manifest_hash, digests, Caller("export"))
    for blob in blobs:
        target.write(pack.header(blob.digest, blob.size))
        async for piece in blob.stream():
            target.write(piece)
        target.write(pack.padding(blob.size))
    for digest, data in texts.items():
        target.write(pack.member(digest, data))
    target.write(pack.END)
    return Exported(promised.manifest_hash, promised.total_files, len(blobs), await _write_log(context, book_id, log))


def _described(promised: Plan) -> bytes:
    facts = {
        "format": FORMAT, "schema": promised.schema, "numbering": promised.numbering,
        "manifest_hash": promised.manifest_hash, "ingest_manifest": promised.ingest_manifest,
        "files": promised.total_files, "bytes": promised.total_bytes,
    }  # fmt: skip
    return json.dumps(facts, sort_keys=True, indent=1).encode() + b"\n"


async def _source_text(context: Context, book_id: str, promised: Plan) -> dict[Digest, bytes]:
    """The text of the source last ingested, so that the next ingest can tell whose change is whose."""
    source = promised.ingest_manifest
    if source is None or source in (promised.manifest_hash, EMPTY):
        return {}
    return {source: await manifest_text(context, book_id, source)}


async def _write_log(context: Context, book_id: str, log: BinaryIO) -> int:
    """One JSON line an entry, each with the hash that chains it."""
    count = 0
    async with context.database.read("export") as connection:
        book = await find_book(connection, book_id)
        while book is not None:
            entries = await audit_rows.read_some(connection, book_id, book.incarnation, count or None, _STEP)
            if not entries:
                break
            for entry, stored in entries:
                log.write(json.dumps(asdict(entry) | {"entry_hash": stored}, sort_keys=True).encode() + b"\n")
            count += len(entries)
    return count


async def import_book(context: Context, book_id: str, source: BinaryIO, caller: Caller) -> CommitResult:
    """Let a book come about from an export; nothing of it is there unless all of it is right."""
    require_book_id(book_id, "import")
    async with context.database.read("import") as connection:
        book = await find_book(connection, book_id)
    if book is not None and book.state == LIVE:
        raise Conflict("import", book_id, "the book exists", "Choose another id, or delete it first")
    events = _events(source)
    facts, text = _head(events)
    entries = parse(text, "import")
    if digest_of(text) != facts["manifest_hash"]:
        raise _malformed("its manifest is not the one it promises")
    async with await open_staging(context, book_id, caller, "import") as staging:
        wanted = {digest for digest in (*entries.values(), facts["ingest_manifest"]) if digest is not None}
        wanted -= {facts["manifest_hash"]} - set(entries.values())
        await _take_in(staging, events, wanted)
        if facts["ingest_manifest"] == facts["manifest_hash"]:
            await staging.store_bytes(facts["manifest_hash"], text)
        changeset = Changeset(
            tuple(Write(path, digest, staging.stored[digest].size, None) for path, digest in entries.items()),
            schema=Schema(facts["schema"]), numbering=Numbering(facts["numbering"]) if facts["numbering"] else None,
            ingest_manifest=facts["ingest_manifest"], operation="import" if entries else CREATE,
        )  # fmt: skip
        return await commit(context, book_id, changeset, caller, staging=staging, with_manifest=True)


def _events(source: BinaryIO) -> Iterator[pack.Event]:
    reader = pack.PackReader(_MAX_MEMBERS, "import")
    while chunk := source.read(CHUNK):
        yield from reader.feed(chunk)
    reader.close()


def _head(events: Iterator[pack.Event]) -> tuple[dict[str, Any], bytes]:
    """The two members that say what follows."""
    facts_text = _whole(events, "book.json")
    text = _whole(events, "manifest.txt")
    try:
        facts = json.loads(facts_text)
        known = facts["format"] == FORMAT and is_digest(facts["manifest_hash"]) and Schema(facts["schema"])
        known = known and (facts["ingest_manifest"] is None or is_digest(facts["ingest_manifest"]))
        known = known and (facts["numbering"] is None or Numbering(facts["numbering"]))
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise _malformed("its book.json is of another format")
    return facts, text


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
