"""One bucket through ``obstore``: small steps that are tried again, bounded in number, time and memory.

Knows requests and names; does not know blobs, digests or what a name means. Every method raises typed errors only.

Requests are tried again here, where an unknown outcome can be resolved; only the parts of large objects are tried again
inside of ``obstore``, which alone knows them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import anyio
import obstore

from panaversity_fs.store.blobs import CHUNK
from panaversity_fs.store.object_connection import connection
from panaversity_fs.store.object_faults import VENDOR_FAULTS, judge, typed
from panaversity_fs.store.object_many import AT_ONCE, all_of
from panaversity_fs.store.object_place import ObjectPlace
from panaversity_fs.store.object_retry import Refusal, Retry

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

PART = 8 * CHUNK
"""Bytes of one part of a large object: 10,000 parts, S3's bound, are 80 GiB."""
_PAGE = 1000
"""Names asked for at once; the most that S3 gives."""
QUICK = CHUNK // 8
"""Bytes up to which an object is sent within one attempt's time; more are given time of their own."""
_PARTS_AT_ONCE = 2
_LONG_SECONDS = 30.0
"""Seconds that a large object is given beside those for its bytes."""

_Result = TypeVar("_Result")


class ObjectClient:
    """Requests to one bucket, below one prefix."""

    def __init__(self, place: ObjectPlace, retry: Retry | None = None, room: anyio.Semaphore | None = None) -> None:
        self.place = place
        self.retry = retry or Retry(place.patience)
        self._room = room or anyio.Semaphore(AT_ONCE)
        self._quick = connection(place)
        self._long = connection(place, lasting=True)
        self._ranges = self._knows_bulk = True

    @cached_property
    def _sending(self) -> "S3Store":
        """For what takes longer than an attempt to be sent; the time is kept here."""
        return connection(self.place, lasting=True, silence=self.place.patience.sending(PART))

    @cached_property
    def _parts(self) -> "S3Store":
        """For large objects, which most processes never send."""
        patience = self.place.patience
        silence = patience.sending(_PARTS_AT_ONCE * PART)
        return connection(self.place, lasting=True, silence=silence, retries=patience.tries)

    @cached_property
    def _bulk(self) -> "S3Store":
        return connection(self.place, bulk=True)

    def below(self, part: str) -> "ObjectClient":
        """The same bucket below a further prefix; requests in flight are counted together."""
        place = self.place
        return ObjectClient(replace(place, prefix=place.below(part)), self.retry, self._room)

    async def _ask(
        self, operation: str, attempt: Callable[[int], Awaitable[_Result]], total: float | None = None
    ) -> _Result:
        async with self._room:
            return await self.retry.call(operation, attempt, total)

    async def size(self, name: str, operation: str = "read") -> int | None:
        """Length in bytes, or None where nothing is."""

        async def head(_failed: int) -> int:
            return int((await obstore.head_async(self._quick, name))["size"])

        try:
            return await self._ask(operation, head)
        except Refusal as refusal:
            refusal.require_absent()
            return None

    async def read(self, name: str, operation: str = "read", total: float | None = None) -> bytes | None:
        """A small object whole, or None where nothing is."""

        async def get(_failed: int) -> bytes:
            return bytes(await (await obstore.get_async(self._quick, name)).bytes_async())

        try:
            return await self._ask(operation, get, total)
        except Refusal as refusal:
            refusal.require_absent()
            return None

    async def create(self, name: str, data: bytes, operation: str = "store") -> bool | None:
        """Put a small object where nothing is. True: it is there now, by us. None: something was there before.

        An attempt whose answer was lost may have been carried out: then "something is there" is that very attempt, and
        the answer is True (F21). The caller compares what is there.
        """
        lost = False

        async def put(failed: int) -> bool:
            nonlocal lost
            lost = failed > 0
            await self._put(name, data, "create")
            return True

        try:
            return await self._ask(operation, put, self._time_for(data))
        except Refusal as refusal:
            if refusal.meaning != "exists":
                raise refusal.error from refusal
            return True if lost and await self.size(name, operation) == len(data) else None

    async def replace(self, name: str, data: bytes, operation: str = "store") -> None:
        """Put a small object, whatever is there."""

        async def put(_failed: int) -> None:
            await self._put(name, data, "overwrite")

        await self._plainly(operation, put, self._time_for(data))

    async def _put(self, name: str, data: bytes, mode: Literal["create", "overwrite"]) -> None:
        """One attempt. Raises ``VENDOR_FAULTS``."""
        if len(data) <= QUICK:
            await obstore.put_async(self._quick, name, data, mode=mode, use_multipart=False)
            return
        with anyio.fail_after(self.place.patience.sending(len(data))):
            await obstore.put_async(self._sending, name, data, mode=mode, use_multipart=False)

    def _time_for(self, data: bytes) -> float:
        """Seconds for all attempts at sending this: two may take all of their time."""
        patience = self.place.patience
        return patience.total + 2 * (patience.sending(len(data)) - patience.attempt)

    async def put_large(self, name: str, size: int, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        """Put an object in parts; it is visible when the last one is there. What ``pieces`` raises takes all back."""

        async def put(_failed: int) -> None:
            await obstore.put_async(
                self._parts, name, pieces(), use_multipart=True, chunk_size=PART, max_concurrency=_PARTS_AT_ONCE
            )

        await self._plainly("store", put, _LONG_SECONDS + self.place.patience.sending(size))

    async def remove(self, name: str, operation: str = "remove") -> None:
        """Remove an object; fine where nothing is."""

        async def delete(_failed: int) -> None:
            await obstore.delete_async(self._quick, name)

        try:
            await self._ask(operation, delete)
        except Refusal as refusal:
            refusal.require_absent()

    async def remove_many(self, names: Sequence[str]) -> None:
        """Remove objects, a thousand by one request where the store knows that; fine where nothing is."""
        left = list(names)
        while len(left) > 1 and self._knows_bulk and await self._remove_page(left[:_PAGE]):
            del left[:_PAGE]
        await all_of([partial(self.remove, name) for name in left])

    async def _remove_page(self, names: list[str]) -> bool:
        """Remove these; False where the store does not know how, which one by one will say best."""

        async def delete(_failed: int) -> None:
            await obstore.delete_async(self._bulk, names)

        try:
            await self._ask("remove", delete)
        except Refusal:
            self._knows_bulk = False
        return self._knows_bulk

    async def copy(self, source: str, target: str, operation: str) -> bool:
        """Copy inside of the store; False where nothing is at ``source``."""

        async def copy(_failed: int) -> bool:
            await obstore.copy_async(self._long, source, target)
            return True

        try:
            return await self._ask(operation, copy, _LONG_SECONDS)
        except Refusal as refusal:
            refusal.require_absent()
            return False

    async def _plainly(
        self, operation: str, attempt: Callable[[int], Awaitable[_Result]], total: float | None = None
    ) -> _Result:
        """The result; every refusal is an error."""
        try:
            return await self._ask(operation, attempt, total)
        except Refusal as refusal:
            raise refusal.error from refusal

    async def stream(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes ``start`` … ``end`` in pieces of at most ``CHUNK``; fewer where the object is shorter.

        A connection that breaks or stands still is taken up again where it broke. Raises ``LookupError`` where nothing
        is, ``Unavailable`` when 1 MiB does not come within the patience of one small thing.
        """
        at, failed = start, 0
        while at < end:
            try:
                async for piece in self._once(name, at, end):
                    at, failed = at + len(piece), 0
                    yield piece
                return
            except VENDOR_FAULTS as fault:
                judged = judge(fault)
                if judged.meaning == "whole":
                    self._ranges = False
                    continue
                if judged.meaning == "beyond":
                    return
                if judged.meaning == "absent":
                    raise LookupError(name) from fault
                failed += 1
                if judged.meaning != "again" or failed >= self.place.patience.tries:
                    raise typed(judged, "read") from fault
            await self.retry.wait(failed)

    async def _once(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """One connection's worth. Raises ``VENDOR_FAULTS``."""
        seconds = self.place.patience.attempt
        options: Any = {"options": {"range": (start, end)}} if self._ranges else {}
        async with self._room:
            with anyio.fail_after(seconds):
                found = await obstore.get_async(self._long, name, **options)
        skip, left = (0, end - start) if self._ranges else (start, end - start)
        source = aiter(found.stream(min_chunk_size=CHUNK))
        while left > 0:
            async with self._room:  # not while the receiver takes its time
                with anyio.fail_after(seconds):
                    piece = memoryview(bytes(await anext(source, b"")))
            if not piece:
                return
            skip, piece = max(0, skip - len(piece)), piece[skip : skip + left]
            left -= len(piece)
            for offset in range(0, len(piece), CHUNK):
                yield bytes(piece[offset : offset + CHUNK])

    async def names(self, folder: str) -> AsyncIterator[tuple[str, int]]:
        """(name, length in bytes) of every object below a folder, ordered by name."""
        last: str | None = None
        failed = 0
        while True:
            try:
                pages = aiter(obstore.list(self._quick, folder, offset=last, chunk_size=_PAGE))
                while page := await self._page(pages):
                    failed = 0
                    for found in page:
                        last = found["path"]
                        yield found["path"], int(found["size"])
                return
            except VENDOR_FAULTS as fault:
                judged, failed = judge(fault), failed + 1
                if judged.meaning != "again" or failed >= self.place.patience.tries:
                    raise typed(judged, "list") from fault
            await self.retry.wait(failed)

    async def _page(self, pages: "AsyncIterator[Sequence[ObjectMeta]]") -> "Sequence[ObjectMeta]":
        """The next page; an empty one is the end."""
        async with self._room:
            try:
                return await anext(pages)
            except StopAsyncIteration:
                return ()

    async def folders(self, folder: str) -> list[str]:
        """The names directly below a folder that have further names below them."""

        async def ask(_failed: int) -> list[str]:
            found = await obstore.list_with_delimiter_async(self._quick, folder)
            return [prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"]]

        return await self._plainly("list", ask)

    async def link(self, name: str, seconds: float) -> str:
        """A URL under which anybody may fetch this object for so long."""

        async def sign(_failed: int) -> str:
            return await obstore.sign_async(self._quick, "GET", name, timedelta(seconds=seconds))

        return await self._plainly("link", sign)
