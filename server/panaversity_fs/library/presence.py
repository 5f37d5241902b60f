"""Does every blob a commit names exist, and may this caller name it? (P3, S14: a digest is no capability.)"""

from collections.abc import Collection, Container
from datetime import UTC, datetime

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import BlobsMissing, InvalidArgument
from panaversity_fs.library.deciding import Decision, written
from panaversity_fs.library.overlays import Overlay
from panaversity_fs.library.staging import Staging
from panaversity_fs.library.views import BookView
from panaversity_fs.store.blob_rows import BlobRow, find_blobs, find_pins
from panaversity_fs.store.blobs import BlobKey, Stored
from panaversity_fs.store.database import Connection

Found = dict[Digest, BlobRow]
"""The row of every blob a commit names; one it is about to get has the state ``ABSENT``."""
ABSENT = "absent"


class Readable:
    """The digests a caller may read in a book already: the base's and the own overlay's.

    Gathered when the first is asked for, which a write that brings its bytes never does: in a book of ten thousand
    lessons that would cost more than the write.
    """

    def __init__(self, view: BookView, own: Overlay | None) -> None:
        self._view, self._own = view, own

    def __contains__(self, digest: object) -> bool:
        return digest in self._view.sizes or (self._own is not None and digest in self._own.sizes)


async def staged(connection: Connection, staging: Staging, digests: Collection[Digest]) -> Found:
    """The rows of those of these digests whose bytes came with this upload, as far as nobody can take them away.

    The row decides, under the lock and after the bytes were put (RELIABILITY 4): living or condemned, its own object is
    there, whatever we put; without one, or while its object is being deleted, ours must still be pinned.
    """
    sent = staging.stored.keys() & set(digests)
    rows = await find_blobs(connection, staging.book_id, staging.incarnation, sent)
    held = await staging.held(connection, sent)
    found: Found = {}
    for digest in sent:
        row = rows.get(digest)
        if row is not None and row.state != "deleted":
            found[digest] = row
        elif digest in held:
            found[digest] = _newcomer(held[digest], staging.stored[digest])
    return found


async def _offered(connection: Connection, staging: Staging, wanted: Collection[Digest]) -> Found:
    """Put what was offered and is wanted, here under the lock: nobody can take it before the commit names it."""
    known = await staging.put_offered(connection, wanted)
    return {
        digest: row or _newcomer(staging.key(digest), staging.stored[digest]) for digest, row in known.items()
    }  # fmt: skip


async def _sent_or_readable(
    connection: Connection, staging: Staging, readable: Container[Digest], wanted: Collection[Digest]
) -> Found:
    place = (staging.book_id, staging.incarnation)
    rows = await find_blobs(connection, *place, wanted)
    found = await staged(connection, staging, wanted)
    for digest in wanted - found.keys():
        row = rows.get(digest)
        if row is not None and row.state != "deleted" and digest in readable:
            found[digest] = row
    if rest := wanted - found.keys():
        for pin in await find_pins(connection, *place, rest):
            if pin.subject == staging.subject and pin.stored is not None:
                row = rows.get(pin.sha256)
                found[pin.sha256] = row if row and row.state != "deleted" else _newcomer(pin.key, pin.stored)
    return found


def _newcomer(key: BlobKey, stored: Stored) -> BlobRow:
    return BlobRow(
        key.book_id, key.incarnation, key.digest, key.generation, stored.size, stored.crc32, ABSENT,
        datetime.min.replace(tzinfo=UTC),
    )  # fmt: skip


async def require_blobs(
    connection: Connection, staging: Staging, readable: Container[Digest], decision: Decision, operation: str
) -> Found:
    """What is known of every blob the decision names.

    Bytes came with this request, or are ``readable`` for the caller in the book already, or it has pinned them by its
    own PUT. Nothing tells a digest that another user's overlay names from one nobody knows (P11).
    Raises ``BlobsMissing`` naming the rest, ``InvalidArgument`` when a declared size is not the blob's.
    """
    writes = written(decision.verdicts)
    wanted = {write.sha256 for write in writes}
    found = await _offered(connection, staging, wanted)
    if rest := wanted - found.keys():
        found |= await _sent_or_readable(connection, staging, readable, rest)
    if missing := sorted(wanted - found.keys()):
        raise BlobsMissing(
            operation, staging.book_id, f"{len(missing)} blobs are not in the store", "Send their bytes and repeat",
            digests=missing,
        )  # fmt: skip
    for write in writes:
        if found[write.sha256].size != write.size:
            raise InvalidArgument(
                operation, write.path, f"declares {write.size} bytes but its blob has {found[write.sha256].size}",
                "Declare the size of the bytes sent", name="size", path=write.path,
            )  # fmt: skip
    return found
