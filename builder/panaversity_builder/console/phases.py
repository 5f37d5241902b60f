"""``--show-phases`` and ``--dry-run``: what a lifecycle consists of, how its phases stand, what they would do.

Pure: the present comes in. Knows forecasts of any lifecycle, books or not.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from panaversity_builder.console.texts import size
from panaversity_builder.forecast import Forecast
from panaversity_builder.snapshots import Record

COLUMNS = ("id", "name", "description", "state", "age", "size", "last")
WORDS = {"run": "would run", "cached": "cached", "restore": "would be restored", "fail": "would fail"}
Row = dict[str, object]


def phase_rows(forecasts: Sequence[Forecast], sizes: Mapping[str, int], now: datetime) -> list[Row]:
    """One row a phase. ``age_seconds`` since its last run ended, ``last_seconds`` that run took; None: never run.

    ``sizes`` are bytes of what is kept of a phase, by its id; a phase of which nothing is ever kept has none.
    """
    rows: list[Row] = []
    for one in forecasts:
        phase, record = one.phase, one.record
        rows.append(
            {
                "id": phase.id,
                "name": phase.name,
                "description": phase.description,
                "state": "always runs" if phase.volatile else WORDS[one.state],
                "reason": one.reason,
                "age_seconds": _age(record, now),
                "size_bytes": sizes.get(phase.id),
                "last_seconds": record.seconds if record else None,
                "output": record.output if record else None,
            }
        )
    return rows


def _age(record: Record | None, now: datetime) -> int | None:
    try:
        return int((now - datetime.fromisoformat(record.finished_at)).total_seconds()) if record else None
    except (ValueError, TypeError):  # a time nobody can read: shown without an age
        return None


def phase_table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as aligned text with a heading, and below it why a phase that may be believed is, or is not."""
    yield from aligned([COLUMNS, *(_cells(row) for row in rows)])
    for row in rows:
        if row["state"] != "always runs":
            yield f"{row['name']} {row['state']}: {row['reason']}"


def aligned(lines: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Cells as columns two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    age, weight, last = row["age_seconds"], row["size_bytes"], row["last_seconds"]
    return (
        *(str(row[name]) for name in COLUMNS[:4]),
        aged(age) if isinstance(age, int) else "-",
        size(weight) if isinstance(weight, int) else "-",
        f"{last:.1f} s" if isinstance(last, float) else "-",
    )


def forecast_rows(forecasts: Sequence[Forecast]) -> list[Row]:
    """One row a phase: whether it would run, why, and what it would do."""
    return [
        {"id": f.phase.id, "name": f.phase.name, "state": WORDS[f.state], "reason": f.reason, "note": f.note}
        for f in forecasts
    ]


def forecast_lines(book_id: str, rows: Sequence[Row]) -> Iterator[str]:
    """What a build would do, a line a phase."""
    yield f"build {book_id}: dry run, nothing was run or written"
    for number, row in enumerate(rows, 1):
        told = row["note"] or f"{row['state']}: {row['reason']}"
        yield f"[{100 * number // len(rows)}%] {row['name']}: {told}"


def aged(seconds: int) -> str:
    """How long ago, in the largest unit that fits."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{max(0, seconds)} s"
