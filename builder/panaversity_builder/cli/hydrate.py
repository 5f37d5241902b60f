"""``panaversity hydrate``: make a folder equal a book's manifest. Parses, calls, shows."""

from typing import Any

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
    options.offline,
    options.metadata,
    options.on_unavailable,
    options.via,
    options.allow_empty,
    options.accept_rollback,
    options.metrics_file,
    options.server_url,
    options.site_dir,
)
def command(
    console: Console, config: Config, full_rebuild: bool, verify: bool, allow_empty: bool, accept_rollback: bool
) -> int:
    """Make the docs folder of a site equal a book, downloading only what differs.

    The folder on disk decides, not the stored manifest: missing files are fetched again. Files that you edited stop
    the run (status 3) unless --on-edit says otherwise; files that are yours are never touched. An interrupted run is
    resumed by the next. What is downloaded is kept in this machine's cache; --offline makes the folder whole from it
    and never says how the server stands. --on-unavailable use-cache does so only when the server cannot be reached.
    """
    from panaversity_builder.cli.session import connected, reaching

    config.require_book("hydrate")  # before a server starts
    with reaching(config) as early:  # what follows is loaded meanwhile
        from panaversity_builder.book.hydrate import hydrate
        from panaversity_builder.cli.reporting import reported
        from panaversity_builder.cli.unavailable import or_offline
        from panaversity_builder.cli.work import blob_cache, hydrate_options

        def run(config: Config) -> dict[str, Any]:
            with connected(config, console, early) as server:
                wanted = hydrate_options(
                    config, "hydrate", full_rebuild=full_rebuild, verify=verify, allow_empty=allow_empty,
                    accept_rollback=accept_rollback,
                )  # fmt: skip
                cache = blob_cache(config, console.progress)
                return hydrate(server, wanted, console.progress, cache=cache, glance=True).to_json()

        with reported(console, config, "hydrate") as report:
            body = or_offline(console, config, run)
            report.hydrated(body)
    from panaversity_builder.console.results import hydrate_lines

    console.result(hydrate_lines(body), body)
    return 0
