"""One engine for any ordered list of phases: run what must run, believe what is remembered (DESIGN 11, EXAMPLES 7).

Records are believed on the way forward. Whether an output is still *there* is asked only where it matters: for the
last phase wanted, and for the parent of a phase that must run; a missing parent is made again first, back to the
nearest phase that is there. A failure stops the walk and forgets nothing, so the next run resumes.

Knows order, keys and records; does not know what phases do, where records lie or who watches.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Literal, Protocol

from panaversity_builder.lifecycle import (
    Cause,
    Inputs,
    KeyDocument,
    Lifecycle,
    Particulars,
    Phase,
    Reason,
    changed_inputs,
    document_of,
    explain,
    no_particulars,
    require_phases,
)
from panaversity_builder.snapshots import Record
from panaversity_fs.core.errors import PhaseFailed


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a remembered output is there. ``note`` says what was found, or what is wrong.

    ``restored`` is True for an output that had to be put back, or that could be where somebody only looks.
    """

    there: bool
    note: str = "unchanged"
    restored: bool = False


THERE = Presence(True)


def _believed(_record: Record) -> Presence:
    """A phase whose output is a value, not a thing: nothing can be missing."""
    return THERE


@dataclass(frozen=True, slots=True)
class Step:
    """One phase with what the pipeline knows about it.

    ``inputs`` is asked when all phases before are settled. ``run`` does the work and answers the output; None says
    the phase's own key stands for it (container layers are not reproducible: same key, same output). ``check`` asks
    whether a remembered output is still there, and may put it back; ``look`` only asks (None: so does ``check``).
    """

    phase: Phase
    run: Callable[[], str | None]
    inputs: Callable[[], Inputs] = dict
    check: Callable[[Record], Presence] = _believed
    look: Callable[[Record], Presence] | None = None
    particulars: Particulars = no_particulars


class Records(Protocol):
    """Where records are remembered; ``snapshots.RecordFiles`` is one."""

    def find(self, document: KeyDocument) -> Record | None:
        """The record under this document's key."""

    def latest(self, phase_id: str) -> Record | None:
        """The record of this phase used last."""

    def remember(self, record: Record) -> None:
        """Keep this record as the one used last."""


@dataclass(frozen=True, slots=True)
class PhaseEvent:
    """What a watcher hears. ``note`` is the reason on start, what was found on cached, the error on failed."""

    kind: Literal["start", "cached", "done", "failed"]
    phase: Phase
    position: int
    total: int
    note: str = ""
    seconds: float | None = None

    @property
    def percent(self) -> int:
        """How much of the run is settled now, counted in phases."""
        settled = self.position - (self.kind in ("start", "failed"))
        return 100 * settled // self.total


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """How one phase was settled: ``ran`` with a reason, ``cached`` with what was found, ``failed`` with the error.

    ``seconds`` is how long that took. ``saved_seconds`` is what the remembered run took that need not be repeated, 0
    for a phase that ran. A failed phase has no output.
    """

    phase: Phase
    state: Literal["ran", "cached", "failed"]
    note: str
    output: str
    seconds: float
    saved_seconds: float = 0.0


def utc_now() -> datetime:
    """The present, aware."""
    return datetime.now(UTC)


def _unheard(event: PhaseEvent) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks of a run: the date for records, the stopwatch for durations."""

    now: Callable[[], datetime] = utc_now
    stopwatch: Callable[[], float] = monotonic


def run_lifecycle(
    lifecycle: Lifecycle,
    steps: Sequence[Step],
    records: Records,
    *,
    rebuild: Collection[str] = (),
    until: str | None = None,
    listen: Callable[[PhaseEvent], None] = _unheard,
    clock: Clock | None = None,
    results: list[PhaseResult] | None = None,
) -> list[PhaseResult]:
    """Settle every phase up to and including ``until`` (id or name; default the last) and say how, in order.

    ``rebuild`` names phases that run whatever is remembered. ``results`` is filled along the way and answered; who
    hands in a list of his own has it when a phase fails too, with that phase last. Raises ``PhaseUnknown`` before
    anything runs, ``PhaseFailed`` when a phase cannot work with its files, and a phase's own ``PanaversityError`` as
    it is.
    """
    forced = require_phases(lifecycle, rebuild)
    walked = steps_until(lifecycle, steps, until)
    walk = _Walk(lifecycle, walked, records, forced, listen, clock or Clock(), [] if results is None else results)
    return walk.go()


def steps_until(lifecycle: Lifecycle, steps: Sequence[Step], until: str | None) -> Sequence[Step]:
    """The steps up to and including ``until`` (None: all). Raises ``PhaseUnknown``."""
    if [step.phase for step in steps] != list(lifecycle.phases):
        raise ValueError(f"lifecycle {lifecycle.name}: the steps are not its phases")
    last = lifecycle.phases.index(lifecycle.find(until)) if until is not None else len(steps) - 1
    return steps[: last + 1]


@contextmanager
def _files_of(phase: Phase) -> Iterator[None]:
    """What the system refuses a phase is that phase's failure, not a bug."""
    try:
        yield
    except OSError as error:
        problem = f"cannot be finished ({error})"
        raise PhaseFailed("build", phase.name, problem, "Put it right and run again", phase=phase.id) from error


