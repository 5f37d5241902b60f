"""``panaversity hydrate``: make a folder equal a book's manifest. Parses, calls, shows."""

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand(
    "hydrate",
    options.book_id,
    options.output_dir,
    options.manifest_file,
    options.scope,
    click.option("--full-rebuild", is_flag=True, help="Forget the stored manifest and judge every file anew."),
    click.option("--verify", is_flag=True, help="Read every file instead of believing size and times."),
    options.tree,
    options.on_edit,
    options.allow_empty,
    options.accept_rollback,
    options.server_url,
    options.site_dir,
)
def command(
    console: Console, config: Config, full_rebuild: bool, verify: bool, allow_empty: bool, accept_rollback: bool
) -> int:
    """Make the docs folder of a site equal a book, downloading only what differs.

    The folder on disk decides, not the stored manifest: missing files are fetched again. Files that you edited stop
    the run (status 3) unless --on-edit says otherwise; files that are yours are never touched. An interrupted run is
    resumed by the next.
    """
    from panaversity_builder.book.hydrate import hydrate
    from panaversity_builder.cli.session import connected
    from panaversity_builder.cli.work import hydrate_options
    from panaversity_builder.console.results import hydrate_lines

    wanted = hydrate_options(
        config, "hydrate", full_rebuild=full_rebuild, verify=verify, allow_empty=allow_empty,
        accept_rollback=accept_rollback,
    )  # fmt: skip
    with connected(config, console) as server:
        body = hydrate(server, wanted, console.progress).to_json()
    console.result(hydrate_lines(body), body)
    return 0
