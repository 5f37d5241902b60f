"""The builder's crash runner (RELIABILITY H1): a child of this process runs ingest or hydrate and is broken at the
N-th change of its disk; the server lives on here, behind a pipe. Then the same command is run again and judged.

One job a line (JSON) on standard input, one answer a line: the points tried, what was seen, what was wrong. Started
with the shim preloaded. Never starts a thread: children are forked.
"""

import json
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from panaversity_fs.core.errors import PanaversityError
from support.client_mutants import MUTANTS
from support.client_verdicts import author_is_untouched, end_of, lacking_files, manifest_is_honest, nothing_is_torn
from support.client_worlds import WORKS, Work, World
from support.crash_shim import this_arm
from support.hydrated import everything, tree_of
from support.piped_server import Piped, serve
from support.simulator import Simulator

CHILD_SECONDS = 60
CANARY = b"outside of everything"
MODES = ("kill", "torn", "EIO", "ENOSPC")


@dataclass
class Sweep:
    """One operation broken at many points."""

    work: Work
    place: Path
    mutant: str | None = None
    planted: int = 50
    points: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """The world before, its undisturbed twins, and the trace of one undisturbed run."""
        self.arm = this_arm()
        self.template = World(self.place / "template", Simulator("piped-store"))
        shutil.rmtree(self.place, ignore_errors=True)
        self.template.out.mkdir(parents=True)
        self.work.before(self.template)
        self.template.plant(self.planted)
        (self.template.place / "canary").write_bytes(CANARY)
        self.twins = {moved: self._twin(moved) for moved in (False, True)}
        self.trace = self._trace()

    def _twin(self, moved: bool) -> dict[str, Any]:
        """The end of a clean run; when the book moved on behind an interrupted run, of a second clean run."""
        world = self.template.at(self.place / "twin")
        self.work.run(world, world.server)
        if moved:
            self.work.move_on(world)
            self.work.run(world, world.server)
        return end_of(world)

    def _trace(self) -> list[list[str]]:
        world = self.template.at(self.place / "work")
        status, said, trace = self._broken(world, 0, "count")
        assert status == 0, said
        return trace

    def all_points(self) -> list[tuple[int, str]]:
        """Every change of the disk × every mode that means something there."""
        return [
            (int(number), mode)
            for number, kind, size, *_ in self.trace
            for mode in MODES
            if mode != "torn" or (kind == "write" and int(size) > 1)
        ]

    def strike(self, at: int, mode: str, moved: bool) -> str | None:
        """Break one run, look, run again, compare; the first broken promise in words."""
        world = self.template.at(self.place / "work")
        before, source = tree_of(world.out), everything(world.source) if world.source.exists() else {}
        lacked = lacking_files(world)
        status, said, trace = self._broken(world, at, mode)
        self.points[mode] += 1
        struck = next((line for line in trace if line[0] == str(at)), None)
        try:
            self._judge_end(status, said, mode, struck)
            self.seen["author's files looked at"] += author_is_untouched(world, source, CANARY)
            if self.work.is_hydrate:
                nothing_is_torn(world, before, set(world.server.blobs.values()))
                manifest_is_honest(world, lacked)
            if moved:
                self.work.move_on(world)
                source = everything(world.source) if world.source.exists() else {}
            self._run_again(world)
            self._equals_twin(end_of(world), moved)
            author_is_untouched(world, source, CANARY)
        except (AssertionError, PanaversityError) as fault:
            wrong = f"{self.work.name} {mode} at {struck}, moved on {moved}: {type(fault).__name__}: {fault}"[:700]
            self.wrong.append(wrong)
            return wrong
        return None

    def _run_again(self, world: World) -> None:
        """The same command once more; in a child where it bears the planted bug too."""
        if self.mutant is None:
            self.work.run(world, world.server)
            return
        status, said, _ = self._broken(world, 0, "count")
        assert (status, said) == (0, ""), f"cannot be run again: {said[-300:]}"

    def _judge_end(self, status: int, said: str, mode: str, struck: list[str] | None) -> None:
        assert "Traceback" not in said, f"a bug: {said[-800:]}"
        if mode in ("kill", "torn"):
            assert struck is None or status == -signal.SIGKILL, f"was not killed: {status} {said}"
            self.seen["killed" if status else "ended before"] += 1
        else:
            assert status == 0, f"died of an error: {status}"
            self.seen["refused: " + said.split(":")[0] if said else "went on"] += 1

    def _equals_twin(self, end: dict[str, Any], moved: bool) -> None:
        twin = self.twins[moved]
        for key, value in twin.items():
            if key == "revision" and moved and not self.work.is_hydrate:
                assert end[key] in (value, value - 1), "the interrupted ingest had more than one effect"
            elif key == "state" and value and end[key].get("edits") != value["edits"]:
                # An edit is set aside once, whichever of the two runs did it; nothing of it may be lost.
                assert set(end[key].pop("edits")) >= set(value["edits"]), "an edited file is lost"
                assert end[key] == {k: v for k, v in value.items() if k != "edits"}
            else:
                assert end[key] == value, f"{key} is not the twin's: {_difference(end[key], value)}"

    def _broken(self, world: World, at: int, mode: str) -> tuple[int, str, list[list[str]]]:
        """Run the operation in a child whose N-th change breaks: its status, its last words, its trace."""
        ours, theirs = Pipe()
        said, trace = self.place / "said", self.place / "trace"
        child = os.fork()
        if child == 0:
            ours.close()
            self._child(world, at, mode, theirs, said, trace)
        theirs.close()
        serve(ours, world.server)
        ours.close()
        _, status = os.waitpid(child, 0)
        lines = [line.rstrip("\n").split("\t") for line in trace.read_text().splitlines()]
        words = said.read_text() if said.exists() else ""
        said.unlink(missing_ok=True)
        return os.waitstatus_to_exitcode(status), words, [line for line in lines if line[1] != "mark"]

    def _child(self, world: World, at: int, mode: str, pipe: Any, said: Path, trace: Path) -> None:
        signal.alarm(CHILD_SECONDS)
        words, status = "", 1
        try:
            if self.mutant:
                MUTANTS[self.mutant]()
            lines = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            self.arm.arm(str(world.place), at, mode, lines)
            try:
                self.work.run(world, Piped(pipe))
            finally:
                self.arm.disarm()
            status = 0
        except PanaversityError as fault:
            words, status = f"{fault.code}: {fault}", 0
        except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
            words = traceback.format_exc()
        finally:
            if words:
                said.write_text(words)
            os._exit(status)


