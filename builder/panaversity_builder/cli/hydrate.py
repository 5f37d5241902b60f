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
    options.offline,
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
    and never says how the server stands.
    """
    from panaversity_builder.cli.session import connected, reaching

    config.require_book("hydrate")  # before a server starts
    with reaching(config) as early:  # what follows is loaded meanwhile
        from panaversity_builder.cli.reporting import reported

        with reported(console, config, "hydrate") as report, connected(config, console, early) as server:
            from panaversity_builder.book.hydrate import hydrate
            from panaversity_builder.cli.work import blob_cache, hydrate_options

            wanted = hydrate_options(
                config, "hydrate", full_rebuild=full_rebuild, verify=verify, allow_empty=allow_empty,
                accept_rollback=accept_rollback,
            )  # fmt: skip
            cache = blob_cache(config, console.progress)
            body = hydrate(server, wanted, console.progress, cache=cache, glance=True).to_json()
            report.hydrated(body)
    from panaversity_builder.console.results import hydrate_lines

    console.result(hydrate_lines(body), body)
    return 0
