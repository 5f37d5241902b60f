"""``panaversity manifest status``: what is mine, what is an agent's, what conflicts. Parses, calls, shows."""

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand(
    "status",
    options.book_id,
    options.source_dir,
    options.output_dir,
    options.manifest_file,
    click.option("--exit-code", is_flag=True, help="Leave with status 1 when anything is to be done."),
    click.option("--no-output", is_flag=True, help="Leave the docs folder out of it."),
    options.schema,
    options.numbering,
    options.accept_rollback,
    options.server_url,
    options.site_dir,
)
def status(console: Console, config: Config, exit_code: bool, no_output: bool, accept_rollback: bool) -> int:
    """Compare source, last ingest, book and docs folder. Nothing is written.

    One line a file, XY PATH: X is what became of it in the source since the last ingest, Y in the book (A added,
    M modified, D deleted); both: a conflict.
    """
    from panaversity_builder.book.compare.status import status as look
    from panaversity_builder.cli import session
    from panaversity_builder.cli.work import ingest_options
    from panaversity_builder.console.manifest_lines import status_lines, status_notes

    wanted = ingest_options(config, "manifest status", accept_rollback=accept_rollback)
    output = None if no_output else config.output_dir
    with session.connected(config, console) as server:
        found = look(server, wanted, output, config.manifest_file, console.progress)
    body = found.to_json()
    console.result(status_lines(body), body)
    if console.manner.verbosity >= 0 and console.manner.format in ("text", "github"):
        for note in status_notes(body):
            console.say(note)
    return 1 if exit_code and not found.settled else 0
