"""Driving the crash runner: points in, verdicts out.

Knows the jobs of ``faults/crash_runner.py`` and what an acknowledgement obliges to; does not choose how many points.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.crash_operations import OPERATIONS
from support.crash_shim import built_shim
from support.live import clean_environment

RUNNER = Path(__file__).parents[1] / "faults" / "crash_runner.py"


@dataclass(frozen=True)
class Point:
    """The ``at``-th change of the disk during an operation, and what happens there."""

    operation: str
    mode: str
    at: int
    retry: bool = False
    mutant: str | None = None
    later: int = 0
    """Killed that many changes after an error, if it comes to so many."""

    @property
    def kills(self) -> bool:
        return self.mode in ("kill", "torn", "cut") or self.later > 0


@dataclass
class Tally:
    """What a harness counted; its text is what a test prints."""

    points: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    left: list[tuple[Point, dict[str, Any]]] = field(default_factory=list)

    def __str__(self) -> str:
        each = ", ".join(f"{name} {count}" for name, count in sorted(self.points.items()))
        found = ", ".join(f"{name} {count}" for name, count in sorted(self.seen.items()))
        return f"{sum(self.points.values())} points ({each}); {found}; {len(self.wrong)} wrong"


class CrashRunner:
    """The runner's process, its stores below ``folder``."""

    def __init__(self, folder: Path, *, shim: Path | None = None) -> None:
        self.folder = folder
        self._preload = shim if shim is not None else built_shim()
        self._prepared: set[str] = set()
        self._twins: dict[str, list[int]] = {}
        self.arm = ""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {**clean_environment(), "PYTHONDONTWRITEBYTECODE": "1"}
        if self._preload is not None:
            environment["LD_PRELOAD"] = str(self._preload)
        self._process = subprocess.Popen(
            [sys.executable, str(RUNNER)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.arm = self._read()["arm"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the crash runner is gone"
        return dict(json.loads(line))

    def ask(self, **job: Any) -> dict[str, Any]:
        """One job, one answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._read()

    def template(self, operation: str) -> str:
        """The prepared store of an operation; made once."""
        place = str(self.folder / operation.replace(" ", "-"))
        if operation not in self._prepared:
            answer = self.ask(do="prepare", operation=operation, template=place)
            assert answer["status"] == 0, answer
            self._prepared.add(operation)
        return place

    def strike(
        self, point: Point, *, root: Path | None = None, trace: bool = False, fresh: bool = True
    ) -> dict[str, Any]:
        """Break the operation at the point, on a copy of its prepared store (``fresh``) or on what lies at ``root``."""
        place = str(root or self.folder / "work")
        return self.ask(
            do="break", operation=point.operation, template=self.template(point.operation), root=place, at=point.at,
            mode=point.mode, retry=point.retry, mutant=point.mutant,
            later=point.later, trace=trace, fresh=fresh,
        )  # fmt: skip

    def judge(self, point: Point, *, root: Path | None = None) -> dict[str, Any]:
        """What a restart finds there."""
        place = str(root or self.folder / "work")
        return self.ask(do="judge", operation=point.operation, root=place, strays=point.later > 0)

    def undisturbed(self, operation: str, mutant: str | None = None) -> dict[str, Any]:
        """The operation untouched: the number of points there are, and its trace."""
        answer = self.strike(Point(operation, "count", 0, mutant=mutant), trace=True)
        assert answer["status"] == 0, answer
        return answer

    def changes(self, operation: str) -> list[list[str]]:
        """The trace of the undisturbed operation: one line for each point there is."""
        return [line for line in self.undisturbed(operation)["trace"] if line[1] != "mark"]

    def twin(self, operation: str) -> list[int]:
        """Revision and length of the log after one undisturbed run and its repetition (H7)."""
        if operation not in self._twins:
            self.undisturbed(operation)
            verdict = self.judge(Point(operation, "count", 0))
            assert "wrong" not in verdict, verdict
            assert verdict["status"] == 0, verdict
            self._twins[operation] = verdict["twin"]
        return self._twins[operation]

    def verdict(self, point: Point, tally: Tally) -> str | None:
        """Strike, restart, judge: the first broken promise in words, or None. Counts into ``tally``."""
        twin = self.twin(point.operation)
        struck = self.strike(point)
        found = self.judge(point)
        tally.points[f"{point.mode}{'+repeat' if point.retry else '+kill' if point.later else ''}"] += 1
        wrong = broken_promise(point, struck, found, twin)
        tally.seen[found.get("state", "unreadable")] += 1
        tally.seen["acknowledged"] += bool(struck.get("acknowledged"))
        left = bool(found.get("temporary") or found.get("unnamed"))
        tally.seen["leftovers after a kill" if point.kills else "leftovers after an error"] += left
        if left and not point.kills:
            tally.left.append((point, struck))
        if wrong is not None:
            tally.wrong.append(f"{point} at {struck['struck']}: {wrong}")
        return wrong


def broken_promise(point: Point, struck: dict[str, Any], found: dict[str, Any], twin: list[int] | None) -> str | None:
    """Acknowledged ⊆ state ⊆ acknowledged ∪ in flight, and everything the oracle says (RELIABILITY 2)."""
    if "crash" in struck:
        return "a bug: " + struck["crash"]
    if point.kills and not point.later and struck["struck"] is not None and struck["status"] != -9:
        return f"was not killed: {struck['status']}"
    if not point.kills and struck["status"] != 0:
        return f"died of an error: {struck['status']}"
    if "wrong" in found or found["status"] != 0:
        return str(found.get("wrong") or found)
    if point.retry and "repeated after" in struck and not struck.get("acknowledged"):
        return f"the disk works again and the server does not: {struck.get('refused')}"
    if struck.get("acknowledged") and found["state"] not in ("after", "same"):
        return "an acknowledged change is lost"
    if found["state"].startswith("neither"):
        return "half of the change is there: " + found["state"]
    if twin is not None and found["twin"] != twin:
        return f"repeating the request ended at {found['twin']} instead of {twin} (revision, log entries)"
    return None


def points_of(runner: CrashRunner, operation: str, modes: list[str]) -> list[Point]:
    """Every point of an operation: each change of the disk × each mode that means something there."""
    made = []
    for number, kind, size, *_ in runner.changes(operation):
        for mode in modes:
            word, _, repeat = mode.partition("+")
            if word != "torn" or (kind == "write" and int(size) > 1):
                later = 1 + int(number) * 7 % 23 if repeat == "kill" else 0
                made.append(Point(operation, word, int(number), retry=repeat == "repeat", later=later))
    return made


def fast_folder(fallback: Path) -> Path:
    """A folder in memory where there is one: a killed process needs no disk."""
    shm = Path("/dev/shm")
    if os.access(shm, os.W_OK) and os.statvfs(shm).f_bavail * os.statvfs(shm).f_frsize > 1 << 28:
        return shm / f"panaversity-{os.getpid()}-{fallback.name}"
    return fallback


__all__ = ["OPERATIONS", "CrashRunner", "Point", "Tally", "broken_promise", "fast_folder", "points_of"]
