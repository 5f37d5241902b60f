"""Authentication as it runs: a real server process, real keys, real sockets (S2, S3, S11, S22)."""

import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from panaversity_fs.core.digest import digest_of
from support import tokens
from support.live import Answer, LiveServer, clean_environment
from support.tokens import bearer, token

LESSON = "content/01-Part/02-Chapter/03-lesson.md"


def tool(server: LiveServer, text: str, name: str, **arguments: Any) -> Answer:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    headers = {"Content-Type": "application/json", **bearer(text)}
    return server.request("POST", "/mcp", json.dumps(call).encode(), headers)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("auth")
    with LiveServer(folder / "store", environment=tokens.environment(folder)) as live:
        yield live


@pytest.mark.parametrize("kind", ["rsa", "ec", "okp"])
def test_a_token_of_every_kind_of_key_writes_and_reads(server: LiveServer, kind: str) -> None:
    path = f"content/01-Part/02-Chapter/03-{kind}.md"
    text = token(kind)
    answer = tool(server, text, "write_content", book_id="bk", path=path, content="mine")
    assert answer.json()["result"]["structuredContent"]["status"] == "success"
    assert server.request("GET", f"/books/bk/files/{path}", headers=bearer(text)).body == b"mine"
    for wrong in (None, token(kind, keys=tokens.STRANGER), token(kind, exp=1), token(kind, scope="book:other:admin")):
        headers = bearer(wrong) if wrong else {}
        refused = server.request("GET", f"/books/bk/files/{path}", headers=headers)
        assert refused.status in (401, 403)
        assert b"mine" not in refused.body


def test_health_is_open_and_everything_else_wants_a_token(server: LiveServer) -> None:
    assert server.request("GET", "/healthz").status == server.request("GET", "/readyz").status == 200
    for method, path in [("GET", "/metrics"), ("POST", "/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp"), ("GET", "/x")]:
        answer = server.request(method, path)
        assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
        assert f'resource_metadata="{server.url}/.well-known/' in answer.headers["www-authenticate"]
    assert server.request("GET", "/metrics", headers=bearer(token(scope="book:*:read"))).status == 200


def test_a_large_upload_without_a_token_gets_its_answer(server: LiveServer) -> None:
    data = b"x" * (4 << 20)
    answer = server.request("PUT", f"/books/bk/blobs/{digest_of(data)}", data)
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")


def test_the_log_and_the_store_keep_no_token(server: LiveServer) -> None:
    canary = token(sub="canary-subject", scope="book:*:read", canary="canary-claim")
    server.request("GET", "/books/bk/files/none.md", headers=bearer(canary))
    server.request("GET", "/books/bk/files/none.md", headers=bearer(canary[:-3]))
    tool(server, canary, "read_content", book_id="bk", path=LESSON)
    written = b"".join(p.read_bytes() for p in server.store.parent.rglob("*") if p.is_file() and p.name != "jwks.json")
    for part in (canary, *canary.split("."), "canary-claim"):
        assert part.encode() not in written


def test_the_builder_sends_its_token(server: LiveServer, tmp_path: Path) -> None:
    source = tmp_path / "docs"
    (source / "01-Part").mkdir(parents=True)
    (source / "01-Part" / "01-lesson.md").write_text("# One\n")

    def ingest(text: str | None) -> int:
        environment = {**clean_environment(), "PANAVERSITY_MCP_URL": server.url}
        if text is not None:
            environment["PANAVERSITY_TOKEN"] = text
        command = [
            sys.executable,
            "-m",
            "panaversity_builder",
            "ingest",
            "--book-id",
            "built",
            "--source-dir",
            str(source),
        ]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60).returncode

    assert ingest(None) == 16
    assert ingest(token(scope="book:built:read")) == 16
    assert ingest(token(scope="book:built:write")) == 0


