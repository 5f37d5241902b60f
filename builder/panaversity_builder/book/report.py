"""The run report: what one command moved and how long it took, for CI and for the curious (DESIGN 10).

Knows the report's fields; does not know how the figures come about or who reads them.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from panaversity_builder.durable import write_beside
from panaversity_builder.engine import PhaseResult
from panaversity_builder.state_folder import make_state_folder

SCHEMA_VERSION = 1


@dataclass(slots=True)
class Report:
    """One run. The four named metrics are None when the phase they belong to did not take part.

    Bytes are bytes on the wire, seconds are wall time.
    """

    book_id: str
    started_at: str
    phases: Sequence[PhaseResult] = field(default_factory=tuple)
    status: str = "done"
    mode: str | None = None
    reason: str | None = None
    manifest_hash: str | None = None
    hydrate_files_downloaded: int | None = None
    hydrate_bytes_transferred: int | None = None
    ingest_files_changed: int | None = None
    build_total_seconds: float | None = None

    def to_json(self) -> dict[str, object]:
        """The report as JSON values, ``schema_version`` first."""
        return {
            "schema_version": SCHEMA_VERSION,
            "book_id": self.book_id,
            "status": self.status,
            "started_at": self.started_at,
            "manifest_hash": self.manifest_hash,
            "mode": self.mode,
            "reason": self.reason,
            "hydrate_files_downloaded": self.hydrate_files_downloaded,
            "hydrate_bytes_transferred": self.hydrate_bytes_transferred,
            "ingest_files_changed": self.ingest_files_changed,
            "build_total_seconds": _rounded(self.build_total_seconds),
            "phases": [_phase(p) for p in self.phases],
        }

    def write(self, state_dir: str) -> str:
        """Write ``report.json`` into the state folder and answer its path. Replaces the last run's."""
        path = os.path.join(make_state_folder(state_dir), "report.json")
        write_beside(path, (json.dumps(self.to_json(), ensure_ascii=False, indent=2) + "\n").encode())
        return path


def _phase(result: PhaseResult) -> dict[str, object]:
    return {
        "id": result.phase.id,
        "name": result.phase.name,
        "state": result.state,
        "reason": result.note,
        "output": result.output,
        "seconds": _rounded(result.seconds),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
