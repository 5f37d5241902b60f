"""The watch itself: one round at a time, as long as nobody ends it (single flight by construction).

Changes that come during a round are gathered by the system and lead to exactly one more. Knows the order of things;
does not know how a server is reached (``Connection``), what is shown (``tell``) or what runs beside it (``beside``).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from panaversity_builder.book.watching.moments import Moment
from panaversity_builder.book.watching.rhythm import STEP_MS, Cause, Rhythm
from panaversity_fs.core.errors import PanaversityError


class Result(Protocol):
    """What an ingest or a hydrate answers."""

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Phases:
    """What a round does, as calls bound to one server: ``look`` answers a text that changes with the source tree."""

    look: Callable[[], str]
    ingest: Callable[[], Result]
    hydrate: Callable[[], Result]


class Connection(Protocol):
    """The phases bound to a server that is connected once and kept for all rounds."""

    def phases(self) -> Phases:
        """The phases; connects if nothing is connected. Raises what connecting raises."""

    def drop(self) -> None:
        """Let the server go; the next ``phases`` connects anew."""


class Beside(Protocol):
    """What lives beside the watch: the site's own server."""

    def look(self) -> None:
        """Pass on what it said. Raises ``PhaseFailed`` when it has ended."""

    def after_round(self) -> None:
        """A round is over, well or badly: the docs folder may be there now."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round: its number from 1, why it ran, and what it did, or the error that ended it."""

    number: int
    cause: Cause
    seconds: float
    ingested: dict[str, Any] | None = None
    hydrated: dict[str, Any] | None = None
    error: PanaversityError | None = None

    def to_json(self) -> dict[str, Any]:
        """The machine format: one such object a round."""
        body: dict[str, Any] = {"round": self.number, "cause": self.cause, "seconds": round(self.seconds, 3)}
        if self.error is not None:
            wire = self.error.to_wire()["error"]
            body["error"] = {**wire, "exit_status": self.error.exit_status}
        for name, part in (("ingest", self.ingested), ("hydrate", self.hydrated)):
            body[name] = None if part is None else {k: v for k, v in part.items() if k != "schema_version"}
        return body


@dataclass(slots=True)
class _Part:
    """What a round has done so far."""

    ingested: dict[str, Any] | None = None
    hydrated: dict[str, Any] | None = None


@dataclass(slots=True)
class Watch:
    """``settings_changed`` answers True once after the settings changed and were read anew."""

    connection: Connection
    beside: Beside
    tell: Callable[[Round], None]
    settings_changed: Callable[[], bool] = lambda: False
    settle: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    rhythm: Rhythm = field(default_factory=Rhythm)
    _seen: str | None = None
    """The tree of the last round, well or badly ended."""
    _trouble: str | None = None
    """What ended the last round; None after a good one."""

    def run(self, moments: Iterator[Moment]) -> None:
        """Rounds for these moments. The first runs before the first moment is asked for.

        Raises ``PhaseFailed`` when what lives beside has ended, and what the first round raises if no edit can mend it.
        """
        self._pulse(Moment())
        for moment in moments:
            self._pulse(moment)

    def _pulse(self, moment: Moment) -> None:
        self.beside.look()
        settings = self.settings_changed()
        if settings:
            self.connection.drop()
        cause = self.rhythm.due(self.clock(), changed=bool(moment.paths), blind=moment.blind, settings=settings)
        if cause is None:
            return
        began = self.clock()
        number = self.rhythm.rounds + 1
        part = _Part()
        try:
            if not self._round(cause, part, moment):
                return
        except PanaversityError as error:
            if moment.blind and cause == "change" and str(error) == self._trouble:
                return  # nobody did anything: said once is enough
            self._trouble = str(error)
            if self.rhythm.failed(error.exit_status, self.clock()):
                raise
            if self.rhythm.retry_at is not None:
                self.connection.drop()  # an embedded server that died is started again
            ended = Round(number, cause, self.clock() - began, part.ingested, part.hydrated, error)
        else:
            self.rhythm.ended_well()
            self._trouble = None
            ended = Round(number, cause, self.clock() - began, part.ingested, part.hydrated)
        self.tell(ended)
        self.beside.after_round()

    def _round(self, cause: Cause, part: _Part, moment: Moment) -> bool:
        """Look, ingest, hydrate; False when a change turns out to be none: nothing is sent then.

        A tree that failed is tried again only when somebody saved it again.
        """
        self.settle()
        phases = self.connection.phases()
        tree = phases.look()
        while cause == "change" and moment.blind and tree != self._seen:
            self.pause(STEP_MS / 1000)  # nobody told that the writing is over: two looks must see the same
            before, tree = tree, phases.look()
            if before == tree:
                break
        again = self.rhythm.failures > 0 and not moment.blind
        if cause == "change" and tree == self._seen and not again:
            return False
        self._seen = tree
        part.ingested = phases.ingest().to_json()
        part.hydrated = phases.hydrate().to_json()
        return True
