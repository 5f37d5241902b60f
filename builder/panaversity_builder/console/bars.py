"""Progress for people: bars on a terminal, a plain line every few seconds elsewhere.

Knows how to draw; does not know what the work is.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from panaversity_builder.console.texts import amount
from panaversity_builder.progress import Unit

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from panaversity_builder.console import Console

LINE_EVERY = 5.0
"""Seconds between plain lines: a CI log shows that we live and stays readable."""


class Lines:
    """Plain lines. A task that is over within ``LINE_EVERY`` seconds says nothing: silence is a feature."""

    def __init__(self, console: "Console", clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._task, self._total, self._unit, self._done, self._said = "", None, "files", 0, 0.0

    _total: int | None
    _unit: Unit

    def start(self, task: str, total: int | None, unit: Unit) -> None:
        self._task, self._total, self._unit, self._done = task, total, unit, 0
        self._said = self._clock()

    def advance(self, amount: int) -> None:
        self._done += amount
        now = self._clock()
        if now - self._said >= LINE_EVERY and self._console.manner.verbosity >= 0:
            self._said = now
            self._console.say(f"{self._task}: {self._how_far()}")

    def _how_far(self) -> str:
        if self._total is None:
            return amount(self._done, self._unit)
        return f"{amount(self._done, self._unit)} of {amount(self._total, self._unit)}"

    def finish(self) -> None: ...

    def note(self, text: str) -> None:
        if self._console.manner.verbosity > 0:
            self._console.say(text)

    def warn(self, text: str) -> None:
        self._console.warn(text)


class Bars(Lines):
    """Bars that vanish when their task is done."""

    _bars: "RichProgress | None" = None
    _bar: "TaskID | None" = None

    def start(self, task: str, total: int | None, unit: Unit) -> None:
        super().start(task, total, unit)
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        terminal = Terminal(file=self._console.error_stream, no_color=not self._console.coloured)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[far]}"), TimeElapsedColumn())
        self._bars = Progress(*columns, console=terminal, transient=True, refresh_per_second=8)
        self._bars.start()
        self._bar = self._bars.add_task(task, total=total, far="")

    def advance(self, amount: int) -> None:
        self._done += amount
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, advance=amount, far=self._how_far())

    def finish(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars = self._bar = None

    def note(self, text: str) -> None:
        if self._console.manner.verbosity > 0:
            self._above(text)

    def warn(self, text: str) -> None:
        self._above(f"warning: {text}")  # never in a job: it has no terminal to draw bars on

    def _above(self, text: str) -> None:
        if self._bars is None:
            self._console.say(text)
        else:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
