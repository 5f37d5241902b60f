"""Every way a transport can fail below the client: three attempts, then one typed error that says what to do (P14).

The faults are raised where the client meets the network, so that kinds no local socket can be made to show are tried
too: in the standard library for the direct way, in the HTTP library (respx) for the way through a proxy.
"""

import errno
import http.client
import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from panaversity_builder.client import NO_WAITS, Client, PlanQuestion
from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import EMPTY, Digest
from panaversity_fs.core.errors import PanaversityError, ServerUnreachable, Unavailable

URL = "http://books.example"
PLAN: dict[str, Any] = {
    "status": "unchanged", "manifest_hash": EMPTY, "numbering": None, "schema": "docusaurus", "revision": 3,
    "store_id": "s", "incarnation": 1, "ingest_manifest": None, "changed_count": 0, "total_files": 0, "total_bytes": 0,
    "truncated": False, "persisted": True, "files": [],
}  # fmt: skip
GOOD = httpx.Response(
    200, json={"jsonrpc": "2.0", "id": 1, "result": {"content": [], "structuredContent": PLAN, "isError": False}}
)
FAULTS: list[Exception] = [
    httpx.ConnectError("no route to host"),
    httpx.ConnectTimeout("timed out"),
    httpx.ReadTimeout("timed out"),
    httpx.WriteTimeout("timed out"),
    httpx.PoolTimeout("timed out"),
    httpx.ReadError("connection reset by peer"),
    httpx.WriteError("broken pipe"),
    httpx.CloseError("closed"),
    httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    httpx.LocalProtocolError("illegal header"),
    httpx.ProxyError("502 from the proxy"),
    httpx.UnsupportedProtocol("no such protocol"),
    httpx.DecodingError("bad zstd"),
]


@pytest.fixture(autouse=True)
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP library carries requests where the environment names a proxy."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


NAMES = [type(fault).__name__ for fault in FAULTS]


SOCKET_FAULTS: list[Exception] = [
    ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
    socket.gaierror(-2, "Name or service not known"),
    TimeoutError("timed out"),
    OSError(errno.ENETUNREACH, "Network is unreachable"),
    OSError(errno.EMFILE, "Too many open files"),
    ssl.SSLCertVerificationError("certificate verify failed"),
    UnicodeError("label empty or too long"),
]
ANSWER_FAULTS: list[Exception] = [
    ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    TimeoutError("timed out"),
    http.client.RemoteDisconnected("Remote end closed connection without response"),
    http.client.BadStatusLine("SSH-2.0"),
    http.client.LineTooLong("header line"),
    http.client.IncompleteRead(b"half"),
    ssl.SSLEOFError("EOF occurred in violation of protocol"),
]


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way leads through a proxy, so the HTTP library is used."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")


def client() -> Client:
    return Client(URL, "tester", waits=NO_WAITS)


def plan(server: Client) -> object:
    return server.plan_build("book")


CALLS: dict[str, Callable[[Client], object]] = {
    "plan": plan,
    "manifest": lambda server: server.manifest_text("book", EMPTY),
    "upload": lambda server: server.put_blob("book", EMPTY, 0, lambda: iter([b""])),
    "changeset": lambda server: server.send_changeset("book", Changeset(()), lambda: [], "key"),
    "tool": lambda server: server.call("read_content", {"book_id": "book", "path": "content/x.md"}),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", SOCKET_FAULTS, ids=[type(fault).__name__ for fault in SOCKET_FAULTS])
def test_P14_a_server_that_cannot_be_reached_is_tried_three_times_then_exit_10(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, call: str
) -> None:
    def refuse(*_: object, **__: object) -> socket.socket:
        raise fault

    monkeypatch.setattr(socket, "create_connection", refuse)
    with client() as server, pytest.raises(ServerUnreachable) as caught:
        CALLS[call](server)
    assert (server.traffic.requests, caught.value.exit_status) == (3, 10)
    assert URL in str(caught.value)


@pytest.mark.parametrize("fault", ANSWER_FAULTS, ids=[type(fault).__name__ for fault in ANSWER_FAULTS])
def test_P14_an_answer_that_breaks_is_asked_for_three_times_then_exit_10(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def refuse(*_: object) -> http.client.HTTPResponse:
        raise fault

    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(http.client.HTTPConnection, "getresponse", refuse)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with Client(url, "tester", waits=NO_WAITS) as server, pytest.raises(ServerUnreachable) as caught:
            plan(server)
    assert (server.traffic.requests, caught.value.exit_status) == (3, 10)
    assert url in str(caught.value)


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
@respx.mock(base_url=URL)
def test_P14_a_transport_that_stays_broken_is_tried_three_times_then_exit_10(
    respx_mock: respx.MockRouter, fault: Exception, call: str
) -> None:
    route = respx_mock.route().mock(side_effect=fault)
    with client() as server, pytest.raises(ServerUnreachable) as caught:
        CALLS[call](server)
    assert route.call_count == 3
    assert caught.value.exit_status == 10
    assert URL in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert server.traffic.requests == 3


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
@respx.mock(base_url=URL)
def test_P14_a_transport_that_recovers_is_no_error(respx_mock: respx.MockRouter, fault: Exception) -> None:
    respx_mock.post("/mcp").mock(side_effect=[fault, fault, GOOD])
    with client() as server:
        assert server.plan_build("book", PlanQuestion(EMPTY)).status == "unchanged"
        assert server.traffic.requests == 3


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
@pytest.mark.parametrize("kind", ["pack", "blob"])
@respx.mock(base_url=URL)
def test_P4_a_stream_that_cannot_be_opened_is_one_attempt_of_the_caller(
    respx_mock: respx.MockRouter, fault: Exception, kind: str
) -> None:
    route = respx_mock.route().mock(side_effect=fault)
    digest = Digest("1" * 64)
    with client() as server, pytest.raises(Unavailable):
        list(
            server.fetch_pack("book", EMPTY, [digest])
            if kind == "pack"
            else server.fetch_blob("book", EMPTY, digest, 0, 9)
        )
    assert route.call_count == 1


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@respx.mock(base_url=URL)
def test_S24_a_redirect_is_never_followed(respx_mock: respx.MockRouter, status: int) -> None:
    respx_mock.post("/mcp").mock(return_value=httpx.Response(status, headers={"Location": "http://evil.example/mcp"}))
    with client() as server, pytest.raises(PanaversityError):
        plan(server)
    assert {call.request.url.host for call in respx_mock.calls} == {"books.example"}


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("status", [502, 503, 504, 520])
@respx.mock(base_url=URL)
def test_F18_a_gateways_page_is_exit_10_and_told_in_a_few_words(respx_mock: respx.MockRouter, status: int) -> None:
    page = "<html>\x1b[31mBad gateway" + "x" * 1_000_000
    route = respx_mock.post("/mcp").mock(return_value=httpx.Response(status, html=page))
    with client() as server, pytest.raises(ServerUnreachable) as caught:
        plan(server)
    assert (route.call_count, caught.value.exit_status) == (3, 10)
    assert len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value)
