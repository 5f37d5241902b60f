"""An object store over a dictionary that misbehaves on command (RELIABILITY 7, H3): the fault store.

Speaks as much S3 as ``obstore`` asks for: conditional PUT, GET with ranges, HEAD, DELETE, listings, copies, multipart
uploads. It checks no signature (rclone does) and is itself held against the contract of the blob port, as moto is.
A ``Trouble`` says which requests fail, how, and how often; ``Chance`` lets any request fail now and then.
"""

import asyncio
import html
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from support.object_store import BUCKET, StoreServer

Kind = Literal["answer", "hang", "reset", "cut", "flip", "short", "other", "endless", "slow", "lost", "lost 500"]
"""``answer``: refuse with ``status`` and ``code``, doing nothing. ``hang``: say nothing until the client goes.
``reset``: close without a word. ``cut``: close in the body. ``flip``, ``short``, ``other``: a whole answer
with one wrong byte, one byte too few, other bytes. ``endless``: more and more bytes without an end. ``slow``: a byte at
a time. ``lost``: do what was asked, then close; ``lost 500``: do it and say that it failed."""

_PAGE = 7
"""Names on one page of a listing: few, so that every listing has pages."""


@dataclass
class Trouble:
    """``method`` and ``name`` (a regular expression found in path and query) choose requests; ``times`` is how many."""

    kind: Kind
    method: str = ""
    name: str = ""
    times: float = 1
    status: int = 503
    code: str = "SlowDown"
    at: int = 0
    """Bytes of the body that come first (``cut``)."""

    def takes(self, method: str, target: str) -> bool:
        wanted = self.times > 0 and self.method in ("", method) and re.search(self.name, target) is not None
        self.times -= wanted
        return wanted


@dataclass
class Chance:
    """Every request fails with this probability, in one of these ways."""

    rate: float
    kinds: tuple[Trouble, ...]
    random: random.Random


