"""``rebuild``: a database was lost, its blobs are alive, and somebody knows the hash of a manifest (F17).

The manifest's text is a blob, so the base entries it names can have rows again over the objects that are there, each
read and verified. What cannot come back: overlays, revisions nobody was told, the audit log, schema and numbering (say
them), and any other promise. Refuses an id that has a row. Works in the same life of the book, whose objects it keeps.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import Digest, short
from panaversity_fs.core.errors import Conflict, HashMismatch, NotFound
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.core.schema import Schema
from panaversity_fs.library.answers import Caller, CommitResult
from panaversity_fs.library.commit import commit
from panaversity_fs.library.context import Context, require_writer
from panaversity_fs.library.staging import Staging
from panaversity_fs.store.blob_states import give_up
from panaversity_fs.store.blobs import BlobKey, Checker, Listed, Stored, verified
from panaversity_fs.store.books import find_book
from panaversity_fs.store.facts import REBUILT, remember
from panaversity_fs.store.outcomes import again

OPERATION = "rebuild"


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """What a manifest does not say of its book."""

    schema: Schema = Schema.DOCUSAURUS
    numbering: Numbering | None = None


async def rebuild(
    context: Context, book_id: str, manifest: Digest, caller: Caller, settings: Rebuilding
) -> CommitResult:
    """Let the book hold what the manifest names. Raises ``Conflict`` for a book that has a row, ``NotFound`` when no
    life of it holds the manifest's text, ``HashMismatch`` listing the digests that are missing or damaged."""
    require_writer(context, require_book_id(book_id, OPERATION), caller, OPERATION)
    async with context.database.read(OPERATION) as connection:
        if await find_book(connection, book_id) is not None:
            raise Conflict(OPERATION, book_id, "the book has rows", "Only a lost book can be made again")
    incarnation, listed = await _find_life(context, book_id, manifest)
    text = listed[manifest]
    data = b"".join([piece async for piece in verified(context.blobs, text.key, text.size)])
    entries = parse(data, OPERATION)
    stored = await _read_all(context, listed, {manifest, *entries.values()})
    writes = tuple(Write(path, digest, listed[digest].size, None) for path, digest in entries.items())
    changeset = Changeset(writes, schema=settings.schema, numbering=settings.numbering, operation=OPERATION)
    await remember(context.database, REBUILT, context.clock().isoformat())
    await _give_up(context, book_id, incarnation, [found.key for found in listed.values()])
    async with Staging(context, book_id, incarnation, caller.subject) as staging:
        await staging.adopt({listed[digest].key: known for digest, known in stored.items()})
        return await commit(context, book_id, changeset, caller, staging=staging, with_manifest=True)


@again(undecided=True)
async def _give_up(context: Context, book_id: str, incarnation: int, keys: Collection[BlobKey]) -> None:
    """Let nothing be put under a name that a collector may still be about to remove."""
    async with context.database.write(OPERATION, book_id) as connection:
        await give_up(connection, book_id, incarnation, keys)


async def _find_life(context: Context, book_id: str, manifest: Digest) -> tuple[int, dict[Digest, Listed]]:
    """The last life of the book whose objects hold the manifest's text, and its objects, latest generations."""
    lives = sorted((number for book, number in await context.blobs.places() if book == book_id), reverse=True)
    for incarnation in lives:
        listed: dict[Digest, Listed] = {}
        async for found in context.blobs.keys(book_id, incarnation):
            known = listed.get(found.key.digest)
            if known is None or known.key.generation < found.key.generation:
                listed[found.key.digest] = found
        if manifest in listed:
            return incarnation, listed
    raise NotFound(
        OPERATION, f"{book_id} {short(manifest)}", "the store holds no text of this manifest",
        "Look into .panaversity/manifest.json of a hydrated book for a hash it was told", kind="manifest",
    )  # fmt: skip


async def _read_all(context: Context, listed: Mapping[Digest, Listed], wanted: set[Digest]) -> dict[Digest, Stored]:
    """Length and CRC-32 of every wanted object, hashed on the way."""
    stored, bad = {}, sorted(wanted - listed.keys())
    for digest in wanted & listed.keys():
        try:
            stored[digest] = await _read(context, listed[digest].key, listed[digest].size)
        except (HashMismatch, NotFound):
            bad.append(digest)
    if bad:
        raise HashMismatch(
            OPERATION, "store", f"{len(bad)} blobs the manifest names are missing or damaged",
            "Restore them or the database from a backup", digests=sorted(bad),
        )  # fmt: skip
    return stored


async def _read(context: Context, key: BlobKey, size: int) -> Stored:
    checker = Checker(key.digest, size, OPERATION)
    async for piece in context.blobs.stream(key, 0, size):
        checker.update(piece)
    return checker.finish()
