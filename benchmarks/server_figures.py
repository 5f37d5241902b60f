"""What the server promises, one figure each, measured from outside over HTTP (SC-001, SC-006, SC-007, F66).

Knows which calls to time and their bounds; does not know how figures are shown.
"""

import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from figures import Report
from measure import median, peak_of, reset_peak, resident_of, run
from scene import Scene, make_book, running_server
from wire import Wire

MIB = 1 << 20
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
"""Below 1 for a quick look: counts shrink, and so the figures mean less."""


def server_figures(place: Scene, report: Report) -> None:
    """All figures of the server."""
    for figures in (_writing, _reading, _archive, _searching, _reading_beside_searches, _large_books):
        figures(place, report)


def _scaled(count: int) -> int:
    return max(16, int(count * SCALE))


def _path(number: int) -> str:
    """The number-th legal path: 99 lessons a chapter, 99 chapters a part."""
    chapter, lesson = divmod(number, 99)
    part, chapter = divmod(chapter, 99)
    return f"content/{part + 1:02}-Part/{chapter + 1:02}-Chapter/{lesson + 1:02}-lesson.md"


def _text(number: int) -> str:
    return f"# Lesson {number}\n\n" + "Agents read a lesson before they change it. " * 100


def _writing(place: Scene, report: Report) -> None:
    """One client after the other and sixteen at once; nothing acknowledged may be lost (FR-002)."""
    count = _scaled(500)
    with Wire(place.url) as wire:
        began = time.perf_counter()
        for number in range(count):
            wire.call("write_content", book_id="bench-seq", path=_path(number), content=_text(number))
        rate = count / (time.perf_counter() - began)
        report("server-write-sequential", rate, 100, "/s", f"{count} writes of 4 KB, aim 200", at_least=True)
        clients, each = 16, _scaled(50)
        began = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda client: _write_some(place.url, client, each), range(clients)))
        rate = clients * each / (time.perf_counter() - began)
        held = wire.call("plan_build", book_id="bench-many").answer["total_files"]
        report("server-write-16-clients", rate, 120, "/s", f"{clients * each} writes, aim 200", at_least=True)
        report("server-write-lost", clients * each - held, 0, "")


def _write_some(url: str, client: int, count: int) -> None:
    with Wire(url) as wire:
        for number in range(client * count, (client + 1) * count):
            wire.call("write_content", book_id="bench-many", path=_path(number), content=_text(number))


def _reading(place: Scene, report: Report) -> None:
    """A lesson of the base, and what an overlay costs beyond it, in pairs (SC-006)."""
    path, user = _path(0), "reader"
    with Wire(place.url) as wire:
        wire.call("write_content", book_id="bench-read", path=path, content=_text(0))
        times = _scaled(400)
        base = [wire.call("read_content", book_id="bench-read", path=path).seconds for _ in range(times)]
        report("server-read-base-p50", median(base) * 1000, 4, "ms", f"{times} reads over one connection")
        wire.call("write_content", book_id="bench-read", path=path, content=_text(1), user_id=user)
        pairs = [
            (
                wire.call("read_content", book_id="bench-read", path=path).seconds,
                wire.call("read_content", book_id="bench-read", path=path, user_id=user).seconds,
            )
            for _ in range(times)
        ]
        extra = median([overlay for _, overlay in pairs]) - median([base for base, _ in pairs])
        report("server-read-overlay-extra", extra * 1000, 1, "ms", f"{times} pairs")


def _archive(place: Scene, report: Report) -> None:
    """500 files of 400 KB as one archive: time, and growth of the server seen from outside (SC-001, R4)."""
    count, size = _scaled(500), 400 * 1024
    noise = random.Random(1)
    with Wire(place.url) as wire:
        for start in range(0, count, 50):
            numbers = range(start, min(start + 50, count))
            wire.send("bench-zip", ((f"static/img/{n:03}.png", noise.randbytes(size)) for n in numbers))
        wire.download("/books/bench-zip/archive?scope=assets")
        reset_peak(place.server_pid)
        idle = resident_of(place.server_pid)
        received, seconds = wire.download("/books/bench-zip/archive?scope=assets")
        note = f"{count} files, {received / MIB:.0f} MiB"
        report("server-archive", seconds, 2.0, "s", note)
        report("server-archive-growth", (peak_of(place.server_pid) - idle) / MIB, 16, "MiB", note)


