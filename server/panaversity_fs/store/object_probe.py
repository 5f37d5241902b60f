"""Does this store keep the promise that a conditional PUT makes? Asked once, before it is relied on (RELIABILITY 3).

Some stores ignore ``If-None-Match: *`` in silence and overwrite. Knows two PUTs under a name that nobody uses.
"""

import logging
import secrets

from panaversity_fs.core.errors import Unavailable
from panaversity_fs.store.object_client import ObjectClient

logger = logging.getLogger("panaversity_fs.store")
_FOLDER = "probes"


async def require_usable(client: ObjectClient, seconds: float | None = None) -> None:
    """Raise ``Unavailable`` unless the bucket is there and may be read."""
    await client.read(f"{_FOLDER}/nothing", "check", seconds)


async def require_conditional(client: ObjectClient) -> None:
    """Raise ``Unavailable`` unless a second PUT of one name is refused, or that is not relied on."""
    name = f"{_FOLDER}/{secrets.token_hex(16)}"
    try:
        await client.create(name, b"first", "start")
        honoured = await client.create(name, b"second one", "start") is None
    finally:
        await client.remove(name, "start")
    if honoured:
        return
    if client.place.conditional == "require":
        raise Unavailable(
            "start", "blob store", "ignores If-None-Match and overwrites what is there",
            "Use another store, or set PANAVERSITY_S3_CONDITIONAL=lock to rely on the book's lock alone", backend="s3",
        )  # fmt: skip
    logger.info("the object store ignores If-None-Match: relying on the lock of each book alone")
