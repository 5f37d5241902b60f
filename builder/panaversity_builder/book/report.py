"""The run report: what one command moved, decided and took, for CI and for the curious (DESIGN 10).

Knows the report's fields and how it is filled from the answers of ingest, hydrate and the lifecycle; does not know how
those come about or who reads it.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from panaversity_builder.durable import write_beside
from panaversity_builder.state_folder import make_state_folder
from panaversity_fs.core.errors import PanaversityError

if TYPE_CHECKING:  # only a build has phases, and its engine need not be loaded to report a hydrate
    from panaversity_builder.engine import PhaseEvent, PhaseResult

SCHEMA_VERSION = 1
REPORT, PREVIOUS = "report.json", "report.previous.json"
COUNTS = ("added", "updated", "deleted", "unchanged")
METRICS = ("hydrate_files_downloaded", "hydrate_bytes_transferred", "ingest_files_changed", "build_total_seconds")
"""The four figures that have a name wherever they appear."""


@dataclass(slots=True)
class Report:
    """One run of one command. Figures are None when what they belong to took no part.

    ``counts`` are of the docs folder when a hydrate took part, else of the book. ``changed`` says whether a later step
    has anything to do. Bytes are bytes on the wire, seconds are wall time; ``seconds_saved`` is what the runs took
    that need not be repeated. ``versions`` are of the tools. ``error`` is the error's code, status and sentence.
    ``files`` are the changes that were counted; they are not in ``report.json``.
    """

    book_id: str | None
    started_at: str
    command: str = "build"
    status: str = "failed"
    error: Mapping[str, object] | None = None
    mode: str | None = None
    reason: str | None = None
    manifest_hash: str | None = None
    previous_manifest_hash: str | None = None
    changed: bool | None = None
    counts: dict[str, int] = field(default_factory=dict)
    hydrate_files_downloaded: int | None = None
    hydrate_bytes_transferred: int | None = None
    ingest_files_changed: int | None = None
    build_total_seconds: float | None = None
    seconds: float | None = None
    phases: Sequence[Mapping[str, object]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[object] = ()

    def ingested(self, body: Mapping[str, Any]) -> None:
        """Take in what an ingest answered; a dry run has changed nothing."""
        self._take(body)
        wanted = sum(body.get(word, 0) for word in ("added", "updated", "deleted"))
        self.ingest_files_changed = 0 if body.get("dry_run") else wanted

    def hydrated(self, body: Mapping[str, Any]) -> None:
        """Take in what a hydrate answered. What an ingest changed before is news only if it reached the folder."""
        self._take(body)
        self.mode, self.reason = body.get("mode"), body.get("reason") or None
        self.hydrate_files_downloaded = body.get("hydrate_files_downloaded", 0)
        self.hydrate_bytes_transferred = body.get("hydrate_bytes_transferred", 0)

    def _take(self, body: Mapping[str, Any]) -> None:
        self.manifest_hash, self.previous_manifest_hash = body.get("manifest_hash"), body.get("previous_manifest_hash")
        self.counts = {word: body.get(word, 0) for word in COUNTS}
        self.files = body.get("files", ())
        self.changed = any(body.get(word) for word in ("added", "updated", "deleted", "moved"))

    def settled(self, phases: Sequence[Mapping[str, object]]) -> None:
        """Take in how the phases of a lifecycle were settled. A site that was built anew is a change too."""
        self.phases = phases
        if phases and phases[-1]["name"] == "docusaurus" and phases[-1]["state"] == "ran":
            self.changed = True

    @property
    def seconds_saved(self) -> float | None:
        """Seconds that remembered phases took when they ran; None for a command that has no phases."""
        if not self.phases:
            return None
        return sum(saved for phase in self.phases if isinstance(saved := phase["seconds_saved"], float))

    def to_json(self) -> dict[str, object]:
        """The report as JSON values, ``schema_version`` first."""
        return {
            "schema_version": SCHEMA_VERSION,
            "command": self.command,
            "book_id": self.book_id,
            "status": self.status,
            "error": self.error,
            "started_at": self.started_at,
            "seconds": _rounded(self.seconds),
            "seconds_saved": _rounded(self.seconds_saved),
            "manifest_hash": self.manifest_hash,
            "previous_manifest_hash": self.previous_manifest_hash,
            "changed": self.changed,
            **{word: self.counts.get(word) for word in COUNTS},
            "mode": self.mode,
            "reason": self.reason,
            "hydrate_files_downloaded": self.hydrate_files_downloaded,
            "hydrate_bytes_transferred": self.hydrate_bytes_transferred,
            "ingest_files_changed": self.ingest_files_changed,
            "build_total_seconds": _rounded(self.build_total_seconds),
            "phases": list(self.phases),
            "versions": dict(self.versions),
        }

    def write(self, state_dir: str) -> str:
        """Write ``report.json`` into the state folder and answer its path. Raises ``OSError``.

        The report that was there becomes ``report.previous.json``; at no moment is there none.
        """
        path = os.path.join(make_state_folder(state_dir), REPORT)
        previous = os.path.join(state_dir, PREVIOUS)
        with contextlib.suppress(OSError):  # also of a file system without links: then only the last run is kept
            with contextlib.suppress(FileNotFoundError):
                os.unlink(previous)
            os.link(path, previous, follow_symlinks=False)
        write_beside(path, (json.dumps(self.to_json(), ensure_ascii=False, indent=2) + "\n").encode(), flush=False)
        return path


@contextlib.contextmanager
def run_of(report: Report, stopwatch: Callable[[], float]) -> Iterator[Report]:
    """One run as a block: on leaving, the report has its status, its error if there was one, and its seconds."""
    began = stopwatch()
    try:
        yield report
        report.status = "done"
    except BaseException as error:
        report.error = _told(error)
        raise
    finally:
        report.seconds = stopwatch() - began
        if report.command == "build":
            report.build_total_seconds = report.seconds


def _told(error: BaseException) -> dict[str, object]:
    """An error as the report keeps it: without particulars, which may be many."""
    match error:
        case PanaversityError():
            return {"code": error.code, "exit_status": error.exit_status, "message": str(error)}
        case KeyboardInterrupt():
            return {"code": "INTERRUPTED", "exit_status": 130, "message": "interrupted"}
    return {"code": "INTERNAL", "exit_status": 70, "message": type(error).__name__}


@dataclass(slots=True)
class PhaseLog:
    """Listens to a lifecycle and keeps how each phase was settled, also of a run that fails on the way."""

    _rows: dict[str, dict[str, object]] = field(default_factory=dict)
    _positions: dict[str, int] = field(default_factory=dict)
    _reasons: dict[str, str] = field(default_factory=dict)

    def hear(self, event: "PhaseEvent") -> None:
        """One event of the run. A phase that is made again later counts as it ended last."""
        phase = event.phase
        self._positions[phase.id] = event.position
        if event.kind == "start":
            self._reasons[phase.id] = event.note
            return
        state = {"done": "ran", "cached": "cached", "failed": "failed"}[event.kind]
        reason = event.note if event.kind == "cached" else self._reasons.get(phase.id, event.note)
        self._rows[phase.id] = {
            "id": phase.id,
            "name": phase.name,
            "state": state,
            "reason": reason,
            "seconds": _rounded(event.seconds or 0.0),
            "seconds_saved": 0.0,
            "output": None,
        }

    def rows(self, results: Sequence["PhaseResult"] = ()) -> list[dict[str, object]]:
        """The phases in their order. ``results``, of a run that came to its end, add outputs and the time saved."""
        for result in results:
            if row := self._rows.get(result.phase.id):
                row.update(output=result.output, seconds_saved=_rounded(result.saved_seconds))
        return [self._rows[phase] for phase in sorted(self._rows, key=self._positions.__getitem__)]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(float(seconds), 3)
