"""What a phase of an environment does, as values: actions in order, and the inputs that are its identity (DESIGN 12).

A recipe is decided from a configuration that was read and judged before; a backend carries it out. Knows neither
files, nor backends, nor how the configuration is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from panaversity_builder.lifecycle import Inputs, Lifecycle, Phase
from panaversity_fs.core.digest import Digest

ENVIRONMENT = Lifecycle(
    "environment",
    1,
    (
        Phase("1", "base", "Preparing the base image"),
        Phase("2", "users", "Creating users"),
        Phase("3", "env", "Setting the environment"),
        Phase("4", "habitat", "Making the habitat's folders"),
        Phase("5", "files", "Copying files"),
        Phase("6", "setup", "Installing packages"),
        Phase("7", "repos", "Cloning repositories"),
        Phase("8", "tools", "Installing tools"),
        Phase("9", "verify", "Verifying"),
        Phase("10", "final", "Finishing the image"),
    ),
)
"""The ten phases, in this order and with these ids (DESIGN 12)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One program with its arguments; never a text for a shell to take apart, unless a shell is what was asked for.

    ``argv[0]`` is looked up in the container. ``user`` None is root; ``cwd`` None is the image's. ``env`` comes on top
    of the image's environment and is not kept. ``secrets`` are names, each readable at ``/run/secrets/NAME`` while this
    runs and never afterwards. ``stdin`` is given to the program as it is. ``seconds`` None is no limit of its own.
    """

    argv: tuple[str, ...]
    title: str
    user: str | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    stdin: bytes = b""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """A file or a folder's contents from this machine into the image.

    ``source`` is an absolute path that was read for the key; ``target`` absolute in the image. ``owner`` is ``user``,
    ``user:group`` or ids; None is root. ``mode`` overrides every file's permission bits; None keeps them. ``digest`` is
    what was read for the key, None where nothing was; ``seconds`` limits the copy.
    """

    source: str
    target: str
    owner: str | None = None
    mode: int | None = None
    digest: Digest | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Clone:
    """A git repository into the image, as of one commit: fetched on this machine, then copied (``checkout``).

    ``url`` is an address or an absolute path, without a login; ``ref`` is the full name under which the commit was
    found (``refs/heads/main``), None for a commit that was named itself. ``seconds`` limits the fetch.
    """

    url: str
    commit: str
    target: str
    ref: str | None = None
    owner: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Configure:
    """What the image itself says: environment, working folder, user and command of whatever runs in it later.

    Values of ``env`` are taken as they are, dollar signs too. ``around`` has, for a variable, what stands before and
    behind the value it has in the image so far (nothing, where it has none): ``PATH: ("/opt/bin:", "")``.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    command: tuple[str, ...] | None = None
    around: Mapping[str, tuple[str, str]] = field(default_factory=dict)


Action = Run | Copy | Clone | Configure
"""A backend knows how to run, copy and configure; a clone becomes a copy before it gets there."""


@dataclass(frozen=True, slots=True)
class PhaseRecipe:
    """One phase: its actions in order (hooks included), its time limit in seconds and its identity.

    ``inputs`` holds everything that can change what the actions do, each under the name a person knows it by, and no
    secret's value. A phase without actions still makes a snapshot: the same image under the phase's name.
    """

    phase: Phase
    actions: tuple[Action, ...]
    inputs: Inputs
    seconds: float | None = None

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the secrets its commands read. Values are looked up when it runs and are never part of this."""
        return frozenset(name for action in self.actions if isinstance(action, Run) for name in action.secrets)


@dataclass(frozen=True, slots=True)
class BaseImage:
    """Where the first image comes from.

    ``kind`` "registry": ``reference`` is a name with tag or digest; "oci": a folder with an OCI layout or an archive of
    one, absolute path; "rootfs": a folder that holds a root file system, absolute path. ``digest`` is the identity that
    was read before the build began: of the image, or of the folder's contents, modes and links.
    """

    kind: str
    reference: str
    digest: str


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment, ready to be built: its name, base and the ten recipes in order (the base's has hooks only).

    ``file`` is the file that describes it, for people: whose the images are. It is no part of any key.
    """

    name: str
    base: BaseImage
    recipes: tuple[PhaseRecipe, ...]
    file: str = ""
