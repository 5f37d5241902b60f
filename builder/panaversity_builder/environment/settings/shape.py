"""The form of a configuration: every key there is, and what its value must be (DESIGN 12).

A short form (a text where a mapping may stand) is made the long one before it is judged, so a place in the model is the
same place in the file. Knows single values by ``words``; does not know layers, variables, or what a phase does.
"""

from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from panaversity_builder.environment.settings import words


class Section(BaseModel):
    """A mapping of known keys. A key without a value is one that is not there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: value for key, value in given.items() if value is not None or key not in cls.model_fields}


def _short(key: str) -> BeforeValidator:
    """A text stands for the mapping that has only this key."""
    return BeforeValidator(lambda given: {key: given} if isinstance(given, str) else given)


def _listed(given: Any) -> Any:
    """One text, or one mapping, is a list of it."""
    return [given] if isinstance(given, str | dict) else given


def _text(read: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(read)


Inside = Annotated[str, _text(words.inside)]
BelowRoot = Annotated[str, _text(words.below_root)]
Outside = Annotated[str, _text(words.outside)]
User = Annotated[str, _text(words.user)]
Owner = Annotated[str, _text(words.owner)]
Group = Annotated[str, _text(words.group)]
Script = Annotated[str, _text(words.script)]
Argument = Annotated[str, _text(words.argument)]
Variable = Annotated[str, _text(words.variable)]
SecretName = Annotated[str, _text(words.secret)]
Number = Annotated[int, BeforeValidator(words.number)]
Mode = Annotated[int, BeforeValidator(words.mode)]
Seconds = Annotated[float, BeforeValidator(words.seconds)]
Switch = Annotated[bool, BeforeValidator(words.switch)]
SecretNames = Annotated[tuple[SecretName, ...], BeforeValidator(_listed)]


class Command(Section):
    """A text for the image's shell, as whom it runs, which secrets it may read and how long it may take."""

    run: Script
    user: User | None = None
    secrets: SecretNames = ()
    time_limit: Seconds | None = None


Commands = Annotated[tuple[Annotated[Command, _short("run")], ...], BeforeValidator(_listed)]


class Program(Section):
    """A program of this machine that runs in the image: its file, arguments and the rest as for a command."""

    path: Outside
    args: tuple[Argument, ...] = ()
    user: User | None = None
    secrets: SecretNames = ()
    time_limit: Seconds | None = None


class Base(Section):
    """Where the first image comes from."""

    image: Annotated[str, _text(words.image)]


class Account(Section):
    """One user of the image. Without ``uid`` the image's next free one; ``groups`` besides the user's own."""

    name: User
    uid: Number | None = None
    groups: Annotated[tuple[Group, ...], BeforeValidator(_listed)] = ()
    shell: Annotated[str, _text(words.shell)] = "/bin/sh"


class Habitat(Section):
    """Folders that everything else counts on."""

    shared_dirs: Annotated[tuple[BelowRoot, ...], BeforeValidator(_listed)] = ()
    work_dir: BelowRoot | None = None
    owner: Owner | None = None


class Volume(Section):
    """A folder or file of this machine that ``env run`` shows in the container. It is no part of the image."""

    source: Outside
    dest: BelowRoot
    readonly: Switch = False


class FileCopy(Section):
    """A file, or what a folder holds, copied into the image. A file goes into a ``dest`` that ends with a slash."""

    source: Outside
    dest: Annotated[str, _text(words.destination)]
    owner: Owner | None = None
    mode: Mode | None = None


class Files(Section):
    """What comes from this machine: into the image, or beside it when it runs."""

    volumes: tuple[Volume, ...] = ()
    copies: tuple[FileCopy, ...] = ()


class NpmPackage(Section):
    """A package of npm: for all of the image, or (``global: false``) for the work folder."""

    name: Annotated[str, _text(words.npm)]
    everywhere: Switch = Field(default=True, alias="global")


class Packages(Section):
    """Packages by the program that installs them."""

    apt: Annotated[tuple[Annotated[str, _text(words.apt)], ...], BeforeValidator(_listed)] = ()
    npm: Annotated[tuple[Annotated[NpmPackage, _short("name")], ...], BeforeValidator(_listed)] = ()


class SetupCommands(Section):
    """Commands as root, then ``scripts``: commands as ``user``. A list is ``root``, where each may name its user."""

    root: Commands = ()
    user: User | None = None
    scripts: Commands = ()

    @property
    def in_order(self) -> tuple[Command, ...]:
        """All commands, each with the user it runs as."""
        own = (c.model_copy(update={"user": c.user or self.user}) for c in self.scripts)
        return (*self.root, *own)


