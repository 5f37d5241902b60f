"""What the commands of ``env`` begin with: the backend, one environment's settings, and both made ready.

Knows settings and how things are opened; decides nothing.
"""

import os
from typing import TYPE_CHECKING

import click

from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_fs.core.errors import NotFound

if TYPE_CHECKING:
    from panaversity_builder.environment.backend.choose import Places
    from panaversity_builder.environment.backend.port import Backend, Image
    from panaversity_builder.environment.load import Settings
    from panaversity_builder.environment.recipe import Environment

name_argument = click.argument("name", metavar="NAME")


def settings_of(console: Console, config: Config, name: str) -> "Settings":
    """The configuration of one environment; remarks on it are told. Raises ``ConfigInvalid``."""
    from panaversity_builder.environment.load import load_environment
    from panaversity_builder.environment.settings.lint import remarks

    settings = load_environment(config.root, name, os.environ)
    for remark in remarks(settings.configuration, settings.tree):
        console.warn(str(remark))
    return settings


def backend_of(config: Config, operation: str) -> "tuple[Backend, Places]":
    """The program that makes images, ready to work for this command, and its folders. Raises ``ConfigInvalid``."""
    from panaversity_builder.environment.backend.choose import choose_backend, places

    where = places(config.env_storage)
    return choose_backend(config.env_backend, where, operation), where


def prepared(settings: "Settings", backend: "Backend") -> "Environment":
    """The environment with everything read that goes into it. Raises ``ConfigInvalid``."""
    from panaversity_builder.environment.gather import prepare

    return prepare(settings, backend, os.environ)


def built_image(
    console: Console, config: Config, backend: "Backend", name: str, operation: str, key: str | None = None
) -> "Image":
    """What was built under this key, whoever built what since then; without one what was built last under this name, of
    which is told when another project did that. Raises ``NotFound`` (exit 2) when there is nothing."""
    from panaversity_builder.environment.kept_images import PROJECT, KeptImages

    kept = KeptImages(backend, name)
    image = kept.last() if key is None else kept.image(key)
    if image is None:
        hint = f"Build it: panaversity env build {name}"
        raise NotFound(operation, f"environment {name}", "is not built", hint, kind="environment", subject_name=name)
    other = image.labels.get(PROJECT, config.root)
    if key is None and other != config.root:
        console.warn(f"environment {name} was last built in {other}, where it may be described in another way")
    return image
