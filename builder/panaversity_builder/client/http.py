"""The server over HTTP: MCP calls made by hand, bytes by the data plane, every request counted (D3, D9).

Synchronous, three attempts. Knows routes and headers; does not know sockets, nor what a plan or a changeset is for.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from panaversity_builder.client import answers
from panaversity_builder.client.health import Health, read_health
from panaversity_builder.client.retry import NORMAL_WAITS, Waits, attempts
from panaversity_builder.client.seam import (
    FROM_NOTHING,
    BlobSource,
    BuildPlan,
    ChangesetAnswer,
    Chunks,
    LastWritten,
    PackMember,
    PlanQuestion,
    Traffic,
)
from panaversity_builder.client.transport import CONNECT_SECONDS, Broken, Patience, Response, transport_to
from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import Digest, digest_of, short
from panaversity_fs.core.errors import ConfigInvalid, Conflict, HashMismatch, NotFound, TooLarge, Unavailable
from panaversity_fs.core.paths import shown

if TYPE_CHECKING:
    from panaversity_builder.client.reach import Early
    from panaversity_builder.client.site_cache import SiteCache

_ELSEWHERE = 307
"""The status of an answer that names the place where a blob lies."""
LONGEST_JSON = 64 * 1024 * 1024
"""Bytes of an answer that is read whole; more is refused."""
RESUMABLE = 16 * 1024 * 1024
"""Bytes from which an upload that broke off goes on where it did: it costs a question beforehand."""
SILENCE_SECONDS = 60.0
"""How long a server may say nothing before the attempt is given up."""
SECONDS_AN_OPERATION = 0.002
"""How much longer it may be silent for each operation of a changeset: it commits them all before it answers."""

T = TypeVar("T")


class Client:
    """The seam ``Server`` over one base URL; a context manager that owns its connections.

    ``url`` is the server's root, with or without the final ``/mcp``; credentials in it are used and never shown.
    ``agent`` is who the audit log names. Raises ``ConfigInvalid`` for a URL that is none.
    """

    def __init__(
        self,
        url: str,
        agent: str,
        token: str | None = None,
        *,
        waits: Waits = NORMAL_WAITS,
        silence: float = SILENCE_SECONDS,
        early: "Early | None" = None,
    ) -> None:
        self.traffic = Traffic()
        self.address = _public(url)
        self._agent = agent
        self._waits = waits
        headers = {b"X-Panaversity-Agent": _printable("agent", agent), b"User-Agent": b"panaversity-builder"}
        if token:
            headers[b"Authorization"] = b"Bearer " + _printable("token", token)
        self._patience = Patience(silence, CONNECT_SECONDS)
        self._transport = transport_to(urlsplit(_root(url)), headers, self._patience, early)

    def __enter__(self) -> Self:
        self._transport.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def attempts(self) -> Iterable[AbstractContextManager[object]]:
        """See ``Server.attempts``."""
        return attempts(self.address, self._waits)

    def plan_build(self, book_id: str, asked: PlanQuestion = FROM_NOTHING) -> BuildPlan:
        """See ``Server.plan_build``."""
        arguments: dict[str, object] = {"book_id": book_id, "scope": asked.scope}
        if asked.known:
            arguments["target_manifest_hash"] = asked.known
        if seen := asked.seen:
            arguments["checkpoint"] = {"incarnation": seen.incarnation, "size": seen.size, "root": seen.root}
        if asked.text_within:
            arguments["text_within"] = asked.text_within
        return self._repeated(lambda: answers.plan_of(self.address, self._call("plan_build", arguments)))

    def health(self) -> Health:
        """What the server says of itself. Raises ``Unavailable``: one attempt, for somebody who asks how it is now."""
        self.traffic.requests += 1
        with self._told("doctor"):
            answer = self._transport.send("GET", "/readyz", {}, b"", self._patience)
            try:
                body = b"".join(answer.iter_bytes())
            finally:
                answer.close()
        return read_health(self.address, answer.status_code, answer.headers, body)

    def call(self, tool: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """See ``Server.call``. Give a mutating tool an ``idempotency_key``, for it may be sent more than once."""
        return self._repeated(lambda: self._call(tool, arguments))

    def manifest_text(self, book_id: str, manifest: Digest) -> bytes:
        """See ``Server.manifest_text``."""

        def attempt() -> bytes:
            text = self._whole("manifest", "GET", f"/books/{_part(book_id)}/manifests/{manifest}")
            if digest_of(text) != manifest:
                raise HashMismatch("manifest", short(manifest), "the text that came has another hash", "Try again")
            return text

        return self._repeated(attempt, damage=True)

    def manifest_metadata(self, book_id: str, manifest: Digest) -> Mapping[str, LastWritten]:
        """See ``Server.manifest_metadata``."""
        path = f"/books/{_part(book_id)}/manifests/{manifest}/metadata"

        def attempt() -> Mapping[str, LastWritten]:
            answer = answers.parse_json("metadata", self.address, self._whole("metadata", "GET", path))
            return answers.metadata_of(self.address, answer)

        return self._repeated(attempt)

    def fetch_pack(self, book_id: str, manifest: Digest, digests: Sequence[Digest]) -> Iterator[PackMember]:
        """See ``Server.fetch_pack``. The connection is held until the iterator is exhausted or closed."""
        from panaversity_builder.client import packs  # most commands move no bytes

        body = json.dumps({"manifest": manifest, "digests": list(digests)}).encode()
        headers = {"Content-Type": "application/json", "Accept-Encoding": "zstd"}
        with self._stream("download", "POST", f"/books/{_part(book_id)}/packs", headers, content=body) as response:
            self.traffic.sent += len(body)
            coding = response.headers.get("content-encoding", "identity")
            if coding not in ("zstd", "identity"):
                raise Unavailable("download", self.address, f"sent a pack in the coding {shown(coding)}", "Try again")
            raw = self._raw("download", response)
            chunks = packs.unzstd(raw) if coding == "zstd" else raw
            yield from packs.read_pack(chunks, digests)

    def fetch_blob(self, book_id: str, manifest: Digest, digest: Digest, start: int, size: int) -> Iterator[bytes]:
        """See ``Server.fetch_blob``."""
        path = f"/books/{_part(book_id)}/blobs/{digest}?manifest={manifest}"
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with self._blob(path, headers) as response:
            skip = start if response.status_code == 200 else 0  # a server may ignore Range and send everything
            yield from _exactly(_skipped(self._raw("download", response), skip), size - start, digest)

    @contextmanager
    def _blob(self, path: str, headers: Mapping[str, str]) -> Iterator[Response]:
        """A blob's good answer, from the server or from the place it names."""
        with self._stream("download", "GET", path, headers, also=_ELSEWHERE) as response:
            if response.status_code != _ELSEWHERE:
                yield response
                return
            location = response.headers.get("location", "")
        from panaversity_builder.client.elsewhere import followed

        self.traffic.requests += 1
        with followed("download", self.address, location, headers, self._patience) as response:
            yield response

    def put_blob(self, book_id: str, digest: Digest, size: int, chunks: Chunks) -> None:
        """See ``Server.put_blob``."""
        path, kind = f"/books/{_part(book_id)}/blobs/{digest}", {"Content-Type": "application/octet-stream"}

        def attempt() -> None:
            resumable = size >= RESUMABLE
            at = self._received(book_id, digest) if resumable else 0
            headers = kind | {"Content-Length": str(size - at)}
            headers |= {"Upload-Length": str(size), "Upload-Offset": str(at)} if resumable else {}
            body = self._counted(_skipped(chunks(), at) if at else chunks())
            try:
                self._whole("upload", "PUT", path, headers, content=body)
            except Conflict as fault:  # bytes of the attempt before were still coming in when we asked
                raise Unavailable("upload", short(digest), fault.problem, "Try again") from fault

        self._repeated(attempt)

    def _received(self, book_id: str, digest: Digest) -> int:
        """How many bytes of our upload the server kept when it broke off; a server too old to tell keeps none."""
        try:
            answer = self._whole("upload", "GET", f"/books/{_part(book_id)}/uploads/{digest}")
        except NotFound:
            return 0
        offset = answers.parse_json("upload", self.address, answer).get("offset")
        return offset if type(offset) is int and offset >= 0 else 0

    def site_cache(self, seconds: float) -> "SiteCache":
        """The server's remote build cache; a transfer may take so many seconds."""
        from panaversity_builder.client.site_cache import HttpSiteCache

        return HttpSiteCache(self._stream, self._raw, self._counted, self.address, seconds)

    def send_changeset(
        self,
        book_id: str,
        changeset: Changeset,
        blobs: BlobSource,
        idempotency_key: str,
        seen: Checkpoint | None = None,
    ) -> ChangesetAnswer:
        """See ``Server.send_changeset``."""
        from panaversity_builder.client import packs

        headers = {"Content-Type": packs.PACK_TYPE, "Idempotency-Key": idempotency_key}
        if seen:
            headers["X-Panaversity-Checkpoint"] = f"{seen.incarnation}:{seen.size}:{seen.root}"
        path, document = f"/books/{_part(book_id)}/changesets", changeset.to_json()
        silence = self._patience.silence + SECONDS_AN_OPERATION * len(changeset.operations)
        patience = Patience(silence, self._patience.connect)

        def attempt(coding: str) -> ChangesetAnswer:
            body = self._counted(packs.write_pack(document, blobs, coding))
            coded = headers | {"Content-Encoding": coding}
            answer = self._whole("ingest", "POST", path, coded, content=body, patience=patience)
            return answers.changeset_answer_of(self.address, answers.parse_json("ingest", self.address, answer))

        try:
            return self._repeated(lambda: attempt("zstd"))
        except TooLarge:
            # A book that repeats itself a hundredfold looks like a decompression bomb: send it as it is.
            return self._repeated(lambda: attempt("identity"))

    def _call(self, tool: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        return answers.tool_result(tool, self.address, self._answered(tool, arguments))

    def _answered(self, tool: str, arguments: Mapping[str, object]) -> bytes:
        body = self._request_body(tool, arguments)
        self.traffic.sent += len(body)
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        return self._whole(tool, "POST", "/mcp", headers, content=body)

    def _request_body(self, tool: str, arguments: Mapping[str, object]) -> bytes:
        params = {"name": tool, "arguments": dict(arguments), "_meta": {"agent_id": self._agent}}
        return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()

    def _repeated(self, attempt: Callable[[], T], damage: bool = False) -> T:
        for each in attempts(self.address, self._waits, damage):
            with each:
                return attempt()
        raise AssertionError("attempts end with an answer or an error")

    def _whole(
        self, operation: str, method: str, path: str, headers: Mapping[str, str] | None = None, **request: Any
    ) -> bytes:
        """One request whose answer is read whole."""
        with self._stream(operation, method, path, headers, **request) as response, self._told(operation):
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LONGEST_JSON:
                    raise Unavailable(operation, self.address, f"answered more than {LONGEST_JSON} bytes", "")
            self.traffic.received += response.num_bytes_downloaded
            return bytes(body)

    @contextmanager
    def _stream(
        self,
        operation: str,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | Iterable[bytes] = b"",
        patience: Patience | None = None,
        also: int = 200,
    ) -> Iterator[Response]:
        """One request; gives the good answer unread, raises the typed error of any other. ``also`` is good, too."""
        self.traffic.requests += 1
        with self._told(operation):
            response = self._transport.send(method, path, headers or {}, content, patience or self._patience)
        try:
            if response.status_code not in (200, 201, 206, also):
                body = b"".join(self._first(operation, response))
                raise answers.refusal(operation, self.address, response.status_code, response.headers, body)
            yield response
        finally:
            response.close()

    def _first(self, operation: str, response: Response, limit: int = 8 * 1024 * 1024) -> Iterator[bytes]:
        """The beginning of an error's body: enough for a list of every conflict, not enough to fill memory."""
        with self._told(operation):
            for chunk in response.iter_bytes():
                yield chunk[:limit]
                limit -= len(chunk)
                if limit <= 0:
                    break
        self.traffic.received += response.num_bytes_downloaded

    def _raw(self, operation: str, response: Response) -> Iterator[bytes]:
        with self._told(operation):
            for chunk in response.iter_raw():
                self.traffic.received += len(chunk)
                yield chunk

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.traffic.sent += len(chunk)
            yield chunk

    @contextmanager
    def _told(self, operation: str) -> Iterator[None]:
        """Turn a broken way into ``Unavailable``."""
        try:
            yield
        except Broken as fault:
            raise Unavailable(operation, self.address, str(fault), "See that the server runs") from fault


def _exactly(chunks: Iterator[bytes], expected: int, digest: Digest) -> Iterator[bytes]:
    left = expected
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise HashMismatch("download", short(digest), f"more than the {expected} bytes promised came", "Try again")
        yield chunk
    if left:
        raise Unavailable("download", short(digest), f"{left} of {expected} bytes did not come", "Try again")


def _skipped(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for chunk in chunks:
        if count < len(chunk):
            yield chunk[count:]
        count = max(0, count - len(chunk))


def _part(book_id: str) -> str:
    return quote(book_id, safe="")


def _printable(name: str, value: str) -> bytes:
    if not value.isprintable():
        raise ConfigInvalid("connect", name, "holds characters that a header cannot carry", "Use printable text")
    return value.encode()


def _root(url: str) -> str:
    return url.rstrip("/").removesuffix("/mcp")


def _public(url: str) -> str:
    """The URL without credentials and query. Raises ``ConfigInvalid`` for anything but http and https."""
    try:
        parts = urlsplit(_root(url))
        host = parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ConfigInvalid(
            "connect", "PANAVERSITY_MCP_URL", "is not an http or https URL", "Give for example http://127.0.0.1:8000"
        )
    return urlunsplit((parts.scheme, (f"[{host}]" if ":" in host else host) + port, parts.path, "", ""))
