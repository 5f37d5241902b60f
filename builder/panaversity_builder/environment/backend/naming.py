"""Names of working containers and of the folders beside them: who works there can be read from the name.

Knows processes of this machine; does not know any program that makes containers.
"""

import os
import re
import secrets

LOCAL = "localhost/"
"""What buildah and podman put in front of a name that has no registry."""
_OWNER = re.compile(r"\.(\d+)\.(\d+)\.[0-9a-f]+$")


def working_name(prefix: str) -> str:
    """A new name that begins so and ends in this process, the moment it was started, and chance."""
    pid = os.getpid()
    return f"{prefix}.{pid}.{_started(pid) or 0}.{secrets.token_hex(4)}"


def is_abandoned(name: str) -> bool:
    """True when the process that chose this name is gone. A name nobody of us chose is nobody's to remove."""
    found = _OWNER.search(name)
    if found is None:
        return False
    pid, started = int(found[1]), int(found[2])
    now = _started(pid)
    return now is None or (started != 0 and now != started)


def _started(pid: int) -> int | None:
    """When a process was started, in the system's ticks; 0 where the system does not tell, None: there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):
            return None
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0
