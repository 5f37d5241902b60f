"""Clients that leave in the middle, and those that wait to be asked (F35, F36, S29)."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from panaversity_fs.core.digest import digest_of
from support import stack
from support.live import LiveServer

MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live") / "store") as live:
        live.call("create_book", book_id="bk")
        yield live


@contextlib.contextmanager
def connected(server: LiveServer, *head: str, agent: str | None = "tests") -> Iterator[socket.socket]:
    address = urlsplit(server.url)
    lines = [head[0], f"Host: {address.netloc}", *head[1:], *([f"X-Panaversity-Agent: {agent}"] if agent else [])]
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        yield connection


def eventually_empty(store: Path) -> None:
    kept, deadline = stack.served_blobs(store), time.monotonic() + 10
    while left := [*kept.names(), *kept.leftovers()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.parametrize("route", ["blobs", "changesets"])
@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_F35_a_client_that_dies_in_the_middle_of_an_upload_leaves_nothing(
    server: LiveServer, route: str, how: str
) -> None:
    target = f"PUT /books/bk/blobs/{digest_of(b'never')}" if route == "blobs" else "POST /books/bk/changesets"
    with connected(server, f"{target} HTTP/1.1", f"Content-Length: {8 * MIB}") as connection:
        connection.sendall(os.urandom(2 * MIB))
        if how == "RST":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    eventually_empty(server.store)
    assert server.call("list_books").is_error is False
    assert server.troubles() == []


def test_a_client_that_dies_in_the_middle_of_a_download_disturbs_nobody(tmp_path: Path) -> None:
    data = os.urandom(20 * MIB)
    with LiveServer(tmp_path / "store") as server:
        server.call("create_book", book_id="bk")
        assert server.request("PUT", f"/books/bk/blobs/{digest_of(data)}", data).status == 201
        for _ in range(5):
            with connected(server, f"GET /books/bk/blobs/{digest_of(data)} HTTP/1.1") as connection:
                connection.recv(1000)
        assert server.request("GET", f"/books/bk/blobs/{digest_of(data)}").body == data
        assert server.stop() == 0
        assert server.troubles() == []


def test_S29_who_waits_for_100_continue_is_refused_before_it_sends(server: LiveServer) -> None:
    head = (f"PUT /books/bk/blobs/{digest_of(b'x')} HTTP/1.1", f"Content-Length: {4 * MIB}", "Expect: 100-continue")
    with connected(server, *head, agent=None) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_S29_who_waits_for_100_continue_is_asked_for_the_body(server: LiveServer) -> None:
    head = (f"PUT /books/other/blobs/{digest_of(b'x')} HTTP/1.1", "Content-Length: 1", "Expect: 100-continue")
    with connected(server, *head) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"x")
        assert connection.recv(100).startswith(b"HTTP/1.1 201 ")
