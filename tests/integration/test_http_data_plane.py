"""The data plane through a real server process: blobs, files, packs, changesets, manifests, health."""

import gzip
import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from panaversity_fs.core.changes import Changeset, Delete, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.manifest import parse, render
from panaversity_fs.core.pack import CHANGESET_MEMBER, END, Begin, Finish, PackReader, member
from panaversity_fs.core.schema import Schema
from panaversity_fs.store.blobs import BlobKey
from support import stack
from support.live import Answer, LiveServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live") / "store") as live:
        yield live


@pytest.fixture
def book(request: pytest.FixtureRequest) -> str:
    """A book id of this test's own, so that tests share one server."""
    return "b-" + digest_of(request.node.nodeid.encode())[:12]


def write(path: str, data: bytes, expected: Digest | None = None) -> Write:
    return Write(path, digest_of(data), len(data), expected)


def pack_of(changeset: Changeset, *blobs: bytes) -> bytes:
    members = [member(CHANGESET_MEMBER, changeset.to_json()), *(member(digest_of(b), b) for b in blobs)]
    return b"".join(members) + END


def ingest(server: LiveServer, book: str, files: dict[str, bytes], **headers: str) -> Answer:
    changeset = Changeset(tuple(write(p, d) for p, d in files.items()), schema=Schema.DOCUSAURUS)
    return server.request("POST", f"/books/{book}/changesets", pack_of(changeset, *set(files.values())), headers)


def unpacked(body: bytes) -> list[tuple[str, bytes]]:
    reader, members = PackReader(10_000), list[tuple[str, bytes]]()
    for event in reader.feed(body):
        if isinstance(event, Begin):
            name, data = event.name, b""
        elif isinstance(event, Finish):
            members.append((name, data))
        else:
            data += event
    reader.close()
    return members


FILES = {"content/a.md": b"# A\r\n", "content/b/c.mdx": b"", "static/img/@/p.png": b"\x00\xff" * 700}


def test_a_changeset_is_committed_once_and_answers_its_counts(server: LiveServer, book: str) -> None:
    entries = {path: digest_of(data) for path, data in FILES.items()}
    answer = ingest(server, book, FILES, **{"Idempotency-Key": "k1"})
    assert answer.status == 200, answer.body
    body = answer.json()
    assert (body["added"], body["updated"], body["deleted"], body["unchanged"]) == (3, 0, 0, 0)
    assert body["manifest_hash"] == digest_of(render(entries))
    assert (body["schema"], body["revision"]) == ("docusaurus", 1)
    assert ingest(server, book, FILES, **{"Idempotency-Key": "k1"}).json() == body  # P6
    text = server.request("GET", f"/books/{book}/manifests/{body['manifest_hash']}")
    assert parse(text.body) == entries
    metadata = server.request("GET", f"/books/{book}/manifests/{body['manifest_hash']}/metadata").json()
    assert metadata["files"].keys() == entries.keys()
    assert {f["agent_id"] for f in metadata["files"].values()} == {"tests"}


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "identity"])
def test_a_changeset_comes_in_every_encoding(server: LiveServer, book: str, encoding: str) -> None:
    changeset = Changeset((write("content/a.md", b"text"),), schema=Schema.DOCUSAURUS)
    body = pack_of(changeset, b"text")
    encoded = {"zstd": zstandard.compress, "gzip": gzip.compress, "identity": lambda b: b}[encoding](body)
    answer = server.request("POST", f"/books/{book}/changesets", encoded, {"Content-Encoding": encoding})
    assert answer.status == 200, answer.body
    assert server.request("GET", f"/books/{book}/files/content/a.md").body == b"text"


def test_FR_203_all_conflicts_of_a_changeset_are_listed_and_nothing_is_written(server: LiveServer, book: str) -> None:
    assert ingest(server, book, FILES).status == 200
    stale = digest_of(b"stale")
    changeset = Changeset(
        (write("content/a.md", b"new", stale), write("content/b/c.mdx", b"new"), write("content/d.md", b"new"),
         Delete("static/img/@/p.png", stale)),
    )  # fmt: skip
    answer = server.request("POST", f"/books/{book}/changesets", pack_of(changeset, b"new"))
    assert (answer.status, answer.code) == (409, "CONFLICT")
    conflicts = {c["path"]: c for c in answer.json()["error"]["conflicts"]}
    assert conflicts.keys() == {"content/a.md", "content/b/c.mdx", "static/img/@/p.png"}
    assert conflicts["content/a.md"]["current_hash"] == digest_of(FILES["content/a.md"])
    assert conflicts["content/b/c.mdx"]["code"] == "HASH_REQUIRED"
    assert server.request("GET", f"/books/{book}/files/content/d.md").status == 404


