"""Whole commands against their neighbours, far away and near: 1000 lessons and 100 images, then ten times as many.

Ours and theirs take turns, so that whatever else the machine does meets both; the medians are compared. Everything is
written to memory, so that no disk's mood decides. Knows which runs make a figure; does not know how peers are started.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from figures import Report
from measure import Run, median, run, run_with_memory
from peers import Repository, delayed, git_over_http, missing, rsync_daemon
from scene import Scene, make_book

ROUNDS = 7
WAY_MS = 25.0
"""Milliseconds each way; a round trip is 50."""
FAR = {"rsync": {"unchanged": 0.45, "5-changed": 0.5, "cold": 1.0}, "git": {"5-changed": 1.3}}
NEAR = {"rsync": {"unchanged": 2.0, "cold": 2.5}, "git": dict[str, float]()}
TENFOLD_UNCHANGED = 1.5
REST = 2.2
"""Seconds."""

Once = Callable[[], Run]


@dataclass
class Ground:
    """One book, known to our server, an rsync daemon and a git repository; ``ports`` are where they are reached."""

    place: Scene
    source: Path
    book: str
    ports: dict[str, int]
    repository: Repository | None
    fresh: Iterator[int]

    def ours(self, output: Path, cache: Path) -> Run:
        """One hydrate, as a user gives it."""
        environment = {
            **self.place.environment,
            "PANAVERSITY_MCP_URL": f"http://127.0.0.1:{self.ports['ours']}",
            "PANAVERSITY_CACHE_DIR": str(cache),
        }
        words = ("hydrate", "--book-id", self.book, "--output-dir", str(output))
        return run_with_memory(self.place.panaversity(*words), environment)

    def rsync(self, output: Path) -> Run:
        """The same by ``rsync -a``."""
        return run_with_memory(["rsync", "-a", f"rsync://127.0.0.1:{self.ports['rsync']}/book/", f"{output}/"])

    def clone(self, output: Path) -> Run:
        """The book's git repository, whole."""
        assert self.repository is not None
        address = f"http://127.0.0.1:{self.ports['git']}/{self.repository.name}"
        return run(["git", "-c", "gc.auto=0", "clone", "-q", address, str(output)])

    def pull(self, output: Path) -> Run:
        """What changed since, into that clone."""
        return run_with_memory(["git", "-c", "gc.auto=0", "-C", str(output), "pull", "-q", "--ff-only"])

    def edit(self, files: int) -> None:
        """Change so many lessons and let everybody know of it but the readers."""
        make_book(self.source, "--edit", str(files), "--seed", str(next(self.fresh)))
        self.ingest()
        if self.repository:
            self.repository.commit()

    def ingest(self) -> None:
        """Bring the source into our server, over the near way."""
        words = ("ingest", "--book-id", self.book, "--source-dir", str(self.source))
        run(self.place.panaversity(*words), self.place.environment)


def network_figures(place: Scene, report: Report) -> None:
    """Through the delay proxy, on loopback, and at ten times the size."""
    with ExitStack() as stack:
        near = _ground(place, stack, "network", 1000)
        far_ports = {name: stack.enter_context(delayed(port, WAY_MS)) for name, port in near.ports.items()}
        _figures("far", replace(near, ports=far_ports), report, FAR)
        _figures("near", near, report, NEAR)
        _tenfold(near, _ground(place, stack, "tenfold", 10_000, peers=False), report)


def _ground(place: Scene, stack: ExitStack, book: str, lessons: int, *, peers: bool = True) -> Ground:
    source = place.memory / book / "source"
    make_book(source, "--lessons", str(lessons))
    ports = {"ours": urlsplit(place.url).port or 80}
    repository = None
    if peers and not missing("rsync"):
        ports["rsync"] = stack.enter_context(rsync_daemon(source, place.disk))
    if peers and not missing("git"):
        repository = Repository(place.memory / "repositories" / f"{book}.git", source)
        ports["git"] = stack.enter_context(git_over_http(place.memory / "repositories"))
    ground = Ground(place, source, book, ports, repository, count(1))
    ground.ingest()
    return ground


