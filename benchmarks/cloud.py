"""The same server over PostgreSQL and an S3-compatible store, beside the one over SQLite and a folder (issue: part 5).

PostgreSQL and the object store are real ones of this machine, started by what the tests start them with: PostgreSQL in
a folder on tmpfs, rclone's S3 server over the disk. Ratios of one run, taken in turns. Knows which commands to time and
their bounds; does not know how figures are shown.
"""

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from figures import Report
from measure import CommandFailed, median, resident_of, run
from scene import ROOT, Scene, make_book
from server_figures import SCALE
from wire import Wire

sys.path.insert(0, str(ROOT / "tests"))

from support import object_store, postgres
from support.env_server import EnvServer
from support.round_robin import RoundRobin

TURNS = 3
CLIENTS, SECONDS, SETTLED = 64, max(20.0, 180.0 * SCALE), 30.0
"""Clients that ask once a second each, for so long; memory and descriptors are compared from ``SETTLED`` seconds on."""
_numbers = count()


def cloud_figures(place: Scene, report: Report) -> None:
    """All figures of the cloud stack."""
    with ExitStack() as stack:
        one, two = (stack.enter_context(_server(place, name)) for name in ("one", "two"))
        _books(place, one, report)
        _replicas(one, two, stack, report)
        _open_loop(one, report)


@contextmanager
def _server(place: Scene, name: str) -> Iterator[EnvServer]:
    folder = place.disk / f"cloud-{name}"
    folder.mkdir()
    environment = _environment(name)
    with EnvServer(folder, {**environment, "PANAVERSITY_ALLOWED_HOSTS": "127.0.0.1"}) as server:
        yield server


_shared: dict[str, str] = {}


def _environment(_name: str) -> dict[str, str]:
    """Database and bucket, the same for both servers."""
    if not _shared:
        _shared.update({"DATABASE_URL": postgres.new_database(), **object_store.rclone().environment("bench")})
    return _shared


def _books(place: Scene, cloud: EnvServer, report: Report) -> None:
    """1000 lessons in and out, in turns with SQLite and a folder."""
    source = place.disk / "cloud-book"
    make_book(source, "--lessons", "1000")
    seconds: dict[str, dict[str, list[float]]] = {case: {} for case in ("ingest", "cold", "unchanged", "delta")}
    for turn in range(TURNS):
        for name, url in (("local", place.url), ("cloud", cloud.url)):
            took = _one_round(place, url, source, place.memory / f"{name}-{turn}", f"round-{turn}")
            for case, value in took.items():
                seconds[case].setdefault(name, []).append(value)
    for case, bound in (("ingest", 2.5), ("cold", 2.5), ("unchanged", 1.3), ("delta", 1.3)):
        local, cloud_ = (median(seconds[case][name]) for name in ("local", "cloud"))
        report(f"cloud-{case}-to-local", cloud_ / local, bound, "×", f"{cloud_:.3f} s to {local:.3f} s")


def _one_round(place: Scene, url: str, source: Path, output: Path, book: str) -> dict[str, float]:
    environment = {**place.environment, "PANAVERSITY_MCP_URL": url, "PANAVERSITY_CACHE_SIZE": "0"}

    def command(*words: str) -> float:
        return run(place.panaversity(*words, "--book-id", book), environment).seconds

    ingest, hydrate = ("ingest", "--source-dir", str(source)), ("hydrate", "--output-dir", str(output))
    took = {"ingest": command(*ingest), "cold": command(*hydrate)}
    time.sleep(2.1)  # until the files' times are believed
    command(*hydrate)
    took["unchanged"] = median([command(*hydrate) for _ in range(3)])
    make_book(source, "--edit", "5", "--seed", str(next(_numbers)))
    command(*ingest)
    took["delta"] = command(*hydrate)
    return took


