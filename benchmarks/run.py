"""``make bench``: the figures this project promises, one line each, measured as a user meets them: whole processes.

    run.py [NAME …]      all figures, or those whose name begins with NAME

Every line shows the median of several runs, the bound, and the ratio to a peer in the same run where there is one.
Exit status 1 when a bound is missed. Run it on a quiet machine.
"""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cloud import cloud_figures
from env_figures import env_figures
from figures import Report
from measure import CommandFailed, Run, disk_of, median, peak_of, repeat, reset_peak, resident_of, run, run_with_memory
from network import network_figures
from restore import restore_figures
from scale import scale_figures
from scene import BIN, ROOT, Scene, data, make_book, scene, site_copy
from server_figures import server_figures
from site_figures import site_figures

MIB = 1 << 20
RUNS = 5
report = Report()


def peer(name: str, seconds: float, command: Callable[[int], list[str]]) -> str:
    """The same work by a neighbour in the same run, as a ratio; named as missing where it is."""
    if shutil.which(name) is None:
        return f"peer {name}: not installed"
    theirs = median([run(command(number)).seconds for number in range(RUNS)])
    return f"peer {name} {theirs:.3f} s, ratio {seconds / theirs:.2f}"


def book_figures(place: Scene) -> None:
    """1000 lessons and 100 images, loopback, store on disk, output on tmpfs (FR-401, FR-402, SC-104)."""
    source = place.disk / "book"
    make_book(source, "--lessons", "1000")
    peaks: list[Run] = []

    def command(*words: str, **environment: str) -> Run:
        whole = {**place.environment, **environment}
        peaks.append(run_with_memory(place.panaversity(*words, "--format", "json"), whole))
        return peaks[-1]

    def ingest(book: str) -> Run:
        return command("ingest", "--book-id", book, "--source-dir", str(source))

    def hydrate(output: Path, cache: str = "cache", *words: str) -> Run:
        kept = str(place.memory / cache)
        asked = ("hydrate", "--book-id", "bench-0", "--output-dir", str(output), *words)
        return command(*asked, PANAVERSITY_CACHE_DIR=kept)

    cold, times = repeat(RUNS, lambda n: ingest(f"bench-{n}"))
    rsync = peer("rsync", cold.seconds, lambda n: ["rsync", "-a", f"{source}/", str(place.disk / f"copy-{n}")])
    report("ingest-cold", cold.seconds, 2.0, "s", f"{times[0]:.2f}…{times[-1]:.2f}; {rsync}")
    report("ingest-unchanged", repeat(RUNS, lambda _: ingest("bench-0"))[0].seconds, 0.6, "s")
    cold, times = repeat(RUNS, lambda n: hydrate(place.memory / f"out-{n}", f"cache-{n}"))
    rsync = peer("rsync", cold.seconds, lambda n: ["rsync", "-a", f"{source}/", str(place.memory / f"copy-{n}")])
    report("hydrate-cold", cold.seconds, 1.0, "s", f"{times[0]:.2f}…{times[-1]:.2f}; {rsync}")
    kept = repeat(RUNS, lambda n: hydrate(place.memory / f"kept-{n}", "cache-0"))[0]
    report("hydrate-cold-from-cache", kept.seconds, 1.0, "s")
    away = repeat(RUNS, lambda n: hydrate(place.memory / f"away-{n}", "cache-0", "--offline"))[0]
    report("hydrate-cold-offline", away.seconds, 1.0, "s")
    output = place.memory / "out-0"
    same = repeat(RUNS, lambda _: hydrate(output))[0]
    again = peer("rsync", same.seconds, lambda _: ["rsync", "-a", f"{source}/", str(place.memory / "copy-0")])
    report("hydrate-unchanged", same.seconds, 0.35, "s", again)

    def delta(number: int) -> Run:
        make_book(source, "--edit", "5", "--seed", str(100 + number))
        ingest("bench-0")
        return hydrate(output)

    changed = repeat(RUNS, delta)[0]
    report("hydrate-5-changed", changed.seconds, 0.35, "s")
    answer = data(changed.output)
    report("hydrate-5-changed-received", float(str(answer["hydrate_bytes_transferred"])) / 1024, 60, "KiB")
    report("hydrate-5-changed-requests", float(str(answer["requests"])), 2, "")
    report("hydrate-unchanged-requests", float(str(data(same.output)["requests"])), 1, "")
    report("client-peak-memory", max(r.peak_bytes for r in peaks) / MIB, 80, "MiB")