def _figures(way: str, ground: Ground, report: Report, bounds: dict[str, dict[str, float]]) -> None:
    folder = ground.place.memory / ground.book / way
    peers: dict[str, Callable[[Path], Run]] = {}
    if "rsync" in ground.ports:
        peers["rsync"] = ground.rsync
    else:
        report.without(f"{way}: rsync", missing("rsync"))
    cold = _turns(lambda: _cold(ground, folder), {name: _into(folder, name, once) for name, once in peers.items()})
    _compare(f"{way}-cold", "cold", cold, bounds, report)
    ours, theirs, cloned = folder / "ours", folder / "rsync", folder / "clone"
    warm = lambda: ground.ours(ours, folder / "cache")  # noqa: E731
    _come_to_rest(warm)
    kept: dict[str, Once] = {name: lambda: ground.rsync(theirs) for name in peers}
    _compare(f"{way}-unchanged", "unchanged", _turns(warm, kept), bounds, report)
    if "git" in ground.ports:
        ground.clone(cloned)
        kept["git"] = lambda: ground.pull(cloned)
    else:
        report.without(f"{way}: git", missing("git"))
    changed = _turns(warm, kept, before=lambda: ground.edit(5))
    _compare(f"{way}-5-changed", "5-changed", changed, bounds, report)


def _come_to_rest(once: Once) -> None:
    """Two seconds after it was written a file can be believed unread, by us as by git; the run that learns it is not
    the one that counts."""
    time.sleep(REST)
    once()


def _cold(ground: Ground, folder: Path) -> Run:
    """Into an empty folder, with an empty cache: the last ones are kept for what follows."""
    shutil.rmtree(folder / "ours", ignore_errors=True)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    return ground.ours(folder / "ours", folder / "cache")


def _into(folder: Path, name: str, once: Callable[[Path], Run]) -> Once:
    def cold() -> Run:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
        return once(folder / name)

    return cold


def _turns(ours: Once, theirs: dict[str, Once], before: Callable[[], None] = lambda: None) -> dict[str, list[float]]:
    """Seconds of every run, by whose it was."""
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *theirs)}
    for _ in range(ROUNDS):
        before()
        for name, once in {"ours": ours, **theirs}.items():
            seconds[name].append(once().seconds)
    return seconds


def _compare(
    name: str, case: str, seconds: dict[str, list[float]], bounds: dict[str, dict[str, float]], report: Report
) -> None:
    ours = median(seconds["ours"])
    for peer, bound in ((peer, bounds[peer].get(case)) for peer in seconds if peer != "ours"):
        theirs = median(seconds[peer])
        note = f"ours {ours:.3f} s ({min(seconds['ours']):.3f}…{max(seconds['ours']):.3f}), {peer} {theirs:.3f} s"
        if bound is not None:
            report(f"{name}-to-{peer}", ours / theirs, bound, "×", note)


def _tenfold(small: Ground, large: Ground, report: Report) -> None:
    """No change at 11,000 files against no change at 1100."""
    outputs = {ground.book: ground.place.memory / ground.book / "tenfold" for ground in (small, large)}
    for ground in (small, large):
        ground.ours(outputs[ground.book], ground.place.memory / "cache-tenfold")
        _come_to_rest(lambda ground=ground: ground.ours(outputs[ground.book], ground.place.memory / "cache-tenfold"))
    seconds = _turns(
        lambda: large.ours(outputs[large.book], small.place.memory / "cache-tenfold"),
        {"small": lambda: small.ours(outputs[small.book], small.place.memory / "cache-tenfold")},
    )
    large_seconds, small_seconds = median(seconds["ours"]), median(seconds["small"])
    note = f"11,000 files {large_seconds:.3f} s, 1100 files {small_seconds:.3f} s"
    report("tenfold-unchanged", large_seconds / small_seconds, TENFOLD_UNCHANGED, "×", note)
