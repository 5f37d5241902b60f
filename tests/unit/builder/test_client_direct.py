"""The way to a server without anybody between: connections kept and let go, bodies both ways, and every broken one."""

import base64
import contextlib
import gc
import gzip
import http.client
import socket
import threading
import time
import unittest.mock
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import zstandard

from panaversity_builder.client.direct import STEP, Direct
from panaversity_builder.client.proxied import Proxied
from panaversity_builder.client.transport import Broken, Patience, transport_to

PACKED = gzip.compress(b"cut" * 99, mtime=0)
SHORT = Patience(silence=0.3, connect=1.0)
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"


class Listener:
    """A socket that serves each connection with ``serve(connection, number)``; ``heard`` is what came in each."""

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve, self.heard, self._threads = serve, list[bytearray](), list[threading.Thread]()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.heard.append(bytearray())
                thread = threading.Thread(target=self._one, args=(connection, len(self.heard) - 1))
                thread.start()
                self._threads.append(thread)

    def _one(self, connection: socket.socket, number: int) -> None:
        with connection, contextlib.suppress(OSError):
            self._serve(connection, number)

    def request(self, connection: socket.socket, number: int) -> bytes:
        """One request's head."""
        heard = self.heard[number]
        start = len(heard)
        while b"\r\n\r\n" not in heard[start:]:
            piece = connection.recv(1 << 16)
            if not piece:
                raise OSError
            heard += piece
        return bytes(heard[start:])

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in (self._accepting, *self._threads):
            thread.join(5)


@contextlib.contextmanager
def listening(serve: Callable[[Listener, socket.socket, int], None]) -> Iterator[tuple[Listener, Direct]]:
    box: list[Listener] = []
    listener = Listener(lambda connection, number: serve(box[0], connection, number))
    box.append(listener)
    direct = Direct(urlsplit(f"http://127.0.0.1:{listener.port}/books"), {b"X-Who": b"t\xc3\xa4st"}, SHORT)
    try:
        yield listener, direct
    finally:
        direct.close()
        listener.close()


def get(direct: Direct, path: str = "/x") -> bytes:
    answer = direct.send("GET", path, {}, b"", SHORT)
    try:
        return b"".join(answer.iter_bytes())
    finally:
        answer.close()


def always(answer: bytes) -> Callable[[Listener, socket.socket, int], None]:
    def serve(listener: Listener, connection: socket.socket, number: int) -> None:
        while True:
            listener.request(connection, number)
            connection.sendall(answer)

    return serve


def test_D3_requests_share_one_connection_that_was_made_beforehand():
    with listening(always(GOOD)) as (listener, direct):
        direct.open()
        assert [get(direct), get(direct), get(direct)] == [b"good"] * 3
        assert len(listener.heard) == 1
        head = bytes(listener.heard[0])
    assert head.count(b"GET /books/x HTTP/1.1\r\n") == 3
    assert b"X-Who: t\xc3\xa4st\r\n" in head


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_without_a_word():
    def serve(listener: Listener, connection: socket.socket, number: int) -> None:
        listener.request(connection, number)
        connection.sendall(GOOD)

    with listening(serve) as (listener, direct):
        assert get(direct) == b"good"
        time.sleep(0.05)
        assert get(direct) == b"good"
        assert len(listener.heard) == 2


def test_an_answer_that_was_not_read_to_its_end_costs_its_connection():
    with listening(always(GOOD)) as (listener, direct):
        direct.send("GET", "/x", {}, b"", SHORT).close()
        assert get(direct) == b"good"
        assert len(listener.heard) == 2


def test_two_answers_may_be_open_at_once():
    with listening(always(GOOD)) as (listener, direct):
        first = direct.send("GET", "/x", {}, b"", SHORT)
        assert get(direct) == b"good"
        assert b"".join(first.iter_raw()) == b"good"
        first.close()
        first.close()
        assert len(listener.heard) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ncut",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ncut\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\ncut\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n" + PACKED[:10],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\ncut",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBroken",
        b"",
    ],
)
def test_F36_an_answer_that_is_cut_off_or_none_is_broken_never_shorter(answer):
    def serve(listener: Listener, connection: socket.socket, number: int) -> None:
        listener.request(connection, number)
        connection.sendall(answer)

    with listening(serve) as (_, direct), pytest.raises(Broken, match="connection broke"):
        get(direct)


@pytest.mark.filterwarnings("error")
def test_F36_an_answer_cut_off_in_its_head_leaves_no_socket_behind():
    """Its socket would be closed by the collector of garbage, with a warning, whenever that comes by."""

    def cut(listener, connection, number):
        listener.request(connection, number)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nno head")

    heard: list[object] = []
    with unittest.mock.patch("sys.unraisablehook", heard.append), listening(cut) as (_, direct):
        try:
            get(direct)
        except Broken as fault:
            said, ring = str(fault), list[object]([fault])
            ring.append(ring)
        del ring
        gc.collect()
    assert "headers of the answer are damaged" in said
    assert heard == []


