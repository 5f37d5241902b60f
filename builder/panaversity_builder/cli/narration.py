"""What a build says while it runs: a line for a phase that has news, and what ingest and hydrate did.

Knows events and results; decides nothing.
"""

from collections.abc import Iterable, Iterator

from panaversity_builder.book.pipeline import BookBuild
from panaversity_builder.console import Console
from panaversity_builder.console.results import hydrate_lines, ingest_lines
from panaversity_builder.console.texts import phase_head, phase_line, took
from panaversity_builder.engine import PhaseEvent


class Narration:
    """The listener of one build. ``explain`` makes every phase speak, with its reason."""

    def __init__(self, console: Console, build: BookBuild, explain: bool) -> None:
        self._console, self._build, self._explain = console, build, explain

    def __call__(self, event: PhaseEvent) -> None:
        if self._console.manner.verbosity < 0:
            return
        for line in self._lines(event):
            self._console.say(line)

    def _lines(self, event: PhaseEvent) -> Iterator[str]:
        verbosity = 1 if self._explain else self._console.manner.verbosity
        news = list(self._news(event.phase.name)) if event.kind == "done" else []
        if news:
            reason = f"{event.note}; " if verbosity > 0 else ""
            yield f"{phase_head(event)}: {reason}{_without_subject(news[0])} ({took(event)})"
            yield from news[1:]
        elif line := phase_line(event, verbosity):
            yield line

    def _news(self, phase: str) -> Iterable[str]:
        """What a phase did, if it did anything."""
        if phase == "ingest" and self._build.ingested is not None:
            body = self._build.ingested.to_json()
            if any(body.get(word) for word in ("added", "updated", "deleted", "moved", "diverged")):
                return ingest_lines(body)
        if phase == "hydrate" and self._build.hydrated is not None:
            body = self._build.hydrated.to_json()
            if body["mode"] != "unchanged":
                return hydrate_lines(body)
        return ()


def _without_subject(line: str) -> str:
    """``ingest guide: 1 updated`` as ``1 updated``: the phase is named in front already."""
    return line.partition(": ")[2] or line
