"""Settings of a long run: read anew when one of the files they may lie in changes.

Knows when to read again; does not know how settings are read (``load`` does) or who asks.
"""

import os
from collections.abc import Callable
from dataclasses import replace

from panaversity_builder.config.files import settings_places
from panaversity_builder.config.shape import Config

Mark = tuple[int, int, int] | None


class LiveConfig:
    """``config`` is always the last settings that could be read."""

    def __init__(self, config: Config, load: Callable[[], Config], cwd: str) -> None:
        self.config = config
        self._load, self._cwd = load, cwd
        self._marks = self._look()

    def refresh(self) -> bool:
        """True when a setting has another value now; a mere new origin does not count.

        Raises ``ConfigInvalid``, once per change of a file, when what stands there now cannot be taken; the settings
        stay as they were.
        """
        marks = self._look()
        if marks == self._marks:
            return False
        self._marks = marks
        before, self.config = self.config, self._load()
        return replace(before, origins={}) != replace(self.config, origins={})

    def _look(self) -> dict[str, Mark]:
        """Inode, size and time of every file settings may lie in; cheap enough for four times a second."""
        folders = (self._cwd, self.config.root, self.config.site_dir)
        return {path: _mark(path) for folder in folders for path in settings_places(folder)}


def _mark(path: str) -> Mark:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
