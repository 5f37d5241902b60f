"""Large bodies pass through the server in bounded memory (P13, F63): 300 MB each way, figures of a separate process."""

import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from support.live import LiveServer

MIB = 1 << 20
SIZE = 300 * MIB
BOUND = 32 * MIB


def pieces() -> Iterator[bytes]:
    """300 MB that no encoding makes smaller by much, made as they are sent."""
    block = hashlib.shake_256(b"seed").digest(MIB - 8)
    for number in range(SIZE // MIB):
        yield number.to_bytes(8, "big") + block


def digest_of_pieces() -> str:
    hasher = hashlib.sha256()
    for piece in pieces():
        hasher.update(piece)
    return hasher.hexdigest()


def download(server: LiveServer, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
    """Size and digest of an answer that is never held in memory."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        connection.request(method, path, body, {"Accept-Encoding": "identity"})
        answer = connection.getresponse()
        assert answer.status == 200
        hasher, size = hashlib.sha256(), 0
        while chunk := answer.read(MIB):
            hasher.update(chunk)
            size += len(chunk)
    finally:
        connection.close()
    return size, hasher.hexdigest()


def test_a_300_MB_asset_goes_up_and_down_in_32_MiB(tmp_path: Path) -> None:
    digest = digest_of_pieces()
    with LiveServer(tmp_path / "store") as server:
        server.call("create_book", book_id="big")
        small = server.request("PUT", f"/books/big/blobs/{hashlib.sha256(b'x').hexdigest()}", b"x")
        assert small.status == 201
        idle = server.rss
        server.forget_peak()
        headers = {"Content-Length": str(SIZE)}
        assert server.request("PUT", f"/books/big/blobs/{digest}", pieces(), headers).status == 201
        up = server.peak_rss - idle
        named = server.call("upload_asset", book_id="big", asset_type="videos", filename="big.mp4", sha256=digest)
        assert named.structured["file_size"] == SIZE
        server.forget_peak()
        assert download(server, "GET", f"/books/big/blobs/{digest}") == (SIZE, digest)
        down = server.peak_rss - idle
        manifest = server.call("plan_build", book_id="big").structured["manifest_hash"]
        server.forget_peak()
        asked = f'{{"manifest":"{manifest}","digests":["{digest}"]}}'.encode()
        assert download(server, "POST", "/books/big/packs", asked)[0] == SIZE + 3 * 512
        packed = server.peak_rss - idle
    print(f"growth over idle {idle / MIB:.0f} MiB: up {up / MIB:.1f}, down {down / MIB:.1f}, pack {packed / MIB:.1f}")
    assert max(up, down, packed) <= BOUND
