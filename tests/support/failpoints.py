"""Death at the N-th change of the disk: the calls that hydrate changes the disk with, counted and cut short.

Knows module ``os``; does not know which step a call belongs to.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from panaversity_builder import durable
from panaversity_builder.book.hydrate import entry, folder, staging, state

CHANGES = ("open", "write", "link", "rename", "unlink", "mkdir", "rmdir", "fsync", "ftruncate", "makedirs")


class Failpoint:
    """Stands where module ``os`` stood. Before the ``at``-th changing call ``die`` is called; ``count`` counts them."""

    def __init__(self, at: int, die: Callable[[], None]) -> None:
        self.at, self.die, self.count = at, die, 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CHANGES:
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return real(*arguments, **named)
            self.count += 1
            if self.count == self.at:
                self.die()
            return real(*arguments, **named)

        return call

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "Failpoint":
        for module in (durable, entry, folder, staging, state):
            monkeypatch.setattr(module, "os", self)
        return self


def interrupt() -> None:
    """As Ctrl-C does: every ``finally`` still runs."""
    raise KeyboardInterrupt


def kill() -> None:
    """As kill -9 does: nothing runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_child(work: Callable[[], object], kill_after: float | None = None) -> int:
    """Do the work in a forked process and answer how it ended: 0, 1 for an exception, -9 when it was killed."""
    import sys
    import time

    child = os.fork()
    if child == 0:
        status = 1
        try:
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - the process ends two lines below
            work()
            status = 0
        finally:
            os._exit(status)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
