"""Environments made by hand, for tests of building them: ten phases of plain actions on the memory backend.

Knows recipes; does not know configuration.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from panaversity_builder.engine import Clock, PhaseEvent, PhaseResult
from panaversity_builder.environment.backend.memory import MemoryBackend
from panaversity_builder.environment.backend.port import Backend
from panaversity_builder.environment.build import BuildOptions, Built, Listeners, build_environment
from panaversity_builder.environment.phase_run import Checkout, no_checkout
from panaversity_builder.environment.recipe import ENVIRONMENT, Action, BaseImage, Environment, PhaseRecipe, Run
from panaversity_builder.forecast import Forecast
from support.small_root import WORDS

BASE = "a-base"
PHASES = [phase.name for phase in ENVIRONMENT.phases]


def put(phase: str, text: str) -> Run:
    """An action that leaves a file of this phase."""
    return Run(("put", f"/opt/{phase}", text), f"put {phase}")


def made(name: str = "docs", **phases: Sequence[Action] | str) -> Environment:
    """An environment; a phase is given by its actions or by the text its one file holds ("1" where nothing is said)."""
    recipes = []
    for phase in ENVIRONMENT.phases:
        given = phases.get(phase.name, "1")
        actions = (put(phase.name, given),) if isinstance(given, str) else tuple(given)
        recipes.append(PhaseRecipe(phase, actions, {"text": given if isinstance(given, str) else repr(given)}))
    return Environment(name, BaseImage("registry", BASE, "0" * 64), tuple(recipes))


def limited(environment: Environment, phase: str, seconds: float) -> Environment:
    """The same with a time limit on one phase."""
    changed = (replace(one, seconds=seconds) if one.phase.name == phase else one for one in environment.recipes)
    return replace(environment, recipes=tuple(changed))


def memory() -> MemoryBackend:
    """A memory backend that has the base and the words of ``small_root``."""
    backend = MemoryBackend(WORDS)
    backend.bases[BASE] = {"/etc/base": b"there"}
    return backend


@dataclass
class Desk:
    """One project that builds environments; what the last build told is kept."""

    folder: Path
    backend: Backend = field(default_factory=memory)
    events: list[PhaseEvent] = field(default_factory=list)
    foreseen: list[Forecast] = field(default_factory=list)
    results: list[PhaseResult] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)

    def build(
        self,
        environment: Environment,
        secrets: Mapping[str, bytes] | None = None,
        checkout: Checkout = no_checkout,
        **options: object,
    ) -> Built:
        """Build it; raises what the build raises."""
        self.events, self.foreseen, self.results, self.asked = [], [], [], []
        wanted = BuildOptions(str(self.folder / ".panaversity"), str(self.folder / "locks"), **options)  # type: ignore[arg-type]
        listeners = Listeners(self.foreseen.extend, self.events.append)

        def given(names: Collection[str]) -> Mapping[str, bytes]:
            self.asked.append(sorted(names))
            return {name: (secrets or {})[name] for name in names}

        return build_environment(
            environment, self.backend, wanted, given, listeners, checkout, clock=Clock(), results=self.results
        )

    @property
    def ran(self) -> list[str]:
        """Names of the phases that ran, in order."""
        return [one.phase.name for one in self.results if one.state == "ran"]

    def reason(self, phase: str) -> str:
        """How a phase was settled."""
        return next(one.note for one in self.results if one.phase.name == phase)

    def log(self, phase: str, name: str = "docs") -> Path:
        """Where the log of a phase lies."""
        number = PHASES.index(phase) + 1
        return self.folder / ".panaversity" / "environments" / name / "logs" / f"{number}-{phase}.log"
