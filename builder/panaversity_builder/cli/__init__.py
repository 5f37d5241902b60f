"""The command ``panaversity``: reads words, calls a use case, shows the result, answers an exit status.

Commands are imported when they are called, their one-line help stands here, so that ``--help`` stays fast. Knows
names and options; decides nothing about books.
"""

import gc
import importlib
import itertools
import os
import sys
from collections.abc import Sequence
from typing import get_args

import click

from panaversity_builder.console import Console, Format
from panaversity_builder.console.edge import EXIT_STATUS, guarded, standard_console

COMMANDS = {
    "ingest": "Make a book equal the author's source folder.",
    "pull": "Bring what others changed in a book into the source folder.",
    "plan": "Say what a hydrate would do, and why.",
    "hydrate": "Make the docs folder of a site equal a book.",
    "build": "The whole loop: ingest, hydrate, docusaurus build.",
    "watch": "Ingest and hydrate whenever the source changes.",
    "env": "Build and use the container environment a book is built in.",
    "manifest": "Show and compare manifests.",
    "report": "Show what the last run did; compare two runs.",
    "init": "Write book.toml for an existing Docusaurus site.",
    "doctor": "Say what is in order and what would stop a build.",
    "config": "Show the settings in force.",
    "cache": "List and prune what is kept to be quick.",
    "completion": "Print the completion of a shell.",
}


COMPLETE = "_PANAVERSITY_COMPLETE"
"""Set by the scripts of ``completion``; click's own convention."""

_OBJECTS = 100_000
"""New objects between two collections of cyclic garbage: a command over a large book makes millions of values that
form no cycles, and looking through them again and again costs a fifth of its time (measured at 109,091 files)."""


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
    console.manner.format = _format_asked_for(arguments)  # before parsing, so that usage errors obey it too
    return guarded(console, lambda: _dispatch(list(arguments), console))


def _format_asked_for(arguments: Sequence[str]) -> Format:
    pairs = (*itertools.pairwise(arguments), *(tuple(word.split("=", 1)) for word in arguments if "=" in word))
    return next((name for name in get_args(Format) if ("--format", name) in pairs), "text")


def _dispatch(arguments: list[str], console: Console) -> int:
    """Not click's own ``main``: that one answers a broken pipe with status 1, which means differences here."""
    try:
        with panaversity.make_context("panaversity", arguments, obj=console) as context:
            status = panaversity.invoke(context)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.UsageError as error:
        return _usage(error, error.ctx.command_path if error.ctx else _called(arguments), console)
    return status if isinstance(status, int) else 0


def _called(arguments: Sequence[str]) -> str:
    """The command that the first words name; click forgets it for an option that lacks its value."""
    context = click.Context(panaversity)
    command: click.Group = panaversity
    names = ["panaversity"]
    for word in arguments:
        found = command.get_command(context, word)
        if found is None:
            break
        names.append(word)
        if not isinstance(found, click.Group):
            break
        command = found
    return " ".join(names)


def _usage(error: click.UsageError, name: str, console: Console) -> int:
    from panaversity_fs.core.errors import InvalidArgument

    console.manner.command = name.partition(" ")[2]
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        console.say(error.format_message())
        return 2
    problem, guess = _sentences(error)
    console.error(InvalidArgument(name, "usage", problem, f"{guess}See {name} --help"))
    return 2


def _sentences(error: click.UsageError) -> tuple[str, str]:
    """What is wrong, and what was perhaps meant."""
    text, mark, guess = " ".join(error.format_message().split()).partition("Did you mean")
    problem = text.rstrip(" (").rstrip(".")
    return problem[:1].lower() + problem[1:], f"{mark}{guess.rstrip(')')} " if mark else ""


def main() -> None:
    """The console script; a shell that asks for completions names that in the environment."""
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(panaversity, {}, "panaversity", COMPLETE, instruction))
    gc.set_threshold(_OBJECTS, 20, 20)
    sys.exit(run(sys.argv[1:], standard_console()))
