"""``export``: a book as one tar that any store can take in (``library.importing``).

Members in this order: ``book.json`` (format, schema, numbering, hashes, counts), ``manifest.txt``, on demand
``overlays.json`` (user → path → digest), then every blob under its digest, sorted. The same state makes the same bytes:
no times, ids or revisions. Overlays are left out unless they are asked for, because they are their users' own. The log
is written beside for whoever wants to verify it; it does not move into another store, which has one of its own.
"""

import json
from dataclasses import asdict, dataclass
from typing import BinaryIO

from panaversity_fs.core import pack
from panaversity_fs.core.digest import EMPTY, Digest
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.paths import BASE
from panaversity_fs.library.absence import no_book
from panaversity_fs.library.answers import Caller, Plan
from panaversity_fs.library.context import Context
from panaversity_fs.library.planning import plan
from panaversity_fs.library.reading import Blob, open_pack
from panaversity_fs.library.telling import manifest_text, require_book
from panaversity_fs.store import audit_rows
from panaversity_fs.store.blob_rows import find_blobs
from panaversity_fs.store.books import find_book
from panaversity_fs.store.endings import living_everywhere

FORMAT = 1
WITH_OVERLAYS = 2
"""The format of an export that holds overlays: whoever does not know them refuses it."""
Overlays = dict[str, dict[str, Digest]]
"""User → path → digest."""
_STEP = 2_000


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, counted; ``log_entries`` with those that were pruned."""

    manifest_hash: Digest
    files: int
    overlay_files: int
    blobs: int
    log_entries: int


async def export_book(
    context: Context, book_id: str, target: BinaryIO, log: BinaryIO, *, overlays: bool = False
) -> Exported:
    """Write the book as it is now, promised first, so that nothing of it can go meanwhile. Raises ``NotFound``, and for
    an overlay that is changed and collected meanwhile ``Unavailable``."""
    promised = await plan(context, book_id, None, "all")
    if promised.warning is not None:
        raise no_book("export", book_id)
    text = await manifest_text(context, book_id, promised.manifest_hash)
    digests = sorted(set(parse(text, "export").values()))
    texts = await _source_text(context, book_id, promised)
    layers, own = await _overlays(context, book_id, set(digests) | texts.keys()) if overlays else ({}, [])
    target.write(pack.member("book.json", _described(promised, layers)))
    target.write(pack.member("manifest.txt", text))
    if layers:
        target.write(pack.member("overlays.json", json.dumps(layers, sort_keys=True, indent=1).encode() + b"\n"))
    blobs = await open_pack(context, book_id, promised.manifest_hash, digests, Caller("export"))
    for blob in sorted([*blobs, *own], key=lambda blob: blob.digest):
        target.write(pack.header(blob.digest, blob.size))
        async for piece in blob.stream():
            target.write(piece)
        target.write(pack.padding(blob.size))
    for digest, data in texts.items():
        target.write(pack.member(digest, data))
    target.write(pack.END)
    lines = await _write_log(context, book_id, log)
    overlay_files = sum(map(len, layers.values()))
    return Exported(promised.manifest_hash, promised.total_files, overlay_files, len(blobs) + len(own), lines)


async def _overlays(context: Context, book_id: str, known: set[Digest]) -> tuple[Overlays, list[Blob]]:
    """What every overlay holds, and those of its blobs that are not ``known``."""
    async with context.database.read("export") as connection:
        book = await require_book(connection, book_id, "export")
        held = [entry for entry in await living_everywhere(connection, book_id) if entry[0] != BASE]
        rows = await find_blobs(connection, book_id, book.incarnation, {digest for _, _, digest in held} - known)
    layers: Overlays = {}
    for user_id, path, digest in held:
        layers.setdefault(user_id, {})[path] = digest
    return layers, [Blob(digest, row.size, row.key, context.blobs) for digest, row in rows.items()]


def _described(promised: Plan, layers: Overlays) -> bytes:
    facts = {
        "format": WITH_OVERLAYS if layers else FORMAT, "schema": promised.schema, "numbering": promised.numbering,
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
    """One JSON line an entry, each with the hash that chains it; of a pruned one its number and hash."""
    count = 0
    async with context.database.read("export") as connection:
        book = await find_book(connection, book_id)
        while book is not None:
            lines = await audit_rows.read_log(connection, book_id, book.incarnation, count or None, _STEP)
            if not lines:
                break
            for entry, stored in lines:
                log.write(json.dumps(asdict(entry) | {"entry_hash": stored}, sort_keys=True).encode() + b"\n")
            count += len(lines)
    return count