@dataclass(frozen=True)
class _Request:
    method: str
    target: str
    name: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class FaultStore:
    """The store, in a thread of its own; its fields may be read and written by the test while nothing is asked."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.troubles: list[Trouble] = []
        self.chance: Chance | None = None
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.failed = 0
        self.conditional = True
        self.lists_uploads = self.knows_bulk = True
        self.stuck_listing = False
        self.seconds_per_mib = 0.0
        self.delay = 0.0
        self.at_once = self.most_at_once = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    @property
    def server(self) -> StoreServer:
        """How to reach it."""
        return StoreServer("faulty", f"http://127.0.0.1:{self.port}", self.conditional)

    @contextmanager
    def running(self) -> Iterator["FaultStore"]:
        self._thread.start()
        self._ready.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    if not await self._answer(request, writer):
                        return
                finally:
                    self.at_once -= 1
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or the test is over
        finally:
            writer.close()

    async def _answer(self, request: _Request, writer: asyncio.StreamWriter) -> bool:
        """Answer, or misbehave; False when the connection is over."""
        self.seen.append(f"{request.method} {request.target}")
        self.headers.append(request.headers)
        if wait := self.delay + self.seconds_per_mib * len(request.body) / (1 << 20):
            await asyncio.sleep(wait)
        trouble = self._trouble(request)
        if trouble is None:
            await _send(writer, request, self._do(request))
            return True
        self.failed += 1
        return await _MISBEHAVE[trouble.kind](self, trouble, request, writer)

    def _trouble(self, request: _Request) -> Trouble | None:
        found = next((one for one in self.troubles if one.takes(request.method, request.target)), None)
        if found is None and self.chance is not None and self.chance.random.random() < self.chance.rate:
            found = self.chance.random.choice(self.chance.kinds)
        return found

    # -- what an honest store does ---------------------------------------------------------------------------------

    def _do(self, request: _Request) -> _Answer:
        query = request.query
        if "uploads" in query and request.method == "GET":
            return self._list_uploads(query)
        if "uploads" in query or "uploadId" in query:
            return self._multipart(request)
        if "delete" in query and request.method == "POST":
            return self._delete_many(request)
        if not request.name:
            return self._list(query) if request.method == "GET" else _Answer(200)
        return getattr(self, f"_{request.method.lower()}")(request)

    def _put(self, request: _Request) -> _Answer:
        if source := request.headers.get("x-amz-copy-source"):
            name = unquote(source).removeprefix("/").removeprefix(f"{BUCKET}/")
            if name not in self.objects:
                return _refusal(404, "NoSuchKey")
            self.objects[request.name] = self.objects[name]
            return _Answer(200, b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
        if self.conditional and request.headers.get("if-none-match") == "*" and request.name in self.objects:
            return _refusal(412, "PreconditionFailed")
        self.objects[request.name] = request.body
        return _Answer(200, headers={"ETag": '"e"'})

    def _get(self, request: _Request) -> _Answer:
        if request.name not in self.objects:
            return _refusal(404, "NoSuchKey")
        data, more = self.objects[request.name], {"ETag": '"e"', "Last-Modified": "Tue, 01 Jan 2030 00:00:00 GMT"}
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", "")):
            start, end = int(found[1]), min(int(found[2]) + 1, len(data))
            if start >= len(data):
                return _refusal(416, "InvalidRange")
            more["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            return _Answer(206, data[start:end], more)
        return _Answer(200, data, more)

    _head = _get

    def _delete(self, request: _Request) -> _Answer:
        self.objects.pop(request.name, None)
        return _Answer(204)

    def _list(self, query: dict[str, str]) -> _Answer:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        after = query.get("continuation-token") or query.get("start-after", "")
        entries = dict[str, str]()
        for name in sorted(self.objects):
            if name.startswith(prefix):
                rest, cut, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
                if cut:
                    folder = f"{prefix}{rest}{cut}"
                    entries[folder] = f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
                else:
                    entries[name] = (
                        f"<Contents><Key>{name}</Key><Size>{len(self.objects[name])}</Size><ETag>e</ETag>"
                        "<LastModified>2030-01-01T00:00:00.000Z</LastModified></Contents>"
                    )
        left = [name for name in sorted(entries) if name > after]
        page, more = left[:_PAGE], len(left) > _PAGE
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        listed = "".join(entries[name] for name in page)
        text = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{listed}</ListBucketResult>"
        return _Answer(200, text.encode())

    def _delete_many(self, request: _Request) -> _Answer:
        if not self.knows_bulk:
            return _Answer(200)  # as a store that takes it for something else
        names = [html.unescape(name) for name in re.findall(r"<Key>(.*?)</Key>", request.body.decode())]
        for name in names:
            self.objects.pop(name, None)
        said = "".join(f"<Deleted><Key>{html.escape(name)}</Key></Deleted>" for name in names)
        return _Answer(200, f"<DeleteResult>{said}</DeleteResult>".encode())

    def _multipart(self, request: _Request) -> _Answer:
        number = request.query.get("uploadId", "")
        if "uploads" in request.query:
            number = f"upload-{len(self.seen)}"
            self.uploads[number] = (request.name, {})
            text = f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>"
            return _Answer(200, text.encode())
        if number not in self.uploads:
            return _refusal(404, "NoSuchUpload")
        name, parts = self.uploads[number]
        if request.method == "PUT":
            parts[int(request.query["partNumber"])] = request.body
            return _Answer(200, headers={"ETag": f'"{request.query["partNumber"]}"'})
        del self.uploads[number]
        if request.method == "DELETE":
            return _Answer(204)
        self.objects[name] = b"".join(parts[part] for part in sorted(parts))
        return _Answer(200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")

    def _list_uploads(self, query: dict[str, str]) -> _Answer:
        if not self.lists_uploads:
            return _refusal(501, "NotImplemented")
        after, prefix = "" if self.stuck_listing else query.get("upload-id-marker", ""), query.get("prefix", "")
        listed = sorted((number, name) for number, (name, _) in self.uploads.items() if name.startswith(prefix))
        page = [one for one in listed if one[0] > after][:2]
        more = bool(page) and page[-1] != listed[-1]
        entries = "".join(f"<Upload><Key>{name}</Key><UploadId>{number}</UploadId></Upload>" for number, name in page)
        marks = "".join(
            f"<NextUploadIdMarker>{number}</NextUploadIdMarker><NextKeyMarker>{name}</NextKeyMarker>"
            for number, name in page[-1:]
        )
        text = f"<R><IsTruncated>{str(more).lower()}</IsTruncated>{marks}{entries}</R>"
        return _Answer(200, text.encode())

    # -- what a dishonest one does ---------------------------------------------------------------------------------

    async def _refuse(self, trouble: Trouble, request: _Request, writer: asyncio.StreamWriter) -> bool:
        await _send(writer, request, _refusal(trouble.status, trouble.code))
        return True

    async def _hang(self, _trouble: Trouble, _request: _Request, _writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(3600)
        return False

    async def _reset(self, _trouble: Trouble, _request: _Request, _writer: asyncio.StreamWriter) -> bool:
        return False

    async def _cut(self, trouble: Trouble, request: _Request, writer: asyncio.StreamWriter) -> bool:
        answer = self._do(request)
        whole = request.method != "HEAD" and answer.body
        writer.write(_head(request, answer) + answer.body[: trouble.at] if whole else b"HTTP/1.1 200")
        await writer.drain()
        return False

    async def _lie(self, trouble: Trouble, request: _Request, writer: asyncio.StreamWriter) -> bool:
        answer = self._do(request)
        body = answer.body
        if body and answer.status < 300:
            wrong = {
                "flip": body[: trouble.at] + bytes([body[trouble.at] ^ 1]) + body[trouble.at + 1 :],
                "short": body[:-1],
                "other": bytes(len(body)),
            }
            body = wrong[trouble.kind]
        headers = {name: value for name, value in answer.headers.items() if name != "Content-Range"}
        if "Content-Range" in answer.headers:
            start = int(answer.headers["Content-Range"].split()[1].split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{start + len(body)}"
        await _send(writer, request, _Answer(answer.status, body, headers))
        return True

    async def _endless(self, _trouble: Trouble, request: _Request, writer: asyncio.StreamWriter) -> bool:
        answer = self._do(request)
        more = {**answer.headers, "Content-Length": str(1 << 40)}
        if "Content-Range" in more:
            more["Content-Range"] = f"bytes 0-{(1 << 40) - 1}/{1 << 40}"
        writer.write(_head(request, _Answer(answer.status, b"", more)))
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()

    async def _slow(self, _trouble: Trouble, request: _Request, writer: asyncio.StreamWriter) -> bool:
        answer = self._do(request)
        writer.write(_head(request, answer))
        for byte in answer.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)
        return True

    async def _lose(self, trouble: Trouble, request: _Request, writer: asyncio.StreamWriter) -> bool:
        self._do(request)
        if trouble.kind == "lost 500":
            await _send(writer, request, _refusal(500, "InternalError"))
        return trouble.kind == "lost 500"


_MISBEHAVE: dict[str, Callable[..., "asyncio.Future[bool]"]] = {
    "answer": FaultStore._refuse, "hang": FaultStore._hang, "reset": FaultStore._reset, "cut": FaultStore._cut,
    "flip": FaultStore._lie, "short": FaultStore._lie, "other": FaultStore._lie, "endless": FaultStore._endless,
    "slow": FaultStore._slow, "lost": FaultStore._lose, "lost 500": FaultStore._lose,
}  # type: ignore[dict-item] # fmt: skip


async def _read(reader: asyncio.StreamReader) -> _Request | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    name = unquote(parts.path).removeprefix(f"/{BUCKET}").removeprefix("/")
    return _Request(method, target, name, query, headers, body)


def _head(request: _Request, answer: _Answer) -> bytes:
    headers = {"Content-Length": str(len(answer.body)), **answer.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} X\r\n{lines}\r\n".encode()


async def _send(writer: asyncio.StreamWriter, request: _Request, answer: _Answer) -> None:
    writer.write(_head(request, answer) + (b"" if request.method == "HEAD" else answer.body))
    await writer.drain()


def _refusal(status: int, code: str) -> _Answer:
    return _Answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
