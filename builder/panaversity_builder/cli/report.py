"""``panaversity report show | diff``: what the last run did, and what two runs did differently. Changes nothing."""

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console

_FILE = click.Path(path_type=str)


@options.group("report")
def command() -> None:
    """Show the report of the last run, or compare two."""


@options.subcommand("show", click.argument("file", type=_FILE, required=False), options.site_dir)
def show(console: Console, config: Config, file: str | None) -> int:
    """Show what a run moved, decided and took: the last one, or the one whose report is in FILE."""
    from panaversity_builder.book.runs import last_run, read_run
    from panaversity_builder.console.report_lines import report_lines

    body = read_run(file or last_run(config.state_dir))
    console.result(report_lines(body), body)
    return 0


@options.subcommand(
    "diff",
    click.argument("old", type=_FILE, required=False),
    click.argument("new", type=_FILE, required=False),
    click.option("--exit-code", is_flag=True, help="Leave with status 1 when they differ."),
    options.site_dir,
)
def difference(console: Console, config: Config, old: str | None, new: str | None, exit_code: bool) -> int:
    """Say what the run reported in NEW did otherwise than that in OLD.

    Without NEW it is the last run, without OLD that is compared with the run before it. Keep a report.json to compare
    with it later.
    """
    from panaversity_builder.book.runs import compare_runs, last_run, read_run, run_before
    from panaversity_builder.console.report_lines import run_difference_lines

    rows = compare_runs(read_run(old or run_before(config.state_dir)), read_run(new or last_run(config.state_dir)))
    console.result(run_difference_lines(rows) if rows else ["report diff: no differences"], {"differences": rows})
    return 1 if exit_code and rows else 0


for _one in (show, difference):
    command.add_command(_one)
