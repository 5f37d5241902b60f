"""Runs side by side: the reports of two commands, and what one did otherwise than the other (FEATURES 4).

Knows reports as JSON values, of this version and later ones; does not know how they are written or shown.
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from panaversity_builder.book.report import COUNTS, METRICS, PREVIOUS, REPORT
from panaversity_fs.core.errors import InvalidArgument, NotFound
from panaversity_fs.core.paths import shown

Run = Mapping[str, Any]
COMPARED = (
    "command", "book_id", "status", "manifest_hash", "mode", "reason", *COUNTS, *METRICS, "seconds", "seconds_saved",
)  # fmt: skip
LARGEST = 1 << 24
"""Bytes. A bigger file is no report."""


def last_run(state_dir: str) -> str:
    """Where the last run left its report."""
    return os.path.join(state_dir, REPORT)


def run_before(state_dir: str) -> str:
    """Where the report of the run before the last lies."""
    return os.path.join(state_dir, PREVIOUS)


def read_run(path: str) -> Run:
    """The report in a file. Raises ``NotFound`` (exit 2) where none is, ``InvalidArgument`` for what is no report."""
    try:
        with open(path, "rb") as file:
            body = json.loads(file.read(LARGEST))
    except (FileNotFoundError, NotADirectoryError):
        hint = "Run ingest, hydrate or build first, or name a file"
        raise NotFound("report", shown(path), "no run left a report here", hint) from None
    except (OSError, ValueError, RecursionError) as fault:
        raise _no_report(path, "cannot be read") from fault
    if not isinstance(body, dict) or not isinstance(body.get("schema_version"), int) or "status" not in body:
        raise _no_report(path, "is not a run report")
    return body


def _no_report(path: str, problem: str) -> InvalidArgument:
    return InvalidArgument("report", shown(path), problem, f"Name a {REPORT} that a run wrote")


def compare_runs(old: Run, new: Run) -> list[dict[str, Any]]:
    """What differs, one row a field: ``field``, ``old``, ``new``, and for two numbers the ``difference``."""
    rows = [_row(name, old.get(name), new.get(name)) for name in COMPARED]
    before, after = _phases(old), _phases(new)
    for phase in dict.fromkeys([*before, *after]):
        one, other = before.get(phase, {}), after.get(phase, {})
        rows += [_row(f"{phase} {name}", one.get(name), other.get(name)) for name in ("state", "reason", "seconds")]
    return [row for row in rows if row["old"] != row["new"]]


def _row(name: str, old: object, new: object) -> dict[str, Any]:
    row: dict[str, Any] = {"field": name, "old": old, "new": new}
    if isinstance(old, int | float) and isinstance(new, int | float):
        row["difference"] = round(new - old, 3)
    return row


def _phases(run: Run) -> dict[str, Run]:
    return {str(phase.get("name")): phase for phase in _mappings(run.get("phases"))}


def _mappings(value: object) -> Iterator[Run]:
    """The mappings in a list, whatever else somebody wrote there."""
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, Mapping))
