"""A process that dies, or whose disk fails, at the N-th change it makes: nothing acknowledged is lost, nothing is half
there, and repeating the request ends where an undisturbed run ends (P1, P2, P3, P6; F1–F4, F6, F8–F10, F12).

The points are drawn with a seed (``PANAVERSITY_TEST_SEED``) and counted; ``make test-full`` runs all of them.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.crash import RUNNER, CrashRunner, Point, Tally, fast_folder, points_of
from support.crash_operations import CRASHED, UNORDERED
from support.crash_order import out_of_order
from support.crash_shim import built_shim
from support.live import clean_environment

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SEED = int(os.environ.get("PANAVERSITY_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
MODES = ["kill", "torn", "EIO", "ENOSPC", "EIO+repeat", "ENOSPC+repeat", "EIO+kill"]
SECONDS, EACH, LEAST = 7.0, 24, 3
"""Sampled: at most so long altogether, at most so many points an operation, at least so many whatever it takes."""
ORDERED = [name for name in CRASHED if name not in UNORDERED]
CALLS = ("openat,open,creat,write,pwrite64,writev,fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,unlink,"
         "unlinkat,rmdir,ftruncate,truncate,mkdir,mkdirat,fallocate,copy_file_range,sendfile")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = fast_folder(tmp_path_factory.mktemp("crash"))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def runner(folder: Path) -> Iterator[CrashRunner]:
    with CrashRunner(folder) as runner:
        yield runner


@pytest.fixture(scope="module")
def shim() -> Path:
    found = built_shim()
    if found is None:
        pytest.skip("not run: no C compiler here, so libc cannot be watched; failpoints are used instead")
    return found


@pytest.mark.timeout(3600 if FULL else 240)
@pytest.mark.parametrize("operation", CRASHED)
def test_P1_P2_F1_F9_F10_nothing_is_lost_wherever_the_disk_or_the_process_gives_way(
    runner: CrashRunner, operation: str
) -> None:
    points = points_of(runner, operation, MODES)
    all_of_them = len(points)
    if not FULL:
        random.Random(f"{SEED} {operation}").shuffle(points)
        points = points[:EACH]
    tally, end = Tally(), time.monotonic() + (float("inf") if FULL else SECONDS / len(CRASHED))
    for number, point in enumerate(points):
        if number >= LEAST and time.monotonic() > end:
            break
        runner.verdict(point, tally)
    print(f"seed {SEED}, {runner.arm}, {operation}, of {all_of_them}: {tally}")
    assert not tally.wrong, "\n".join(tally.wrong[:20])
    assert sum(tally.points.values()) >= (all_of_them if FULL else LEAST)


def test_SC_002_a_failing_disk_that_kills_nobody_leaves_nothing_in_the_blob_folder(
    runner: CrashRunner, shim: Path
) -> None:
    """Every failing call on the way in (open, write, sync, link, mkdir) is cleaned up after, at once (SC-002)."""
    tally = Tally()
    wanted = [point for point, line in zip(
        points_of(runner, "changeset", ["EIO"]), runner.changes("changeset"), strict=True
    ) if "/blobs/" in line[3] and line[1] != "unlink"]  # fmt: skip
    random.Random(SEED).shuffle(wanted)
    for point in wanted if FULL else wanted[:8]:
        runner.verdict(point, tally)
    print(f"seed {SEED}: {tally}")
    assert not tally.wrong, "\n".join(tally.wrong[:20])
    assert not [(point, struck["struck"]) for point, struck in tally.left]
    assert sum(tally.points.values()) >= 8


@pytest.mark.parametrize("operation", ORDERED)
def test_P1_the_disk_has_the_bytes_then_their_name_then_the_rows_before_the_answer_leaves(
    runner: CrashRunner, shim: Path, operation: str
) -> None:
    trace = runner.undisturbed(operation)["trace"]
    assert out_of_order(trace) == []
    kinds = {line[1] for line in trace if "/blobs/" in line[3]}
    wanted = {"gc": "unlink", "delete": None, "delete book": None, "prune": None}.get(operation, "link")
    assert wanted is None or wanted in kinds, f"no {wanted} of a blob: this proves nothing"


def test_every_call_is_hooked_the_shim_counts_what_strace_counts(shim: Path, folder: Path, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("not run: strace is not installed")
    with CrashRunner(tmp_path / "runner") as runner:
        template = runner.template("changeset")
    root, log = os.path.realpath(shutil.copytree(template, tmp_path / "once")), tmp_path / "strace.log"
    answer = subprocess.run(
        ["strace", "-f", "-y", "-s", "0", "-o", str(log), "-e", f"trace={CALLS}",
         "-E", f"LD_PRELOAD={shim}", sys.executable, str(RUNNER), "once", "changeset", root],
        env=clean_environment(), capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    if "ptrace" in answer.stderr:
        pytest.skip(f"not run: strace may not trace here: {answer.stderr.strip()[:200]}")
    assert answer.returncode == 0, answer.stderr
    seen = [line for line in log.read_text().splitlines() if _changes(line, root)]
    print(f"shim {int(answer.stdout)}, strace {len(seen)}")
    assert int(answer.stdout) == len(seen)
    assert len(seen) > 100


def _changes(line: str, root: str) -> bool:
    """Is this line of strace a call that changes something below ``root``? (A resumed call was counted when begun.)"""
    call = re.match(r"\d+ +(\w+)\(", line)
    if call is None or not re.search(re.escape(root) + r"(?![\w.])", line.replace(root + ".trace", "")):
        return False
    return "O_CREAT" in line if call[1].startswith("open") else True


def test_without_a_compiler_failpoints_do_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANAVERSITY_TEST_NO_SHIM", "1")
    with CrashRunner(tmp_path / "stores") as runner:
        assert runner.arm == "failpoints"
        tally = Tally()
        for operation in ("create", "changeset"):
            points = points_of(runner, operation, ["kill", "EIO+repeat"])
            random.Random(SEED).shuffle(points)
            for point in points if FULL else points[:6]:
                runner.verdict(point, tally)
        assert runner.strike(Point("create", "kill", 1))["status"] == -9
    print(f"seed {SEED}, {runner.arm}: {tally}")
    assert not tally.wrong, "\n".join(tally.wrong[:20])
    assert tally.points["kill"] >= 2
