"""``panaversity env list | prune | export``: the images of environments on this machine. Parses, calls, shows."""

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from panaversity_builder.cli import options
from panaversity_builder.cli.env.opening import name_argument
from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_fs.core.errors import NotFound, OutputLocked

if TYPE_CHECKING:
    from panaversity_builder.environment.backend.port import Backend
    from panaversity_builder.environment.prune import Snapshot


@options.subcommand("list")
def list_(console: Console, config: Config) -> int:
    """Show the environments of this project and the images that are kept: how many, how large, which are orphans."""
    from panaversity_builder.cli.env.opening import backend_of
    from panaversity_builder.console.env_lines import list_body, list_lines

    backend, where = backend_of(config, "env list")
    known, found = _kept(console, config, backend)
    body = list_body(known, found, backend.name, where.images)
    console.result(list_lines(body), body)
    return 0


@options.subcommand(
    "prune",
    click.argument("names", nargs=-1, metavar="[NAME]..."),
    click.option("--orphans", is_flag=True, help="Snapshots that no phase's tag stands for any more [the default]."),
    click.option("--keep", metavar="N", type=click.IntRange(0), help="All but the N newest of each phase."),
    click.option("--all", "everything", is_flag=True, help="All images."),
    click.option("--dry-run", is_flag=True, help="Say what would go; remove nothing."),
)
def prune(
    console: Console,
    config: Config,
    names: tuple[str, ...],
    orphans: bool,
    keep: int | None,
    everything: bool,
    dry_run: bool,
) -> int:
    """Remove images of this project's environments, or of those that are named (or whose file is).

    An environment that is being built now is left alone, and so is an image that something runs in.
    """
    from panaversity_builder.cli.env.opening import backend_of
    from panaversity_builder.console.env_lines import prune_body, prune_lines
    from panaversity_builder.environment.load import name_in_images
    from panaversity_builder.environment.lock import environment_lock
    from panaversity_builder.environment.phase_run import container_prefix
    from panaversity_builder.environment.prune import Wanted, choose, let_go

    names = tuple(name_in_images(config.root, name, os.environ) for name in names)
    backend, where = backend_of(config, "env prune")
    known, found = _kept(console, config, backend)
    if missing := [name for name in names if name not in {*known, *(one.environment for one in found)}]:
        raise NotFound("env prune", f"environment {missing[0]}", "is not known here", "See panaversity env list")
    ours = [one for one in found if (one.environment in names if names else one.state != "elsewhere")]
    wanted = Wanted(everything, orphans or not (everything or keep is not None), keep)
    with ExitStack() as locks:
        for name in sorted({*names, *(one.environment for one in ours)}):
            try:
                locks.enter_context(environment_lock(where.locks, name, "env prune"))
                if not dry_run:
                    backend.sweep(container_prefix(name))
            except OutputLocked:
                console.warn(f"environment {name} is being built and is left alone")
                ours = [one for one in ours if one.environment != name]
        chosen = choose(ours, wanted)
        gone, used = (chosen, []) if dry_run else let_go(backend, chosen)
    if not dry_run:
        backend.sweep("panaversity-run")
    body = prune_body(gone, used, dry_run=dry_run)
    console.result(prune_lines(body), body)
    return 0


def _kept(console: Console, config: Config, backend: "Backend") -> "tuple[dict[str, str], list[Snapshot]]":
    """This project's environments with their files, and all that is kept on this machine. Where a configuration cannot
    be read, no image is taken for an orphan because its name is unknown: it may be that one's."""
    from panaversity_builder.environment.load import names_in_images
    from panaversity_builder.environment.prune import snapshots

    known, unread = names_in_images(config.root, os.environ)
    for file in unread:
        console.warn(f"{os.path.relpath(file, config.root)} cannot be read, so images of unknown names are left alone")
    return known, snapshots(backend, known, None if unread else config.root)


@options.subcommand("export", name_argument, click.argument("file", type=click.Path(path_type=str)))
def export(console: Console, config: Config, name: str, file: str) -> int:
    """Write the environment as it was last built into FILE, an OCI archive. A file of that name is replaced."""
    from panaversity_builder.cli.env.opening import backend_of, built_image, settings_of

    settings = settings_of(console, config, name)
    backend, _ = backend_of(config, "env export")
    image = built_image(console, config, backend, settings.name, "env export")
    backend.export(image, file)
    body = {"environment": settings.name, "file": os.path.abspath(file), "bytes": os.path.getsize(file)}
    console.result([f"env export {settings.name}: {file}"], body)
    return 0
