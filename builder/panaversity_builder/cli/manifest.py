"""``panaversity manifest show | diff``: manifests for people and scripts. Parses, calls, shows; changes nothing."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console

if TYPE_CHECKING:
    from panaversity_builder.book.compare import Operand

OPERANDS = """
An operand is `remote` (the book as it is now), `local` (what the docs folder was hydrated to), `local:DIR`, a
manifest hash, or a file holding a manifest.
"""


@click.group("manifest", no_args_is_help=True)
def command() -> None:
    """Show and compare manifests."""


_shared = (options.book_id, options.output_dir, options.server_url, options.site_dir)


@options.subcommand("show", click.argument("operand", default="remote"), *_shared)
def show(console: Console, config: Config, operand: str) -> int:
    """Print a manifest, one PATH:SHA256 a line; hashed, the text is the manifest hash."""
    (found,) = _loaded(console, config, operand)
    if console.manner.format == "json":
        console.result((), found.to_json())
    else:
        console.data(found.lines())
    return 0


@options.subcommand(
    "diff",
    click.argument("a", default="local"),
    click.argument("b", default="remote"),
    click.option("--name-status", is_flag=True, help="Status and path, as A, M, D or R [default]."),
    click.option("--name-only", is_flag=True, help="Paths only."),
    click.option("--exit-code", is_flag=True, help="Leave with status 1 when they differ."),
    *_shared,
)
def difference(
    console: Console, config: Config, a: str, b: str, name_status: bool, name_only: bool, exit_code: bool
) -> int:
    """Say what leads from manifest A to manifest B, renames found by digest."""
    from panaversity_builder.book.compare import compare

    if name_status and name_only:
        raise click.UsageError("--name-status and --name-only exclude each other")
    compared = compare(*_loaded(console, config, a, b))
    if console.manner.format == "json":
        console.result((), compared.to_json())
    else:
        console.data(compared.names() if name_only else compared.lines())
        if not compared and console.manner.verbosity >= 0:
            console.say("manifest diff: no differences")
    return 1 if exit_code and compared else 0


def _loaded(console: Console, config: Config, *operands: str) -> "list[Operand]":
    """The manifests behind the operands; a server is started only when one of them needs it."""
    from panaversity_builder.book.compare import load, needs_server

    named = [f"local:{config.output_dir}" if word == "local" else word for word in operands]
    with ExitStack() as stack:
        if not any(map(needs_server, named)):
            return [load(word) for word in named]
        from panaversity_builder.cli.session import connected

        book_id = config.require_book("manifest")
        server = stack.enter_context(connected(config, console))
        return [load(word, server, book_id) for word in named]


for _one in (show, difference):
    _one.help = f"{_one.help}\n{OPERANDS}"
    command.add_command(_one)
