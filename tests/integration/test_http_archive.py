"""The archive through a real server process: headers, ranges, damage, memory, and the tool that names it."""

import hashlib
import http.client
import io
import json
import random
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest

from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.pack import CHANGESET_MEMBER, END, header, member, padding
from panaversity_fs.core.schema import Schema
from panaversity_fs.store.blobs import BlobKey
from support import stack
from support.live import Answer, LiveServer

MIB = 1 << 20
FILES = {
    "content/a.md": b"# A\r\n",
    "content/b/c.mdx": b"",
    "content/large.txt": b"0123456789" * 40_000,
    "static/img/@/p.png": b"\x00\xff" * 700,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live") / "store") as live:
        yield live


@pytest.fixture
def book(request: pytest.FixtureRequest, server: LiveServer) -> str:
    """A book of this test's own that holds ``FILES``."""
    book = "b-" + digest_of(request.node.nodeid.encode())[:12]
    assert ingest(server, book, FILES).status == 200
    return book


def ingest(server: LiveServer, book: str, files: dict[str, bytes]) -> Answer:
    writes = tuple(Write(path, digest_of(data), len(data)) for path, data in files.items())
    changeset = Changeset(writes, schema=Schema.DOCUSAURUS)
    blobs = [member(digest_of(data), data) for data in set(files.values())]
    body = member(CHANGESET_MEMBER, changeset.to_json()) + b"".join(blobs) + END
    return server.request("POST", f"/books/{book}/changesets", body)


def key(book: str, data: bytes) -> BlobKey:
    return BlobKey(book, 1, digest_of(data))


def names(body: bytes) -> set[str]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def test_FR_011_FR_013_scopes_types_and_tags(server: LiveServer, book: str) -> None:
    tags = set()
    for scope, wanted in (("all", ""), ("content", "content/"), ("assets", "static/")):
        answer = server.request("GET", f"/books/{book}/archive?scope={scope}")
        assert answer.status == 200
        assert names(answer.body) == {path for path in FILES if path.startswith(wanted)}
        assert answer.headers["content-type"] == "application/zip"
        assert int(answer.headers["content-length"]) == len(answer.body)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith(f'attachment; filename="{book}-')
        assert answer.headers["cache-control"] == "private, no-cache", "the current state is not for ever"
        named = server.request("GET", answer.headers["content-location"])
        assert (named.status, named.body, named.headers["etag"]) == (200, answer.body, answer.headers["etag"])
        assert "immutable" in named.headers["cache-control"]
        again = server.request(
            "GET", f"/books/{book}/archive?scope={scope}", None, {"If-None-Match": named.headers["etag"]}
        )
        assert (again.status, again.body) == (304, b"")
        tags.add(named.headers["etag"])
    assert len(tags) == 3


def test_FR_014_a_broken_download_goes_on_where_it_stopped(server: LiveServer, book: str) -> None:
    url = f"/books/{book}/archive"
    whole = server.request("GET", url)
    random_places = random.Random(14).sample(range(1, len(whole.body)), 12)
    for place in [1, len(whole.body) - 1, *random_places]:
        asked = {"Range": f"bytes={place}-", "If-Range": whole.headers["etag"]}
        rest = server.request("GET", url, None, asked)
        assert rest.status == 206
        assert rest.headers["content-range"] == f"bytes {place}-{len(whole.body) - 1}/{len(whole.body)}"
        assert whole.body[:place] + rest.body == whole.body
    assert ingest(server, book, {"content/new.md": b"new"}).status == 200
    stale = server.request("GET", url, None, {"Range": "bytes=100-", "If-Range": whole.headers["etag"]})
    assert stale.status == 200, "the book has moved on: the rest of the old archive does not fit"
    beyond = server.request("GET", url, None, {"Range": f"bytes={len(stale.body)}-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(stale.body)}")


def test_HEAD_says_the_same_without_a_byte(server: LiveServer, book: str) -> None:
    got, head = (server.request(method, f"/books/{book}/archive") for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    for name in ("content-length", "etag", "content-type", "accept-ranges"):
        assert head.headers[name] == got.headers[name]


def test_P4_damage_cuts_the_connection_and_partial_says_so_inside(server: LiveServer, book: str) -> None:
    kept = stack.served_blobs(server.store)
    kept.damage(key(book, FILES["content/large.txt"]), b"9" * 400_000)
    anyio.run(kept.blobs.remove, key(book, FILES["static/img/@/p.png"]))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        server.request("GET", f"/books/{book}/archive")
    answer = server.request("GET", f"/books/{book}/archive?partial=true")
    assert answer.status == 200
    assert "content-length" not in answer.headers
    assert "etag" not in answer.headers
    assert answer.headers["accept-ranges"] == "none"
    assert names(answer.body) == {"content/a.md", "content/b/c.mdx", "errors.json"}
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        told = json.loads(archive.read("errors.json"))
        assert archive.comment == b"incomplete: 2 of 4 files are missing; see errors.json"
    assert {e["path"]: e["error"]["code"] for e in told["errors"]} == {
        "content/large.txt": "HASH_MISMATCH", "static/img/@/p.png": "NOT_FOUND",
    }  # fmt: skip


def test_FR_014_the_time_of_a_partial_archive_can_be_set(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store", environment={"PANAVERSITY_ARCHIVE_SECONDS": "0.000000001"}) as hurried:
        assert ingest(hurried, "bk", FILES).status == 200
        answer = hurried.request("GET", "/books/bk/archive?partial=true")
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            told = json.loads(archive.read("errors.json"))
        assert {e["error"]["code"] for e in told["errors"]} == {"TIMEOUT"}
        assert {e["path"] for e in told["errors"]} == FILES.keys()
        assert names(hurried.request("GET", "/books/bk/archive").body) == FILES.keys(), "the whole one has no limit"


def test_a_book_nobody_created_is_an_empty_archive_with_a_warning(server: LiveServer) -> None:
    answer = server.request("GET", "/books/nobody-made-it/archive")
    assert (answer.status, answer.headers["x-panaversity-warning"], names(answer.body)) == (200, "BOOK_UNKNOWN", set())
    told = server.call("get_book_archive", book_id="nobody-made-it")
    assert told.structured["warning"]["code"] == "BOOK_UNKNOWN"
    assert (told.structured["file_count"], told.structured["total_size_bytes"]) == (0, 0)


@pytest.mark.parametrize(
    ("query", "status"), [("scope=x", 400), ("partial=yes", 400), ("manifest=x", 400), ("manifest=" + "0" * 64, 404)]
)
def test_wrong_questions_are_refused(server: LiveServer, book: str, query: str, status: int) -> None:
    assert server.request("GET", f"/books/{book}/archive?{query}").status == status


def test_get_book_archive_answers_a_url_that_works(server: LiveServer, book: str) -> None:
    told = server.call("get_book_archive", book_id=book, scope="content").structured
    assert (told["status"], told["file_count"], told["total_size_bytes"]) == ("ready", 3, 400_005)
    url = urlsplit(told["archive_url"])
    assert f"http://{url.netloc}" == server.url
    answer = server.request("GET", f"{url.path}?{url.query}")
    assert names(answer.body) == {path for path in FILES if path.startswith("content/")}
    assert len(answer.body) == told["archive_size_bytes"]
    assert ingest(server, book, {"content/new.md": b"new"}).status == 200
    assert server.request("GET", f"{url.path}?{url.query}").body == answer.body, "the URL names a state"
    earlier = server.call("get_book_archive", book_id=book, manifest_hash=told["manifest_hash"]).structured
    assert earlier["file_count"] == 4
    assert server.call("get_book_archive", book_id=book, manifest_hash="0" * 64).code == "NOT_FOUND"


def test_SC_001_R4_an_archive_of_500_files_and_200_MB_fits_into_16_MiB(tmp_path: Path) -> None:
    """FR-011, FR-012: memory is seen from outside; how fast it really is, is a figure of ``make bench``."""
    size = 400_000
    seeds = [number.to_bytes(4, "big") for number in range(500)]
    block = hashlib.shake_256(b"block").digest(size - 4)
    digests = [Digest(hashlib.sha256(seed + block).hexdigest()) for seed in seeds]
    writes = tuple(Write(f"static/img/@/{n:03}.png", digest, size) for n, digest in enumerate(digests))

    def body() -> Iterator[bytes]:
        yield member(CHANGESET_MEMBER, Changeset(writes, schema=Schema.DOCUSAURUS).to_json())
        for seed, digest in zip(seeds, digests, strict=True):
            yield header(digest, size) + seed + block + padding(size)
        yield END

    with LiveServer(tmp_path / "store") as server:
        assert server.request("POST", "/books/big/changesets", body()).status == 200
        assert server.request("GET", "/books/big/archive?scope=content").status == 200
        for query in ("", "?partial=true"):
            idle = server.rss
            server.forget_peak()
            began = time.monotonic()
            assert downloaded(server, f"/books/big/archive{query}") > 500 * size
            growth, seconds = server.peak_rss - idle, time.monotonic() - began
            print(f"{query or 'whole'}: {seconds:.2f} s, growth {growth / MIB:.1f} MiB over idle {idle / MIB:.0f}")
            assert growth <= 16 * MIB
            assert seconds <= 60


def downloaded(server: LiveServer, path: str) -> int:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        connection.request("GET", path)
        answer, size = connection.getresponse(), 0
        while chunk := answer.read(MIB):
            size += len(chunk)
    finally:
        connection.close()
    return size