def test_missing_bytes_are_named(server: LiveServer, book: str) -> None:
    changeset = Changeset((write("content/a.md", b"never sent"),), schema=Schema.DOCUSAURUS)
    answer = server.request("POST", f"/books/{book}/changesets", pack_of(changeset))
    assert (answer.status, answer.code) == (409, "BLOBS_MISSING")
    assert answer.json()["error"]["digests"] == [digest_of(b"never sent")]
    assert answer.json()["error"]["retryable"] is True


def bad_packs() -> dict[str, tuple[bytes, str]]:
    wanted = Changeset((write("content/a.md", b"text"),), schema=Schema.DOCUSAURUS)
    good, first = pack_of(wanted, b"text"), member(CHANGESET_MEMBER, wanted.to_json())
    liar = member(digest_of(b"text"), b"tex") + END
    return {
        "cut": (good[:-600], "HASH_MISMATCH"),
        "not a tar": (b"x" * 2048, "HASH_MISMATCH"),
        "bytes after the end": (good + b"x", "HASH_MISMATCH"),
        "empty": (b"", "HASH_MISMATCH"),
        "no changeset": (member(digest_of(b"text"), b"text") + END, "INVALID_ARGUMENT"),
        "a member nobody named": (pack_of(wanted, b"text", b"more"), "INVALID_ARGUMENT"),
        "a member twice": (pack_of(wanted, b"text", b"text"), "INVALID_ARGUMENT"),
        "a path as name": (first + member("../../etc/passwd", b"text") + END, "INVALID_ARGUMENT"),
        "another size": (first + liar, "INVALID_ARGUMENT"),
        "wrong bytes": (first + member(digest_of(b"text"), b"tExt") + END, "HASH_MISMATCH"),
        "changeset is no JSON": (member(CHANGESET_MEMBER, b"{") + END, "INVALID_ARGUMENT"),
    }


@pytest.mark.parametrize("kind", bad_packs())
def test_S23_a_bad_pack_is_refused_and_leaves_nothing(server: LiveServer, book: str, kind: str) -> None:
    body, code = bad_packs()[kind]
    answer = server.request("POST", f"/books/{book}/changesets", body)
    assert (answer.status, answer.code) == (400, code)
    assert server.request("GET", f"/books/{book}/files/content/a.md").status == 404
    kept = stack.served_blobs(server.store)
    left = [name for name in (*kept.names(), *kept.leftovers()) if name.startswith(f"books/{book}/")]
    assert left == [], "no blob and no temporary file is left"


def test_S23_a_decompression_bomb_is_refused_in_little_memory(server: LiveServer, book: str) -> None:
    zeros = bytes(1 << 20)
    for encoder in (zstandard.ZstdCompressor(level=19).compressobj(size=-1), None):
        if encoder is None:
            bomb, encoding = gzip.compress(zeros * 300, 9), "gzip"
        else:
            bomb, encoding = b"".join(encoder.compress(zeros) for _ in range(3000)) + encoder.flush(), "zstd"
        server.forget_peak()
        idle = server.rss
        answer = server.request("POST", f"/books/{book}/changesets", bomb, {"Content-Encoding": encoding})
        assert answer.code in ("TOO_LARGE", "HASH_MISMATCH")
        assert server.peak_rss - idle < 32 << 20


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_a_damaged_or_unknown_encoding_is_refused(server: LiveServer, book: str, encoding: str) -> None:
    path = f"/books/{book}/changesets"
    assert server.request("POST", path, b"not encoded", {"Content-Encoding": encoding}).code == "HASH_MISMATCH"
    assert server.request("POST", path, b"", {"Content-Encoding": encoding}).code == "HASH_MISMATCH"
    assert server.request("POST", path, b"x", {"Content-Encoding": "br"}).code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("accept", ["zstd", "gzip;q=0.5, zstd;q=0", "identity", ""])
