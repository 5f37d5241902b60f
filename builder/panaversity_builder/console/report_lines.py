"""Run reports as lines for people. Pure; believes nothing about a report but that it is a mapping."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panaversity_builder.console.texts import amount, counted, size
from panaversity_fs.core.paths import shown

Body = Mapping[str, Any]


def report_lines(body: Body) -> Iterator[str]:
    """One run: how it ended, what it moved, how its phases were settled."""
    head = f"{body.get('command', 'run')} {body.get('book_id') or ''}".strip()
    error = body.get("error")
    ended = f"failed with {error.get('code')}" if isinstance(error, Mapping) else body.get("status")
    yield shown(f"{head}: {ended} after {_seconds(body.get('seconds'))}, begun {body.get('started_at')}")
    if moved := _moved(body):
        yield f"  {moved}"
    if body.get("mode"):
        yield "  " + shown(": ".join(filter(None, [str(body["mode"]), str(body.get("reason") or "")])))
    phases = body.get("phases")
    for phase in phases if isinstance(phases, list) else ():
        if isinstance(phase, Mapping):
            yield shown(f"  {_phase(phase)}")


def _phase(phase: Body) -> str:
    saved = f"; saved {_seconds(phase['seconds_saved'])}" if phase.get("seconds_saved") else ""
    name, state = str(phase.get("name")), str(phase.get("state"))
    return f"{name:<12} {state:<7} {_seconds(phase.get('seconds')):>8}  {phase.get('reason') or ''}{saved}"


def _moved(body: Body) -> str:
    parts = [counted(body, ("added", "updated", "deleted", "unchanged"))]
    files, transferred = body.get("hydrate_files_downloaded"), body.get("hydrate_bytes_transferred")
    if isinstance(files, int) and isinstance(transferred, int):
        parts.append(f"{amount(files, 'files')} downloaded, {size(transferred)} transferred")
    return "; ".join(filter(None, parts))


def run_difference_lines(rows: Sequence[Body]) -> Iterator[str]:
    """``field: old → new``, and by how much where that is a number."""
    for row in rows:
        more = f" ({row['difference']:+g})" if "difference" in row else ""
        yield shown(f"{row['field']}: {_value(row['old'])} → {_value(row['new'])}") + more


def _value(value: object) -> str:
    return "none" if value is None else str(value)


def _seconds(value: object) -> str:
    return f"{value:.1f} s" if isinstance(value, int | float) else "-"
