"""``panaversity manifest log``: the revisions of a book. Parses, calls, shows."""

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand(
    "log",
    options.book_id,
    click.option("-n", "--limit", type=click.IntRange(1, 100_000), default=20, help="Revisions to show [20]."),
    click.option("--cursor", metavar="TEXT", help="Go on where an earlier answer ended (its next_cursor)."),
    options.server_url,
    options.site_dir,
)
def log(console: Console, config: Config, limit: int, cursor: str | None) -> int:
    """List the revisions of the book, newest first.

    Revision, time, agent, operation, files (+added ~modified -deleted), bytes written and how much the book grew by
    them, and the manifest hash where somebody was told it.
    """
    from panaversity_builder.book.compare.revisions import read_log
    from panaversity_builder.cli import session
    from panaversity_builder.console.manifest_lines import log_lines

    book_id = config.require_book("manifest log")
    with session.connected(config, console) as server:
        found = read_log(server, book_id, limit, cursor)
    body = found.to_json()
    console.result(log_lines(body), body)
    if found.cursor and console.manner.verbosity >= 0 and console.manner.format == "text":
        console.say(f"manifest log: there are older ones: --cursor {found.cursor}")
    return 0
