"""Frames and requests that no client would send: the same process answers the next honest call (S5, S29, F35).

Drawn with a seed (``PANAVERSITY_TEST_SEED``); the full run draws many more.
"""

import json
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.live import LiveServer

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SEED = int(os.environ.get("PANAVERSITY_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
FRAMES = 50_000 if FULL else 250
NEXT_CALL_SECONDS = 10.0
"""S5 asks for 1 s on a machine of its own."""
HONEST = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "list_books", "arguments": {}, "_meta": {"agent_id": "tests"}},
}
ODD = [
    None,
    True,
    -1,
    1e308,
    "",
    "x" * 3000,
    [],
    {},
    [[[]]],
    {"a": {"b": {}}},
    "\x00",
    "\ud800",
    2**70,
    "2.0",
    "tools/call",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("fuzzed") / "store") as server:
        yield server


def raw(server: LiveServer, data: bytes, *, wait: float = 5.0, abrupt: bool = False) -> bytes:
    """Send bytes on a connection of its own; what comes back until the server closes or says nothing more."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=wait) as connection:
        with suppress(OSError):
            connection.sendall(data)
            if abrupt:
                return b""
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(OSError):
            while chunk := connection.recv(65536):
                answer += chunk
        return answer


def still_well(server: LiveServer, pid: int) -> None:
    began = time.monotonic()
    assert not server.call("list_books").is_error
    assert time.monotonic() - began < NEXT_CALL_SECONDS
    assert server.pid == pid
    assert server.request("GET", "/healthz").status == 200


def frame(rng: random.Random) -> bytes:
    """A call with something wrong: a value, a key, a cut, a flipped byte, or noise."""
    message = json.loads(json.dumps(HONEST))
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    if kind == 1:
        message[rng.choice(list(message))] = rng.choice(ODD)
    elif kind == 2:
        message["params"][rng.choice(list(message["params"]))] = rng.choice(ODD)
    elif kind == 3:
        message["params"]["arguments"][rng.choice(["book_id", "cursor", "x", ""])] = rng.choice(ODD)
    text = json.dumps(message).encode()
    if kind == 4:
        return text[: rng.randrange(len(text))]
    if kind == 5:
        at = rng.randrange(len(text))
        return text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]
    return rng.choice([text, b"[" + text + b"]", b"[" + b",".join([text] * 20) + b"]", text * 2])


def test_S5_fuzzed_frames_and_abrupt_ends_do_not_stop_the_server(server: LiveServer) -> None:
    rng, pid, statuses = random.Random(SEED), server.pid, dict[int, int]()
    for number in range(FRAMES):
        body = frame(rng)
        if number % 20 == 19:
            head = b"POST /mcp HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            raw(server, head % (urlsplit(server.url).netloc.encode(), len(body) + 5) + body, abrupt=True)
            continue
        answer = server.request("POST", "/mcp", body, {"Content-Type": "application/json"})
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert answer.status < 500, (SEED, body[:300], answer.body[:300])
        assert b"Traceback" not in answer.body
    still_well(server, pid)
    print(f"seed {SEED}: {FRAMES} frames, {statuses}")
    assert b"Traceback" not in server.errors.read_bytes()


def test_S5_protocol_headers_may_say_anything(server: LiveServer) -> None:
    pid, body = server.pid, json.dumps(HONEST).encode()
    for name in ("Mcp-Session-Id", "MCP-Protocol-Version", "Accept", "Content-Type", "Last-Event-ID", "X-Request-Id"):
        for value in ("", "x", "x" * 4000, "\x7f", "../..", "0", "2099-01-01", "text/event-stream", "é"):
            headers = {"Content-Type": "application/json", name: value.encode("utf-8").decode("latin-1")}
            answer = server.request("POST", "/mcp", body, headers)
            assert answer.status < 500, (name, value[:20], answer.body[:200])
    still_well(server, pid)


def odd_requests(host: bytes) -> dict[str, bytes]:
    """Requests as bytes, each wrong in one way (S29)."""
    get = b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n"
    post = b"POST /mcp HTTP/1.1\r\nHost: " + host + b"\r\nContent-Type: application/json\r\n"
    put = b"PUT /books/bk/blobs/" + b"0" * 64 + b" HTTP/1.1\r\nHost: " + host + b"\r\nX-Panaversity-Agent: t\r\n"
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    target = lambda path: b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"  # noqa: E731
    return {
        "two lengths that differ": post + b"Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}" + smuggled,
        "a list of lengths": post + b"Content-Length: 2, 60\r\n\r\n{}" + smuggled,
        "a length and chunks": post + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
        "a negative length": post + b"Content-Length: -1\r\n\r\n{}",
        "a length with a plus": post + b"Content-Length: +2\r\n\r\n{}",
        "a length in hexadecimal": post + b"Content-Length: 0x2\r\n\r\n{}",
        "a length of 10^30": post + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n{}",
        "an unknown transfer encoding": post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "chunked twice": post + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + smuggled,
        "chunked in odd letters": post + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + smuggled,
        "a chunk size that is none": post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "a negative chunk": post + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "a chunk of 2^64": post + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n{}\r\n0\r\n\r\n",
        "a chunk that ends early": post + b"Transfer-Encoding: chunked\r\n\r\n40\r\n{}\r\n",
        "a chunk extension of 20 KB": post
        + b"Transfer-Encoding: chunked\r\n\r\n2;"
        + b"x" * 20_000
        + b"\r\n{}\r\n0\r\n\r\n",
        "a space before the colon": get + b"X-A : b\r\n\r\n",
        "a folded header": get + b"X-A: b\r\n c\r\n\r\n",
        "a bare line feed": b"GET /healthz HTTP/1.1\nHost: " + host + b"\n\n",
        "a NUL in a header": get + b"X-A: b\x00c\r\n\r\n",
        "a header without a name": get + b": b\r\n\r\n",
        "a header of 1 MB": get + b"X-A: " + b"x" * 1_000_000 + b"\r\n\r\n",
        "20,000 headers": get + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
        "a target of 200 KB": target(b"/books/bk/files/" + b"a" * 200_000),
        "two hosts": b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\nHost: evil.example\r\n\r\n",
        "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
        "HTTP/1.0 without a host": b"GET /healthz HTTP/1.0\r\n\r\n",
        "HTTP/0.9": b"GET /healthz\r\n",
        "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64),
        "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        "an absolute target": target(b"http://evil.example/healthz"),
        "a target with an authority": target(b"http://evil.example@" + host + b"/healthz"),
        "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
        "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        "TRACE": b"TRACE /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
        "a method of 5,000 letters": b"G" * 5000 + b" /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
        "expect something else": put + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx",
        "expect and nothing follows": put + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
        "an upgrade to websocket": get + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "an upgrade to h2c": get
        + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "encoded slashes": target(b"/books/bk%2Ffiles%2Fcontent%2Fa.md"),
        "encoded dots": target(b"/books/bk/files/%2e%2e/%2e%2e/etc/passwd"),
        "dots as they are": target(b"/books/../../../etc/passwd"),
        "encoded twice": target(b"/books/bk/files/%252e%252e%252fetc%252fpasswd"),
        "over-long UTF-8": target(b"/books/bk/files/%c0%ae%c0%ae/x"),
        "broken UTF-8": target(b"/books/bk/files/%ff%fe"),
        "an encoded NUL": target(b"/books/bk/files/a%00b"),
        "an encoded line end": target(b"/books/bk/files/a%0d%0aSet-Cookie:%20x=1"),
        "a broken escape": target(b"/books/bk/files/%zz%"),
        "a backslash": target(b"/books/bk/files/..\\..\\x"),
        "a fragment": target(b"/healthz#/../x"),
        "a long query": target(b"/healthz?" + b"a=b&" * 10_000),
        "semicolons": target(b"/books/bk;x=1/files/content/a.md"),
        "noise": bytes(range(256)) * 8,
        "nothing": b"",
        "line ends only": b"\r\n" * 5000,
    }


def test_S29_odd_requests_are_refused_one_by_one_and_never_smuggle_a_second(server: LiveServer) -> None:
    pid, cases, tally = server.pid, odd_requests(urlsplit(server.url).netloc.encode()), dict[str, int]()
    for name, data in cases.items():
        answer = raw(server, data)
        first = answer.split(b"\r\n", 1)[0]
        tally[first[9:12].decode("latin-1") or "closed"] = tally.get(first[9:12].decode("latin-1") or "closed", 0) + 1
        assert first == b"" or first.startswith(b"HTTP/1.1 "), (name, answer[:200])
        assert not first.startswith(b"HTTP/1.1 5") or first.startswith((b"HTTP/1.1 501", b"HTTP/1.1 505")), (
            name,
            answer[:300],
        )
        assert b"root:" not in answer, name
        assert b"Traceback" not in answer, name
        assert b"\r\nSet-Cookie" not in answer, name
        if "lengths" in name or "chunk" in name:
            finals = [part for part in answer.split(b"HTTP/1.1 ")[1:] if not part.startswith(b"100")]
            assert len(finals) <= 1, (name, "a second request was answered", answer[:600])
    still_well(server, pid)
    print(f"{len(cases)} odd requests: {tally}")
    assert len(cases) >= 50


def test_S29_a_request_with_two_ends_is_refused_and_what_follows_it_is_never_read(server: LiveServer) -> None:
    """This side keeps the connection open and sends all in one piece: nothing else may hide a second answer."""
    address = urlsplit(server.url)
    data = odd_requests(address.netloc.encode())["a length and chunks"]
    for _ in range(20):
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
            connection.sendall(data)
            answer = b""
            while piece := connection.recv(1 << 16):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1, answer


def test_S29_a_hundred_cut_requests_leave_no_connection_behind(server: LiveServer, tmp_path: Path) -> None:
    rng, pid = random.Random(SEED), server.pid
    host = urlsplit(server.url).netloc.encode()
    body = json.dumps(HONEST).encode()
    whole = b"POST /mcp HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
        host,
        len(body),
    )
    before = len(os.listdir(f"/proc/{server.pid}/fd"))
    for _ in range(100):
        raw(server, (whole + body)[: rng.randrange(len(whole + body))], abrupt=True)
    still_well(server, pid)
    deadline = time.monotonic() + 10
    while len(os.listdir(f"/proc/{server.pid}/fd")) > before + 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(os.listdir(f"/proc/{server.pid}/fd")) <= before + 4
