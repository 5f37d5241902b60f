"""Ends a child process with everything it started: politely, then surely.

Knows process groups of POSIX; does not know what runs in them. The child must have been started with
``start_new_session=True``, so that its id is its group's.
"""

import contextlib
import os
import signal
import subprocess

GRACE_SECONDS = 5.0
"""How long a stopped process may tidy up before it is killed."""


def end_group(process: "subprocess.Popen[bytes]", grace_seconds: float = GRACE_SECONDS) -> None:
    """End the process and its group: SIGTERM, and after ``grace_seconds`` SIGKILL.

    A Ctrl-C that comes while we wait kills at once, then leaves as it came: nobody is left behind by impatience.
    """
    try:
        for signum in (signal.SIGTERM, signal.SIGKILL):
            _signal(process, signum)
            if process.poll() is not None:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace_seconds)
    except BaseException:
        _signal(process, signal.SIGKILL)
        raise


def _signal(process: "subprocess.Popen[bytes]", signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signum)