def test_D12_a_pack_answers_the_blobs_in_the_order_asked(server: LiveServer, book: str, accept: str) -> None:
    manifest = ingest(server, book, FILES).json()["manifest_hash"]
    wanted = [digest_of(data) for data in reversed(FILES.values())]
    body = json.dumps({"manifest": manifest, "digests": wanted}).encode()
    answer = server.request("POST", f"/books/{book}/packs", body, {"Accept-Encoding": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-tar")
    coding = answer.headers.get("content-encoding", "identity")
    assert coding == (accept.partition(";")[0] or "identity")
    plain = {"zstd": unzstd, "gzip": gzip.decompress, "identity": lambda b: b}[coding](answer.body)
    assert unpacked(plain) == [(digest_of(data), data) for data in reversed(FILES.values())]


def unzstd(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(body)


def test_S14_a_digest_is_no_capability(server: LiveServer, book: str) -> None:
    manifest = ingest(server, book, FILES).json()["manifest_hash"]
    other = book + "x"
    assert ingest(server, other, {"content/secret.md": b"secret"}).status == 200
    secret = digest_of(b"secret")
    body = json.dumps({"manifest": manifest, "digests": [secret]}).encode()
    assert server.request("POST", f"/books/{book}/packs", body).status == 404
    assert server.request("GET", f"/books/{book}/blobs/{secret}").status == 404
    assert server.request("GET", f"/books/{other}/blobs/{secret}").status == 200
    for broken in (b"", b"[]", b'{"manifest": 1}', b'{"manifest":"%s","digests":{}}' % manifest.encode()):
        assert server.request("POST", f"/books/{book}/packs", broken).code == "INVALID_ARGUMENT"


def test_a_blob_is_put_and_named_by_a_later_upload(server: LiveServer, book: str) -> None:
    data = os.urandom(70_000)
    digest = digest_of(data)
    assert server.call("create_book", book_id=book).code is None
    for _ in range(2):  # always 201, whoever held it before
        answer = server.request("PUT", f"/books/{book}/blobs/{digest}", data)
        assert (answer.status, answer.json()) == (201, {"sha256": digest, "size": 70_000})
    done = server.call("upload_asset", book_id=book, asset_type="img", filename="x.png", sha256=digest)
    assert done.structured["status"] == "success"
    assert server.request("GET", f"/books/{book}/files/static/img/x.png").body == data


def test_P4_a_put_of_other_bytes_is_refused(server: LiveServer, book: str) -> None:
    answer = server.request("PUT", f"/books/{book}/blobs/{digest_of(b'a')}", b"b")
    assert (answer.status, answer.code) == (400, "HASH_MISMATCH")
    assert server.request("PUT", f"/books/{book}/blobs/ABC", b"b").code == "INVALID_ARGUMENT"
    assert server.request("PUT", f"/books/{book}/blobs/{digest_of(b'a')}", b"a", agent=None).code == "AGENT_REQUIRED"
    assert server.request("PUT", f"/books/{book}/blobs/{digest_of(b'a')}", b"a", agent="system").status == 400


def test_a_refused_upload_is_read_to_its_end_so_that_the_answer_arrives(server: LiveServer, book: str) -> None:
    body = (bytes(1 << 20) for _ in range(20))
    answer = server.request("PUT", f"/books/{book}/blobs/{digest_of(b'a')}", body, agent=None)
    assert answer.code == "AGENT_REQUIRED"


DATA = bytes(range(256)) * 10


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=2550-", 2550, 2560), ("bytes=-5", 2555, 2560),
     ("bytes=0-99999", 0, 2560), ("bytes=-99999", 0, 2560)],
)  # fmt: skip
def test_a_range_of_a_blob_is_answered(server: LiveServer, book: str, asked: str, first: int, last: int) -> None:
    assert ingest(server, book, {"content/x.bin": DATA}).status == 200
    answer = server.request("GET", f"/books/{book}/blobs/{digest_of(DATA)}", headers={"Range": asked})
    assert (answer.status, answer.body) == (206, DATA[first:last])
    assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/2560"


def test_conditions_and_impossible_ranges_of_a_blob(server: LiveServer, book: str) -> None:
    assert ingest(server, book, {"content/x.bin": DATA}).status == 200
    path, tag = f"/books/{book}/blobs/{digest_of(DATA)}", f'"{digest_of(DATA)}"'
    whole = server.request("GET", path)
    assert (whole.status, whole.body, whole.headers["etag"]) == (200, DATA, tag)
    assert whole.headers["accept-ranges"] == "bytes"
    assert "immutable" in whole.headers["cache-control"]
    assert server.request("GET", path, headers={"If-None-Match": f'"x", W/{tag}'}).status == 304
    beyond = server.request("GET", path, headers={"Range": "bytes=2560-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, "bytes */2560")
    for ignored in ("bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "bytes=-", "bytes=x-"):
        assert server.request("GET", path, headers={"Range": ignored}).status == 200
    stale = server.request("GET", path, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (stale.status, len(stale.body)) == (200, 2560)
    head = server.request("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "2560")


def test_S25_files_have_the_right_type_and_run_nothing(server: LiveServer, book: str) -> None:
    files = {
        "content/a.md": ("text/markdown; charset=utf-8", False), "content/a.html": ("text/html; charset=utf-8", True),
        "static/img/@/p.svg": ("image/svg+xml", True), "static/img/@/p.png": ("image/png", False),
        "content/x.js": ("text/javascript; charset=utf-8", True), "content/x.weird": ("application/octet-stream", True),
    }  # fmt: skip
    assert ingest(server, book, dict.fromkeys(files, b"<script>")).status == 200
    for path, (kind, attached) in files.items():
        answer = server.request("GET", f"/books/{book}/files/{path}")
        assert (answer.status, answer.body) == (200, b"<script>")
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert ("attachment" in answer.headers.get("content-disposition", "")) is attached


def test_R1_hostile_file_paths_reach_nothing(server: LiveServer, book: str) -> None:
    assert ingest(server, book, FILES).status == 200
    for path in ("..%2f..%2fetc%2fpasswd", "content/%2e%2e/x", "%00", "content//a.md", "content%5ca.md", "/etc/passwd"):
        assert server.request("GET", f"/books/{book}/files/{path}").code == "INVALID_PATH"
    assert server.request("GET", "/books/..%2fx/files/content/a.md").status in (400, 404)


def test_every_error_is_json_with_a_request_id(server: LiveServer) -> None:
    for method, path, status in [
        ("GET", "/nope", 404), ("DELETE", "/healthz", 405), ("GET", "/mcp", 405), ("PATCH", "/books/bk/packs", 405),
        ("GET", "/books/bk/files/content/x.md", 404), ("GET", "/books/BK/files/content/x.md", 400),
    ]:  # fmt: skip
        answer = server.request(method, path)
        assert answer.status == status
        assert answer.json()["error"]["code"]
        assert answer.headers["content-type"] == "application/json"
        assert len(answer.headers["x-request-id"]) == 32
    named = server.request("GET", "/healthz", headers={"X-Request-Id": "build-4711.a"})
    assert named.headers["x-request-id"] == "build-4711.a"
    forged = server.request("GET", "/healthz", headers={"X-Request-Id": "a b\t{}"})
    assert forged.headers["x-request-id"] != "a b\t{}"


def test_health_tells_process_and_parts(server: LiveServer) -> None:
    alive, ready = server.request("GET", "/healthz").json(), server.request("GET", "/readyz").json()
    assert alive["status"] == "ok"
    assert alive["instance"] == ready["instance"]
    assert (ready["status"], ready["database"], ready["storage"]) == ("ready", "ok", "ok")


def test_P4_F14_a_damaged_blob_is_never_answered_as_whole(tmp_path: Path) -> None:
    big, small = os.urandom(3 << 20), b"small"
    with LiveServer(tmp_path / "store") as live:
        manifest = ingest(live, "bk", {"content/big.bin": big, "content/small.md": small}).json()["manifest_hash"]
        for data in (big, small):
            key = BlobKey("bk", 1, digest_of(data))
            assert key.name in stack.served_blobs(live.store).names()
            stack.served_blobs(live.store).damage(key, data[:-1] + bytes([data[-1] ^ 1]))
        digests = [digest_of(big), digest_of(small)]
        body = json.dumps({"manifest": manifest, "digests": digests}).encode()
        for encoding in ("identity", "gzip", "zstd"):
            with pytest.raises(http.client.IncompleteRead):
                live.request("POST", "/books/bk/packs", body, {"Accept-Encoding": encoding})
        for digest in digests:
            with pytest.raises(http.client.IncompleteRead):
                live.request("GET", f"/books/bk/blobs/{digest}")
        assert "Traceback" not in live.errors.read_text()