def _replicas(one: EnvServer, two: EnvServer, stack: ExitStack, report: Report) -> None:
    """Writes of 16 clients to 16 books: through one server, then through both in turns."""
    both = stack.enter_context(RoundRobin(lambda: [one.url, two.url]))
    each = max(4, int(40 * SCALE))
    rates = {name: [_write_rate(url, f"{name}-{turn}", each) for turn in range(TURNS)]
             for name, url in (("single", one.url), ("double", both.url))}  # fmt: skip
    single, double = median(rates["single"]), median(rates["double"])
    report("cloud-two-replicas-to-one", double / single, 0.9, "×", f"{double:.0f}/s to {single:.0f}/s", at_least=True)
    with Wire(one.url) as wire:
        books = [f"double-{turn}-{client:02}" for turn in range(TURNS) for client in range(16)]
        held = sum(wire.call("plan_build", book_id=book).answer["total_files"] for book in books)
    report("cloud-writes-lost", TURNS * 16 * each - held, 0, "")


def _write_rate(url: str, name: str, each: int) -> float:
    def client(number: int) -> None:
        with Wire(url) as wire:
            for lesson in range(each):
                path = f"content/01-Part/01-Chapter/{lesson + 1:02}-lesson.md"
                wire.call("write_content", book_id=f"{name}-{number:02}", path=path, content=f"# {lesson}\n" * 40)

    began = time.perf_counter()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(client, range(16)))
    return 16 * each / (time.perf_counter() - began)


@dataclass
class _Load:
    """What 64 clients met. ``late`` are seconds from when a request was due to the end of its answer."""

    late: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _open_loop(server: EnvServer, report: Report) -> None:
    """Requests come when they are due, whether or not earlier ones were answered in time."""
    with Wire(server.url) as wire:
        for number in range(20):
            wire.call("write_content", book_id="load", path=_lesson(number), content=f"# {number}\n" * 100)
    load, pid = _Load(), _pid(server)
    threads = [threading.Thread(target=_client, args=(server.url, number, load)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(min(SETTLED, SECONDS / 3))
    before = (resident_of(pid), len(os.listdir(f"/proc/{pid}/fd")))
    for thread in threads:
        thread.join()
    after = (resident_of(pid), len(os.listdir(f"/proc/{pid}/fd")))
    p99 = sorted(load.late)[int(len(load.late) * 0.99)] * 1000
    note = f"{len(load.late)} requests in {SECONDS:.0f} s, p50 {median(load.late) * 1000:.0f} ms"
    report("cloud-load-errors", len(load.failed), 0, "", "; ".join(sorted(set(load.failed))[:3]))
    report("cloud-load-p99", p99, 250, "ms", note)
    report(
        "cloud-load-memory-growth", (after[0] - before[0]) / (1 << 20), 16, "MiB", f"{after[0] >> 20} MiB at the end"
    )
    report("cloud-load-descriptors-growth", after[1] - before[1], 8, "", f"{after[1]} at the end")


def _pid(server: EnvServer) -> int:
    assert server._process is not None
    return server._process.pid


def _lesson(number: int) -> str:
    return f"content/01-Part/01-Chapter/{number + 1:02}-lesson.md"


def _client(url: str, number: int, load: _Load) -> None:
    chance = random.Random(number)
    began = time.monotonic() + chance.random()
    with Wire(url) as wire:
        for second in range(int(SECONDS)):
            due = began + second
            time.sleep(max(0.0, due - time.monotonic()))
            problem = _asked(wire, chance, number, second)
            with load.lock:
                load.late.append(time.monotonic() - due)
                load.failed += [problem] if problem else []


def _asked(wire: Wire, chance: random.Random, number: int, second: int) -> str:
    """One request; what went wrong, or nothing. Six of ten read, three plan, one writes."""
    kinds: list[Callable[[], object]] = [
        lambda: wire.call("read_content", book_id="load", path=_lesson(chance.randrange(20))),
        lambda: wire.call("plan_build", book_id="load"),
        lambda: (
            wire.call("write_content", book_id=f"load-{number:02}", path=f"content/{second:03}.md", content="# x\n")
            if second
            else wire.call("create_book", book_id=f"load-{number:02}", schema="docusaurus")
        ),
    ]
    pick = kinds[2] if second == 0 else chance.choices(kinds, [6, 3, 1])[0]
    try:
        pick()
    except (CommandFailed, OSError) as fault:
        return str(fault)[:200]
    return ""