class _Walk:
    """One run. ``_results[i]`` is how phase i is settled; ``_sure`` holds the positions known to be there."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        steps: Sequence[Step],
        records: Records,
        forced: frozenset[str],
        listen: Callable[[PhaseEvent], None],
        clock: Clock,
        results: list[PhaseResult],
    ) -> None:
        self._lifecycle, self._steps, self._records = lifecycle, steps, records
        self._forced, self._listen, self._clock = forced, listen, clock
        self._results = results
        self._sure: set[int] = set()

    def go(self) -> list[PhaseResult]:
        for position, step in enumerate(self._steps):
            try:
                with _files_of(step.phase):
                    self._settle(position)
            except BaseException as error:
                if not self._failed:  # it failed before it began to run: its inputs, or its presence
                    self._fail(position, error, 0.0)
                raise
        return self._results

    @property
    def _failed(self) -> bool:
        return bool(self._results) and self._results[-1].state == "failed"

    def _fail(self, i: int, error: BaseException, seconds: float) -> None:
        note = str(error) or "interrupted"
        self._results[i:] = [PhaseResult(self._steps[i].phase, "failed", note, "", seconds)]
        self._tell("failed", i, note, seconds)

    def _settle(self, i: int) -> None:
        """Believe phase i or run it."""
        started = self._clock.stopwatch()
        step, document = self._steps[i], self._document(i)
        record = self._records.find(document)
        forced = step.phase.id in self._forced
        presence = THERE
        if i == len(self._steps) - 1 and record and not forced and not step.phase.volatile:
            presence = step.check(record)
            self._sure.add(i)
        remembered = record or self._records.latest(step.phase.id)
        reason = explain(
            step.phase,
            document,
            remembered.document if remembered else None,
            forced=forced,
            gone=None if presence.there else presence.note,
            particulars=step.particulars,
        )
        if reason is None and record:
            self._believe(i, record, presence.note, self._clock.stopwatch() - started)
        else:
            self._run(i, reason or Reason(Cause.NEVER))

    def _believe(self, i: int, record: Record, note: str, seconds: float) -> None:
        self._records.remember(record)
        phase = self._steps[i].phase
        self._results.append(PhaseResult(phase, "cached", note, record.output, seconds, record.seconds))
        self._tell("cached", i, note, seconds)

    def _run(self, i: int, reason: Reason) -> None:
        """Run phase i on a parent that is really there, and remember what came out."""
        self._ensure(i - 1)
        document = self._document(i)  # anew: a parent made again may have another output
        self._tell("start", i, str(reason))
        started = self._clock.stopwatch()
        try:
            with _files_of(self._steps[i].phase):
                output = self._steps[i].run()
        except BaseException as error:
            self._fail(i, error, self._clock.stopwatch() - started)
            raise
        seconds = self._clock.stopwatch() - started
        output = document.key if output is None else output
        note = f"{reason}{self._remember(i, document, output, seconds)}"
        self._results[i:] = [PhaseResult(self._steps[i].phase, "ran", note, output, seconds)]
        self._sure.add(i)
        self._tell("done", i, note, seconds)

    def _remember(self, i: int, document: KeyDocument, output: str, seconds: float) -> str:
        """Remember what phase i made; inputs that moved meanwhile have no key to do so under, and that is told."""
        finished_at = self._clock.now().isoformat(timespec="seconds")
        if changes := changed_inputs(document, self._document(i), self._steps[i].particulars):
            return f"; not remembered, meanwhile changed: {', '.join(changes)}"
        self._records.remember(Record(document, output, finished_at, seconds))
        return ""

    def _ensure(self, i: int) -> None:
        """Make sure the output of phase i is there, running it again (and before it its parent) if it is gone."""
        if i < 0 or i in self._sure:
            return
        record = self._records.find(self._document(i))
        presence = self._steps[i].check(record) if record else Presence(False, "its record is gone")
        if presence.there:
            self._sure.add(i)
            return
        later = self._results[i + 1 :]
        self._run(i, Reason(Cause.GONE, presence.note))
        self._results += later

    def _document(self, i: int) -> KeyDocument:
        previous = self._results[i - 1].output if i else None
        return document_of(self._lifecycle, self._steps[i].phase, self._steps[i].inputs(), previous)

    def _tell(
        self, kind: Literal["start", "cached", "done", "failed"], i: int, note: str, seconds: float | None = None
    ) -> None:
        self._listen(PhaseEvent(kind, self._steps[i].phase, i + 1, len(self._steps), note, seconds))
