"""The run report of one command, from its first second to its files: ``report.json``, ``--metrics-file``, the job.

Knows where reports go; does not know what is in them. A report that cannot be written is a warning: it never fails the
work it tells of.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from panaversity_builder.book.report import COUNTS, METRICS, Report, run_of
from panaversity_builder.config import Config
from panaversity_builder.console import Console

if TYPE_CHECKING:
    from panaversity_builder.engine import PhaseEvent

T = TypeVar("T")
_TOLD = (
    "book_id", "manifest_hash", "previous_manifest_hash", "changed", *COUNTS, "mode", "reason", *METRICS, "seconds",
    "seconds_saved", "phases",
)  # fmt: skip
"""Fields a job is told of beside a command's own answer."""


@contextmanager
def reported(console: Console, config: Config, command: str, *, dry_run: bool = False) -> Iterator[Report]:
    """A report to fill for one run of a command; finished on leaving and written, however that happens.

    A dry run leaves none: nothing ran.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    report = Report(config.book_id, started, command, versions={"python": ".".join(map(str, sys.version_info[:3]))})
    try:
        with run_of(report, time.monotonic):
            yield report
    finally:
        body = report.to_json()
        console.known |= {name: body[name] for name in _TOLD if body[name] not in (None, [])}
        if not dry_run:
            _write(console, config, report)


def _write(console: Console, config: Config, report: Report) -> None:
    failed = report.status == "failed"  # whoever cannot write a project has been told so already
    if (path := _attempt(console, "run report", lambda: report.write(config.state_dir), failed)) is not None:
        console.known["report"] = path
    if config.metrics_file is not None:
        from panaversity_builder.book.metrics_file import write

        metrics = config.metrics_file
        _attempt(console, "--metrics-file", lambda: write(metrics, report.to_json()), failed)


def _attempt(console: Console, what: str, write: Callable[[], T], failed: bool) -> T | None:
    try:
        return write()
    except (OSError, ValueError) as error:  # ValueError: a path with NUL in it
        tell = console.progress.note if failed else console.progress.warn
        tell(f"{what}: nothing could be written ({error})")
        return None


def grouped(console: Console, listen: "Callable[[PhaseEvent], None]") -> "Callable[[PhaseEvent], None]":
    """The same listener, with everything said during a phase folded under its name in the log of a job."""

    def hear(event: "PhaseEvent") -> None:
        if event.kind == "start":
            console.group(f"{event.phase.name}: {event.note}")
        listen(event)
        if event.kind in ("done", "failed"):
            console.group(None)

    return hear
