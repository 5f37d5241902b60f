"""``panaversity plan``: what a hydrate would do. Writes nothing."""

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand(
    "plan",
    options.book_id,
    options.output_dir,
    options.manifest_file,
    options.scope,
    options.tree,
    options.on_edit,
    options.offline,
    options.allow_empty,
    options.accept_rollback,
    click.option("--explain", is_flag=True, help="Say why it would be a full or a delta hydrate."),
    click.option("--check", is_flag=True, help="Leave with status 1 when a hydrate would change anything."),
    options.server_url,
    options.site_dir,
)
def command(
    console: Console, config: Config, explain: bool, check: bool, allow_empty: bool, accept_rollback: bool
) -> int:
    """Say what a hydrate would do, and why. Nothing is written."""
    from panaversity_builder.book.hydrate import plan_hydrate
    from panaversity_builder.cli.session import connected
    from panaversity_builder.cli.work import blob_cache, hydrate_options
    from panaversity_builder.console.results import plan_lines

    wanted = hydrate_options(config, "plan", allow_empty=allow_empty, accept_rollback=accept_rollback)
    with connected(config, console) as server:
        cache = blob_cache(config, console.progress)
        preview = plan_hydrate(server, wanted, console.progress, cache, glance=True)
    body = preview.to_json()
    console.result(plan_lines(body, explain), body)
    return 1 if check and preview.differs else 0
