"""Does every blob a commit names exist, and may this caller name it? (P3, S14: a digest is no capability.)"""

from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import BlobsMissing, InvalidArgument
from panaversity_fs.library.deciding import Decision, written
from panaversity_fs.library.staging import Staging
from panaversity_fs.library.views import BookView
from panaversity_fs.store.blob_rows import BlobRow, find_blobs, find_pins
from panaversity_fs.store.blobs import Stored
from panaversity_fs.store.database import Connection


async def require_blobs(
    connection: Connection, staging: Staging, before: BookView, decision: Decision, operation: str
) -> dict[Digest, tuple[Stored, BlobRow | None]]:
    """What is known of every blob the decision names, with its row if it has one.

    Bytes came with this request, or the caller may read them in the book already, or has pinned them by its own PUT.
    Raises ``BlobsMissing`` naming the rest, ``InvalidArgument`` when a declared size is not the blob's.
    """
    writes = written(decision.verdicts)
    wanted = {write.sha256 for write in writes}
    place = (staging.book_id, staging.incarnation)
    rows = await find_blobs(connection, *place, wanted)
    found: dict[Digest, tuple[Stored, BlobRow | None]] = {
        digest: (staging.stored[digest], rows.get(digest)) for digest in wanted & staging.stored.keys()
    }
    for digest in wanted - found.keys():
        row = rows.get(digest)
        if row is not None and row.state != "deleted" and digest in before.sizes:
            found[digest] = (Stored(row.size, row.crc32), row)
    if rest := wanted - found.keys():
        for pin in await find_pins(connection, *place, rest):
            if pin.subject == staging.subject and pin.stored is not None:
                found[pin.sha256] = (pin.stored, rows.get(pin.sha256))
    if missing := sorted(wanted - found.keys()):
        raise BlobsMissing(
            operation, staging.book_id, f"{len(missing)} blobs are not in the store", "Send their bytes and repeat",
            digests=missing,
        )  # fmt: skip
    for write in writes:
        if found[write.sha256][0].size != write.size:
            raise InvalidArgument(
                operation, write.path, f"declares {write.size} bytes but its blob has {found[write.sha256][0].size}",
                "Declare the size of the bytes sent", name="size", path=write.path,
            )  # fmt: skip
    return found
