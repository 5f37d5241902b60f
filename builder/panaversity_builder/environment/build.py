"""Building an environment: ten phases on the lifecycle engine, a snapshot after each (DESIGN 12).

Every phase begins from the snapshot of the one before and ends in one of its own, so a failure costs one phase. A
phase's output is its key: layers are not reproducible, so the same key stands for the same output.

Knows recipes, the engine and the port of whatever makes images; does not know configuration, commands or consoles.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from panaversity_builder.engine import Clock, PhaseEvent, PhaseResult, Step, run_lifecycle
from panaversity_builder.environment.backend.port import Backend, Image
from panaversity_builder.environment.kept_images import KeptImages, final_tag, prefix_of, snapshot_tag
from panaversity_builder.environment.lock import environment_lock
from panaversity_builder.environment.phase_run import Checkout, PhaseRun, container_prefix, no_checkout
from panaversity_builder.environment.recipe import ENVIRONMENT, Environment
from panaversity_builder.forecast import Forecast, forecast
from panaversity_builder.lifecycle import KeyDocument, document_of, require_phases

Secrets = Callable[[Collection[str]], Mapping[str, bytes]]
"""The values of secrets by their names; raises ``ConfigInvalid`` for those that have none."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """One build. ``state_dir`` is the project's ``.panaversity``, ``lock_dir`` this machine's folder of locks.

    ``rebuild`` names phases to run whatever is kept, and all after them with them: they stand on what comes out.
    """

    state_dir: str
    lock_dir: str
    rebuild: Collection[str] = ()
    until: str | None = None

    def forced(self) -> tuple[str, ...]:
        """The ids of the phases to run whatever is kept. Raises ``PhaseUnknown``."""
        named = require_phases(ENVIRONMENT, self.rebuild, "env build")
        ids = [phase.id for phase in ENVIRONMENT.phases]
        return tuple(ids[min(map(ids.index, named)) :]) if named else ()

    def last(self) -> str | None:
        """The id of the phase to stop after. Raises ``PhaseUnknown``."""
        return None if self.until is None else ENVIRONMENT.find(self.until, "env build").id


@dataclass(frozen=True, slots=True)
class Built:
    """What a build came to: how every phase was settled, and the finished image where the last one was reached."""

    results: list[PhaseResult]
    image: Image | None
    final_tag: str | None


def _unheard(_told: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """``ahead`` hears, before anything runs, what would; ``event`` how it comes along."""

    ahead: Callable[[list[Forecast]], None] = _unheard
    event: Callable[[PhaseEvent], None] = _unheard


def key_documents(environment: Environment) -> list[KeyDocument]:
    """The key documents of all phases: known before anything runs, since every output is a key."""
    documents: list[KeyDocument] = []
    for recipe in environment.recipes:
        previous = documents[-1].key if documents else None
        documents.append(document_of(ENVIRONMENT, recipe.phase, recipe.inputs, previous))
    return documents


def foresee(environment: Environment, backend: Backend, options: BuildOptions) -> list[Forecast]:
    """What a build would do now; nothing is run or written. Raises ``PhaseUnknown``."""
    return _forecast(environment, KeptImages(backend, environment.name), options)


def snapshot_sizes(name: str, backend: Backend) -> dict[str, int]:
    """Bytes of the whole image of each phase's tag, by the phase's id."""
    tags = {snapshot_tag(name, phase): phase.id for phase in ENVIRONMENT.phases}
    return {tags[tag]: image.size for image in backend.images(prefix_of(name)) for tag in image.tags if tag in tags}


def finished(environment: Environment, backend: Backend) -> Image | None:
    """The finished image of exactly this environment; None while it is not built."""
    return KeptImages(backend, environment.name).image(key_documents(environment)[-1].key)


def build_environment(
    environment: Environment,
    backend: Backend,
    options: BuildOptions,
    secrets: Secrets,
    listeners: Listeners | None = None,
    checkout: Checkout = no_checkout,
    clock: Clock | None = None,
    results: list[PhaseResult] | None = None,
) -> Built:
    """Settle the phases. What was built and has the same key is believed; the first that must run follows on it.

    ``secrets`` is asked once, before anything runs, for those of the phases that will run. ``results`` is filled along
    the way. Raises ``PhaseUnknown`` before anything runs, ``OutputLocked`` while another
    build of this environment runs, ``PhaseFailed`` with the phase, the command and the end of its log, ``NoSpace``,
    ``ConfigInvalid`` for a base that is not found. Whatever is raised, no working container is left.
    """
    build = _Build(environment, backend, options, secrets, listeners or Listeners(), checkout, clock or Clock())
    with environment_lock(options.lock_dir, environment.name):
        return build.run([] if results is None else results)


@dataclass(slots=True)
class _Build:
    """One run, under the lock."""

    environment: Environment
    backend: Backend
    options: BuildOptions
    secrets: Secrets
    listeners: Listeners
    checkout: Checkout
    clock: Clock
    kept: KeptImages = field(init=False)
    values: dict[str, bytes] = field(default_factory=dict)

    def run(self, results: list[PhaseResult]) -> Built:
        forced, until = self.options.forced(), self.options.last()
        name, documents = self.environment.name, key_documents(self.environment)
        self.kept = KeptImages(self.backend, name)
        self.backend.sweep(container_prefix(name))
        ahead = _forecast(self.environment, self.kept, self.options)
        self.listeners.ahead(ahead)
        self._need(one.phase.id for one in ahead if one.state == "run")
        self.kept.forget(one.key for one in documents if one.phase in forced)
        steps = _steps(self.environment, self.kept, self._runs(documents))
        run_lifecycle(
            ENVIRONMENT,
            steps,
            self.kept,
            rebuild=forced,
            until=until,
            listen=self.listeners.event,
            clock=self.clock,
            results=results,
        )
        return self._built(results, documents[-1].key)

    def _need(self, phases: Iterable[str]) -> Mapping[str, bytes]:
        """The values of all secrets known so far, those of these phases among them."""
        wanted, known = set(phases), self.values.keys()
        names = {name for one in self.environment.recipes if one.phase.id in wanted for name in one.secrets - known}
        self.values.update(self.secrets(names) if names else {})
        return self.values

    def _runs(self, documents: list[KeyDocument]) -> list[Callable[[], None]]:
        run = PhaseRun(
            self.environment,
            self.backend,
            self.kept,
            self.options.state_dir,
            lambda phase: self._need([phase]),  # one that was believed and is needed after all
            self.checkout,
            self.clock,
            documents,
        )
        return [lambda position=position: run(position) for position in range(len(documents))]  # type: ignore[misc]

    def _built(self, results: list[PhaseResult], key: str) -> Built:
        image = self.kept.image(key)
        if len(results) < len(ENVIRONMENT.phases) or image is None:
            return Built(results, None, None)
        tag = final_tag(self.environment.name, key)
        self.kept.name(image, tag)
        return Built(results, self.kept.image(key), tag)


def _not_run() -> None:
    raise AssertionError("these steps are for looking ahead only")


def _steps(environment: Environment, kept: KeptImages, runs: list[Callable[[], None]]) -> list[Step]:
    return [
        Step(recipe.phase, run, inputs=lambda recipe=recipe: recipe.inputs, check=kept.check)  # type: ignore[misc]
        for recipe, run in zip(environment.recipes, runs, strict=True)
    ]


def _forecast(environment: Environment, kept: KeptImages, options: BuildOptions) -> list[Forecast]:
    steps = _steps(environment, kept, [_not_run] * len(environment.recipes))
    return forecast(ENVIRONMENT, steps, kept, {}, rebuild=options.forced(), until=options.last())
