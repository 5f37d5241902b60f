"""``panaversity build``: the whole loop, phase by phase. Parses, calls, shows."""

import os
from typing import TYPE_CHECKING

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console

if TYPE_CHECKING:
    from panaversity_builder.cli.doors import Wishes


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
    click.option("--show-phases", is_flag=True, help="Show the phases and what is kept of them; run nothing."),
    click.option("--explain", is_flag=True, help="Say for every phase why it runs or why not."),
    options.max_deletes,
    options.overwrite,
    options.accept_rollback,
    options.schema,
    options.numbering,
    options.scope,
    options.on_edit,
    click.option("--time-limit", "site_time_limit", metavar="SECONDS", help="Stop docusaurus after this long."),
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
    overwrite: bool,
    accept_rollback: bool,
) -> int:
    """The whole loop: author, ingest, plan_build, hydrate, docusaurus.

    PHASE is an id or a name. A phase whose inputs are what they were is not run again; a failed build resumes where
    it stopped.
    """
    from panaversity_builder.book.pipeline import BOOK, DOCUSAURUS, HYDRATE
    from panaversity_builder.cli.doors import Wishes
    from panaversity_builder.lifecycle import require_phases

    if show_phases:
        return _show_phases(console, config)
    if full_rebuild:
        rebuild = (*rebuild, HYDRATE.id, DOCUSAURUS.id)
    require_phases(BOOK, [*rebuild, *([until] if until else [])])  # before a server starts or a file is read
    wishes = Wishes(overwrite, accept_rollback)
    return _build(console, config, rebuild, until, wishes, explain=explain)


def _build(
    console: Console, config: Config, rebuild: tuple[str, ...], until: str | None, wishes: "Wishes", *, explain: bool
) -> int:
    from panaversity_builder.book.pipeline import BookBuild
    from panaversity_builder.cli.doors import build_options, doors
    from panaversity_builder.cli.narration import Narration
    from panaversity_builder.cli.session import connected
    from panaversity_builder.console.results import build_lines

    wanted = build_options(config, os.environ, rebuild, until)
    with connected(config, console) as server:
        build = BookBuild(wanted, doors(server, config, console.progress, wishes), console.progress)
        report = build.run(Narration(console, build, explain))
    body = {**report.to_json(), "site": wanted.site.built}
    console.result(build_lines(body, wanted.site.built), body)
    return 0


def _show_phases(console: Console, config: Config) -> int:
    from panaversity_builder.book.pipeline import BOOK, book_records
    from panaversity_builder.book.site_phase import site_build_dir
    from panaversity_builder.console.phases import phase_rows, phase_table
    from panaversity_builder.engine import utc_now

    records = book_records(site_build_dir(config.state_dir, config.site_dir), console.progress)
    rows = phase_rows(BOOK, records.latest, utc_now())
    if console.manner.format == "json":
        console.result((), {"lifecycle": BOOK.name, "phases": rows})
    else:
        console.data(phase_table(rows))
    return 0
