"""``panaversity pull``: bring what others changed in a book into the source folder. Parses, calls, shows."""

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand(
    "pull",
    options.book_id,
    options.source_dir,
    options.named_files,
    click.option("--dry-run", is_flag=True, help="Say what would change; write nothing."),
    options.max_deletes,
    options.via,
    options.accept_rollback,
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
    accept_rollback: bool,
) -> int:
    """Bring what others changed in a book since the last ingest into the author's source folder.

    Three-way, like ingest: your own changes stay and go into the book with the next ingest. A file that changed on
    both sides is a conflict (status 11), and nothing is pulled then; naming FILES pulls only these.
    """
    from panaversity_builder.book.pull import pull
    from panaversity_builder.cli.selecting import selection
    from panaversity_builder.cli.session import connected
    from panaversity_builder.cli.work import pull_options
    from panaversity_builder.console.pull_lines import pull_lines

    chosen = selection(config, "pull", (*files, *words), files_from, null)
    wanted = pull_options(config, "pull", dry_run=dry_run, files=chosen, accept_rollback=accept_rollback)
    with connected(config, console) as server:
        body = pull(server, wanted, console.progress).to_json()
    console.result(pull_lines(body, console.manner.verbosity > 0), body)
    return 0
