"""The run report as a file for node_exporter's textfile collector (``--metrics-file``).

The four named figures stand under their names, everything else under ``panaversity_…`` with its base unit. One label,
the book: where and when a run took place is the collector's to say. Two commands need two files, for the collector
refuses a sample it finds twice. Knows the exposition format; does not know how figures come about.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from panaversity_builder.durable import write_beside

Body = Mapping[str, object]

_HELP = {
    "hydrate_files_downloaded": "Files that the last hydrate downloaded.",
    "hydrate_bytes_transferred": "Bytes on the wire that the last hydrate received.",
    "ingest_files_changed": "Files that the last ingest added, updated or deleted in the book.",
    "build_total_seconds": "Seconds that the last build took.",
    "panaversity_run_success": "1 if the last run came to its end, 0 if it failed.",
    "panaversity_run_start_timestamp_seconds": "When the last run began, in seconds since 1970.",
    "panaversity_run_duration_seconds": "Seconds that the last run took.",
    "panaversity_run_saved_seconds": "Seconds that remembered phases took when they ran.",
    "panaversity_run_added_files": "Files that the last run added.",
    "panaversity_run_updated_files": "Files that the last run updated.",
    "panaversity_run_deleted_files": "Files that the last run deleted.",
    "panaversity_run_unchanged_files": "Files that the last run left as they were.",
}
_FIELDS = {
    "panaversity_run_duration_seconds": "seconds",
    "panaversity_run_saved_seconds": "seconds_saved",
    "panaversity_run_added_files": "added",
    "panaversity_run_updated_files": "updated",
    "panaversity_run_deleted_files": "deleted",
    "panaversity_run_unchanged_files": "unchanged",
}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


def render(report: Body) -> str:
    """The report's figures in the text exposition format, all of them gauges. What took no part has no sample."""
    label = re.sub(r'[\\"\n]', lambda found: _ESCAPES[found[0]], str(report.get("book_id") or ""))
    return "".join(
        f'# HELP {name} {_HELP[name]}\n# TYPE {name} gauge\n{name}{{book="{label}"}} {value}\n'
        for name, value in _samples(report)
    )


def _samples(report: Body) -> Iterator[tuple[str, float]]:
    for name in _HELP:
        value = report.get(_FIELDS.get(name, name))
        if isinstance(value, int | float):
            yield name, value
    yield "panaversity_run_success", int(report.get("status") == "done")
    if isinstance(began := report.get("started_at"), str) and began:
        yield "panaversity_run_start_timestamp_seconds", datetime.fromisoformat(began).timestamp()


def write(path: str, report: Body) -> None:
    """Replace the file, whole: a collector reads the last run's figures or this one's. Raises ``OSError``."""
    write_beside(path, render(report).encode())
