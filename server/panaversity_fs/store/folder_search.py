"""Looking for bytes in a folder that is no store: a source tree or a hydrated book, by digest (fsck --from).

Reads; does not know what the bytes are for. Links are not followed.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from hashlib import sha256

from anyio import to_thread

from panaversity_fs.core.digest import Digest
from panaversity_fs.store.blobs import CHUNK
from panaversity_fs.store.durable import storage_errors


async def files_by_digest(folder: str, sizes: Mapping[Digest, int]) -> dict[Digest, str]:
    """Where the bytes of these digests lie below ``folder``; only files of a wanted size are read."""
    with storage_errors("search"):
        return await to_thread.run_sync(lambda: dict(_search(folder, sizes)))


def _search(folder: str, sizes: Mapping[Digest, int]) -> Iterator[tuple[Digest, str]]:
    wanted = set(sizes.values())
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if os.path.islink(path) or not os.path.isfile(path) or os.stat(path).st_size not in wanted:
                continue
            hashed = sha256()
            with open(path, "rb") as file:
                while piece := file.read(CHUNK):
                    hashed.update(piece)
            digest = Digest(hashed.hexdigest())
            if digest in sizes:
                yield digest, path


async def read_file(path: str) -> AsyncIterator[bytes]:
    """A file in steps of ``CHUNK``."""
    with storage_errors("read"):
        file = await to_thread.run_sync(open, path, "rb", 0)
        with file:
            while piece := await to_thread.run_sync(file.read, CHUNK):
                yield piece
