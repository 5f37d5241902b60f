"""Which program makes images here, and where they are kept.

Knows the adapters by name; each is loaded when it is chosen.
"""

import os
import shutil
from dataclasses import dataclass

from panaversity_builder.environment.backend.port import Backend
from panaversity_fs.core.errors import ConfigInvalid

SYSTEM = "system"
"""The storage that a program uses by itself, with all its other images."""
NAMES = ("buildah", "podman", "docker")
"""In the order in which they are chosen: the one that needs no daemon and nothing set up comes first."""


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of this machine. ``images`` None: wherever the program keeps them."""

    images: str | None
    work: str
    locks: str


def places(storage: str | None) -> Places:
    """The folders for a setting: None is the user's own data folder."""
    folder = storage if storage not in (None, SYSTEM) else _user_folder()
    images = None if storage == SYSTEM else os.path.join(folder, "containers")
    return Places(images, os.path.join(folder, "work"), os.path.join(folder, "locks"))


def _user_folder() -> str:
    from platformdirs import user_data_dir  # late: whoever is told where needs no such library

    return os.path.join(user_data_dir("panaversity", appauthor=False), "environments")


def choose_backend(name: str, where: Places, operation: str) -> Backend:
    """The backend of this name, ready to work for this command of ours; ``auto`` takes the first that is there.

    Raises ``ConfigInvalid`` when there is none, or when it cannot work here.
    """
    backend = _made(_first() if name == "auto" else name, where, operation)
    backend.require()
    return backend


def _first() -> str:
    for name in NAMES:
        if shutil.which(name) is not None and (name != "buildah" or os.geteuid() == 0):
            return name
    problem = "neither buildah (as root) nor podman nor docker is installed"
    raise ConfigInvalid("env", "backend", problem, "Install one of them", key="env_backend")


def _made(name: str, where: Places, operation: str) -> Backend:
    if name == "buildah":
        from panaversity_builder.environment.backend.buildah import Buildah

        return Buildah(where.images, where.work, operation)
    from panaversity_builder.environment.backend.container_cli import ContainerCli

    return ContainerCli(name, where.work, operation)
