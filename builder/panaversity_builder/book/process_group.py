"""Ends a child process with everything it started: politely, then surely.

Knows process groups of POSIX; does not know what runs in them. The child must have been started with
``start_new_session=True``, so that its id is its group's.
"""

import os
import signal
import subprocess
import time

GRACE_SECONDS = 5.0
"""How long a stopped process may tidy up before it is killed."""
LOOK_SECONDS = 0.02


def end_group(process: "subprocess.Popen[bytes]", grace_seconds: float = GRACE_SECONDS) -> None:
    """End the process and its group: SIGTERM, and after ``grace_seconds`` SIGKILL to whoever is left of it.

    The process itself may have ended before: what it started is ended all the same. A Ctrl-C that comes while we wait
    kills at once, then leaves as it came: nobody is left behind by impatience.
    """
    try:
        for signum in (signal.SIGTERM, signal.SIGKILL):
            _signal(process, signum)
            if _is_gone(process, grace_seconds):
                return
    except BaseException:
        _signal(process, signal.SIGKILL)
        raise


def _is_gone(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Whether nobody of the group is left within this time."""
    end = time.monotonic() + seconds
    while True:
        process.poll()  # whoever has ended and was not asked for its status still counts as there
        if not _signal(process, 0):
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(LOOK_SECONDS)


def _signal(process: "subprocess.Popen[bytes]", signum: int) -> bool:
    """Signal the group (0: only look); False when there is nobody that we may signal."""
    try:
        os.killpg(process.pid, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True
