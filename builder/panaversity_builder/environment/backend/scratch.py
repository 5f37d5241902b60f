"""A folder beside each working container, for what is needed while it is worked in; gone with it.

Knows folders of this machine; does not know what lies in them.
"""

import os
import shutil

from panaversity_builder.environment.backend.naming import is_abandoned
from panaversity_fs.core.errors import ConfigInvalid


class Scratch:
    """The folder ``name`` below ``work``, made now. Raises ``ConfigInvalid`` where that cannot be."""

    def __init__(self, work: str, name: str) -> None:
        self.name, self.folder = name, os.path.join(work, name)
        try:
            os.makedirs(self.folder, 0o700)
        except OSError as error:
            hint = "Make it writable, or choose another folder with PANAVERSITY_ENV_STORAGE"
            raise ConfigInvalid(
                "env", work, f"cannot be written ({error.strerror})", hint, key="env_storage"
            ) from error

    def remove(self) -> None:
        """Let it go; fine when it is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep_scratch(work: str) -> None:
    """Remove folders of processes that were killed."""
    if os.path.isdir(work):
        for name in os.listdir(work):
            if is_abandoned(name):
                shutil.rmtree(os.path.join(work, name), ignore_errors=True)
