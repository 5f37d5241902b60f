"""``fsck --repair``: what can be put right without guessing, and nothing is ever deleted by it (P16, F14, F15).

Bad bytes are moved to quarantine; right ones are taken from a folder that has them, verified as any upload; a
collection that was cut off is finished. What remains is named, with the paths to send again. Does not look for damage
itself (``library.inspecting``).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import HashMismatch, NotFound, ReadOnly
from panaversity_fs.library.collecting import finish, log_upkeep
from panaversity_fs.library.context import Context
from panaversity_fs.library.inspecting import Finding
from panaversity_fs.library.staging import Staging
from panaversity_fs.store.blob_rows import find_blobs
from panaversity_fs.store.blob_states import Place, known_places, rows_of
from panaversity_fs.store.blobs import BlobKey, verified
from panaversity_fs.store.folder_search import files_by_digest, read_file
from panaversity_fs.store.outcomes import again

OPERATION = "fsck"
Action = Literal["quarantine", "restore", "send again", "finish collection"]


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that was done, or would be: ``done`` is False in a dry run and for what somebody else must do."""

    action: Action
    book_id: str
    incarnation: int
    done: bool
    digest: Digest | None = None
    paths: tuple[str, ...] = ()
    detail: str = ""

    def to_wire(self) -> dict[str, Any]:
        """The JSON line."""
        return {
            "repair": self.action, "book": self.book_id, "incarnation": self.incarnation, "digest": self.digest,
            "paths": list(self.paths), "done": self.done, "detail": self.detail,
        }  # fmt: skip


async def repair(
    context: Context, findings: Sequence[Finding], *, really: bool, source: str | None
) -> AsyncIterator[Repair]:
    """Put right what was found; without ``really`` only say how. ``source`` is a folder that may hold right bytes."""
    if really and context.read_only:
        raise ReadOnly(OPERATION, "store", "the server is in read-only mode", "Run it without --yes")
    bad = {finding.key: finding for finding in findings if finding.key and finding.kind in ("corrupt", "missing")}
    sizes = await _sizes(context, bad)
    found = await files_by_digest(source, sizes) if source is not None and bad else {}
    for key, finding in bad.items():
        if finding.kind == "corrupt":
            moved = await _quarantine(context, key, sizes[key.digest]) if really else ""
            yield _repair("quarantine", finding, done=really, detail=moved)
        if key.digest in found:
            restored = await _restore(context, key, found[key.digest]) if really else False
            yield _repair("restore", finding, done=restored, detail=found[key.digest])
        else:
            yield _repair("send again", finding, done=False, detail="name a folder that holds it with --from")
    async for done in _finish(context, really):
        yield done


def _repair(action: Action, finding: Finding, *, done: bool, detail: str) -> Repair:
    return Repair(action, finding.book_id, finding.incarnation, done, finding.digest, finding.paths, detail)


async def _sizes(context: Context, keys: Iterable[BlobKey]) -> dict[Digest, int]:
    sizes: dict[Digest, int] = {}
    async with context.database.read(OPERATION) as connection:
        for key in keys:
            rows = await find_blobs(connection, key.book_id, key.incarnation, [key.digest])
            sizes |= {digest: row.size for digest, row in rows.items()}
    return sizes


async def _quarantine(context: Context, key: BlobKey, size: int) -> str:
    """Move the object aside, unless it was replaced by right bytes since it was judged; where it is now."""
    try:
        async for _ in verified(context.blobs, key, size):
            pass
    except HashMismatch:
        place = await context.blobs.quarantine(key)
        await _log(context, key)
        return place
    except NotFound:
        return ""
    return "the bytes are right again"


async def _restore(context: Context, key: BlobKey, path: str) -> bool:
    """Put the file's bytes under the key they belong to; True when they are there afterwards."""
    async with Staging(context, key.book_id, key.incarnation, OPERATION) as staging:
        await staging.store(key.digest, None, read_file(path))
        await staging.publish()
        there = await context.blobs.size(key) is not None
    if there:
        await _log(context, key)
    return there


@again(undecided=False)
async def _log(context: Context, key: BlobKey) -> None:
    async with context.database.write(OPERATION, key.book_id) as connection:
        await log_upkeep(context, connection, key.book_id, OPERATION, [key])


async def _finish(context: Context, really: bool) -> AsyncIterator[Repair]:
    async with context.database.read(OPERATION) as connection:
        places: list[Place] = sorted(await known_places(connection))
        begun = {place: [r for r in await rows_of(connection, *place) if r.state == "deleted"] for place in places}
    for place, rows in begun.items():
        if rows:
            if really:
                await finish(context, place, rows)
            yield Repair("finish collection", *place, really, detail=f"{len(rows)} blobs were given up before")
