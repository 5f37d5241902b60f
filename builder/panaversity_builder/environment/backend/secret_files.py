"""Secrets as files while a program runs: in memory where the system has such a place, readable by nobody else.

Knows folders of this machine; does not know how a folder gets into a container.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence

from panaversity_builder.environment.backend.naming import is_abandoned, working_name
from panaversity_fs.core.errors import ConfigInvalid

PLACE = "/run/secrets"
"""Where programs in a container find them."""
_PREFIX = "panaversity-secrets"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


class SecretFolder:
    """One folder to be mounted, empty but while ``filled``.

    The folder around it lets nobody but us in; inside a container every user may read what is mounted there.
    """

    def __init__(self) -> None:
        self._outer = os.path.join(memory_folder(), working_name(_PREFIX))
        self.path = os.path.join(self._outer, "secrets")
        os.mkdir(self._outer, 0o700)
        os.mkdir(self.path)
        os.chmod(self.path, 0o755)  # noqa: S103 — its parent keeps everybody out

    @contextlib.contextmanager
    def filled(self, names: Sequence[str], secrets: Mapping[str, bytes]) -> Iterator[None]:
        """A file for each named secret; gone on exit. Raises ``ConfigInvalid`` for a name without a value."""
        values = {name: _value(name, secrets) for name in names}
        try:
            for name, value in values.items():
                with open(os.path.join(self.path, name), "xb") as file:
                    file.write(value)
                    os.fchmod(file.fileno(), 0o444)
            yield
        finally:
            for name in values:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.path, name))

    def remove(self) -> None:
        """Let it go; fine when it is gone."""
        shutil.rmtree(self._outer, ignore_errors=True)


def sweep_secret_folders() -> None:
    """Remove folders of processes that were killed."""
    place = memory_folder()
    for name in os.listdir(place):
        if name.startswith(_PREFIX) and is_abandoned(name):
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)


def memory_folder() -> str:
    """A folder in memory that we may write to; the system's temporary folder where there is none."""
    places = (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}", "/run", "/dev/shm")  # noqa: S108
    for place in places:
        if place and os.access(place, os.W_OK | os.X_OK) and _in_memory(place):
            return place
    return tempfile.gettempdir()


def _in_memory(place: str) -> bool:
    """Whether the file system there lies in memory, as the system's table of mounts says."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split()[1:3] for line in file]
    except OSError:
        return False
    real = os.path.realpath(place)
    above = [(len(where), kind) for where, kind in mounts if os.path.commonpath((real, where)) == where]
    return bool(above) and max(above)[1] in ("tmpfs", "ramfs")


def _value(name: str, secrets: Mapping[str, bytes]) -> bytes:
    if not _NAME.match(name):
        hint = "Use letters, digits, dots, dashes and underscores"
        raise ConfigInvalid("env build", f"secret {name!r}", "is not a name for a secret", hint, key="secrets")
    if name not in secrets:
        raise ConfigInvalid("env build", f"secret {name}", "has no value", "Give it a value", key="secrets")
    return secrets[name]
