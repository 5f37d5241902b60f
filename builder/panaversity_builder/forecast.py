"""What a run of a lifecycle would do now, and why, without doing it (``--dry-run``, ``--show-phases``).

Walks as ``engine`` walks and gives the same reasons from the same key documents, but runs, restores and remembers
nothing. Where a phase would run, its output is not known yet, and so is what follows from it.

Knows order, keys and records; does not know what phases do or how a forecast is shown.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from panaversity_builder.engine import Records, Step, steps_until
from panaversity_builder.lifecycle import Cause, Lifecycle, Phase, Reason, document_of, explain, require_phases
from panaversity_builder.snapshots import Record
from panaversity_fs.core.errors import PanaversityError

State = Literal["run", "cached", "restore", "fail"]


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a volatile phase would do, in words, and what would come out of it; None: that is not known before."""

    note: str = ""
    output: str | None = None


Previews = Mapping[str, Callable[[], Foreseen]]
"""For the ids of volatile phases: how to look ahead."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """One phase: what would become of it, why, and (``note``) what it would do. ``record`` is what is remembered."""

    phase: Phase
    state: State
    reason: str
    note: str = ""
    record: Record | None = None


def forecast(
    lifecycle: Lifecycle,
    steps: Sequence[Step],
    records: Records,
    previews: Previews,
    *,
    rebuild: Collection[str] = (),
    until: str | None = None,
) -> list[Forecast]:
    """What ``run_lifecycle`` would do with the same arguments, phase by phase.

    A phase whose inputs cannot be stated would fail. Raises ``PhaseUnknown``, and what a preview raises.
    """
    forced = require_phases(lifecycle, rebuild)
    walked = steps_until(lifecycle, steps, until)
    answers: list[Forecast] = []
    output: str | None = None
    for step in walked:
        if step.phase.volatile:
            seen = previews.get(step.phase.id, Foreseen)()
            output = seen.output
            last = records.latest(step.phase.id)
            answers.append(Forecast(step.phase, "run", str(Reason(Cause.ALWAYS)), seen.note, last))
            continue
        first, ends = not answers, step is walked[-1]
        try:
            answer, output = _judge(lifecycle, step, records, output, first, ends, step.phase.id in forced)
        except PanaversityError as error:
            answer, output = Forecast(step.phase, "fail", str(error), record=records.latest(step.phase.id)), None
        answers.append(answer)
    return answers


def _judge(
    lifecycle: Lifecycle, step: Step, records: Records, previous: str | None, first: bool, ends: bool, forced: bool
) -> tuple[Forecast, str | None]:
    """The forecast of a phase that may be believed, and its output as far as it is known."""
    latest = records.latest(step.phase.id)
    if previous is None and not first:
        return Forecast(step.phase, "run", _unsure(lifecycle, step, latest, forced), record=latest), None
    document = document_of(lifecycle, step.phase, step.inputs(), previous)
    record = records.find(document)
    presence = (step.look or step.check)(record) if record and ends and not forced else None
    remembered = record or latest
    reason = explain(
        step.phase,
        document,
        remembered.document if remembered else None,
        forced=forced,
        gone=presence.note if presence and not presence.there else None,
        particulars=step.particulars,
    )
    if reason is not None or record is None:
        return Forecast(step.phase, "run", str(reason or Reason(Cause.NEVER)), record=remembered), None
    state: State = "restore" if presence and presence.restored else "cached"
    return Forecast(step.phase, state, presence.note if presence else "unchanged", record=record), record.output


def _unsure(lifecycle: Lifecycle, step: Step, latest: Record | None, forced: bool) -> str:
    """Why a phase would run whose previous output is not known before."""
    before = latest.document.previous if latest else None
    document = document_of(lifecycle, step.phase, step.inputs(), before)
    reason = explain(
        step.phase, document, latest.document if latest else None, forced=forced, particulars=step.particulars
    )
    return str(reason or Reason(Cause.PREVIOUS))
