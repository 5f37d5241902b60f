"""Multipart uploads that were begun and never ended: parts that nobody sees and everybody pays for (F22).

``obstore`` takes the parts of an upload back when it fails, but knows nothing of those of a process that died, and
offers neither the listing nor the abortion. Both are single requests, sent here with the standard library. A store that
does not answer the listing is said so in the log once: a life-cycle rule of the bucket has to do it there.
"""

import html
import http.client
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anyio import to_thread

from panaversity_fs.store.object_place import ObjectPlace
from panaversity_fs.store.object_retry import Refusal, Retry
from panaversity_fs.store.object_signing import Signer, encoded_path, encoded_query

logger = logging.getLogger("panaversity_fs.store")

_MOST = 8 * 1024**2
"""Bytes read of one answer: a page of a thousand uploads has less than one."""


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that goes on, or never will. ``name`` is below the place's prefix."""

    name: str
    upload_id: str


class _Answered(OSError):
    """An answer other than success, in the words that ``object_faults`` reads."""


class OpenUploads:
    """The unfinished multipart uploads of one bucket, below one prefix."""

    def __init__(
        self, place: ObjectPlace, retry: Retry, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._place, self._retry, self._clock = place, retry, clock
        self._signer = Signer(place.access_key_id, place.secret_access_key, place.region)
        self._unanswered = False

    async def below(self, folder: str) -> list[OpenUpload]:
        """Those whose object would lie below this folder."""
        found: list[OpenUpload] = []
        query = {"uploads": "", "prefix": self._place.below(folder)}
        while not self._unanswered:
            try:
                text = await self._ask("list", "GET", "", query)
            except Refusal as refusal:
                self._unanswered = True
                logger.warning(
                    "unfinished multipart uploads cannot be listed (%s): let a life-cycle rule of the bucket end them",
                    refusal,
                )
                break
            found += self._read(text)
            if "<IsTruncated>true" not in text:
                break
            markers = {"key-marker": _of(text, "NextKeyMarker"), "upload-id-marker": _of(text, "NextUploadIdMarker")}
            if markers.items() <= query.items():  # the same page again, for ever
                logger.warning("unfinished multipart uploads are not all listed: the store tells no way on")
                break
            query |= markers
        return found

    def _read(self, text: str) -> list[OpenUpload]:
        root = f"{self._place.prefix}/" if self._place.prefix else ""
        uploads = re.findall(r"<Upload>(.*?)</Upload>", text, re.DOTALL)
        named = [(_of(upload, "Key"), _of(upload, "UploadId")) for upload in uploads]
        return [OpenUpload(name.removeprefix(root), number) for name, number in named if name.startswith(root)]

    async def abort(self, upload: OpenUpload) -> None:
        """End it and let its parts go; fine when it ended already."""
        try:
            await self._ask("remove", "DELETE", f"/{self._place.below(upload.name)}", {"uploadId": upload.upload_id})
        except Refusal as refusal:
            raise refusal.error from refusal

    async def _ask(self, operation: str, method: str, name: str, query: dict[str, str]) -> str:
        async def attempt(_failed: int) -> str:
            return await to_thread.run_sync(self._send, method, name, query, abandon_on_cancel=True)

        return await self._retry.call(operation, attempt)

    def _send(self, method: str, name: str, query: dict[str, str]) -> str:
        path, host = f"/{self._place.bucket}{name}", self._place.endpoint.rstrip("/").partition("://")[2]
        headers = self._signer.headers(method, host, path, query, self._clock())
        url = f"{self._place.endpoint.rstrip('/')}{encoded_path(path)}?{encoded_query(query)}"
        request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - judged by config
        try:
            with urllib.request.urlopen(request, timeout=self._place.patience.attempt) as answer:  # noqa: S310
                return _body(answer)
        except urllib.error.HTTPError as fault:
            with fault:
                body = _body(fault)
            if fault.code == 404 and "NoSuchUpload" in body:
                return ""  # it ended already; some stores also say so where a bucket has none at all
            raise _Answered(f"status code: {fault.code} {body}") from None
        except http.client.HTTPException as fault:
            raise _Answered(type(fault).__name__) from fault


def _body(answer: Any) -> str:
    """All of an answer. Raises ``_Answered`` for one that was cut: it is no shorter answer."""
    said = answer.headers.get("Content-Length") or ""
    try:
        data = answer.read(_MOST)
    except http.client.HTTPException as fault:
        raise _Answered(type(fault).__name__) from fault
    if said.isdecimal() and len(data) < min(int(said), _MOST):
        raise _Answered("cut")
    return str(data.decode(errors="replace"))


def _of(text: str, tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return html.unescape(found[1]) if found else ""
