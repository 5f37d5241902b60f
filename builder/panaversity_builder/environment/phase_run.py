"""Running one phase: a working container from the snapshot before, its actions in order, a snapshot of what came out.

Knows actions and the port; does not know which phase must run, nor why.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

from panaversity_builder.engine import Clock
from panaversity_builder.environment.backend.naming import working_name
from panaversity_builder.environment.backend.port import Backend, Container
from panaversity_builder.environment.kept_images import PROJECT, KeptImages, key_tag, labels_of
from panaversity_builder.environment.phase_log import log_tail, phase_log, titled
from panaversity_builder.environment.recipe import Action, Clone, Configure, Copy, Environment, PhaseRecipe, Run
from panaversity_builder.lifecycle import KeyDocument
from panaversity_builder.snapshots import Record
from panaversity_builder.state_folder import make_state_folder
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import PhaseFailed, TimedOut

Checkout = Callable[[Clone], Copy]
"""Fetches a repository as of its commit; raises ``PhaseFailed``."""


def no_checkout(clone: Clone) -> Copy:
    """Where no repository is wanted. Raises ``PhaseFailed``."""
    raise PhaseFailed("env build", clone.url, "cannot be fetched here")


def container_prefix(name: str) -> str:
    """What the names of working containers of one environment begin with, and those of no other."""
    return f"panaversity-{digest_of(name.encode())[:12]}-"


def log_path(state_dir: str, name: str, phase_id: str, phase_name: str) -> str:
    """Where the log of a phase lies."""
    return os.path.join(state_dir, "environments", name, "logs", f"{phase_id}-{phase_name}.log")


@dataclass(frozen=True, slots=True)
class PhaseRun:
    """Runs the phase at a position of the lifecycle. ``documents`` are the key documents of all phases."""

    environment: Environment
    backend: Backend
    kept: KeptImages
    state_dir: str
    secrets: Mapping[str, bytes]
    checkout: Checkout
    clock: Clock
    documents: Sequence[KeyDocument]

    def __call__(self, position: int) -> None:
        """Run it and keep its snapshot. Raises ``PhaseFailed`` and what the backend raises; no container is left."""
        recipe, document = self.environment.recipes[position], self.documents[position]
        phase, started = recipe.phase, self.clock.stopwatch()
        make_state_folder(self.state_dir)
        container = self._container(position)
        try:
            path = log_path(self.state_dir, self.environment.name, phase.id, phase.name)
            with phase_log(path) as log:
                actions = _Actions(recipe, container, self, path, log)
                for action in recipe.actions:
                    actions.do(action)
                seconds = self.clock.stopwatch() - started
                finished_at = self.clock.now().isoformat(timespec="seconds")
                record = Record(document, document.key, finished_at, seconds)
                labels = {**labels_of(record), PROJECT: os.path.dirname(os.path.abspath(self.state_dir))}
                tag = key_tag(self.environment.name, document.key)
                with actions.told("snapshot", log.tell()):
                    self.kept.make_room(tag)
                    self.kept.add(container.commit(tag, labels))
        finally:
            container.close()

    def _container(self, position: int) -> Container:
        phase = self.documents[position].phase
        name = working_name(f"{container_prefix(self.environment.name)}{phase}")
        if position == 0:
            return self.backend.begin(name, self.environment.base)
        image = self.kept.image(self.documents[position - 1].key)
        assert image is not None, "the engine makes sure of the parent"
        return self.backend.follow(name, image)


class _Actions:
    """The actions of one phase in one container, within the phase's time."""

    def __init__(self, recipe: PhaseRecipe, container: Container, of: PhaseRun, path: str, log: IO[bytes]) -> None:
        self._recipe, self._container, self._of = recipe, container, of
        self._path, self._log = path, log
        self._begun = of.clock.stopwatch()
        self._own_limit: float | None = None

    def do(self, action: Action) -> None:
        """One action. Raises ``PhaseFailed`` naming it."""
        title = _title(action)
        begin = titled(self._log, title)
        with self.told(title, begin):
            match action:
                case Run():
                    self._run(action, begin)
                case Copy():
                    self._container.copy(action)
                case Clone():
                    limited = replace(action, seconds=self._limit(action.seconds))
                    self._container.copy(self._of.checkout(limited))
                case Configure():
                    self._container.configure(action)

    def _run(self, run: Run, begin: int) -> None:
        limited = replace(run, seconds=self._limit(run.seconds))
        status = self._container.run(limited, self._of.secrets, self._log)
        if status != 0:
            raise self._failed(f"{run.title} ended with status {status}", begin, status=status)

    def _limit(self, seconds: float | None) -> float | None:
        """What an action may take: its own limit, or what the phase has left."""
        self._own_limit = seconds
        if self._recipe.seconds is None:
            return seconds
        left = max(0.0, self._recipe.seconds - (self._of.clock.stopwatch() - self._begun))
        if seconds is not None and seconds <= left:
            return seconds
        self._own_limit = None
        return left

    @contextmanager
    def told(self, title: str, begin: int) -> Iterator[None]:
        """Around an action: what goes wrong in it is this phase's failure."""
        try:
            yield
        except TimedOut as error:
            raise self._failed(self._overtime(title), begin, status=None) from error
        except PhaseFailed as error:
            if "phase" in error.details:
                raise
            raise self._failed(f"{title}: {error.problem}", begin, **error.details) from error

    def _failed(self, problem: str, begin: int, **details: Any) -> PhaseFailed:
        self._log.flush()
        phase = self._recipe.phase
        return PhaseFailed(
            "env build",
            f"phase {phase.id} {phase.name}",
            problem,
            f"Its whole output is in {self._path}; what was built before it is kept",
            phase=phase.id,
            environment=self._of.environment.name,
            log=self._path,
            log_tail=log_tail(self._path, begin),
            **details,
        )

    def _overtime(self, title: str) -> str:
        if self._own_limit is not None:
            return f"{title} is not done after {self._own_limit:g} s and was stopped"
        return f"{title} was stopped: the phase is not done after {self._recipe.seconds:g} s"


def _title(action: Action) -> str:
    match action:
        case Run():
            return action.title
        case Copy():
            return f"copy to {action.target}"
        case Clone():
            return f"clone {action.url} to {action.target}"
        case Configure():
            return "set what the image says"
