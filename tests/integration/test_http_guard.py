"""Who may talk to the server at all: Host, Origin, body limits, agents in headers (S1, S29, R7)."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from panaversity_fs.core.digest import digest_of
from support.live import LiveServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    environment = {"PANAVERSITY_ALLOWED_HOSTS": "books.example.org:443, Team.Example.Org"}
    with LiveServer(tmp_path_factory.mktemp("live") / "store", environment=environment) as live:
        yield live


def status_of(server: LiveServer, method: str, path: str, *lines: str) -> int:
    """The status of a request written byte by byte, so that no client library repairs it."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "Content-Length: 0", "Connection: close", "", ""])
        connection.sendall(head.encode("latin-1"))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return int(answer.split(b" ", 2)[1])


HOSTS = {
    "127.0.0.1:{port}": True, "localhost:{port}": True, "[::1]:{port}": True, "LOCALHOST:{port}": True,
    "books.example.org:443": True, "team.example.org:81": True,
    "evil.example": False, "localhost.evil.example:{port}": False, "localhost.:{port}": False, "localhost:1": False,
    "127.0.0.1": False, "localhost:{port}@evil.example": False,
}  # fmt: skip
ORIGINS = {
    None: True, "http://127.0.0.1:{port}": True, "http://localhost:{port}": True, "http://[::1]:{port}": True,
    "https://books.example.org": True, "http://team.example.org": True,
    "null": False, "http://evil.example": False, "http://localhost.evil.example:{port}": False,
    "http://localhost:1": False, "file://": False, "http://localhost:{port}/path": False,
}  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_S1_every_host_and_origin_is_judged_on_every_method(server: LiveServer, method: str) -> None:
    port = urlsplit(server.url).port
    for path in ("/healthz", "/mcp"):
        for host, own in HOSTS.items():
            for origin, ours in ORIGINS.items():
                lines = [f"Host: {host.format(port=port)}"]
                lines += [f"Origin: {origin.format(port=port)}"] if origin is not None else []
                status = status_of(server, method, path, *lines)
                expected = 421 if not own else 403 if not ours else None
                assert status == expected if expected else status not in (421, 403), (method, path, host, origin)


def test_S1_a_missing_or_doubled_host_is_refused(server: LiveServer) -> None:
    port = urlsplit(server.url).port
    assert status_of(server, "GET", "/healthz") == 400
    assert status_of(server, "GET", "/healthz", f"Host: localhost:{port}", "Host: evil.example") in (400, 421)
    ours = f"Host: localhost:{port}"
    assert status_of(server, "GET", "/healthz", ours, f"Origin: http://localhost:{port}", "Origin: null") == 403


def test_the_refusal_of_a_stranger_is_json(server: LiveServer) -> None:
    answer = server.request("GET", "/healthz", headers={"Origin": "http://evil.example"})
    assert (answer.status, answer.code) == (403, "FORBIDDEN")
    assert "x-request-id" in answer.headers


def test_an_mcp_body_over_4_MiB_is_refused_with_the_way_to_go(server: LiveServer) -> None:
    content = "x" * (5 << 20)
    params = {"name": "write_content", "arguments": {"book_id": "bk", "path": "content/x.md", "content": content}}
    answer = server.rpc(params)
    assert (answer.status, answer.code) == (413, "TOO_LARGE")
    assert "PUT" in answer.json()["error"]["hint"]
    chunked = server.request("POST", "/mcp", iter([b"x" * (5 << 20)]), {"Content-Type": "application/json"})
    assert chunked.status == 413


def test_an_agent_may_be_named_in_any_script_and_only_in_one_line(server: LiveServer) -> None:
    path = f"/books/agents/blobs/{digest_of(b'x')}"
    for agent, status in [("автор@ноутбук", 201), ("x" * 200, 201), ("x" * 201, 400), ("a\tb", 400)]:
        headers = {"X-Panaversity-Agent": agent.encode().decode("latin-1")}
        assert server.request("PUT", path, b"x", headers, agent=None).status == status
    latin = server.request("PUT", path, b"x", {"X-Panaversity-Agent": "M\xfcller"}, agent=None)
    assert (latin.status, latin.code) == (400, "INVALID_ARGUMENT")


def test_meta_names_the_agent_before_the_header(server: LiveServer) -> None:
    call = {"name": "create_book", "arguments": {"book_id": "order"}}
    assert '"AGENT_REQUIRED' in server.rpc({**call, "_meta": {"agent_id": ""}}).body.decode().replace("\\", "")
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_book",'
    body += b'"arguments":{"book_id":"order"},"_meta":{"agent_id":"system"}}}'
    answer = server.request("POST", "/mcp", body, {"Content-Type": "application/json"}, agent="header-agent")
    assert "AGENT_REQUIRED" in answer.body.decode()
    by_header = body.replace(b',"_meta":{"agent_id":"system"}', b"")
    answer = server.request("POST", "/mcp", by_header, {"Content-Type": "application/json"}, agent="header-agent")
    assert answer.json()["result"]["isError"] is False