def _searching(place: Scene, report: Report) -> None:
    """A pattern that is found nowhere and one that is found everywhere."""
    source = place.disk / "searched"
    make_book(source, "--lessons", str(_scaled(1000)))
    run(place.panaversity("ingest", "--book-id", "bench-grep", "--source-dir", str(source)), place.environment)
    with Wire(place.url) as wire:

        def once(pattern: str) -> float:
            return wire.call("grep_search", book_id="bench-grep", pattern=pattern, max_results=100).seconds

        rare = "no lesson says exactly this"
        once(rare)
        note = f"{_scaled(1000)} lessons, every line of each"
        report("server-grep-nothing-found", median([once(rare) for _ in range(5)]), 0.5, "s", note)
        report("server-grep-found", median([once("[Mm]anifest.*hash") for _ in range(5)]), 0.5, "s", "100 hits")


def _reading_beside_searches(place: Scene, report: Report) -> None:
    """Lessons read while 32 clients search the same book as fast as they can (S19); the clients are another process, so
    that they do not hold up this one's clock."""
    paths = [_path(number) for number in range(_scaled(400))]
    with Wire(place.url) as wire:
        wire.send("bench-fair", ((path, _text(number).encode()) for number, path in enumerate(paths)))

        def reading() -> float:
            seconds = sorted(
                wire.call("read_content", book_id="bench-fair", path=path).seconds for path in paths for _ in range(2)
            )
            return seconds[int(len(seconds) * 0.99)]

        reading()
        alone = median([reading() for _ in range(3)])
        context = multiprocessing.get_context("spawn")
        searching = context.Process(target=_search_for_ever, args=(place.url, 32), daemon=True)
        searching.start()
        try:
            time.sleep(2)
            beside = median([reading() for _ in range(3)])
        finally:
            searching.kill()
            searching.join()
        note = f"p99 alone {alone * 1000:.1f} ms, beside 32 searches {beside * 1000:.1f} ms"
        report("server-read-p99-beside-searches", beside / alone, 2.0, "×", note)


def _search_for_ever(url: str, clients: int) -> None:
    """Searches until the process is killed; nothing is ever found, so each looks at every line."""

    def one(client: int) -> None:
        with Wire(url) as wire:
            while True:
                wire.call("grep_search", book_id="bench-fair", pattern=f"(q[a-z]*z)+never{client}", max_results=100)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, range(clients)))


def _large_books(place: Scene, report: Report) -> None:
    """Books of three sizes on a server of their own, so that it can be started afresh with nothing in memory."""
    sizes = {1_000: 5, 10_000: 5, _scaled(100_000): 10}
    store = place.disk / "large-books"
    with running_server(store) as (_, url), Wire(url) as wire:
        for size in sizes:
            for files in _batches(size, 20_000):
                wire.send(f"bench-{size}", files)
        largest = f"bench-{max(sizes)}"
        # Told by nobody yet: the last change came as a single write, which promises no manifest.
        wire.call("write_content", book_id=largest, path="content/99-Part/99-Chapter/99-last.md", content="last\n")
    with running_server(store) as (_, url), Wire(url) as wire:
        first = wire.call("plan_build", book_id=largest).seconds
        report("server-first-manifest", first, 1.5, "s", f"{max(sizes)} files, server just started")
        for size, bound in sizes.items():
            _unchanged(wire, f"bench-{size}", size, bound, report)
        _verify(wire, largest, report)


def _batches(count: int, step: int) -> Iterator[list[tuple[str, bytes]]]:
    for start in range(0, count, step):
        yield [(_path(number), f"lesson {number}\n".encode()) for number in range(start, min(start + step, count))]


def _unchanged(wire: Wire, book_id: str, size: int, bound: float, report: Report) -> None:
    known = wire.call("plan_build", book_id=book_id).answer["manifest_hash"]
    labels = {"door": "mcp", "name": "plan_build"}

    def spent() -> tuple[float, float]:
        name = "panaversityfs_request_duration_seconds_"
        return wire.figure(name + "sum", labels), wire.figure(name + "count", labels)

    wire.call("plan_build", book_id=book_id, target_manifest_hash=known)
    before, times = spent(), 50
    outside = [wire.call("plan_build", book_id=book_id, target_manifest_hash=known).seconds for _ in range(times)]
    after = spent()
    mean = (after[0] - before[0]) / max(1.0, after[1] - before[1])
    report(f"server-plan-unchanged-{size}", mean * 1000, bound, "ms", f"from outside {median(outside) * 1000:.1f} ms")


def _verify(wire: Wire, book_id: str, report: Report) -> None:
    done = wire.call("verify_audit", book_id=book_id)
    assert done.answer["valid"] is True
    report("server-verify-audit", done.seconds, 10.0, "s", f"{done.answer['entries']} entries")
