"""Locks that one process holds alone and that die with it, whatever kills it.

Knows the kernel's locks on open files; does not know what is guarded, nor what to say to who comes second.
"""

import errno
import fcntl


def taken_alone(file: int) -> bool:
    """Lock the open file for us; False when somebody else holds it. Raises ``OSError`` where nothing can be locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        if fault.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True
