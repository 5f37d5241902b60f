"""``panaversity config show``: the settings in force and where each comes from. Changes nothing."""

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.group("config")
def command() -> None:
    """Show the settings in force."""


@options.subcommand(
    "show",
    options.book_id,
    options.server_url,
    options.site_dir,
    options.source_dir,
    options.output_dir,
    click.option("--origin", is_flag=True, help="Say where each value comes from."),
)
def show(console: Console, config: Config, origin: bool) -> int:
    """Print every setting.

    A flag wins over PANAVERSITY_* in the environment, that over .env, that over book.toml or [tool.panaversity] in
    pyproject.toml, that over the default. The token is never shown.
    """
    rows = config.shown()
    if console.manner.format == "json":
        settings = {name: {"value": value or None, "origin": source} for name, (value, source) in rows.items()}
        console.result((), {"settings": settings})
        return 0
    width = max(map(len, rows))
    for name, (value, source) in rows.items():
        line = f"{name:<{width}} = {value or '(not set)'}"
        console.data([f"{line}    # {source}" if origin else line])
    return 0


command.add_command(show)
