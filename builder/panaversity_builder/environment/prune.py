"""What is kept of environments on this machine, and letting it go.

A snapshot is *current* when a phase's tag or nothing newer than it stands for its phase; an *orphan* when another one
has taken that tag, or when this project made it for an environment it no longer has. Deciding is pure.

Knows images and their labels; does not know commands or which program keeps images.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from panaversity_builder.environment.backend.port import Backend, Image
from panaversity_builder.environment.kept_images import PROJECT, own_record, prefix_of
from panaversity_builder.environment.recipe import ENVIRONMENT
from panaversity_fs.core.errors import OutputLocked

PREFIX = "habitat-"
_PHASE_TAGS = frozenset(f"{phase.id}-{phase.name}" for phase in ENVIRONMENT.phases)
State = Literal["current", "orphan", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One image of an environment. ``phase`` is its id, empty for an image without a record.

    ``state`` is "elsewhere" for a current one of an environment that another project on this machine has.
    """

    environment: str
    image: Image
    phase: str
    finished_at: str
    seconds: float
    state: State


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall go: of these environments all, or orphans, or what is beyond the ``keep`` newest of each phase."""

    everything: bool = False
    orphans: bool = False
    keep: int | None = None


def snapshots(backend: Backend, known: Collection[str], project: str | None) -> list[Snapshot]:
    """Everything that is kept, by environment and phase, the newest first. ``known`` are this project's names; without
    ``project`` a name it does not hold makes no orphan."""
    found = [_snapshot(image, known, project) for image in backend.images(PREFIX)]
    ids = [phase.id for phase in ENVIRONMENT.phases]
    newest = sorted(found, key=lambda one: one.image.created, reverse=True)
    return sorted(newest, key=lambda one: (one.environment, ids.index(one.phase) if one.phase in ids else -1))


def _snapshot(image: Image, known: Collection[str], project: str | None) -> Snapshot:
    name = min(image.tags)[len(PREFIX) :].rpartition(":")[0]
    record = own_record(image.labels)
    phase, when, seconds = (record.document.phase, record.finished_at, record.seconds) if record else ("", "", 0.0)
    tagged = any(tag.removeprefix(prefix_of(name)) in _PHASE_TAGS for tag in image.tags)
    state: State = "current" if tagged else "orphan"
    if name not in known and state == "current":
        state = "orphan" if project and image.labels.get(PROJECT) == project else "elsewhere"
    return Snapshot(name, image, phase, when, seconds, state)


def choose(found: Sequence[Snapshot], wanted: Wanted) -> list[Snapshot]:
    """Those that shall go, of what was found, the newest first: nothing goes before what stands on it. Pure."""
    gone = [one for one in found if wanted.everything or (wanted.orphans and one.state == "orphan")]
    if wanted.keep is not None:
        seen: dict[tuple[str, str], int] = {}
        for one in sorted(found, key=lambda one: one.image.created, reverse=True):
            place = (one.environment, one.phase)
            seen[place] = seen.get(place, 0) + 1
            if seen[place] > wanted.keep and one not in gone:
                gone.append(one)
    return sorted(gone, key=lambda one: one.image.created, reverse=True)


def let_go(backend: Backend, chosen: Iterable[Snapshot]) -> tuple[list[Snapshot], list[Snapshot]]:
    """Take all tags of these images away: those that are gone, and those that somebody is using now."""
    gone, used = [], []
    for one in chosen:
        try:
            for tag in sorted(one.image.tags):
                backend.untag(tag)
            gone.append(one)
        except OutputLocked:
            used.append(one)
    return gone, used