@contextmanager
def issuer() -> Iterator[tuple[str, dict[str, Any], list[dict[str, str]]]]:
    """A key set behind a URL: its address, what it answers (changeable), and the headers it was asked with."""
    state: dict[str, Any] = {"status": 200, "body": json.dumps(tokens.jwks()).encode()}
    seen: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({k.lower(): v for k, v in self.headers.items()})
            self.send_response(state["status"])
            self.end_headers()
            self.wfile.write(state["body"])

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json", state, seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_S3_S11_keys_behind_a_url_are_fetched_once_and_nothing_of_the_caller_goes_there(tmp_path: Path) -> None:
    with issuer() as (url, state, seen):
        environment = {
            "PANAVERSITY_AUTH_ISSUER": tokens.ISSUER, "PANAVERSITY_AUTH_AUDIENCE": tokens.AUDIENCE,
            "PANAVERSITY_AUTH_JWKS_URL": url,
        }  # fmt: skip
        with LiveServer(tmp_path / "store", environment=environment) as live:
            assert seen == []
            with ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(tool, live, token(), "list_books") for _ in range(16)]
                assert {answer.result().status for answer in asked} == {200}
            assert len(seen) == 1
            assert "authorization" not in seen[0]
            state["status"] = 500
            unknown = token(header={"kid": "new"})
            assert {tool(live, unknown, "list_books").status for _ in range(20)} == {401}
            assert tool(live, token(), "list_books").status == 200
            assert len(seen) == 1


def test_S11_a_server_starts_while_its_issuer_is_away(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        environment = {
            "PANAVERSITY_AUTH_ISSUER": tokens.ISSUER, "PANAVERSITY_AUTH_AUDIENCE": tokens.AUDIENCE,
            "PANAVERSITY_AUTH_JWKS_URL": f"http://127.0.0.1:{taken.getsockname()[1]}/jwks.json",
        }  # fmt: skip
        with LiveServer(tmp_path / "store", environment=environment) as live:
            assert tool(live, token(), "list_books").status == 401
            assert live.request("GET", "/readyz").status == 200


def test_S22_a_caller_over_its_rate_is_told_when_to_come_back_and_others_are_not(tmp_path: Path) -> None:
    environment = {
        **tokens.environment(tmp_path), "PANAVERSITY_LIMIT_REQUESTS_PER_SECOND": "0.01", "PANAVERSITY_LIMIT_BURST": "3",
    }  # fmt: skip
    with LiveServer(tmp_path / "store", environment=environment) as live:
        alice, bob = token(sub="alice"), token(sub="bob")
        assert [tool(live, alice, "list_books").status for _ in range(3)] == [200] * 3
        refused = tool(live, alice, "list_books")
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "RATE_LIMITED", "100")
        assert refused.json()["error"]["retryable"] is True
        # Another token of the same subject is the same caller.
        assert tool(live, token("rsa", sub="alice"), "list_books").status == 429
        assert tool(live, bob, "list_books").status == 200
        assert [live.request("GET", "/healthz").status for _ in range(10)] == [200] * 10


def test_S22_so_many_requests_at_once_and_no_more(tmp_path: Path) -> None:
    environment = {**tokens.environment(tmp_path), "PANAVERSITY_LIMIT_CONCURRENT": "2"}
    with LiveServer(tmp_path / "store", environment=environment) as live:
        address = urlsplit(live.url)
        head = (
            f"PUT /books/bk/blobs/{'a' * 64} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 100\r\n"
            f"X-Panaversity-Agent: t\r\nAuthorization: Bearer {token()}\r\n\r\n"
        ).encode()
        open_ones = [socket.create_connection((address.hostname, address.port)) for _ in range(2)]
        try:
            for connection in open_ones:
                connection.sendall(head + b"x")
            deadline = time.monotonic() + 10
            while (refused := tool(live, token(), "list_books")).status != 429:
                assert time.monotonic() < deadline
            assert refused.code == "RATE_LIMITED"
            assert tool(live, token(sub="bob"), "list_books").status == 200
        finally:
            for connection in open_ones:
                connection.close()
        deadline = time.monotonic() + 10
        while tool(live, token(), "list_books").status != 200:
            assert time.monotonic() < deadline


def test_a_stranger_over_another_address_needs_authentication(tmp_path: Path) -> None:
    """A bound non-loopback address answers to its allowed names only, and to tokens only."""
    environment = {**tokens.environment(tmp_path), "PANAVERSITY_ALLOWED_HOSTS": "books.example,0.0.0.0"}
    with LiveServer(tmp_path / "store", environment=environment, arguments=["--host", "0.0.0.0"]) as live:
        host = {"Host": "books.example"}
        assert live.request("GET", "/healthz", headers=host).status == 200
        assert live.request("GET", "/metrics", headers=host).status == 401
        assert live.request("GET", "/healthz", headers={"Host": "evil.example"}).status == 421
