"""``panaversity ingest``: make the book equal the source folder. Parses, calls, shows."""

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand(
    "ingest",
    options.book_id,
    options.source_dir,
    options.named_files,
    click.option("--dry-run", is_flag=True, help="Say what would change; write nothing."),
    options.max_deletes,
    options.overwrite,
    options.accept_rollback,
    options.schema,
    options.numbering,
    options.via,
    options.metrics_file,
    options.server_url,
    options.site_dir,
)
def command(
    console: Console,
    config: Config,
    files: tuple[str, ...],
    files_from: str | None,
    null: bool,
    words: tuple[str, ...],
    dry_run: bool,
    overwrite: bool,
    accept_rollback: bool,
) -> int:
    """Make a book equal the author's source folder, or only the FILES that are named.

    Three-way against the last ingest: files that somebody edited in the book are left alone and listed; a file that
    changed on both sides is a conflict (status 11) and nothing is written. All changes are one commit; with --via tools
    every file is one.
    """
    from panaversity_builder.book.ingest import ingest
    from panaversity_builder.cli.reporting import reported
    from panaversity_builder.cli.selecting import selection
    from panaversity_builder.cli.session import connected
    from panaversity_builder.cli.work import ingest_options
    from panaversity_builder.console.results import ingest_lines

    wanted = ingest_options(
        config, "ingest", dry_run=dry_run, overwrite=overwrite, accept_rollback=accept_rollback,
        files=selection(config, "ingest", (*files, *words), files_from, null),
    )  # fmt: skip
    with reported(console, config, "ingest", dry_run=dry_run) as report, connected(config, console) as server:
        body = ingest(server, wanted, console.progress).to_json()
        report.ingested(body)
    console.result(ingest_lines(body, console.manner.verbosity > 0), body)
    return 0
