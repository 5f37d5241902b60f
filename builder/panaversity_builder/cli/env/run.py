"""``panaversity env run``: a program in an environment that was built. Its exit status is ours."""

import os

import click

from panaversity_builder.cli import options
from panaversity_builder.cli.env.opening import name_argument
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand(
    "run",
    name_argument,
    click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND…"),
    click.option("--mount", "mounts", metavar="FOLDER", multiple=True, help="Show this folder in it, at its own path."),
    click.option("--here", is_flag=True, help="Show the current folder in it, at the same path, and work there."),
    click.option("--user", metavar="USER", help="Run as this user [the image's]."),
    click.option("--workdir", metavar="FOLDER", help="Run in this folder [the image's]."),
    click.option("--variable", "variables", metavar="NAME", multiple=True, help="Let it see this variable of ours."),
    click.option("--key", hidden=True, help="Run what was built under this key, whatever was built since then."),
)
def run(
    console: Console,
    config: Config,
    name: str,
    words: tuple[str, ...],
    mounts: tuple[str, ...],
    here: bool,
    user: str | None,
    workdir: str | None,
    variables: tuple[str, ...],
    key: str | None,
) -> int:
    """Run a program in the environment as it was last built, with our stdin, stdout and stderr.

    Without a command it runs the one of final.command, else a shell. The volumes of files.volumes are there. Nothing
    that the program changes in the image is kept. Its exit status is answered.
    """
    from panaversity_builder.cli.env.opening import backend_of, built_image, settings_of
    from panaversity_builder.environment.recipe import Run
    from panaversity_builder.environment.volumes import volumes_of
    from panaversity_builder.environment.with_variables import with_variables

    settings = settings_of(console, config, name)
    backend, _ = backend_of(config, "env run")
    image = built_image(console, config, backend, settings.name, "env run", key)
    folder = os.getcwd()
    shown = [*map(os.path.abspath, mounts), *([folder] if here else [])]
    volumes = [*volumes_of(settings), *((path, path, False) for path in shown)]
    command = words or settings.configuration.build.final.command or ("/bin/sh",)
    wanted = Run(tuple(command), command[0], user=user, cwd=workdir or (folder if here else None))
    values = {variable: os.environ[variable] for variable in variables if variable in os.environ}
    with with_variables(wanted, volumes, values) as (run, shown_there):
        return backend.execute(image, run, shown_there, interactive=True)
