"""Large uploads over HTTP: cut, asked for, gone on with, by hand and by the builder; and quotas (F35, F63, S22)."""

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

import panaversity_builder.client.http as wire
from panaversity_builder.client import NO_WAITS, Client
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import Unavailable
from support.live import Answer, LiveServer

LIMIT = 40 << 20
DATA = bytes(range(256)) * (12 << 10)  # 3 MiB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    environment = {"PANAVERSITY_LIMIT_BOOK_BYTES": str(LIMIT)}
    with LiveServer(tmp_path_factory.mktemp("live") / "store", environment=environment) as live:
        yield live


def data_of(name: str) -> tuple[str, Digest, bytes]:
    """A book, a digest and bytes of one test's own."""
    data = DATA + name.encode()
    return f"b-{digest_of(name.encode())[:12]}", digest_of(data), data


def offset(server: LiveServer, book: str, digest: str, **headers: str) -> int:
    answer = server.request("GET", f"/books/{book}/uploads/{digest}", headers=headers)
    assert answer.status == 200, answer.body
    assert answer.headers["upload-offset"] == str(answer.json()["offset"])
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.json()["offset"])


def part(server: LiveServer, book: str, digest: str, total: int, at: int, body: bytes) -> Answer:
    headers = {"Upload-Length": str(total), "Upload-Offset": str(at)}
    return server.request("PUT", f"/books/{book}/blobs/{digest}", body, headers)


def cut(server: LiveServer, book: str, digest: str, data: bytes, at: int) -> None:
    """Begin a PUT of all bytes and hang up after the first ``at`` of them."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = [
            f"PUT /books/{book}/blobs/{digest} HTTP/1.1", f"Host: 127.0.0.1:{address.port}",
            "X-Panaversity-Agent: tests", f"Content-Length: {len(data)}", f"Upload-Length: {len(data)}", "", "",
        ]  # fmt: skip
        connection.sendall("\r\n".join(head).encode() + data[:at])
        time.sleep(0.05)


def settled(server: LiveServer, book: str, digest: str) -> int:
    """The offset once the server has noticed that the sender is gone."""
    before = -1
    for _ in range(100):
        now = offset(server, book, digest)
        if now == before and now > 0:
            return now
        before = now
        time.sleep(0.02)
    return before


def test_F35_F63_an_upload_goes_on_where_the_connection_broke(server: LiveServer) -> None:
    book, digest, data = data_of("cut")
    assert offset(server, book, digest) == 0
    cut(server, book, digest, data, 2 << 20)
    at = settled(server, book, digest)
    assert 0 < at <= 2 << 20
    assert server.request("GET", f"/books/{book}/blobs/{digest}").status == 404
    done = part(server, book, digest, len(data), at, data[at:])
    assert (done.status, done.json()) == (201, {"sha256": digest, "size": len(data)})
    assert offset(server, book, digest) == 0
    assert server.request("HEAD", f"/books/{book}/uploads/{digest}").headers["upload-offset"] == "0"
    named = server.call("upload_asset", book_id=book, asset_type="img", filename="a.png", sha256=digest)
    assert named.structured["file_size"] == len(data)


def test_F63_parts_are_taken_in_order_and_a_wrong_offset_says_the_right_one(server: LiveServer) -> None:
    book, digest, data = data_of("parts")
    first = part(server, book, digest, len(data), 0, data[:1000])
    assert (first.status, first.headers["upload-offset"]) == (202, "1000")
    wrong = part(server, book, digest, len(data), 999, data[999:])
    assert (wrong.status, wrong.code, wrong.json()["error"]["offset"]) == (409, "CONFLICT", 1000)
    assert part(server, book, digest, len(data), 1000, data[1000:]).status == 201


def test_P4_a_whole_body_of_other_bytes_is_refused(server: LiveServer) -> None:
    book, digest, data = data_of("other")
    answer = part(server, book, digest, len(data), 0, bytes(len(data)))
    assert (answer.status, answer.code) == (400, "HASH_MISMATCH")
    assert offset(server, book, digest) == 0


@pytest.mark.parametrize(
    ("length", "at", "code"),
    [("", "0", "INVALID_ARGUMENT"), ("ten", "0", "INVALID_ARGUMENT"), ("10", "-1", "INVALID_ARGUMENT"),
     ("10", "11", "INVALID_ARGUMENT"), ("9" * 30, "0", "INVALID_ARGUMENT"), (str(9 << 30), "0", "TOO_LARGE"),
     (None, "0", "INVALID_ARGUMENT")],
)  # fmt: skip
def test_S22_lengths_and_offsets_are_hostile(server: LiveServer, length: str | None, at: str, code: str) -> None:
    book, digest, _ = data_of("hostile")
    headers = {"Upload-Offset": at} | ({} if length is None else {"Upload-Length": length})
    answer = server.request("PUT", f"/books/{book}/blobs/{digest}", b"0123456789", headers)
    assert answer.code == code


def test_P9_the_builder_sends_only_what_is_missing(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "RESUMABLE", 1 << 20)
    book, digest, data = data_of("builder")
    cut(server, book, digest, data, 2 << 20)
    at = settled(server, book, digest)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(data), 100_000):
            yield data[start : start + 100_000]

    with Client(server.url, "tests", waits=NO_WAITS) as client:
        client.put_blob(book, digest, len(data), chunks)
        assert client.traffic.sent == len(data) - at
        assert client.traffic.requests == 2
    named = server.call("upload_asset", book_id=book, asset_type="img", filename="a.png", sha256=digest)
    assert named.structured["file_hash_sha256"] == digest


def test_P9_the_builder_goes_on_after_a_cut_of_its_own(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "RESUMABLE", 1 << 20)
    book, digest, data = data_of("itself")
    tries: list[int] = []

    def chunks() -> Iterator[bytes]:
        tries.append(0)
        for start in range(0, len(data), 1 << 18):
            if len(tries) == 1 and start >= 2 << 20:
                raise Unavailable("upload", "network", "is gone")  # what the transport says of a broken connection
            yield data[start : start + (1 << 18)]

    with Client(server.url, "tests", waits=wire.NORMAL_WAITS) as client:
        client.put_blob(book, digest, len(data), chunks)
        assert len(tries) == 2
        assert client.traffic.sent < len(data) + (1 << 20)


def test_S22_a_full_book_refuses_uploads_and_changesets_before_they_fill_the_disk(server: LiveServer) -> None:
    book, digest, _ = data_of("full")
    answer = server.request("PUT", f"/books/{book}/blobs/{digest}", headers={
        "Upload-Length": str(LIMIT + 1), "Upload-Offset": "0",
    }, body=b"x")  # fmt: skip
    assert (answer.status, answer.code) == (413, "QUOTA_EXCEEDED")
    assert answer.json()["error"]["limit"] == LIMIT
    assert "quota raised" in answer.json()["error"]["hint"]
    many = server.request("PUT", f"/books/{book}/blobs/{digest}", iter([bytes(1 << 20)] * 41))
    assert (many.status, many.code) == (413, "QUOTA_EXCEEDED")
    assert offset(server, book, digest) == 0
