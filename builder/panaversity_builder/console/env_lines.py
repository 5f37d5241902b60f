"""What building and keeping environments says: cached phases, the first that runs and why, one line a phase, totals.

Pure but for the listener, which says its lines. Knows forecasts, events and snapshots; does not know backends.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panaversity_builder.console import Console
from panaversity_builder.console.phases import aligned
from panaversity_builder.console.texts import amount, size
from panaversity_builder.engine import PhaseEvent, PhaseResult
from panaversity_builder.environment.build import Built
from panaversity_builder.environment.kept_images import snapshot_tag
from panaversity_builder.environment.prune import Snapshot
from panaversity_builder.environment.recipe import ENVIRONMENT
from panaversity_builder.forecast import Forecast
from panaversity_builder.lifecycle import Phase


class EnvironmentLines:
    """The listener of one build. ``explain`` makes every phase speak, with its reason."""

    def __init__(self, console: Console, name: str, *, explain: bool) -> None:
        self._console, self._name, self._explain = console, name, explain

    def ahead(self, forecasts: Sequence[Forecast]) -> None:
        """Before anything runs."""
        self._say(ahead_lines(forecasts))

    def event(self, event: PhaseEvent) -> None:
        """While it runs."""
        verbose = self._explain or self._console.manner.verbosity > 0
        self._say(event_lines(self._name, event, explain=verbose))

    def _say(self, lines: Iterator[str]) -> None:
        if self._console.manner.verbosity >= 0:
            for line in lines:
                self._console.say(line)


def ahead_lines(forecasts: Sequence[Forecast]) -> Iterator[str]:
    """``Cached phases found: 1 base, 2 users``, and the first phase that must run with its reason."""
    cached = [_named(one.phase) for one in forecasts if one.state == "cached"]
    yield f"Cached phases found: {', '.join(cached) or 'none'}"
    first = next((one for one in forecasts if one.state != "cached"), None)
    yield f"First to run: {_named(first.phase)} ({first.reason})" if first else "Nothing to run"


def event_lines(name: str, event: PhaseEvent, *, explain: bool = False) -> Iterator[str]:
    """``[70%] ✅ Cloning repositories (45s) → habitat-discourse:7-repos``."""
    head = f"[{event.percent}%]"
    match event.kind:
        case "done":
            yield f"{head} ✅ {event.phase.description} ({_took(event.seconds)}) → {snapshot_tag(name, event.phase)}"
        case "failed":
            yield f"{head} ❌ {event.phase.description} ({_took(event.seconds)})"
        case "start" if explain:
            yield f"{head} {event.phase.description}: {event.note}"
        case "cached" if explain:
            yield f"{head} {event.phase.description}: cached, {event.note}"


def build_body(name: str, backend: str, built: Built, seconds: float) -> dict[str, Any]:
    """The answer of a build in machine form. ``seconds_saved`` is what cached phases took when they last ran."""
    rows = [_row(name, result) for result in built.results]
    return {
        "environment": name,
        "lifecycle": "environment",
        "backend": backend,
        "final_tag": built.final_tag,
        "image": built.image.id if built.image else None,
        "key": built.results[-1].output if built.results else None,
        "phases": rows,
        "ran": sum(result.state == "ran" for result in built.results),
        "cached": sum(result.state == "cached" for result in built.results),
        "seconds": round(seconds, 3),
        "seconds_saved": round(sum(result.saved_seconds for result in built.results), 3),
    }


def _row(name: str, result: PhaseResult) -> dict[str, Any]:
    phase = result.phase
    return {
        "id": phase.id,
        "name": phase.name,
        "state": result.state,
        "reason": result.note,
        "seconds": round(result.seconds, 3),
        "tag": snapshot_tag(name, phase),
        "key": result.output,
    }


def built_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """The result for people: the final tag, or how far it came; counts and total time."""
    counts = f"{amount(body['ran'], 'phases')} ran, {body['cached']} cached"
    saved = f", {_took(body['seconds_saved'])} saved" if body["seconds_saved"] >= 1 else ""
    last = body["final_tag"] or body["phases"][-1]["tag"]
    yield f"env build {body['environment']}: {last}"
    yield f"Total time: {_took(body['seconds'])} ({counts}{saved})"


def list_body(known: Mapping[str, str], found: Sequence[Snapshot], backend: str, storage: str | None) -> dict[str, Any]:
    """What is kept, in machine form."""
    names = sorted({*known, *(one.environment for one in found)})
    environments = [_kept(name, known.get(name), [one for one in found if one.environment == name]) for name in names]
    return {"backend": backend, "storage": storage, "environments": environments}


def _kept(name: str, file: str | None, found: Sequence[Snapshot]) -> dict[str, Any]:
    last = snapshot_tag(name, ENVIRONMENT.phases[-1])
    finals = [tag for one in found if last in one.image.tags for tag in one.image.tags if ":final-" in tag]
    images = [
        {
            "image": one.image.id,
            "tags": list(one.image.tags),
            "phase": one.phase,
            "state": one.state,
            "bytes": one.image.size,
            "finished_at": one.finished_at,
        }
        for one in found
    ]
    largest = max((one.image.size for one in found), default=0)
    return {"name": name, "file": file, "final_tag": next(iter(finals), None), "bytes": largest, "images": images}


def list_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """One line an environment."""
    if not body["environments"]:
        yield "env list: no environments; describe one in environments/NAME.yaml"
        return
    rows = [("environment", "snapshots", "orphans", "size", "final", "described in")]
    for one in body["environments"]:
        orphans = sum(image["state"] == "orphan" for image in one["images"])
        final, file = one["final_tag"] or "not built", one["file"] or "not in this project"
        weight = size(one["bytes"]) if one["images"] else "-"
        rows.append((one["name"], str(len(one["images"])), str(orphans), weight, final, file))
    yield from aligned(rows)
    yield f"kept by {body['backend']} in {body['storage'] or 'its own storage'}"


def prune_body(gone: Sequence[Snapshot], used: Sequence[Snapshot], *, dry_run: bool) -> dict[str, Any]:
    """What went, or would, in machine form."""

    def rows(found: Sequence[Snapshot]) -> list[dict[str, Any]]:
        return [{"environment": one.environment, "image": one.image.id, "tags": list(one.image.tags)} for one in found]

    return {"dry_run": dry_run, "removed": rows(gone), "in_use": rows(used)}


def prune_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """What went, or would."""
    verb = "would remove" if body["dry_run"] else "removed"
    yield f"env prune: {verb} {amount(len(body['removed']), 'images')}"
    for row in body["removed"]:
        yield f"  {', '.join(row['tags'])}"
    for row in body["in_use"]:
        yield f"  in use, kept: {', '.join(row['tags'])}"


def _named(phase: Phase) -> str:
    return f"{phase.id} {phase.name}"


def _took(seconds: float | None) -> str:
    """``45s``, ``0.7s``, ``2min 5s``."""
    given = seconds or 0.0
    if given < 9.95:
        return f"{given:.1f}s"
    whole = round(given)
    return f"{whole}s" if whole < 120 else f"{whole // 60}min {whole % 60}s"
