"""The command ``panaversity``: reads words, calls a use case, shows the result, answers an exit status.

Commands are imported when they are called, their one-line help stands here, so that ``--help`` stays fast. Knows
names and options; decides nothing about books.
"""

import importlib
import itertools
import sys
from collections.abc import Sequence

import click

from panaversity_builder.console import Console
from panaversity_builder.console.edge import EXIT_STATUS, guarded, standard_console

COMMANDS = {
    "ingest": "Make a book equal the author's source folder.",
    "plan": "Say what a hydrate would do, and why.",
    "hydrate": "Make the docs folder of a site equal a book.",
    "build": "The whole loop: ingest, hydrate, docusaurus build.",
    "manifest": "Show and compare manifests.",
    "config": "Show the settings in force.",
}


class LazyGroup(click.Group):
    """A group whose commands are modules of this package, imported on their first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, epilog=EXIT_STATUS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="panaversity-fs", prog_name="panaversity")
def panaversity() -> None:
    """Stores large Docusaurus books and builds their sites, moving only what changed.

    Without PANAVERSITY_MCP_URL everything happens on this machine, in the project's .panaversity folder.
    """


def run(arguments: Sequence[str], console: Console) -> int:
    """One command line, from its words to its exit status. Never raises."""
    if _asks_for_json(arguments):
        console.manner.format = "json"  # before parsing, so that usage errors obey it too
    return guarded(console, lambda: _dispatch(list(arguments), console))


def _asks_for_json(arguments: Sequence[str]) -> bool:
    return "--format=json" in arguments or ("--format", "json") in itertools.pairwise(arguments)


def _dispatch(arguments: list[str], console: Console) -> int:
    """Not click's own ``main``: that one answers a broken pipe with status 1, which means differences here."""
    try:
        with panaversity.make_context("panaversity", arguments, obj=console) as context:
            status = panaversity.invoke(context)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.UsageError as error:
        return _usage(error, console)
    return status if isinstance(status, int) else 0


def _usage(error: click.UsageError, console: Console) -> int:
    from panaversity_fs.core.errors import InvalidArgument

    name = error.ctx.command_path if error.ctx else "panaversity"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        console.say(error.format_message())
        return 2
    console.error(InvalidArgument(name, "usage", _sentence(error), f"See {name} --help"))
    return 2


def _sentence(error: click.UsageError) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:], standard_console()))
