"""Options that several commands share, and the settings they lead to.

Knows words of the command line and the process around it; does not know what commands do.
"""

import functools
import getpass
import os
import socket
from collections.abc import Callable
from typing import Any, get_args

import click

from panaversity_builder.config import SETTINGS, Config, load_config
from panaversity_builder.console import Console, Format
from panaversity_builder.console.edge import EXIT_STATUS

Command = Callable[..., int]

RELOAD = "panaversity.reload"
"""Where a command that runs for long finds the call that reads its settings anew."""

_PATH = click.Path(path_type=str)
_NAMES = frozenset(setting.name for setting in SETTINGS)

book_id = click.option("--book-id", metavar="ID", help="The book [PANAVERSITY_BOOK_ID].")
server_url = click.option(
    "--server-url", metavar="URL", help="The server; without one, an embedded server [PANAVERSITY_MCP_URL]."
)
site_dir = click.option("--site-dir", type=_PATH, help="The Docusaurus site; its book.toml is read.")
source_dir = click.option("--source-dir", type=_PATH, help="The author's docs [<site>/docs].")
output_dir = click.option("--output-dir", type=_PATH, help="The docs folder hydrate fills [<site>/book].")
manifest_file = click.option("--manifest-file", type=_PATH, help="Where manifest.json lies, if elsewhere.")
metrics_file = click.option(
    "--metrics-file", type=_PATH, metavar="FILE.prom", help="Leave the figures of this run for a textfile collector."
)
scope = click.option("--scope", type=click.Choice(["all", "content", "assets"]), help="Which files [all].")
metadata = click.option(
    "--metadata", type=click.Choice(["auto", "yes", "no"]),
    help="Keep when and by whom each file was last written; auto: where the site's configuration has manifestVcs.",
)  # fmt: skip
via = click.option(
    "--via", type=click.Choice(["bulk", "tools"]), help="tools: MCP tools only, every file its own commit [bulk]."
)
files = click.option(
    "--files", multiple=True, metavar="FILE …", help="Only these files and folders, from here or from the source."
)
file_words = click.argument("words", nargs=-1, metavar="[FILE]...")
files_from = click.option("--files-from", metavar="LIST", help="Read their names from a file, one a line; - for stdin.")
null = click.option("-z", "--null", is_flag=True, help="Names in LIST end in NUL instead of a line end.")
tree = click.option("--tree", type=click.Choice(["source", "storage"]), help="Layout of the folder [source].")
on_edit = click.option(
    "--on-edit", type=click.Choice(["stop", "backup", "overwrite"]), help="What to do about local edits [stop]."
)
remote_cache = click.option(
    "--remote-cache/--no-remote-cache",
    default=None,
    help="Restore a site somebody of the team built, and let them have this one [yes].",
)
offline = click.option(
    "--offline", is_flag=True, default=None, help="Ask no server: the book as last told, from the cache."
)
on_unavailable = click.option(
    "--on-unavailable",
    type=click.Choice(["fail", "use-cache"]),
    help="use-cache: when the server cannot be reached, warn and work as --offline does [fail].",
)
schema = click.option("--schema", type=click.Choice(["strict", "docusaurus"]), help="Which paths the book may hold.")
numbering = click.option(
    "--numbering", type=click.Choice(["number-name", "name-number"]), help="How folders are named in the source."
)
max_deletes = click.option("--max-deletes", metavar="N|P%", help="Most files an ingest may delete [10 or 10%].")
overwrite = click.option("--overwrite", is_flag=True, help="Let the source win over edits made in the book.")
allow_empty = click.option("--allow-empty", is_flag=True, help="Accept a book that nobody created.")
accept_rollback = click.option(
    "--accept-rollback", is_flag=True, help="Go on with a server whose audit log was restored from a backup."
)

_FORMAT = click.option(
    "--format", type=click.Choice(get_args(Format)), default="text",
    help="How to answer; github: text, and annotations, step outputs and summary of a job [text].",
)  # fmt: skip
_VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Say more.")
_QUIET = click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")


def described(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Give a command these options, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


named_files = described(files, files_from, null, file_words)
"""Only some files: on the command line, in a list, or both."""


def subcommand(name: str, *options: Callable[[Command], Command]) -> Callable[[Command], click.Command]:
    """A command with its own options and those every command has; its function gets console and settings first.

    Settings among the options go into the ``Config``; what is left over is passed on by name.
    """

    def make(function: Command) -> click.Command:
        wrapped = described(*options, _FORMAT, _VERBOSE, _QUIET)(_configured(function))
        return click.command(name, epilog=EXIT_STATUS, short_help=_first_sentence(function))(wrapped)

    return make


def group(name: str) -> Callable[[Callable[[], None]], click.Group]:
    """A command that only holds others."""
    return click.group(name, no_args_is_help=True, epilog=EXIT_STATUS)


def _first_sentence(function: Command) -> str:
    """Of its help, for a list of commands; click would cut it at 45 characters."""
    return " ".join((function.__doc__ or "").partition("\n\n")[0].split()).partition(". ")[0].rstrip(".") + "."


def _configured(function: Command) -> Command:
    @functools.wraps(function)
    def call(**words: Any) -> int:
        context = click.get_current_context()
        console = context.find_object(Console)
        assert console is not None
        console.manner.command = context.command_path.partition(" ")[2]
        console.manner.format = words.pop("format")
        quiet, verbose = words.pop("quiet"), words.pop("verbose")
        console.manner.verbosity = int(verbose) - int(quiet)
        flags = {name: words.pop(name) for name in list(words) if name in _NAMES}
        load = functools.partial(load_config, flags, os.environ, _current_folder(), default_agent())
        context.meta[RELOAD] = load
        config = load()
        _tell_job(console, config)
        console.log_dir = os.path.join(config.state_dir, "logs") if os.path.isdir(config.state_dir) else None
        return function(console, config, **words)

    return call


def _tell_job(console: Console, config: Config) -> None:
    """A job hides our token, and finds the files that errors name."""
    if console.job is not None:
        console.job.mask(config.token)
        console.job.places = {"source": config.source_dir, "output": config.output_dir}


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise click.UsageError("the current folder does not exist any more") from error


def default_agent() -> str:
    """``panaversity:<user>@<host>``: who writes when nobody says (DESIGN 9)."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"uid-{os.getuid()}"
    return f"panaversity:{user}@{socket.gethostname()}"
