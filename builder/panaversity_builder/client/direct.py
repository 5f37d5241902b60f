"""HTTP/1.1 to one server over the standard library: connections kept, bodies streamed both ways, nothing followed.

Knows headers, bodies and codings; does not know how a server is reached, routes or what travels.
"""

import base64
import http.client
import select
import socket
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import SplitResult, quote, unquote

from panaversity_builder.client.reach import Early, connect, port_of
from panaversity_builder.client.transport import Broken, Patience
from panaversity_fs.core.paths import shown

STEP = 1 << 16
_ZIPPED = 32 + zlib.MAX_WBITS  # gzip or zlib, by its header
_UNQUOTED = "/%:@!$&'()*+,;=~-._"


class Direct:
    """See ``transport.Transport``; one user at a time, several answers may be open."""

    def __init__(
        self, address: SplitResult, headers: Mapping[bytes, bytes], patience: Patience, early: Early | None = None
    ) -> None:
        self._address = address
        self._prefix = quote(address.path, safe=_UNQUOTED)
        self._headers = {b"Accept-Encoding": b"gzip, zstd", **headers, **_login(address)}
        self._patience = patience
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._closed = False
        self._early = early

    def open(self) -> None:
        """See ``Transport.open``."""
        if self._early is None and not self._idle:
            self._early = Early(lambda: connect(self._address, self._patience.connect))

    def close(self) -> None:
        """See ``Transport.close``."""
        self._closed = True
        if self._early is not None:
            self._early.abandon()
            self._early = None
        for wire in (*self._idle, *self._busy):
            wire.close()
        self._idle.clear()

    def send(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | Iterable[bytes], patience: Patience
    ) -> "_Answer":
        """See ``Transport.send``."""
        wire = self._wire(patience)
        self._busy.add(wire)
        try:
            self._head(wire, method, path, headers, content)
            whole = self._body(wire, content, chunked="Content-Length" not in headers)
            with _told():
                response = wire.getresponse()
                if response.headers.defects:
                    response.close()  # the wire does not know it any more where the answer ends with the connection
                    raise http.client.HTTPException("the headers of the answer are damaged")
        except BaseException:
            self._done(wire, good=False)
            raise
        return _Answer(response, lambda good: self._done(wire, good and whole))

    def _done(self, wire: http.client.HTTPConnection, good: bool) -> None:
        self._busy.discard(wire)
        if good and not self._closed:
            self._idle.append(wire)
        else:
            wire.close()

    def _head(
        self,
        wire: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes],
    ) -> None:
        given = {name.lower() for name in headers}
        with _told():
            wire.putrequest(method, self._prefix + path, skip_accept_encoding=True)
            for name, value in self._headers.items():
                if name.decode().lower() not in given:
                    wire.putheader(name.decode(), value)
            for key, text in headers.items():
                wire.putheader(key, text)
            if isinstance(content, bytes):
                if content or method != "GET":
                    wire.putheader("Content-Length", str(len(content)))
                wire.endheaders(content)
            else:
                if "content-length" not in given:
                    wire.putheader("Transfer-Encoding", "chunked")
                wire.endheaders()

    def _body(self, wire: http.client.HTTPConnection, content: bytes | Iterable[bytes], *, chunked: bool) -> bool:
        """Send a streamed body; False when the server stopped reading, which it does to refuse early."""
        if isinstance(content, bytes):
            return True
        for piece in content:
            if piece and not _sent(wire, b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece):
                return False
        return not chunked or _sent(wire, b"0\r\n\r\n")

    def _wire(self, patience: Patience) -> http.client.HTTPConnection:
        """A kept connection that is still good, or a new one. Raises ``Broken``."""
        while self._idle:
            wire = self._idle.pop()
            if wire.sock is not None and not select.select([wire.sock], [], [], 0)[0]:
                break
            wire.close()
        else:
            wire = http.client.HTTPConnection(self._address.hostname or "", port_of(self._address))
            wire.default_port = 443 if self._address.scheme == "https" else 80  # which the Host header leaves out
            wire.sock = self._socket(patience)
        wire.sock.settimeout(patience.silence)
        return wire

    def _socket(self, patience: Patience) -> socket.socket:
        early, self._early = self._early, None
        try:
            return early.socket() if early else connect(self._address, patience.connect)
        except TimeoutError as fault:
            raise Broken("does not answer in time") from fault
        except (OSError, ValueError) as fault:  # ValueError: a host name that no resolver takes
            raise Broken(f"cannot be reached ({shown(str(fault))})") from fault


class _Answer:
    """See ``transport.Response``."""

    def __init__(self, response: http.client.HTTPResponse, done: Callable[[bool], None]) -> None:
        self._response, self._done = response, done
        self._open = True
        self.status_code = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.num_bytes_downloaded = 0

    def iter_raw(self) -> Iterator[bytes]:
        while chunk := self._read():
            self.num_bytes_downloaded += len(chunk)
            yield chunk
        if left := self._response.length:
            raise Broken(f"the connection broke ({left} bytes of the answer did not come)")

    def _read(self) -> bytes:
        with _told():
            return self._response.read1(STEP)

    def iter_bytes(self) -> Iterator[bytes]:
        coding = self.headers.get("content-encoding", "").lower()
        if coding == "zstd":
            from panaversity_builder.client.packs import unzstd

            return unzstd(self.iter_raw())
        return _unzipped(self.iter_raw()) if coding in ("gzip", "x-gzip", "deflate") else self.iter_raw()

    def close(self) -> None:
        if self._open:
            self._open = False
            whole = self._response.isclosed() or self._response.length == 0
            self._response.close()
            self._done(whole and not self._response.will_close)


def _unzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress a stream, never more than ``STEP`` bytes at once. Raises ``Broken`` on damage."""
    unzip = zlib.decompressobj(_ZIPPED)
    for chunk in chunks:
        while chunk and not unzip.eof:
            try:
                piece = unzip.decompress(chunk, STEP)
            except zlib.error as fault:
                raise Broken(f"the connection broke ({fault})") from fault
            if piece:
                yield piece
            chunk = unzip.unconsumed_tail
    if not unzip.eof:
        raise Broken("the connection broke (the compressed answer is cut off)")


def _sent(wire: http.client.HTTPConnection, piece: bytes) -> bool:
    """Send a piece; False when the other side no longer reads. Raises ``Broken`` when it takes too long."""
    try:
        wire.send(piece)
    except TimeoutError as fault:
        raise Broken("does not answer in time") from fault
    except OSError:
        return False  # an answer may be waiting that says why
    return True


class _told:  # noqa: N801 — used as a statement, and cheaper than a generator where every piece passes
    """Turn what sockets and the protocol raise into ``Broken``."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, TimeoutError):
            raise Broken("does not answer in time") from fault
        if isinstance(fault, OSError | http.client.HTTPException | ValueError):
            what = shown(str(fault)) or type(fault).__name__
            raise Broken(f"the connection broke ({what})") from fault


def _login(address: SplitResult) -> dict[bytes, bytes]:
    """The credentials that stand in the address, as a header."""
    if address.username is None:
        return {}
    pair = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {b"Authorization": b"Basic " + base64.b64encode(pair.encode())}
