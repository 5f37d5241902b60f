"""Key sets: when they are looked up, and that the old set outlives every trouble (S11)."""

import asyncio
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from panaversity_fs.api.auth_keys import APART, MAX_BYTES, STALE, KeySet, from_file, from_url

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Source:
    """A key set that can be changed, slowed down and broken, and counts how often it was asked."""

    def __init__(self, *names: str) -> None:
        self.names, self.asked, self.broken, self.wait = list(names), 0, False, asyncio.Event()
        self.wait.set()

    async def load(self) -> bytes:
        self.asked += 1
        await self.wait.wait()
        if self.broken:
            raise OSError("unreachable")
        return json.dumps(self.names).encode()

    @staticmethod
    def build(text: bytes) -> dict[tuple[str | None, str], str]:
        names = json.loads(text)
        if not names:
            raise ValueError("no key")
        return {(name, "ES256"): f"key {name}" for name in names}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def key_set(source: Source, clock: Clock) -> KeySet[str]:
    return KeySet(source.load, source.build, clock)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_S11_a_set_is_looked_up_once_and_kept(clock: Clock) -> None:
    source = Source("a", "b")
    keys = key_set(source, clock)
    assert source.asked == 0
    found = await asyncio.gather(*(keys.find("a", "ES256") for _ in range(50)))
    assert set(found) == {"key a"}
    assert await keys.find("b", "ES256") == "key b"
    assert source.asked == 1


async def test_S11_ten_thousand_unknown_kids_cost_one_look_up_in_ten_seconds(clock: Clock) -> None:
    source = Source("a")
    keys = key_set(source, clock)
    assert await keys.find("a", "ES256")
    clock.now += APART
    for number in range(10_000):
        assert await keys.find(f"unknown-{number}", "ES256") is None
    assert source.asked == 2
    clock.now += APART - 0.01
    assert await keys.find("unknown", "ES256") is None
    assert source.asked == 2
    clock.now += 0.01
    await asyncio.gather(*(keys.find(f"unknown-{number}", "ES256") for number in range(100)))
    assert source.asked == 3


async def test_S11_a_rotation_is_seen_within_ten_seconds_and_a_withdrawal_within_a_minute(clock: Clock) -> None:
    source = Source("old")
    keys = key_set(source, clock)
    assert await keys.find("old", "ES256")
    source.names = ["new"]
    clock.now += APART
    assert await keys.find("new", "ES256") == "key new"
    assert await keys.find("old", "ES256") is None
    source.names = ["newer"]
    clock.now += STALE
    assert await keys.find("new", "ES256") == "key new"  # not made to wait
    await settled()
    clock.now += 1
    assert await keys.find("new", "ES256") is None


@pytest.mark.parametrize("trouble", ["unreachable", "empty", "garbage"])
async def test_S11_when_a_look_up_fails_the_old_set_stays(clock: Clock, trouble: str) -> None:
    source = Source("a")
    keys = key_set(source, clock)
    assert await keys.find("a", "ES256")
    if trouble == "unreachable":
        source.broken = True
    else:
        source.names = [] if trouble == "empty" else {"x"}  # type: ignore[assignment]
    for _ in range(20):
        clock.now += STALE
        assert await keys.find("a", "ES256") == "key a"
        await settled()
        assert await keys.find("unknown", "ES256") is None
    assert source.asked > 10


async def test_S11_a_slow_issuer_delays_nobody_whose_key_is_known(clock: Clock) -> None:
    source = Source("a")
    keys = key_set(source, clock)
    assert await keys.find("a", "ES256")
    source.wait.clear()
    clock.now += STALE
    for _ in range(100):
        async with asyncio.timeout(1):
            assert await keys.find("a", "ES256") == "key a"
        await settled()
    assert source.asked == 2
    source.wait.set()
    await settled()


async def test_without_a_kid_the_only_key_for_the_algorithm_is_meant(clock: Clock) -> None:
    one, two = key_set(Source("a"), clock), key_set(Source("a", "b"), clock)
    assert await one.find(None, "ES256") == "key a"
    assert await two.find(None, "ES256") is None
    assert await one.find(None, "RS256") is None
    assert await one.find("a", "RS256") is None


async def test_a_file_is_read_again_and_bounded(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    load = from_file(str(file))
    with pytest.raises(OSError):
        await load()
    file.write_bytes(b"one")
    assert await load() == b"one"
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(ValueError, match="too large"):
        await load()


Answering = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answering) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An issuer on loopback; what it was asked with."""
    seen: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json?x=1", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(status: int, body: bytes, **headers: str) -> Answering:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        try:
            request.wfile.write(body)
        except OSError:
            return

    return answer


async def test_a_url_is_fetched_with_nothing_of_ours() -> None:
    with serving(send(200, b"keys")) as (url, seen):
        assert await from_url(url, Clock())() == b"keys"
    assert seen[0]["path"] == "/jwks.json?x=1"
    assert set(seen[0]) == {"path", "host", "accept", "accept-encoding"}


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 404, 500, 204])
async def test_S11_a_redirect_or_refusal_is_not_followed(status: int) -> None:
    elsewhere = send(status, b"", Location="http://169.254.169.254/latest/meta-data")
    with serving(elsewhere) as (url, seen), pytest.raises(ValueError, match=str(status)):
        await from_url(url, Clock())()
    assert len(seen) == 1


async def test_S11_a_set_without_end_is_cut_off() -> None:
    def endless(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"x" * 65536)
        except OSError:
            return

    with serving(endless) as (url, _), pytest.raises(ValueError, match="too large"):
        await from_url(url, Clock())()


async def test_S11_a_set_that_drips_is_cut_off() -> None:
    clock = Clock()

    def dripping(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            for _ in range(1000):
                clock.now += 1
                request.wfile.write(b"x")
                request.wfile.flush()
        except OSError:
            return

    with serving(dripping) as (url, _), pytest.raises(TimeoutError):
        await from_url(url, clock)()
