"""``panaversity ingest``: make the book equal the source folder. Parses, calls, shows."""

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand(
    "ingest",
    options.book_id,
    options.source_dir,
    click.option("--dry-run", is_flag=True, help="Say what would change; write nothing."),
    options.max_deletes,
    options.overwrite,
    options.accept_rollback,
    options.schema,
    options.numbering,
    options.server_url,
    options.site_dir,
)
def command(console: Console, config: Config, dry_run: bool, overwrite: bool, accept_rollback: bool) -> int:
    """Make a book equal the author's source folder.

    Three-way against the last ingest: files that somebody edited in the book are left alone and listed; a file that
    changed on both sides is a conflict (status 11) and nothing is written. All changes are one commit.
    """
    from panaversity_builder.book.ingest import ingest
    from panaversity_builder.cli.session import connected
    from panaversity_builder.cli.work import ingest_options
    from panaversity_builder.console.results import ingest_lines

    wanted = ingest_options(config, "ingest", dry_run=dry_run, overwrite=overwrite, accept_rollback=accept_rollback)
    with connected(config, console) as server:
        body = ingest(server, wanted, console.progress).to_json()
    console.result(ingest_lines(body, console.manner.verbosity > 0), body)
    return 0