def _difference(one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
        return "; ".join(f"{key}: {_difference(one.get(key), other.get(key))}" for key in sorted(keys)[:3])
    if isinstance(one, set) and isinstance(other, set):
        return f"too much {sorted(one - other)[:3]}, missing {sorted(other - one)[:3]}"
    return f"{str(one)[:150]} != {str(other)[:150]}"


def sweep(job: dict[str, Any]) -> dict[str, Any]:
    """One operation at all of its points, or at ``count`` of them drawn with ``seed``.

    ``near`` is a pattern that the struck call has to match.
    """
    sweep = Sweep(WORKS[job["work"]], Path(job["place"]), job.get("mutant"), job.get("planted", 50))
    began = time.monotonic()
    sweep.prepare()
    every = [(at, mode, moved) for at, mode in sweep.all_points() for moved in (False, True)]
    near = re.compile(job.get("near", ""))
    places = {int(line[0]) for line in sweep.trace if near.search("\t".join(line))}
    chosen = [point for point in every if point[1] in job.get("modes", MODES) and point[0] in places]
    if job.get("count"):
        random.Random(f"{job['seed']} {job['work']}").shuffle(chosen)
        chosen = chosen[: job["count"]]
    for at, mode, moved in chosen:
        if sweep.strike(at, mode, moved) and job.get("until_wrong"):
            break
    shutil.rmtree(sweep.place, ignore_errors=True)
    return {
        "of": len(every), "points": sweep.points, "seen": sweep.seen, "wrong": sweep.wrong,
        "seconds": round(time.monotonic() - began, 2),
    }  # fmt: skip


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(sweep(json.loads(line))), flush=True)
