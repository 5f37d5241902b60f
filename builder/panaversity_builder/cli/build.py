"""``panaversity build``: the whole loop, phase by phase. Parses, calls, shows."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_builder.lifecycle import require_phases

if TYPE_CHECKING:
    from panaversity_builder.book.pipeline import BuildOptions
    from panaversity_builder.cli.doors import Wishes

RENDER_ALL = "INCREMENTAL_SSG"
"""The variable by which a site's own incremental rendering is left out of one build."""


@options.subcommand(
    "build",
    options.book_id,
    options.site_dir,
    options.source_dir,
    options.output_dir,
    options.manifest_file,
    click.option("--rebuild", metavar="PHASE", multiple=True, help="Run this phase whatever is kept. Repeatable."),
    click.option("--until", metavar="PHASE", help="Stop after this phase."),
    click.option("--full-rebuild", is_flag=True, help="The same as --rebuild hydrate --rebuild docusaurus."),
    click.option("--show-phases", is_flag=True, help="Show the phases, how they stand and what is kept; ask nobody."),
    click.option("--explain", is_flag=True, help="Say for every phase why it runs or why not."),
    click.option("--dry-run", is_flag=True, help="Say what every phase would do, and why; run and write nothing."),
    options.max_deletes,
    options.overwrite,
    options.accept_rollback,
    options.schema,
    options.numbering,
    click.option("--no-ingest", is_flag=True, help="Leave the book as it is: build it, whatever the source says."),
    options.scope,
    options.on_edit,
    options.offline,
    options.on_unavailable,
    click.option("--env", "environment", metavar="NAME", help="Build the site in this container environment."),
    click.option("--time-limit", "site_time_limit", metavar="SECONDS", help="Stop docusaurus after this long."),
    options.remote_cache,
    options.metrics_file,
    options.server_url,
)
def command(
    console: Console,
    config: Config,
    rebuild: tuple[str, ...],
    until: str | None,
    full_rebuild: bool,
    show_phases: bool,
    explain: bool,
    dry_run: bool,
    overwrite: bool,
    accept_rollback: bool,
    no_ingest: bool,
    environment: str | None,
) -> int:
    """The whole loop: author, ingest, plan_build, hydrate, docusaurus.

    PHASE is an id or a name. A phase whose inputs are what they were is not run again; a failed build resumes where
    it stopped. With --no-ingest the book on the server is built as it is, with --offline as it was last told; only
    then may --on-unavailable use-cache do without the server. With --full-rebuild incremental-ssg renders every page
    anew.
    """
    from panaversity_builder.book.pipeline import BOOK, DOCUSAURUS, HYDRATE
    from panaversity_builder.cli.doors import Wishes, build_options

    if full_rebuild:
        rebuild = (*rebuild, HYDRATE.id, DOCUSAURUS.id)
    require_phases(BOOK, [*rebuild, *([until] if until else [])])  # before a server starts or a file is read
    no_ingest = no_ingest or _asks_for_offline()
    if no_ingest and dry_run:
        raise click.UsageError(
            "--dry-run says what an ingest would bring; with --no-ingest or --offline ask panaversity plan"
        )
    wishes = Wishes(overwrite, accept_rollback)
    environ = {**os.environ, RENDER_ALL: "off"} if full_rebuild else os.environ
    wanted = build_options(config, environ, rebuild, until, ingesting=not no_ingest)
    if environment is not None:
        from panaversity_builder.cli.env.within import site_within

        ahead = show_phases or dry_run
        wanted = replace(wanted, site=site_within(console, config, wanted.site, environment, building=not ahead))
    if show_phases:
        return _show_phases(console, config, wanted)
    if dry_run:
        return _dry_run(console, config, wanted, wishes)
    return _build(console, config, wanted, wishes, explain=explain)


def _asks_for_offline() -> bool:
    """Whether this very command was told to be offline. A machine whose environment says so still needs --no-ingest:
    an author's edits must not be left out of a build because of a setting somebody made long ago."""
    context = click.get_current_context()
    return context.get_parameter_source("offline") is ParameterSource.COMMANDLINE


def _build(console: Console, config: Config, wanted: "BuildOptions", wishes: "Wishes", *, explain: bool) -> int:
    from panaversity_builder.book.pipeline import BookBuild
    from panaversity_builder.cli.doors import doors
    from panaversity_builder.cli.narration import Narration
    from panaversity_builder.cli.reporting import grouped, reported
    from panaversity_builder.cli.session import connected
    from panaversity_builder.cli.unavailable import or_offline
    from panaversity_builder.console.results import build_lines

    with reported(console, config, "build") as report:

        def run(config: Config) -> None:
            with connected(config, console) as server:
                calls = doors(server, config, console.progress, wishes)
                build = BookBuild(wanted, calls, console.progress, report=report)
                build.run(grouped(console, Narration(console, build, explain)))

        or_offline(console, config, run, ingesting=wanted.ingesting)
    body = {**report.to_json(), "site": wanted.site.built, "files": report.files}
    console.result(build_lines(body, wanted.site.built), body)
    return 0


def _show_phases(console: Console, config: Config, wanted: "BuildOptions") -> int:
    from panaversity_builder.book.foresight import as_it_is, kept_sites
    from panaversity_builder.book.pipeline import BOOK, DOCUSAURUS
    from panaversity_builder.console.phases import phase_rows, phase_table
    from panaversity_builder.engine import utc_now

    sizes = {DOCUSAURUS.id: sum(kept.size for kept in kept_sites(wanted))}
    rows = phase_rows(as_it_is(wanted, config.manifest_file, console.progress), sizes, utc_now())
    if console.manner.format == "text":
        console.data(phase_table(rows))  # asked for, quiet or not
    else:
        console.result(phase_table(rows), {"lifecycle": BOOK.name, "phases": rows})
    return 0


def _dry_run(console: Console, config: Config, wanted: "BuildOptions", wishes: "Wishes") -> int:
    from panaversity_builder.book.foresight import foresee
    from panaversity_builder.book.pipeline import BOOK, HYDRATE
    from panaversity_builder.cli.ahead import asked, outlook
    from panaversity_builder.console.phases import forecast_lines, forecast_rows

    full = HYDRATE.id in require_phases(BOOK, wanted.rebuild)
    with asked(config, console) as server:
        ahead = outlook(server, config, console.progress, wishes, full_rebuild=full)
        rows = forecast_rows(foresee(wanted, ahead, console.progress))
    body = {"book_id": wanted.book_id, "lifecycle": BOOK.name, "dry_run": True, "phases": rows}
    console.result(forecast_lines(wanted.book_id, rows), body)
    return 0