class Setup(Section):
    """Packages, then commands, then scripts."""

    packages: Packages = Packages()
    commands: Annotated[
        SetupCommands, BeforeValidator(lambda given: {"root": given} if isinstance(given, list | str) else given)
    ] = SetupCommands()
    scripts: Annotated[tuple[Annotated[Program, _short("path")], ...], BeforeValidator(_listed)] = ()


class Repository(Section):
    """A git repository in the image. ``branch`` may be a tag or a commit; without it, what the repository names."""

    url: Annotated[str, _text(words.url)]
    path: BelowRoot
    branch: Annotated[str, _text(words.branch)] | None = None
    owner: Owner | None = None


class Tool(Section):
    """A tool and how it is installed. Its command sees ``TOOL_NAME`` and ``TOOL_VERSION``."""

    name: Annotated[str, _text(words.label)]
    run: Script
    version: Annotated[str, _text(words.version)] | None = None
    user: User | None = None
    secrets: SecretNames = ()
    time_limit: Seconds | None = None


def _by_shell(given: Any) -> Any:
    """A text is what a shell will be given."""
    return ["sh", "-c", given] if isinstance(given, str) else given


class Final(Section):
    """How the image starts."""

    workdir: Inside | None = None
    user: User | None = None
    command: Annotated[tuple[Argument, ...] | None, BeforeValidator(_by_shell)] = None


class Hooks(Section):
    """Commands around phases, by the phase's name."""

    base: Commands = ()
    users: Commands = ()
    env: Commands = ()
    habitat: Commands = ()
    files: Commands = ()
    setup: Commands = ()
    repos: Commands = ()
    tools: Commands = ()
    verify: Commands = ()
    final: Commands = ()

    def of(self, phase: str) -> tuple[Command, ...]:
        """The commands of one phase."""
        found: tuple[Command, ...] = getattr(self, phase)
        return found


class TimeLimits(Section):
    """How long each phase may take; ``default`` for those that are not named."""

    default: Seconds | None = None
    base: Seconds | None = None
    users: Seconds | None = None
    env: Seconds | None = None
    habitat: Seconds | None = None
    files: Seconds | None = None
    setup: Seconds | None = None
    repos: Seconds | None = None
    tools: Seconds | None = None
    verify: Seconds | None = None
    final: Seconds | None = None

    def of(self, phase: str) -> float | None:
        """The limit of one phase in seconds."""
        own: float | None = getattr(self, phase)
        return self.default if own is None else own


def _with_values(given: Any) -> Any:
    return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given


class Build(Section):
    """The ten phases, and what happens around them."""

    base: Annotated[Base, _short("image")]
    users: tuple[Annotated[Account, _short("name")], ...] = ()
    env: Annotated[dict[Variable, Argument], BeforeValidator(_with_values)] = Field(default_factory=dict)
    habitat: Habitat = Habitat()
    files: Files = Files()
    setup: Setup = Setup()
    repos: tuple[Repository, ...] = ()
    tools: tuple[Tool, ...] = ()
    verify: Commands = ()
    final: Final = Final()
    before: Hooks = Hooks()
    after: Hooks = Hooks()
    time_limits: TimeLimits = TimeLimits()


class Secret(Section):
    """Where the value of a secret is found when a phase runs: a variable of the environment, or a file."""

    env: Variable | None = None
    file: Outside | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.env is not None and self.file is not None:
            raise ValueError("names both a variable and a file")
        return self


def _named_secrets(given: Any) -> Any:
    """A list of names is a mapping to nothing, which is the variable of that name."""
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        return {name: {} for name in given}
    if isinstance(given, dict):
        return {name: {} if value is None else value for name, value in given.items()}
    return given


def _named_variables(given: Any) -> Any:
    """A list of names is a mapping to nothing: no defaults."""
    named = isinstance(given, list) and all(isinstance(name, str) for name in given)
    return dict.fromkeys(given) if named else given


class Configuration(Section):
    """All of it. ``variables`` are names of the process environment that may be used, each with a default."""

    name: Annotated[str, _text(words.name)] | None = None
    description: str = ""
    variables: Annotated[dict[Variable, str | None], BeforeValidator(_named_variables)] = Field(default_factory=dict)
    secrets: Annotated[dict[SecretName, Secret], BeforeValidator(_named_secrets)] = Field(default_factory=dict)
    build: Build
