"""Names of working containers and of the folders beside them: who works there can be read from the name.

An engine or a folder may be shared by processes that do not see one another (two jobs in containers, two machines). A
name therefore says on which machine it was chosen, since which start of that, and among whose numbers of processes;
what cannot be judged from here is left alone.

Knows processes of this machine; does not know any program that makes containers.
"""

import functools
import os
import re
import secrets

from panaversity_fs.core.digest import digest_of

LOCAL = "localhost/"
"""What buildah and podman put in front of a name that has no registry."""
NOBODY = "0" * 6
"""In the place of what a system does not tell."""
_OWNER = re.compile(r"\.([0-9a-f]{6})-([0-9a-f]{6})-([0-9a-f]{6})\.(\d+)\.(\d+)\.[0-9a-f]+(?:-told)?$")


def working_name(prefix: str) -> str:
    """A new name that begins so and ends in where we are, this process, the moment it was started, and chance."""
    pid = os.getpid()
    return f"{prefix}.{'-'.join(here())}.{pid}.{_started(pid) or 0}.{secrets.token_hex(4)}"


def is_abandoned(name: str) -> bool:
    """True when the process that chose this name is gone. A name nobody of us chose is nobody's to remove.

    What a process chose that counts its numbers apart from us (another container, another machine) is left alone; but
    for this machine's before it was started last.
    """
    found = _OWNER.search(name)
    if found is None:
        return False
    machine, start, numbers = here()
    if found[2] != start:
        return found[1] == machine != NOBODY
    if found[3] != numbers:
        return False
    pid, started = int(found[4]), int(found[5])
    now = _started(pid)
    return now is None or (started != 0 and now != started)


@functools.cache
def here() -> tuple[str, str, str]:
    """This machine, its last start, and the space our process's number is of, six digits each."""
    machine = _told("/etc/machine-id")
    start = _told("/proc/sys/kernel/random/boot_id")
    try:
        numbers = _short(os.readlink("/proc/self/ns/pid"))
    except OSError:
        numbers = NOBODY
    return machine, start, numbers


def _told(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return _short(file.read().strip())
    except OSError:
        return NOBODY


def _short(text: str) -> str:
    return digest_of(text.encode())[:6] if text else NOBODY


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
