"""What a command does when its server cannot be reached: fail, or go on with what is on this machine.

Knows the setting ``on_unavailable``; does not know what the command does, nor how anything is done offline.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_fs.core.errors import ServerUnreachable

T = TypeVar("T")


def or_offline(console: Console, config: Config, run: Callable[[Config], T], *, ingesting: bool = False) -> T:
    """``run`` with these settings; if the server cannot be reached and the settings say so, once more offline.

    What was fetched before the server went away is not lost, and a refusal by the server is none of this: it raises.
    Raises ``ServerUnreachable`` (exit 10) as well when there is nothing to go on with, and for a run that is
    ``ingesting``: what the author changed has to reach the book.
    """
    try:
        return run(config)
    except ServerUnreachable as error:
        if config.on_unavailable != "use-cache" or config.offline:
            raise
        if ingesting:
            hint = f"{error.hint}; only with --no-ingest does --on-unavailable use-cache go on with what is here"
            raise ServerUnreachable(
                error.operation, error.subject, error.problem, hint.removeprefix("; "), **error.details
            ) from error
        console.warn(f"{error.message} Going on with what is on this machine, as --on-unavailable use-cache says")
        return run(replace(config, offline=True))
