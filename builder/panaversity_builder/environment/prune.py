"""What is kept of environments on this machine, and letting it go.

A snapshot is *current* when a phase's tag stands for it; an *orphan* when another one has taken that tag, or when this
project made it for an environment it no longer has: the file that described it is gone, or describes another one now.
What another project made is *elsewhere*. An image with neither a key of ours nor a tag of ours is none: others begin
their names so, too. Deciding is pure.

Knows images and their labels; does not know commands or which program keeps images.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from panaversity_builder.environment.backend.port import Backend, Image
from panaversity_builder.environment.kept_images import FILE, KEY, PROJECT, is_ours, own_record, prefix_of
from panaversity_builder.environment.recipe import ENVIRONMENT
from panaversity_fs.core.errors import OutputLocked

PREFIX = "habitat-"
_PHASE_TAGS = frozenset(f"{phase.id}-{phase.name}" for phase in ENVIRONMENT.phases)
State = Literal["current", "orphan", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One image of an environment. ``phase`` is its id, empty for an image without a record.

    ``image`` has our tags only. ``state`` is "elsewhere" for an environment that another project on this machine has.
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


def snapshots(
    backend: Backend,
    known: Mapping[str, str],
    project: str | None,
    is_there: Callable[[str], bool] = os.path.isfile,
) -> list[Snapshot]:
    """Everything that is kept, by environment and phase, the newest first. ``known`` are this project's names with
    their files; without ``project`` a name it does not hold makes no orphan."""
    ours = [image for image in map(_ours, backend.images(PREFIX)) if image.tags and KEY in image.labels]
    found = [_snapshot(image, known, project, is_there) for image in ours]
    ids = [phase.id for phase in ENVIRONMENT.phases]
    newest = sorted(found, key=lambda one: one.image.created, reverse=True)
    return sorted(newest, key=lambda one: (one.environment, ids.index(one.phase) if one.phase in ids else -1))


def _ours(image: Image) -> Image:
    return replace(image, tags=tuple(tag for tag in image.tags if is_ours(tag)))


def _snapshot(image: Image, known: Mapping[str, str], project: str | None, is_there: Callable[[str], bool]) -> Snapshot:
    name = min(image.tags)[len(PREFIX) :].rpartition(":")[0]
    record = own_record(image.labels)
    phase, when, seconds = (record.document.phase, record.finished_at, record.seconds) if record else ("", "", 0.0)
    tagged = any(tag.removeprefix(prefix_of(name)) in _PHASE_TAGS for tag in image.tags)
    state: State = "current" if tagged else "orphan"
    if name not in known:
        file = image.labels.get(FILE, "")
        if not project or image.labels.get(PROJECT) != project:
            state = "elsewhere"
        elif file in known.values() or not is_there(file):
            state = "orphan"
    return Snapshot(name, image, phase, when, seconds, state)


def choose(found: Sequence[Snapshot], wanted: Wanted) -> list[Snapshot]:
    """Those that shall go, of what was found, the newest first: nothing goes before what stands on it. Pure."""
    gone = [one for one in found if wanted.everything or (wanted.orphans and one.state == "orphan")]
    if wanted.keep is not None:
        seen: dict[tuple[str, str], int] = {}
        newest = sorted(found, key=lambda one: one.image.created, reverse=True)
        for one in sorted(newest, key=lambda one: one.state == "orphan"):  # what is in force is kept first
            place = (one.environment, one.phase)
            seen[place] = seen.get(place, 0) + 1
            if seen[place] > wanted.keep and one not in gone:
                gone.append(one)
    return sorted(gone, key=lambda one: one.image.created, reverse=True)


def let_go(backend: Backend, chosen: Iterable[Snapshot]) -> tuple[list[Snapshot], list[Snapshot]]:
    """Take all tags of these images away: those that are gone, and those that somebody is using now."""
    gone, used = [], []
    for one in chosen:
        taken: list[str] = []
        try:
            for tag in sorted(one.image.tags):
                backend.untag(tag)
                taken.append(tag)
            gone.append(one)
        except OutputLocked:  # told of the last tag only
            for tag in taken:
                backend.tag(one.image, tag)
            used.append(one)
    return gone, used
