"""What of this machine an environment shows while something runs in it.

Knows settings; does not know backends.
"""

import os

from panaversity_builder.environment.load import Settings
from panaversity_fs.core.errors import ConfigInvalid

Volume = tuple[str, str, bool]
"""Path here, path there, read-only."""


def volumes_of(settings: Settings) -> list[Volume]:
    """The volumes of ``files.volumes``. Raises ``ConfigInvalid`` for one that is not there."""
    found: list[Volume] = []
    for i, volume in enumerate(settings.configuration.build.files.volumes):
        key = ("build", "files", "volumes", i, "source")
        path = settings.absolute(volume.source, *key)
        if not os.path.exists(path):
            where = str(settings.origin(*key))
            raise ConfigInvalid("env run", f"volume {path}", f"is not there ({where})", "Make it", key="volumes")
        found.append((path, volume.dest, volume.readonly))
    return found