def large_files(place: Scene) -> None:
    """A 50 MB lesson and a 300 MB asset up and down: growth over idle, client and server apart (FR-403)."""
    source = place.disk / "large"
    make_book(source, "--lessons", "10")
    words = ("--book-id", "large", "--source-dir", str(source))
    run_with_memory(place.panaversity("ingest", *words), place.environment)
    idle = run_with_memory(place.panaversity("ingest", *words), place.environment)
    folder = source / "01-Part-1" / "01-chapter-1-1"
    # In small pieces: a child's peak begins with what its parent held when it was started.
    with (folder / "99-long.md").open("wb") as lesson:
        for number in range(50 * 1024):
            lesson.write(
                b"%07d A line of a very long lesson, and then some more of it. %s\n" % (number, b"word " * 191)
            )
    with (folder / "img" / "big.png").open("wb") as asset, open("/dev/urandom", "rb") as noise:
        for _ in range(300 * 16):
            asset.write(noise.read(MIB // 16))
    output = str(place.memory / "large")
    for name, command in (
        ("up", place.panaversity("ingest", *words)),
        ("down", place.panaversity("hydrate", "--book-id", "large", "--output-dir", output)),
    ):
        reset_peak(place.server_pid)
        before = resident_of(place.server_pid)
        done = run_with_memory(command, place.environment)
        server = peak_of(place.server_pid) - before
        report(
            f"large-{name}-client-growth", (done.peak_bytes - idle.peak_bytes) / MIB, 32, "MiB", f"{done.seconds:.1f} s"
        )
        report(f"large-{name}-server-growth", server / MIB, 32, "MiB")


def local_build(place: Scene) -> None:
    """``make local-build`` with npm installed and caches warm: 1 of 100 lessons edited, 5 of 1000 (SC-102)."""
    if not (ROOT / "node_modules").is_dir():
        sys.exit("bench: node_modules: is not there. Run make install first.")
    for lessons, edits, bound, times in ((100, 1, 8.0, 3), (1000, 5, 30.0, 1)):
        source = place.disk / f"book-{lessons}"
        make_book(source, "--lessons", str(lessons))
        with site_copy() as site:
            command = [
                "make", "-C", str(ROOT), "local-build", f"BOOK_ID=bench-{lessons}", f"SOURCE_DIR={source}",
                f"SITE_DIR={site}", f"OUTPUT_DIR={site / 'book'}",
            ]  # fmt: skip
            run(command)

            def edited(number: int, book: Path = source, count: int = edits, build: list[str] = command) -> Run:
                make_book(book, "--edit", str(count), "--seed", str(number))
                return run(build)

            report(f"local-build-{lessons}-warm", repeat(times, edited)[0].seconds, bound, "s", f"{edits} edited")
            same = repeat(3, lambda _, build=command: run(build))[0]
            report(f"local-build-{lessons}-unchanged", same.seconds, bound, "s")


def start_up(_: Scene) -> None:
    """The smallest command there is."""
    report("help", repeat(9, lambda _: run([str(BIN / "panaversity"), "--help"]))[0].seconds, 0.15, "s")


def server(place: Scene) -> None:
    """The server's own promises."""
    server_figures(place, report)


def restore(place: Scene) -> None:
    """A built site put back."""
    restore_figures(place, report)


def scale(place: Scene) -> None:
    """A book of 100,000 lessons."""
    scale_figures(place, report)


def network(place: Scene) -> None:
    """Against rsync and git, far and near."""
    network_figures(place, report)


def env(place: Scene) -> None:
    """Container environments on buildah."""
    env_figures(place, report)


def site(place: Scene) -> None:
    """Rendering only what changed, against rendering everything."""
    site_figures(place, report)


def cloud(place: Scene) -> None:
    """PostgreSQL and S3 beside SQLite and a folder."""
    cloud_figures(place, report)


FIGURES = {
    "help": start_up, "book": book_figures, "network": network, "large": large_files, "local-build": local_build,
    "server": server, "restore": restore, "scale": scale, "site": site, "env": env, "cloud": cloud,
}  # fmt: skip


def main(names: list[str]) -> int:
    """Measure what was asked for and say which bounds were missed."""
    with scene() as place:
        print(f"store: {disk_of(place.disk)}; output: {disk_of(place.memory)}; {time.strftime('%Y-%m-%d')}")
        for name, figure in FIGURES.items():
            if not names or any(name.startswith(wanted) for wanted in names):
                try:
                    figure(place)
                except CommandFailed as fault:
                    report.missed.append(name)
                    print(f"{name}: {fault}", file=sys.stderr)
    if report.absent:
        print(f"not measured: {', '.join(report.absent)}", file=sys.stderr)
    if report.missed:
        print(f"missed: {', '.join(report.missed)}", file=sys.stderr)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
