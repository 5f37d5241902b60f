"""``panaversity-fs serve --workers N`` as users run it: over PostgreSQL, on a free port.

Knows how to start, ask and end it and which processes belong to it; does not know what a test expects.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from support.live import START_SECONDS, Wire, clean_environment, serve_command


class WorkersServer(Wire):
    """The watcher and its processes. ``environment`` names database and storage."""

    def __init__(self, place: Path, environment: Mapping[str, str], count: int = 2) -> None:
        self.url = ""
        self._environment = {**clean_environment(), **environment}
        self._count = count
        self.errors = place / "workers.err"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        words = ("--workers", str(self._count), "--port", "0", "--log-format", "text")
        with self.errors.open("ab") as errors:
            self._process = subprocess.Popen(
                serve_command(*words), env=self._environment, stdin=subprocess.DEVNULL, stderr=errors,
                start_new_session=True,
            )  # fmt: skip
        try:
            self.wait_for(self._count)
        except BaseException:  # nobody else would end it
            self.end(signal.SIGKILL)
            raise
        self.url = re.findall(r"listening on (\S+)", self.errors.read_text())[0]
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGKILL)

    def wait_for(self, started: int) -> None:
        """Wait until so many processes have begun to listen since the start."""
        deadline = time.monotonic() + START_SECONDS
        while self.errors.read_text().count("listening on") < started:
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < deadline, self.errors.read_text()
            time.sleep(0.02)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The watcher."""
        assert self._process is not None
        return self._process

    @property
    def pids(self) -> set[int]:
        """The processes that serve."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def end(self, how: signal.Signals) -> int:
        """Signal the watcher and wait for its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)

    def signal_all(self, how: signal.Signals) -> None:
        """Signal the watcher and every process of its, as a terminal and a service manager do."""
        os.killpg(self.process.pid, how)


def alive(pid: int) -> bool:
    """Whether there is such a process, and it is more than a line in a table."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_within(pids: set[int], seconds: float) -> bool:
    """Whether all of them end in time."""
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
