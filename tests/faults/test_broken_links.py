"""A link that is cut, stalls, crawls or refuses, between a real builder and a real server (F32, F35, F36, P9).

Whatever the link does: no file is torn, a run that says it succeeded is right, and the next run over a good link ends
where one clean run ends. Offsets are drawn with a seed and counted; ``make test-full`` draws 200.
"""

import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from panaversity_builder.book.hydrate import HydrateOptions, hydrate
from panaversity_builder.book.ingest import IngestOptions, ingest
from panaversity_builder.client import NO_WAITS, Client
from panaversity_fs.core.errors import PanaversityError, ServerUnreachable
from support.command import clean_environ, panaversity
from support.fault_proxy import proxy_to
from support.hydrated import tree_of
from support.live import LiveServer

pytestmark = pytest.mark.timeout(3600)  # the exhaustive counts take their time

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SEED = int(os.environ.get("PANAVERSITY_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
CUTS = 200 if FULL else 4
BOOK = "linked"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    names = {"PANAVERSITY_ALLOWED_HOSTS": "127.0.0.1"}  # whatever port the proxy listens on
    with LiveServer(tmp_path_factory.mktemp("live") / "store", environment=names) as server:
        yield server


@pytest.fixture(scope="module")
def source(live: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of 40 lessons that do not compress and one asset that travels alone, ingested."""
    folder, rng = tmp_path_factory.mktemp("source"), random.Random(1)
    for number in range(40):
        lesson = folder / f"{number % 4:02}-Part" / f"{number:02}-lesson.md"
        lesson.parent.mkdir(exist_ok=True)
        lesson.write_bytes(rng.randbytes(9000))
    (folder / "01-Part" / "img").mkdir()
    (folder / "01-Part" / "img" / "large.png").write_bytes(rng.randbytes(5 << 20))
    with client(live.url) as server:
        ingest(server, IngestOptions(BOOK, str(folder), str(folder.with_name("state"))))
    return folder


def client(url: str, **named: Any) -> Client:
    return Client(url, "author", waits=NO_WAITS, **named)


def attempt(url: str, out: Path, **named: Any) -> str:
    """Hydrate once: "done", or the code of the refusal where it leaves with 10."""
    try:
        with client(url, **named) as server:
            hydrate(server, HydrateOptions(BOOK, str(out)))
    except PanaversityError as refusal:
        return refusal.code if refusal.exit_status == 10 else f"not 10: {refusal}"
    return "done"


def whole_or_absent(out: Path, wanted: dict[str, bytes]) -> None:
    for path, data in tree_of(out).items():
        assert data == wanted[path], f"{path} is torn"


def test_F36_P9_a_hydrate_cut_at_any_byte_never_tears_a_file_and_the_next_one_ends_it(
    live: LiveServer, source: Path, tmp_path: Path
) -> None:
    wanted, rng, seen = tree_of(source), random.Random(SEED), dict[str, int]()
    for number in range(CUTS):
        out, cuts = tmp_path / f"{number}", rng.choice([1, 2, 99])
        # Most of the bytes are the large file's; half of the cuts fall on plan and pack.
        cut_after = rng.randrange(1, rng.choice([400_000, 5_700_000]))
        with proxy_to(live.url, cut_after=cut_after, cuts=cuts) as proxy:
            outcome = attempt(proxy.url, out)
            if outcome == "done":
                assert tree_of(out) == wanted
            elif out.exists():
                whole_or_absent(out, wanted)
                proxy.link.cuts = 0
                before = proxy.link.to_client
                assert attempt(proxy.url, out) == "done"
                assert proxy.link.to_client - before < 5_800_000
            seen[outcome] = seen.get(outcome, 0) + 1
            assert outcome in ("done", "SERVER_UNREACHABLE")
        assert attempt(live.url, out) == "done"
        assert tree_of(out) == wanted
    print(f"seed {SEED}: {CUTS} cuts, {seen}")


def test_F36_P9_a_large_file_goes_on_where_the_cut_was(live: LiveServer, source: Path, tmp_path: Path) -> None:
    with proxy_to(live.url, cut_after=4_000_000, cuts=1) as proxy:
        assert attempt(proxy.url, tmp_path / "out") == "done"
        assert proxy.link.to_client < 5_700_000 + 400_000
    assert tree_of(tmp_path / "out") == tree_of(source)


def test_F19_a_link_that_stalls_is_given_up_in_time_and_a_slow_one_is_not(
    live: LiveServer, source: Path, tmp_path: Path
) -> None:
    with proxy_to(live.url, stall_after=100_000, cuts=99) as proxy:
        began = time.monotonic()
        assert attempt(proxy.url, tmp_path / "stalled", silence=0.2) == "SERVER_UNREACHABLE"
        assert time.monotonic() - began < 10
    assert attempt(live.url, tmp_path / "stalled") == "done"
    with proxy_to(live.url, bytes_per_second=12_000_000, delay=0.005) as proxy:
        assert attempt(proxy.url, tmp_path / "slow", silence=5) == "done"
    assert tree_of(tmp_path / "stalled") == tree_of(tmp_path / "slow") == tree_of(source)


def test_F35_an_ingest_cut_on_its_way_is_the_old_book_or_the_new_and_runs_again(
    live: LiveServer, source: Path, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    wanted, state = tree_of(source), str(tmp_path / "state")
    for number in range(10 if FULL else 2):
        book = f"cut-{number}"
        link = {"cut_after": rng.randrange(1, 2500), "cuts": rng.choice([1, 99])}
        with (
            proxy_to(live.url, **link) as proxy,
            contextlib.suppress(ServerUnreachable),
            client(proxy.url) as server,
        ):
            ingest(server, IngestOptions(book, str(source), state))
        with client(live.url) as server:
            result = ingest(server, IngestOptions(book, str(source), state))
            assert result.revision == 1
            hydrate(server, HydrateOptions(book, str(tmp_path / book)))
        assert tree_of(tmp_path / book) == wanted


def test_P14_a_refusing_server_is_exit_10_with_one_sentence_and_no_traceback(
    live: LiveServer, source: Path, tmp_path: Path
) -> None:
    with proxy_to(live.url, refuse=True) as proxy:
        environ = clean_environ(PANAVERSITY_MCP_URL=proxy.url, PANAVERSITY_BOOK_ID=BOOK)
        outcome = panaversity("hydrate", "--output-dir", "out", cwd=tmp_path, environ=environ)
        assert outcome.status == 10
        assert outcome.err.startswith("error SERVER_UNREACHABLE: plan_build: http://127.0.0.1:")
        assert "3 attempts" in outcome.err
        assert "Traceback" not in outcome.err
        assert proxy.link.connections == 3


def test_a_round_trip_costs_what_the_way_costs_one_request_when_nothing_changed(
    live: LiveServer, source: Path, tmp_path: Path
) -> None:
    assert attempt(live.url, tmp_path / "out") == "done"
    with proxy_to(live.url, delay=0.025) as proxy, client(proxy.url) as server:
        began = time.monotonic()
        result = hydrate(server, HydrateOptions(BOOK, str(tmp_path / "out")))
        seconds = time.monotonic() - began
        assert (result.mode, result.requests, proxy.link.connections) == ("unchanged", 1, 1)
        assert seconds >= 0.1  # a handshake and a question: the proxy does delay
        assert proxy.link.to_client < 4096


def test_the_proxy_passes_everything_and_ends_with_its_context() -> None:
    before = threading.active_count()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        proxy_to(f"http://127.0.0.1:{listening.getsockname()[1]}") as proxy,
        socket.create_connection(("127.0.0.1", proxy.port)) as near,
    ):
        near.sendall(b"question")
        far, _ = listening.accept()
        with far:
            assert far.recv(100) == b"question"
            far.sendall(b"answer")
            assert near.recv(100) == b"answer"
            near.shutdown(socket.SHUT_WR)
            assert far.recv(100) == b""
        assert near.recv(100) == b""
    assert threading.active_count() == before
