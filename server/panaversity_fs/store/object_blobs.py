"""Blobs in an object store: Amazon S3, Cloudflare R2, Google's XML interface, MinIO and their like (D13, DESIGN 6).

Knows how the blob port is said in objects; requests are ``object_client``'s, and how blobs come in ``object_batch``'s.
Needs of its key: to get, put and delete objects, to list the bucket, to list and abort multipart uploads.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from functools import partial

from panaversity_fs.store.blobs import Batch, BlobKey, Leftover, Listed, absent
from panaversity_fs.store.object_batch import ObjectBatch
from panaversity_fs.store.object_client import ObjectClient
from panaversity_fs.store.object_many import all_of
from panaversity_fs.store.object_partials import ObjectPartials
from panaversity_fs.store.object_place import ObjectPlace
from panaversity_fs.store.object_probe import require_conditional, require_usable
from panaversity_fs.store.object_retry import Retry
from panaversity_fs.store.object_uploads import OpenUpload, OpenUploads
from panaversity_fs.store.partials import Partials

_CHECK_SECONDS = 5.0
_UPLOAD = "?uploadId="
"""Between name and number of an unfinished multipart upload; no object's name holds it."""


class ObjectBlobs:
    """The adapter for one bucket. ``read_only`` never writes, so it does not try out conditional PUTs either."""

    backend = "s3"
    prompt = False

    def __init__(
        self, place: ObjectPlace, *, read_only: bool = False, retry: Retry | None = None,
        client: ObjectClient | None = None,
    ) -> None:  # fmt: skip
        self.place = place
        self._client = client or ObjectClient(place, retry)
        self._uploads = OpenUploads(place, self._client.retry)
        self._partials = ObjectPartials(self._client)
        self.partials: Partials = self._partials
        self._parts: dict[str, ObjectBlobs] = {}
        self._tried = read_only

    def apart(self, part: str) -> "ObjectBlobs":
        if part not in self._parts:
            client = self._client.below(part)
            self._parts[part] = ObjectBlobs(client.place, read_only=True, client=client)
        return self._parts[part]

    def batch(self, owner: str = "") -> Batch:  # noqa: ARG002 - nothing is on its way under an owner's name
        return ObjectBatch(self._client)

    async def size(self, key: BlobKey) -> int | None:
        return await self._client.size(key.name)

    async def stream(self, key: BlobKey, start: int, end: int) -> AsyncIterator[bytes]:
        if start >= end and await self._client.size(key.name) is None:
            raise absent(key)
        try:
            async for piece in self._client.stream(key.name, start, end):
                yield piece
        except LookupError as fault:
            raise absent(key) from fault

    async def read_many(self, keys: Sequence[BlobKey]) -> list[bytes]:
        found: list[bytes] = [b""] * len(keys)

        async def read(index: int) -> None:
            data = await self._client.read(keys[index].name)
            if data is None:
                raise absent(keys[index])
            found[index] = data

        await all_of([partial(read, index) for index in range(len(keys))])
        return found

    async def link(self, key: BlobKey, seconds: float) -> str | None:
        return await self._client.link(key.name, seconds)

    async def remove(self, key: BlobKey) -> None:
        await self._client.remove(key.name)

    async def remove_many(self, keys: Sequence[BlobKey]) -> None:
        await self._client.remove_many([key.name for key in keys])

    async def places(self) -> set[tuple[str, int]]:
        found = set[tuple[str, int]]()

        async def look(book_id: str) -> None:
            numbers = await self._client.folders(f"books/{book_id}/")
            found.update((book_id, int(number)) for number in numbers if number.isdecimal())

        await all_of([partial(look, book_id) for book_id in await self._client.folders("books/")])
        return found

    async def keys(self, book_id: str, incarnation: int) -> AsyncIterator[Listed]:
        async for name, size in self._client.names(f"books/{book_id}/{incarnation}/blobs/"):
            key = BlobKey.named(book_id, incarnation, name.rpartition("/")[2])
            if key is not None and key.name == name:
                yield Listed(key, size)

    async def leftovers(self, book_id: str, incarnation: int) -> Sequence[Leftover]:
        waiting = await self._partials.leftovers(book_id, incarnation)
        return [*waiting, *await self._unfinished(book_id, incarnation)]

    async def _unfinished(self, book_id: str, incarnation: int) -> list[Leftover]:
        """Parts of large blobs: nothing of them says who sends them, but their name says what they are to become."""
        found = []
        for upload in await self._uploads.below(f"books/{book_id}/{incarnation}/"):
            key = BlobKey.named(book_id, incarnation, upload.name.rpartition("/")[2])
            found.append(Leftover(f"{upload.name}{_UPLOAD}{upload.upload_id}", "", key))
        return found

    async def remove_leftover(self, leftover: Leftover) -> None:
        name, is_upload, upload_id = leftover.name.partition(_UPLOAD)
        if is_upload:
            await self._uploads.abort(OpenUpload(name, upload_id))
        else:
            await self._partials.remove_named(name)

    async def quarantine(self, key: BlobKey) -> str:
        name = f"books/{key.book_id}/{key.incarnation}/quarantine/{key.digest}-{secrets.token_hex(4)}"
        if not await self._client.copy(key.name, name, "quarantine"):
            raise absent(key)
        await self._client.remove(key.name, "quarantine")
        return name

    async def check(self) -> None:
        await require_usable(self._client, _CHECK_SECONDS)
        if not self._tried:
            await require_conditional(self._client)
            self._tried = True
