"""One build of an environment at a time on this machine, whatever checkout it is started from: they share the tags.

The lock is a file in the storage's folder. It does not hold between those who share an engine and not that folder (jobs
in containers with one socket, machines with one remote engine, other settings of PANAVERSITY_ENV_STORAGE): there the
build that ends last has the tags, and each finds its own images by their keys.

Knows a lock file; does not know what is built.
"""

import contextlib
import os
from collections.abc import Iterator

from panaversity_builder.locking import taken_alone
from panaversity_fs.core.errors import ConfigInvalid, OutputLocked


@contextlib.contextmanager
def environment_lock(folder: str, name: str, operation: str = "env build") -> Iterator[None]:
    """Hold the lock of one environment; the system lets go of it when we die.

    Raises ``OutputLocked`` while somebody else holds it, ``ConfigInvalid`` when the folder cannot be written.
    """
    path = os.path.join(folder, f"{name}.lock")
    try:
        os.makedirs(folder, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        hint = "Make it writable, or choose another folder with PANAVERSITY_ENV_STORAGE"
        raise ConfigInvalid(
            operation, path, f"cannot be written ({error.strerror})", hint, key="env_storage"
        ) from error
    try:
        if not taken_alone(lock):
            problem = "is being built by another command"
            raise OutputLocked(operation, f"environment {name}", problem, "Wait until it is done")
        yield
    finally:
        os.close(lock)