def test_F19_a_server_that_falls_silent_is_given_up_in_time():
    with listening(always(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")) as (_, direct):
        began = time.monotonic()
        with pytest.raises(Broken, match="in time"):
            get(direct)
        assert time.monotonic() - began < 5


def test_nobody_listening_is_told_by_the_first_request():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    direct = Direct(urlsplit(f"http://127.0.0.1:{port}"), {}, SHORT)
    direct.open()
    for _ in range(2):  # the connection made beforehand, and one made anew
        with pytest.raises(Broken, match="cannot be reached"):
            get(direct)
    direct.close()


def test_S23_a_compressed_answer_is_unpacked_in_bounded_pieces():
    packed = gzip.compress(bytes(50 * STEP))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with listening(always(head + packed)) as (_, direct):
        answer = direct.send("GET", "/x", {}, b"", SHORT)
        assert max(map(len, answer.iter_bytes())) <= STEP
        assert answer.num_bytes_downloaded == len(packed)
        answer.close()


def test_a_zstd_answer_is_unpacked():
    packed = zstandard.compress(b"good")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with listening(always(head + packed)) as (_, direct):
        assert get(direct) == b"good"


def test_a_streamed_body_travels_in_chunks_and_a_measured_one_as_it_is():
    with listening(always(GOOD)) as (listener, direct):
        for headers in ({}, {"Content-Length": "6"}):
            answer = direct.send("PUT", "/x", headers, iter([b"abc", b"", b"def"]), SHORT)
            assert b"".join(answer.iter_raw()) == b"good"
            answer.close()
        time.sleep(0.05)
        heard = b"".join(bytes(one) for one in listener.heard)
    assert b"Transfer-Encoding: chunked" in heard
    assert heard.count(b"Content-Length: 6") == 1


def test_a_refusal_that_comes_while_the_body_is_on_its_way_is_the_answer():
    def serve(listener: Listener, connection: socket.socket, number: int) -> None:
        listener.request(connection, number)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass

    with listening(serve) as (listener, direct):
        answer = direct.send("PUT", "/x", {}, iter([bytes(1 << 16)] * 200), SHORT)
        assert (answer.status_code, b"".join(answer.iter_raw())) == (413, b"no")
        answer.close()
        assert direct.send("PUT", "/x", {}, b"short", SHORT).status_code == 413
        assert len(listener.heard) == 2


def test_what_a_body_raises_is_not_the_networks_fault():
    def body() -> Iterator[bytes]:
        yield b"abc"
        raise FileNotFoundError("gone")

    with listening(always(GOOD)) as (_, direct), pytest.raises(FileNotFoundError):
        direct.send("PUT", "/x", {}, body(), SHORT)


def test_credentials_in_the_address_travel_as_a_header_only():
    with listening(always(GOOD)) as (listener, _):
        direct = Direct(urlsplit(f"http://me:p%40ss@127.0.0.1:{listener.port}"), {}, SHORT)
        assert get(direct) == b"good"
        direct.close()
        head = bytes(listener.heard[0])
    assert b"Authorization: Basic " + base64.b64encode(b"me:p@ss") in head
    assert f"Host: 127.0.0.1:{listener.port}\r\n".encode() in head


@pytest.mark.parametrize(
    ("url", "environment", "carrier"),
    [
        ("http://books.example", {}, Direct),
        ("http://books.example", {"http_proxy": "http://proxy.example:1"}, Proxied),
        ("https://books.example", {"http_proxy": "http://proxy.example:1"}, Direct),
        ("https://books.example", {"HTTPS_PROXY": "http://proxy.example:1"}, Proxied),
        ("http://books.example", {"all_proxy": "http://proxy.example:1"}, Proxied),
        ("http://books.example", {"http_proxy": "http://proxy.example:1", "no_proxy": "books.example"}, Direct),
        ("http://127.0.0.1:8000", {"http_proxy": "http://proxy.example:1"}, Direct),
        ("http://localhost", {"all_proxy": "http://proxy.example:1"}, Direct),
    ],
)
def test_a_proxy_that_the_environment_names_carries_what_is_meant_for_it(monkeypatch, url, environment, carrier):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    transport = transport_to(urlsplit(url), {}, SHORT)
    assert type(transport) is carrier
    transport.close()


def test_the_default_port_is_left_out_of_the_host_header(monkeypatch):
    sent: list[bytes] = []
    monkeypatch.setattr(http.client.HTTPConnection, "send", lambda self, data: sent.append(bytes(data)))
    direct = Direct(urlsplit("https://books.example/at"), {}, SHORT)
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(direct, "_socket", lambda patience: ours)
    theirs.close()
    with pytest.raises(Broken):
        direct.send("GET", "/x", {}, b"", SHORT)
    assert b"Host: books.example\r\n" in b"".join(sent)
