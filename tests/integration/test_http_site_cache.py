"""The remote build cache over HTTP: a real server, its routes, scopes, bounds and figures (DESIGN 8, 9)."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from panaversity_fs.core import pack
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.site_meta import META_MEMBER, SiteMeta
from support import stack, tokens
from support.live import Answer, LiveServer, app_client
from support.scraped import scraped
from support.tokens import bearer, token

BOOK = "guide"
SITE = os.urandom(300_000)
MIB = 1024**2


def body(document: str, data: bytes = SITE, built: bytes = b"output", **said: Any) -> bytes:
    """A site as the builder sends it."""
    meta = json.loads(SiteMeta(document, digest_of(built), 700).to_bytes()) | said
    return packed(json.dumps(meta).encode(), digest_of(data), data)


def packed(meta: bytes, name: str, data: bytes) -> bytes:
    return pack.member(META_MEMBER, meta) + pack.member(name, data) + pack.END


def url(document: str) -> str:
    return f"/books/{BOOK}/site-cache/{digest_of(document.encode())}"


def unpacked(answer: Answer) -> dict[str, bytes]:
    reader, members, name = pack.PackReader(2), dict[str, bytes](), ""
    for event in reader.feed(answer.body):
        if isinstance(event, pack.Begin):
            name, members[event.name] = event.name, b""
        elif isinstance(event, bytes):
            members[name] += event
    reader.close()
    return members


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    store = tmp_path_factory.mktemp("sites") / "store"
    with LiveServer(store, environment={"PANAVERSITY_SITE_CACHE_BYTES": str(64 * MIB)}) as server:
        path = "content/01-Part/01-Chapter/01-lesson.md"
        assert not server.call("write_content", book_id=BOOK, path=path, content="text").is_error
        yield server


def test_a_site_that_was_put_is_got_with_who_built_it_and_when(server: LiveServer) -> None:
    assert server.request("GET", url("one")).code == "NOT_FOUND"
    put = server.request("PUT", url("one"), body("one"), agent="alice")
    assert (put.status, put.json()["stored"]) == (201, True)
    got = server.request("GET", url("one"))
    members = unpacked(got)
    said = json.loads(members[META_MEMBER])
    assert members[digest_of(SITE)] == SITE
    assert (said["agent"], said["document"], said["output"]) == ("alice", "one", digest_of(b"output"))
    assert said["build_ms"] == 700
    assert said["stored_at"].endswith("+00:00")
    assert int(got.headers["content-length"]) == len(got.body)
    assert got.headers["cache-control"] == "private, no-cache"
    assert got.headers["x-content-type-options"] == "nosniff"


def test_head_asks_without_taking(server: LiveServer) -> None:
    server.request("PUT", url("head"), body("head"))
    head, got = server.request("HEAD", url("head")), server.request("GET", url("head"))
    assert (head.status, head.body) == (200, b"")
    assert {name: head.headers[name] for name in ("etag", "content-length")} == {
        name: got.headers[name] for name in ("etag", "content-length")
    }
    assert server.request("HEAD", url("nobody")).status == 404


def test_the_first_site_under_a_key_stands(server: LiveServer) -> None:
    assert server.request("PUT", url("first"), body("first"), agent="alice").status == 201
    again = server.request("PUT", url("first"), body("first", os.urandom(5_000_000)), agent="bob")
    assert (again.status, again.json()["stored"], again.json()["agent"]) == (200, False, "alice")
    other = server.request("PUT", url("first"), body("first", b"other", b"another output"))
    assert (other.status, other.code) == (409, "CONFLICT")
    assert unpacked(server.request("GET", url("first")))[digest_of(SITE)] == SITE


def broken() -> Iterator[tuple[str, bytes]]:
    good, meta = body("bad"), SiteMeta("bad", Digest("a" * 64), 1).to_bytes()
    yield "nothing", b""
    yield "no pack", b"x" * 4000
    yield "cut in its head", good[:600]
    yield "cut in its bytes", good[:200_000]
    yield "another document", body("other")
    yield "a key that is not the document's", body("bad", key=digest_of(b"x"))
    yield "an output that is none", body("bad", output="x")
    yield "the site first", pack.member(digest_of(SITE), SITE) + pack.member(META_MEMBER, meta) + pack.END
    yield "no digest", packed(meta, "site.tar", SITE)
    yield "another digest", packed(meta, digest_of(b"x"), SITE)
    yield "a long head", packed(meta + b" " * 2 * MIB, digest_of(SITE), SITE)


@pytest.mark.parametrize(("_what", "data"), list(broken()), ids=[what for what, _ in broken()])
def test_S23_another_body_is_refused_and_nothing_is_kept(server: LiveServer, _what: str, data: bytes) -> None:
    answer = server.request("PUT", url("bad"), data)
    assert answer.status in (400, 413), answer.body
    assert answer.code in ("INVALID_ARGUMENT", "HASH_MISMATCH", "TOO_LARGE")
    assert server.request("GET", url("bad")).status == 404


def test_a_site_over_the_quota_is_refused_before_it_is_read(server: LiveServer) -> None:
    meta = SiteMeta("huge", Digest("a" * 64), 1).to_bytes()
    head = pack.member(META_MEMBER, meta) + pack.header("b" * 64, 65 * MIB)

    def chunks() -> Iterator[bytes]:
        yield head
        yield bytes(3 * MIB)

    assert server.request("PUT", url("huge"), chunks()).code == "TOO_LARGE"
    length = {"Content-Length": str(200 * MIB), "Expect": "100-continue"}
    declared = server.request("PUT", url("huge"), b"", length, timeout=10)
    assert declared.code == "TOO_LARGE"


@pytest.mark.parametrize("key", ["x", "A" * 64, "a" * 63, "..", "a" * 64 + "%2f.."])
def test_a_key_that_is_no_digest_is_refused(server: LiveServer, key: str) -> None:
    for method in ("GET", "PUT"):
        assert server.request(method, f"/books/{BOOK}/site-cache/{key}", b"").status in (400, 404)


def test_SC_009_a_site_of_nobody_is_refused(server: LiveServer) -> None:
    assert server.request("PUT", url("anon"), body("anon"), agent="system").code == "AGENT_REQUIRED"
    assert server.request("PUT", url("anon"), body("anon"), agent=None).code == "AGENT_REQUIRED"


def test_a_book_nobody_created_has_no_sites(server: LiveServer) -> None:
    key = digest_of(b"one")
    assert server.request("GET", f"/books/nobody/site-cache/{key}").code == "NOT_FOUND"
    assert server.request("PUT", f"/books/nobody/site-cache/{key}", body("one")).code == "NOT_FOUND"


def test_P4_a_flipped_byte_cuts_the_answer_off_and_the_next_one_says_there_is_none(server: LiveServer) -> None:
    data = os.urandom(3 * MIB)
    server.request("PUT", url("flip"), body("flip", data))
    kept = stack.served_blobs(server.store)
    (name,) = (name for name in kept.site_names() if f"/{digest_of(data)}." in name)
    kept.damage_site(name, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Exception, match=r"IncompleteRead|Remote end closed|bytes read"):
        server.request("GET", url("flip"))
    assert server.request("GET", url("flip")).status == 404
    assert name not in kept.site_names()
    assert server.request("PUT", url("flip"), body("flip", data)).status == 201


def test_S28_the_figures_tell_how_much_is_kept_and_name_no_book(server: LiveServer) -> None:
    server.request("PUT", url("figures"), body("figures"))
    text = server.request("GET", "/metrics").body.decode()
    figures = scraped(text)
    ((count,),) = stack.rows(server.store, "SELECT count(*) FROM site_cache")
    objects = stack.rows(server.store, "SELECT DISTINCT sha256, generation, size FROM site_cache")
    assert figures("site_cache_sites") == count
    assert figures("site_cache_bytes") == sum(size for _, _, size in objects)
    assert figures("site_cache_events_total", event="stored") >= 1
    assert figures.labels("panaversityfs_site_cache_events_total") == {"event"}


@pytest.mark.anyio
async def test_S17_a_read_only_server_gives_and_does_not_take(tmp_path: Path) -> None:
    async with app_client(tmp_path / "store") as client:
        await client.post(
            "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "create_book",
            "arguments": {"book_id": BOOK}, "_meta": {"agent_id": "me"}}},
        )  # fmt: skip
        assert (await client.put(url("one"), content=body("one"))).status_code == 201
    async with app_client(tmp_path / "store", {"PANAVERSITYFS_READ_ONLY": "true"}) as client:
        assert (await client.get(url("one"))).status_code == 200
        refused = await client.put(url("two"), content=body("two"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "READ_ONLY")


SCOPES = {
    # scopes: (may get, may put)
    f"book:{BOOK}:site-cache": (True, True),
    "book:*:site-cache": (True, True),
    f"book:{BOOK}:read": (True, False),
    f"book:{BOOK}:write": (True, False),
    f"book:{BOOK}:admin": (True, False),
    f"book:{BOOK}:read book:{BOOK}:site-cache": (True, True),
    "book:other:admin book:other:site-cache": (False, False),
    "overlay:admin": (False, False),
    "": (False, False),
}


@pytest.mark.anyio
async def test_S13_who_reads_the_book_may_get_its_site_and_only_the_caches_own_scope_may_put_one(
    tmp_path: Path,
) -> None:
    settings = tokens.environment(tmp_path)
    async with app_client(tmp_path / "store", settings) as client:
        everything = bearer(token(scope="book:*:admin book:*:site-cache"))
        call = {"name": "create_book", "arguments": {"book_id": BOOK}}
        await client.post(
            "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}, headers=everything
        )
        assert (await client.put(url("one"), content=body("one"), headers=everything)).status_code == 201
        for scope, (may_get, may_put) in SCOPES.items():
            headers = bearer(token(scope=scope))
            got = await client.get(url("one"), headers=headers)
            put = await client.put(url("one"), content=body("one"), headers=headers)
            assert got.status_code == (200 if may_get else 403), scope
            assert put.status_code == (200 if may_put else 403), scope
        assert (await client.get(url("one"))).status_code == 401
        assert (await client.put(url("one"), content=body("one"))).status_code == 401
        stored = await client.put(url("who"), content=body("who"), headers=bearer(token(scope="book:*:site-cache")))
        assert (stored.status_code, stored.json()["agent"]) == (201, "alice"), "the token's name, whatever was said"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.full
def test_P13_a_large_site_passes_through_in_little_memory(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        server.call("create_book", book_id=BOOK)
        server.request("GET", url("none"))
        before = server.rss
        server.forget_peak()
        data = os.urandom(200 * MIB)
        assert server.request("PUT", url("one"), body("one", data), timeout=120).status == 201
        got = server.request("GET", url("one"), timeout=120)
        assert len(got.body) > len(data)
        assert server.peak_rss - before < 64 * MIB
