"""``--show-phases``: what a lifecycle consists of and what is remembered of it.

Pure: the present comes in. Knows phases and records of any lifecycle, books or not.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from panaversity_builder.lifecycle import Lifecycle
from panaversity_builder.snapshots import Record

COLUMNS = ("id", "name", "state", "age", "last", "description")


def phase_rows(lifecycle: Lifecycle, latest: Callable[[str], Record | None], now: datetime) -> list[dict[str, object]]:
    """One row a phase. ``age_seconds`` since its last run ended, ``last_seconds`` that run took; None: never run."""
    rows: list[dict[str, object]] = []
    for phase in lifecycle.phases:
        record = latest(phase.id)
        state = "always runs" if phase.volatile else "kept" if record else "never built"
        rows.append(
            {
                "id": phase.id,
                "name": phase.name,
                "description": phase.description,
                "state": state,
                "age_seconds": _age(record, now),
                "last_seconds": record.seconds if record else None,
                "output": record.output if record else None,
            }
        )
    return rows


def _age(record: Record | None, now: datetime) -> int | None:
    try:
        return int((now - datetime.fromisoformat(record.finished_at)).total_seconds()) if record else None
    except (ValueError, TypeError):  # a record somebody edited: shown without an age
        return None


def phase_table(rows: Sequence[dict[str, object]]) -> Iterator[str]:
    """The rows as aligned text with a heading."""
    cells = [COLUMNS, *(tuple(map(str, _cells(row))) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cells(row: dict[str, object]) -> tuple[object, ...]:
    age, last = row["age_seconds"], row["last_seconds"]
    took = f"{last:.1f} s" if isinstance(last, float) else "-"
    return row["id"], row["name"], row["state"], aged(age) if isinstance(age, int) else "-", took, row["description"]


def aged(seconds: int) -> str:
    """How long ago, in the largest unit that fits."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{max(0, seconds)} s"
