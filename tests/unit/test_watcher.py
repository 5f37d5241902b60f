"""The one that watches over several server processes: what it says to them, and whom it replaces."""

import asyncio
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from panaversity_fs.core.errors import ConfigInvalid
from panaversity_fs.workers import _Watcher

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Told:
    """A process that remembers what it was told; its own input is itself."""

    heard: list[str] = field(default_factory=list)

    @property
    def stdin(self) -> "Told":
        return self

    def close(self) -> None:
        self.heard.append("gone")

    def send_signal(self, how: signal.Signals) -> None:
        self.heard.append(how.name)


def test_F38_the_first_word_to_leave_is_no_signal_and_the_second_one_is_haste() -> None:
    watcher, process = _Watcher([], 0, ""), Told()
    watcher._running[1] = process  # type: ignore[assignment]
    watcher._stop()
    assert process.heard == ["gone"]
    watcher._stop()
    assert process.heard[2:] == ["SIGINT", "SIGTERM"], "two, for one alone begins what goes on already"


async def test_a_process_that_cannot_start_any_more_is_replaced_for_it_is_an_outage(tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    script = f"echo . >> {tries}; exit {ConfigInvalid.exit_status}"
    reading, writing = os.pipe()
    watcher = _Watcher(["/bin/sh", "-c", script], reading, str(tmp_path))
    running = asyncio.create_task(watcher._keep_one())
    try:
        async with asyncio.timeout(10):
            while not tries.exists() or len(tries.read_text().split()) < 2:
                await asyncio.sleep(0.02)
        watcher._stop()
        await asyncio.wait_for(running, 10)
    finally:
        os.close(reading)
        os.close(writing)
