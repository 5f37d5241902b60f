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
from panaversity_builder.environment.kept_images import FILE, PROJECT, KeptImages, key_tag, labels_of
from panaversity_builder.environment.phase_log import log_tail, phase_log, titled
from panaversity_builder.environment.recipe import Action, Clone, Configure, Copy, Environment, PhaseRecipe, Run
from panaversity_builder.environment.source_tree import source_digest
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
    """Runs the phase at a position of the lifecycle. ``documents`` are the key documents of all phases; ``secrets``
    answers, for a phase's id, at least the values that phase needs."""

    environment: Environment
    backend: Backend
    kept: KeptImages
    state_dir: str
    secrets: Callable[[str], Mapping[str, bytes]]
    checkout: Checkout
    clock: Clock
    documents: Sequence[KeyDocument]

    def __call__(self, position: int) -> None:
        """Run it and keep its snapshot. Raises ``PhaseFailed`` and what the backend raises; no container is left."""
        recipe, started = self.environment.recipes[position], self.clock.stopwatch()
        make_state_folder(self.state_dir)
        path = log_path(self.state_dir, self.environment.name, recipe.phase.id, recipe.phase.name)
        with phase_log(path) as log:
            actions = _Actions(recipe, self, path, log, self.secrets(recipe.phase.id))
            with actions.container(position) as container:
                for action in recipe.actions:
                    actions.do(action, container)
                with actions.told("snapshot", log.tell()):
                    self._keep(self.documents[position], container, self.clock.stopwatch() - started)

    def _keep(self, document: KeyDocument, container: Container, seconds: float) -> None:
        record = Record(document, document.key, self.clock.now().isoformat(timespec="seconds"), seconds)
        whose = {PROJECT: os.path.dirname(os.path.abspath(self.state_dir)), FILE: self.environment.file}
        tag = key_tag(self.environment.name, document.key)
        self.kept.make_room(tag)
        self.kept.add(container.commit(tag, {**labels_of(record), **whose}))

    def begin(self, position: int, seconds: float | None) -> Container:
        """The container a phase works in. Raises ``PhaseFailed`` for a base that is not what its digest says."""
        phase = self.documents[position].phase
        name = working_name(f"{container_prefix(self.environment.name)}{phase}")
        if position > 0:
            image = self.kept.image(self.documents[position - 1].key)
            assert image is not None, "the engine makes sure of the parent"
            return self.backend.follow(name, image)
        base = self.environment.base
        container = self.backend.begin(name, base, seconds)
        try:
            if base.kind != "registry" and self.backend.resolve(base.kind, base.reference) != base.digest:
                raise _changed(base.reference)
        except BaseException:
            container.close()
            raise
        return container


def _changed(path: str) -> PhaseFailed:
    return PhaseFailed("env build", path, f"{path} changed while it was copied; run again")


def _require_unchanged(copy: Copy, state_dir: str) -> None:
    """Raises ``PhaseFailed`` when what was copied may not be what was read for the key.

    A folder that holds ``state_dir`` is believed: this build writes its logs there.
    """
    if os.path.realpath(state_dir).startswith(os.path.realpath(copy.source).rstrip(os.sep) + os.sep):
        return
    try:
        same = copy.digest in (None, source_digest(copy.source)[1])
    except (OSError, ValueError):
        same = False
    if not same:
        raise _changed(copy.source)


class _Actions:
    """The actions of one phase, within the phase's time: all it does but for keeping what came out."""

    def __init__(
        self, recipe: PhaseRecipe, of: PhaseRun, path: str, log: IO[bytes], secrets: Mapping[str, bytes]
    ) -> None:
        self._recipe, self._of, self._secrets = recipe, of, secrets
        self._path, self._log = path, log
        self._begun = of.clock.stopwatch()
        self._own_limit: float | None = None

    @contextmanager
    def container(self, position: int) -> Iterator[Container]:
        """The container of the phase; closed on exit. Raises ``PhaseFailed`` when there can be none."""
        with self.told("begin", self._log.tell()):
            container = self._of.begin(position, self._limit(None))
        try:
            yield container
        finally:
            container.close()

    def do(self, action: Action, container: Container) -> None:
        """One action. Raises ``PhaseFailed`` naming it."""
        title = _title(action)
        begin = titled(self._log, title)
        with self.told(title, begin):
            match action:
                case Run():
                    self._run(action, container, begin)
                case Copy():
                    container.copy(replace(action, seconds=self._limit(action.seconds)))
                    _require_unchanged(action, self._of.state_dir)
                case Clone():
                    copy = self._of.checkout(replace(action, seconds=self._limit(action.seconds)))
                    container.copy(replace(copy, seconds=self._limit(None)))
                case Configure():
                    container.configure(action)

    def _run(self, run: Run, container: Container, begin: int) -> None:
        limited = replace(run, seconds=self._limit(run.seconds))
        status = container.run(limited, self._secrets, self._log)
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
            if "log" in error.details:  # told already
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
