"""From the name of an environment to its settings: find the files, read, layer, expand, judge.

The edge of the configuration: reads files of settings and nothing else. Does not know images, or what a phase does.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from panaversity_builder.environment.settings import words
from panaversity_builder.environment.settings.expanding import Expanded, Inherited, with_variables
from panaversity_builder.environment.settings.judging import judged
from panaversity_builder.environment.settings.layering import layered
from panaversity_builder.environment.settings.origins import Finding, Findings, Key, Origin, refusal
from panaversity_builder.environment.settings.places import Layers, Place, is_name, known_environments, layers_of, read
from panaversity_builder.environment.settings.shape import Configuration
from panaversity_builder.environment.settings.soundness import unsound
from panaversity_builder.environment.settings.yaml_source import Block, origin_of, parse
from panaversity_fs.core.errors import ConfigInvalid

__all__ = [
    "Place",
    "Settings",
    "known_environments",
    "load_environment",
    "name_in_images",
    "names_in_images",
]


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one environment, judged. Paths in it are as written: ``absolute`` knows where they lead.

    ``file`` is its own file and ``files`` all its layers, lowest first. ``inherited`` are the variables of the image
    that are made of the base's own value.
    """

    name: str
    project_dir: str
    files: tuple[str, ...]
    configuration: Configuration
    inherited: Inherited
    tree: Block = field(repr=False)

    @property
    def file(self) -> str:
        """The environment's own file."""
        return self.files[-1]

    def origin(self, *key: str | int) -> Origin:
        """Where the value of a key was written; its file is shown as people call it."""
        return origin_of(self.tree, key)

    def absolute(self, path: str, *key: str | int) -> str:
        """A path of this machine that was written at ``key``: relative to the folder of the file it stands in."""
        folder = os.path.dirname(os.path.join(self.project_dir, self.origin(*key).file))
        return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))


def load_environment(project_dir: str, name_or_file: str, environ: Mapping[str, str]) -> Settings:
    """Read the environment of this name, or the one a path names (relative to the current folder).

    ``environ`` gives values to what the configuration lists under ``variables:``, and ``XDG_CONFIG_DIRS``. Raises
    ``ConfigInvalid`` (exit 15) telling every finding with file, line and column.
    """
    project = os.path.abspath(project_dir)
    layers = layers_of(project, name_or_file, environ)
    try:
        return _settings(project, layers, environ)
    except Findings as wrong:
        raise refusal(wrong.findings) from None


def names_in_images(project_dir: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environments of a project, as their images are called, each with its own file; and the files whose
    configuration cannot be read now: those go by their file's name, which may not be that of their images."""
    names: dict[str, str] = {}
    unread = []
    for place in known_environments(project_dir):
        try:
            name = load_environment(project_dir, place.file, environ).name
        except ConfigInvalid:
            name = place.name
            unread.append(place.file)
        names[name] = place.file
    return names, unread


def name_in_images(project_dir: str, name_or_file: str, environ: Mapping[str, str]) -> str:
    """How the images of one environment are called: as its configuration says. A name this project does not have is
    taken for one that images carry. Raises ``ConfigInvalid`` for a path that leads to no configuration."""
    named = is_name(name_or_file) and all(name_or_file != place.name for place in known_environments(project_dir))
    return name_or_file if named else load_environment(project_dir, name_or_file, environ).name


def _settings(project: str, layers: Layers, environ: Mapping[str, str]) -> Settings:
    shown = {file: _shown(file, project) for file in layers.files}
    whole = layered([parse(read(file), name) for file, name in shown.items()])
    told = with_variables(whole, environ)
    configuration = _judged(told)
    if findings := unsound(configuration, told.tree):
        raise Findings(findings)
    name = _name(configuration.name or layers.name, shown[layers.own])
    return Settings(name, project, layers.files, configuration, told.inherited, told.tree)


def _judged(told: Expanded) -> Configuration:
    """The configuration; or one list of what its variables and what its form have wrong."""
    try:
        configuration = judged(told.tree)
    except Findings as wrong:
        seen = {finding.origin for finding in told.findings}
        raise Findings([*told.findings, *(f for f in wrong.findings if f.origin not in seen)]) from None
    if told.findings:
        raise Findings(told.findings)
    return configuration


def _shown(file: str, project: str) -> str:
    """A file as people call it: relative to the project where it is in there."""
    inside = os.path.relpath(file, project)
    return file if inside.startswith(os.pardir + os.sep) else inside


def _name(name: str, file: str) -> str:
    try:
        return words.name(name)
    except ValueError as error:
        key: Key = ("name",)
        raise Findings([Finding(Origin(file), key, f"{name!r} {error}", "Write `name:`")]) from None
