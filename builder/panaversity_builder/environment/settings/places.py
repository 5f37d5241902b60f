"""Where configurations lie: the files of one environment, lowest layer first, and the environments of a project.

* system: ``panaversity/environment.yaml`` in the first folder of ``$XDG_CONFIG_DIRS`` that has it; without that
  variable ``/etc/panaversity/environment.yaml``;
* shared: ``environments/shared.yaml`` of the project;
* own: ``environments/NAME/config.yaml`` or ``environments/NAME.yaml``, or a file that was named by its path.

Looks at names and reads bytes; does not know what stands in them.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from panaversity_builder.environment.settings.origins import OPERATION
from panaversity_fs.core.errors import ConfigInvalid

FOLDER = "environments"
SHARED = "shared"
CONFIG = "config.yaml"
NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
"""A name that may follow ``habitat-`` in an image's name, whatever makes images."""
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Place:
    """One environment of a project: the name it is called by and its own file, absolute."""

    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Layers:
    """The files of one environment that are there, lowest first; ``own`` is the last of them."""

    name: str
    files: tuple[str, ...]

    @property
    def own(self) -> str:
        """The environment's own file."""
        return self.files[-1]


def is_name(text: str) -> bool:
    """True for what an environment may be called."""
    return len(text) <= LONGEST_NAME and NAME.fullmatch(text) is not None


def known_environments(project_dir: str) -> list[Place]:
    """The environments of a project, by name. A name that has two files is listed with both."""
    folder = os.path.join(os.path.abspath(project_dir), FOLDER)
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = []
    for name in names:
        stem = name.removesuffix(".yaml")
        file = os.path.join(folder, name) if stem != name else os.path.join(folder, name, CONFIG)
        if is_name(stem) and (stem, name) != (SHARED, f"{SHARED}.yaml") and os.path.isfile(file):
            found.append(Place(stem, file))
    return sorted(found, key=lambda place: (place.name, place.file))


def layers_of(project_dir: str, name_or_file: str, environ: Mapping[str, str]) -> Layers:
    """The files of one environment. Raises ``ConfigInvalid`` when it has none, or two."""
    name, own = _own(project_dir, name_or_file)
    shared = os.path.join(os.path.abspath(project_dir), FOLDER, f"{SHARED}.yaml")
    below = [file for file in (_system(environ), shared) if file and os.path.isfile(file) and file != own]
    return Layers(name, (*below, own))


def _own(project_dir: str, given: str) -> tuple[str, str]:
    if os.sep in given or given.endswith((".yaml", ".yml")) or given in (".", ".."):
        return _named_by_path(given)
    places = known_environments(project_dir)
    found = [place for place in places if place.name == given]
    if len(found) == 1:
        return found[0].name, found[0].file
    shown = "".join(c if c.isprintable() else "?" for c in given)
    if found:
        files = " and ".join(place.file for place in found)
        raise ConfigInvalid(OPERATION, shown, f"has two files: {files}", "Keep one of them", key="name")
    known = ", ".join(sorted({place.name for place in places}))
    hint = f"There are: {known}" if known else f"Write {os.path.join(FOLDER, shown or 'NAME', CONFIG)}"
    raise ConfigInvalid(OPERATION, shown or "''", "is not an environment of this project", hint, key="name")


def _named_by_path(given: str) -> tuple[str, str]:
    if "\0" in given:
        raise ConfigInvalid(OPERATION, "the file's name", "holds a NUL", "Name a file", key="file")
    path = os.path.abspath(os.path.expanduser(given))
    file = os.path.join(path, CONFIG) if os.path.isdir(path) else path
    if not os.path.isfile(file):
        raise ConfigInvalid(OPERATION, file, "is not there", "Name a file, or an environment", key="file", origin=file)
    stem, _ = os.path.splitext(os.path.basename(file))
    plain = stem if f"{stem}.yaml" != CONFIG else os.path.basename(os.path.dirname(file))
    return plain, file


def _system(environ: Mapping[str, str]) -> str | None:
    folders = [folder for folder in environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep) if os.path.isabs(folder)]
    files = [os.path.join(folder, "panaversity", "environment.yaml") for folder in folders or ["/etc"]]
    return next((file for file in files if os.path.isfile(file)), None)


def read(file: str) -> bytes:
    """The bytes of one file. Raises ``ConfigInvalid``."""
    try:
        with open(file, "rb") as reader:
            return reader.read(2 << 20)  # more than is taken: ``yaml_source`` says so
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise ConfigInvalid(OPERATION, file, problem, "Correct the file", key="file", origin=file) from None
