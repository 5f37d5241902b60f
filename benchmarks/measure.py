"""Time whole processes from outside: wall time, peak memory, several runs, the median to quote.

Knows processes; does not know what they do or which figure is good.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One finished process: seconds of wall time, peak resident memory in bytes, what it wrote to stdout."""

    seconds: float
    peak_bytes: int
    output: str


class CommandFailed(Exception):
    """The measured command did not end well: its figures would mean nothing."""


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Run:
    """Run the command once. Raises ``CommandFailed`` with the end of what it said."""
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment
    ) as process:
        output, said = process.communicate()
        # communicate() has reaped it; the peak of the largest child so far is what the system keeps.
        seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}: exit {process.returncode}: {said[-2000:]}")
    return Run(seconds, 0, output)


def run_with_memory(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run the command once, its own peak memory included (output goes to a pipe that is read afterwards)."""
    reader, writer = os.pipe()
    started = time.perf_counter()
    pid = os.posix_spawnp(
        command[0], list(command), dict(environment or os.environ),
        file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_CLOSE, reader)],
    )  # fmt: skip
    os.close(writer)
    with open(reader, encoding="utf-8") as stream:
        output = stream.read()
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        raise CommandFailed(f"{' '.join(command)}: exit {os.waitstatus_to_exitcode(status)}")
    return Run(seconds, usage.ru_maxrss * 1024, output)


def repeat(times: int, once: Callable[[int], Run]) -> tuple[Run, list[float]]:
    """Run several times; the run with the median time, and all times sorted."""
    runs = sorted((once(number) for number in range(times)), key=lambda r: r.seconds)
    return runs[len(runs) // 2], [r.seconds for r in runs]


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return statistics.median(values)


def peak_of(pid: int) -> int:
    """Peak resident memory of a running process in bytes, since it was last reset."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise CommandFailed(f"process {pid} tells no peak memory")


def resident_of(pid: int) -> int:
    """Resident memory of a running process in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise CommandFailed(f"process {pid} tells no resident memory")


def reset_peak(pid: int) -> None:
    """Let the kernel forget the peak so far (Linux)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def disk_of(folder: Path) -> str:
    """The file system a folder lies on, as "type on device"."""
    listing = subprocess.run(
        ["df", "--output=fstype,source", str(folder)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    kind, source = listing[-1].split(maxsplit=1)
    return f"{kind} on {source}"
