"""``panaversity env build``: the ten phases of one environment. Parses, calls, shows."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_builder.lifecycle import require_phases

if TYPE_CHECKING:
    from panaversity_builder.environment.backend.choose import Places
    from panaversity_builder.environment.backend.port import Backend
    from panaversity_builder.environment.build import BuildOptions, Built
    from panaversity_builder.environment.load import Settings
    from panaversity_builder.environment.recipe import Clone, Copy, Environment


@options.subcommand(
    "build",
    click.argument("name", metavar="NAME"),
    click.option("--rebuild", metavar="PHASE", multiple=True, help="Run this phase and all after it. Repeatable."),
    click.option("--until", metavar="PHASE", help="Stop after this phase."),
    click.option("--explain", is_flag=True, help="Say for every phase why it runs or why not."),
    click.option("--dry-run", is_flag=True, help="Say what every phase would do, and why; run and write nothing."),
)
def build(
    console: Console,
    config: Config,
    name: str,
    rebuild: tuple[str, ...],
    until: str | None,
    explain: bool,
    dry_run: bool,
) -> int:
    """Build an environment, or what of it changed.

    NAME is that of a file in environments/, or the path of one. PHASE is an id or a name. A phase whose inputs are
    what they were is not run again; a failed build resumes where it stopped.
    """
    from panaversity_builder.environment.recipe import ENVIRONMENT

    require_phases(ENVIRONMENT, [*rebuild, *([until] if until else [])], "env build")
    if dry_run:
        return _dry_run(console, config, name, rebuild, until)
    return _build(console, config, name, rebuild, until, explain=explain)


def _build(
    console: Console, config: Config, name: str, rebuild: tuple[str, ...], until: str | None, *, explain: bool
) -> int:
    from time import monotonic

    from panaversity_builder.cli.env.opening import backend_of, prepared, settings_of
    from panaversity_builder.console.env_lines import build_body, built_lines

    started = monotonic()
    settings = settings_of(console, config, name)
    backend, where = backend_of(config, "env build")
    environment = prepared(settings, backend)
    built = brought_up_to_date(
        console, config, settings, environment, backend, where, rebuild=rebuild, until=until, explain=explain
    )
    body = build_body(environment.name, backend.name, built, monotonic() - started)
    console.result(built_lines(body), body)
    return 0


def brought_up_to_date(
    console: Console,
    config: Config,
    settings: "Settings",
    environment: "Environment",
    backend: "Backend",
    where: "Places",
    *,
    rebuild: tuple[str, ...] = (),
    until: str | None = None,
    explain: bool = False,
) -> "Built":
    """Build what of the environment must be built, and tell how that comes along."""
    from panaversity_builder.cli.reporting import grouped
    from panaversity_builder.console.env_lines import EnvironmentLines
    from panaversity_builder.environment.build import Listeners, build_environment
    from panaversity_builder.environment.secrets import secret_values

    lines = EnvironmentLines(console, environment.name, explain=explain)
    return build_environment(
        environment,
        backend,
        build_options(config, where, rebuild, until),
        lambda names: secret_values(settings, names, os.environ),
        Listeners(lines.ahead, grouped(console, lines.event)),
        checkout(config),
    )


def _dry_run(console: Console, config: Config, name: str, rebuild: tuple[str, ...], until: str | None) -> int:
    from panaversity_builder.cli.env.opening import backend_of, prepared, settings_of
    from panaversity_builder.console.phases import forecast_lines, forecast_rows
    from panaversity_builder.environment.build import foresee
    from panaversity_builder.environment.recipe import ENVIRONMENT

    settings = settings_of(console, config, name)
    backend, where = backend_of(config, "env build")
    environment = prepared(settings, backend)
    rows = forecast_rows(foresee(environment, backend, build_options(config, where, rebuild, until)))
    body = {"environment": environment.name, "lifecycle": ENVIRONMENT.name, "dry_run": True, "phases": rows}
    console.result(forecast_lines(environment.name, rows), body)
    return 0


def build_options(
    config: Config, where: "Places", rebuild: tuple[str, ...] = (), until: str | None = None
) -> "BuildOptions":
    """What a build needs of the settings."""
    from panaversity_builder.environment.build import BuildOptions

    return BuildOptions(config.state_dir, where.locks, rebuild, until)


def checkout(config: Config) -> "Callable[[Clone], Copy]":
    """How a repository is fetched: once a commit, kept in the project's state folder."""
    from panaversity_builder.environment.checkout import checked_out

    cache = os.path.join(config.state_dir, "environments", "repositories")
    return lambda clone: checked_out(clone, cache, os.environ)
