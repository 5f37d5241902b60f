"""Real power cuts: an ext4 file system on a loop device is shut down without its journal, at the N-th change of the
disk; then it is mounted again (P1, F7; RELIABILITY H2, planted bugs 1 and 3).

Root only; anywhere else it is reported as not run. ``PANAVERSITY_TEST_SEED`` repeats a run.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.crash import CrashRunner, Point, Tally, broken_promise, points_of
from support.crash_shim import built_shim

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SEED = int(os.environ.get("PANAVERSITY_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
CUTS = 500 if FULL else 6
OPERATIONS = ["create", "create large", "update", "delete", "upload", "changeset"]
MIB = 1 << 20


class LoopDisk:
    """A small ext4 of its own, mounted; ``revive`` is the reboot after a cut."""

    def __init__(self, folder: Path) -> None:
        self.image, self.mount = folder / "disk.img", folder / "disk"

    def make(self) -> str | None:
        """None, or why there is no such disk here."""
        self.mount.mkdir()
        with self.image.open("wb") as file:
            file.truncate(48 * MIB)
        for command in (["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", str(self.image)], self._mounting()):
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            except (OSError, subprocess.TimeoutExpired) as fault:
                return str(fault)
            if done.returncode != 0:
                return done.stderr.strip()[:200]
        return None

    def _mounting(self) -> list[str]:
        return ["mount", "-t", "ext4", "-o", "loop", str(self.image), str(self.mount)]

    def sync(self) -> None:
        """What is there now is on the medium."""
        subprocess.run(["sync", "-f", str(self.mount)], check=True)

    def revive(self) -> None:
        self.unmount()
        subprocess.run(self._mounting(), check=True, capture_output=True)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.mount)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopDisk]:
    if os.geteuid() != 0:
        pytest.skip("not run: only root can mount a loop device and shut it down")
    if built_shim() is None:
        pytest.skip("not run: no C compiler here, so no call can be counted")
    disk = LoopDisk(tmp_path_factory.mktemp("loop"))
    if reason := disk.make():
        pytest.skip(f"not run: no ext4 can be mounted here: {reason}")
    yield disk
    disk.unmount()


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, disk: LoopDisk) -> Iterator[CrashRunner]:
    with CrashRunner(tmp_path_factory.mktemp("templates")) as runner:
        yield runner


def cut(runner: CrashRunner, disk: LoopDisk, point: Point, tally: Tally) -> str | None:
    """One power cut and one reboot; what was lost, in words."""
    root = disk.mount / "store"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(runner.template(point.operation), root)
    disk.sync()
    struck = runner.strike(point, root=root, fresh=False)
    if struck["status"] == 77:
        pytest.skip("not run: this kernel does not let ext4 be shut down")
    disk.revive()
    found = runner.judge(point, root=root)
    wrong = broken_promise(point, struck, found, None if point.mutant else runner.twin(point.operation))
    tally.points[point.operation] += 1
    tally.seen[found.get("state", "unreadable")] += 1
    tally.seen["acknowledged"] += bool(struck.get("acknowledged"))
    if wrong is not None:
        tally.wrong.append(f"{point} at {struck['struck']}: {wrong}")
    return wrong


@pytest.mark.timeout(3600 if FULL else 120)
def test_P1_F7_a_power_cut_at_any_change_of_the_disk_loses_nothing_acknowledged(
    runner: CrashRunner, disk: LoopDisk
) -> None:
    rng, tally = random.Random(SEED), Tally()
    points = [point for operation in OPERATIONS for point in points_of(runner, operation, ["cut"])]
    # The last changes are after the answer: those show whether an acknowledgement can be lost at all.
    answered = [Point(operation, "cut", _answered(runner, operation)) for operation in OPERATIONS]
    drawn = points if len(points) <= CUTS else rng.sample(points, max(0, CUTS - len(answered))) + answered
    for point in drawn:
        cut(runner, disk, point, tally)
    print(f"seed {SEED}, of {len(points)}: {tally}")
    assert not tally.wrong, "\n".join(tally.wrong[:20])
    assert tally.seen["acknowledged"] >= len(OPERATIONS)
    assert sum(tally.points.values()) >= min(CUTS, len(points))


def _answered(runner: CrashRunner, operation: str) -> int:
    """The first change of the disk after the answer."""
    trace = runner.undisturbed(operation)["trace"]
    mark = next(at for at, line in enumerate(trace) if line[1] == "mark")
    return int(trace[mark + 1][0])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", ["synchronous NORMAL", "no fsync of the blob"])
def test_planted_bugs_1_3_a_power_cut_catches(runner: CrashRunner, disk: LoopDisk, mutant: str) -> None:
    """Right after the answer is the worst moment; without one of these syncs something is gone then.

    A missing sync of the folder (planted bug 2) does not show on ext4, whose journal writes the folder along with the
    database's own sync: the order of calls catches that one.
    """
    tally, trace = Tally(), runner.undisturbed("create", mutant)["trace"]
    mark = next(at for at, line in enumerate(trace) if line[1] == "mark")
    after = [int(line[0]) for line in trace[mark + 1 :]]
    if not FULL:
        after = after[:3]
    for at in after:
        if cut(runner, disk, Point("create", "cut", at, mutant=mutant), tally):
            break
    print(f"{mutant}: {tally}; {tally.wrong[:1]}")
    assert tally.wrong
