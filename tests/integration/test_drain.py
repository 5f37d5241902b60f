"""Leaving: probes are told, running requests finish, later ones are sent away, what must not wait is cut (F38)."""

import http.client
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support import stack
from support.live import LiveServer
from support.slow_upload import DIGEST, HALF, SlowUpload


def signalled(server: LiveServer) -> None:
    os.kill(server.pid, signal.SIGTERM)


def until(question: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_F38_while_draining_probes_hear_503_new_work_is_sent_away_and_an_upload_finishes(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        server.call("create_book", book_id="bk")
        upload = SlowUpload(server)
        signalled(server)
        until(lambda: server.request("GET", "/readyz").status == 503)
        probe = server.request("GET", "/readyz").json()
        assert (probe["status"], probe["database"], probe["storage"]) == ("draining", "ok", "ok")
        assert server.request("GET", "/healthz").status == 200
        assert b"panaversityfs_draining 1.0" in server.request("GET", "/metrics").body
        late = server.request("GET", "/books/bk/manifests/" + "0" * 64)
        assert (late.status, late.code, late.headers["retry-after"]) == (503, "UNAVAILABLE", "1")
        assert stack.CLOUD or not (server.store / "server.json").exists(), "nobody new is sent here"
        began = time.monotonic()
        upload.finish()
        assert server.wait() == 0
        assert time.monotonic() - began < 3
        assert [a.status for a in upload.answers] == [201]
    with server:
        assert server.request("GET", f"/books/bk/blobs/{DIGEST}").status in (200, 404)
        assert server.request("PUT", f"/books/bk/blobs/{DIGEST}", HALF * 2).status in (200, 201)


def test_a_connection_that_stays_open_does_not_keep_the_server(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        address = urlsplit(server.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 3
        connection.close()


def test_a_second_signal_ends_the_draining(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        server.call("create_book", book_id="bk")
        upload = SlowUpload(server)
        signalled(server)
        until(lambda: server.request("GET", "/readyz").status == 503)
        began = time.monotonic()
        signalled(server)
        assert server.wait() == 0
        assert time.monotonic() - began < 4
        upload.finish()
        assert upload.answers == []


@pytest.mark.full
def test_F38_an_upload_that_never_ends_is_cut_after_ten_seconds_and_leaves_nothing(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        server.call("create_book", book_id="bk")
        upload = SlowUpload(server)
        began = time.monotonic()
        signalled(server)
        assert server.wait() == 0
        assert 8 < time.monotonic() - began < 12
        upload.finish()
        assert upload.answers == []
        assert stack.served_blobs(server.store).leftovers() == []
