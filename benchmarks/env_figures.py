"""Environments on buildah: what a build costs besides its commands, and what a snapshot weighs.

The base is one static program with 64 MiB of other files. Measured as root where buildah is; elsewhere the figures are
named as missing. Knows the shape of an environment; does not know how images are kept.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from figures import Report
from measure import Run, median, repeat, run
from scene import Scene

from panaversity_builder.environment.backend.buildah import Buildah
from panaversity_builder.environment.backend.naming import working_name
from panaversity_builder.environment.recipe import BaseImage
from panaversity_builder.environment.recipe import Run as Command

MIB = 1 << 20
BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "sleep", "dd", "mkdir", "chown", "chmod", "cp", "mv", "grep")
PHASES = ["base", "users", "env", "habitat", "files", "setup", "repos", "tools", "verify", "final"]
UNCHANGED, OVERHEAD, SNAPSHOT, WEIGHT = 1.5, 1.0, 1.0, 1.2
"""Seconds; seconds a phase besides its commands; seconds; bytes of a snapshot to the bytes its phase added."""
SLEEP = 0.5
ADDED = 32
RUNS = 5


def env_figures(place: Scene, report: Report) -> None:
    """A cold build, one that finds nothing to do, one that fails, and snapshots by themselves."""
    if why := _why_not():
        for name in ("env-unchanged", "env-phase-overhead", "env-snapshot", "env-snapshot-weight"):
            report.without(name, why)
        return
    # Overlay wants a disk of the machine's own, not one that is a layer itself.
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        project = Path(folder)
        root = _base(project / "root")
        _builds(place, project, report)
        _snapshots(project, root, report)


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "buildah is measured as root"
    missing = [path for path in ("buildah", "unshare", BUSYBOX) if shutil.which(path) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def _base(root: Path) -> Path:
    for name in ("bin", "etc", "tmp", "root", "opt"):
        (root / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin" / "busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    for number in range(64):
        (root / "opt" / f"{number}").write_bytes(os.urandom(MIB))
    return root


def _builds(place: Scene, project: Path, report: Report) -> None:
    (project / ".git").mkdir()
    (project / "environments").mkdir()
    file = project / "environments" / "bench.yaml"
    environment = {**place.environment, "PANAVERSITY_ENV_STORAGE": str(project / "storage")}
    command = place.panaversity("env", "build", "bench", "--format", "json")

    def build() -> Run:
        return run(command, environment, project)

    def configure(sleep: str) -> None:
        hooks = ", ".join(f"{name}: ['{sleep}']" for name in PHASES)
        file.write_text(f"build:\n  base: rootfs:../root\n  before: {{{hooks}}}\n")

    over = []
    for number in range(3):
        configure(f"sleep {SLEEP} {'0 ' * number}")
        body = json.loads(build().output)
        over.append((body["seconds"] - body["ran"] * SLEEP) / body["ran"])
    note = f"{min(over):.2f}…{max(over):.2f}; ten phases, a command of {SLEEP:g} s in each, the whole command"
    report("env-phase-overhead", median(over), OVERHEAD, "s", note)
    middle, times = repeat(RUNS, lambda _: build())
    report("env-unchanged", middle.seconds, UNCHANGED, "s", f"{times[0]:.2f}…{times[-1]:.2f}; 30 snapshots are kept")


def _snapshots(project: Path, root: Path, report: Report) -> None:
    """The commit of a phase that added so many bytes: its seconds, and how much more the storage holds."""
    backend = Buildah(str(project / "alone"), str(project / "work"))
    base = BaseImage("rootfs", str(root), "0" * 64)
    image = backend.begin(working_name("bench"), base).commit("habitat-bench:0", {})
    seconds, weights = [], []
    for number in range(1, RUNS + 1):
        before = _weight(project / "alone")
        container = backend.follow(working_name("bench"), image)
        write = ("dd", "if=/dev/urandom", f"of=/opt/added-{number}", "bs=1M", f"count={ADDED}")
        with tempfile.TemporaryFile() as log:
            assert container.run(Command(write, "write"), {}, log) == 0
        started = time.monotonic()
        image = container.commit(f"habitat-bench:{number}", {"label": "x"})
        seconds.append(time.monotonic() - started)
        weights.append((_weight(project / "alone") - before) / (ADDED * MIB))
    note = f"{min(seconds):.2f}…{max(seconds):.2f}; a phase that added {ADDED} MiB"
    report("env-snapshot", median(seconds), SNAPSHOT, "s", note)
    report("env-snapshot-weight", median(weights), WEIGHT, "×", "of the bytes the phase added, on disk")


def _weight(folder: Path) -> int:
    """Bytes on disk, as ``du`` counts them."""
    answer = subprocess.run(["du", "-s", "-B1", str(folder)], capture_output=True, text=True, check=True)
    return int(answer.stdout.split()[0])
