"""The outer edge: every way a command can end becomes an exit status and at most a few sentences.

No traceback reaches a reader; a bug leaves one in a file and its path on stderr. Status 1 means differences, so an
unexpected exception must never leave with Python's own 1 (EXAMPLES 6). Knows endings; does not know commands.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from panaversity_builder.console import Console
from panaversity_builder.console.streams import lasting
from panaversity_builder.console.texts import error_lines
from panaversity_fs.core.errors import Differences, PanaversityError

BUG, INTERRUPTED = 70, 130

EXIT_STATUS = """\
Exit status: 0 done · 1 differences · 2 usage · 3 local edits · 4 no space · 5 output folder locked ·
10 server unreachable · 11 conflict · 12 source refused · 13 integrity · 14 phase failed · 15 configuration ·
16 authorisation · 70 bug · 130 interrupted"""


def guarded(console: Console, command: Callable[[], int]) -> int:
    """Run a command and answer its exit status; whatever it raises is told and translated.

    A result that could not be written is a failure too; one that the command had before counts more.
    """
    status = _settled(console, command)
    if (unsaid := console.unsaid) is None:
        return status
    for line in error_lines(unsaid):  # never on stdout: that may be what cannot be written
        console.say(line)
    return unsaid.exit_status if status in (0, Differences.exit_status) else status


def _settled(console: Console, command: Callable[[], int]) -> int:
    try:
        _terminate_as_interrupt()
        return command()
    except PanaversityError as error:
        console.error(error)
        return error.exit_status
    except KeyboardInterrupt:
        console.say("interrupted; run the same command again to go on")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 — the outer edge: what is unexpected here is a bug and leaves as one
        return _bug(console, error)
    finally:
        console.close()


def _bug(console: Console, error: Exception) -> int:
    path = _write_trace(console.log_dir, error)
    where = f"Its trace is in {path}; please report it" if path else "Please report it"
    from panaversity_fs.core.errors import Internal

    console.error(Internal("panaversity", type(error).__name__, "this is a bug in panaversity", where, log=path))
    return BUG


def _write_trace(folder: str | None, error: Exception) -> str | None:
    import tempfile  # like traceback, for the one run in a thousand that has a bug
    import traceback

    try:
        if folder is not None:
            os.makedirs(folder, exist_ok=True)
        number, path = tempfile.mkstemp(prefix="panaversity-bug-", suffix=".log", dir=folder)
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return None
    return path


def _terminate_as_interrupt() -> None:
    """Let SIGTERM, and a terminal that is closed, unwind as Ctrl-C does: what we started ends with us."""

    def unwind(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        return
    for signum in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is signal.SIG_DFL:  # one that nohup ignores stays ignored
            signal.signal(signum, unwind)


def standard_console() -> Console:
    """The console over this process's streams; what they cannot take is never fatal."""
    sys.stdout, sys.stderr = lasting(sys.stdout), lasting(sys.stderr)  # also what click and rich write to
    return Console(sys.stdout, sys.stderr, os.environ)
