"""The Docusaurus configuration of a site as a file and its text: found, read, not understood.

Apart from ``survey`` because every hydrate asks one question of it, and loads nothing else for that. Never raises for
what it finds; what cannot be read is missing.
"""

import os
from typing import Final

from panaversity_builder.config import SITE_CONFIGS

LONGEST: Final = 1024 * 1024
"""Bytes of a text file that are looked at."""
PROVIDER: Final = "manifestVcs"
"""The npm package's function that shows when and by whom a lesson was last written."""


def shows_last_written(folder: str) -> bool:
    """Whether a site's configuration names the provider of last-updated data."""
    config = configuration_of(folder)
    return config is not None and PROVIDER in (read_text(config) or "")


def configuration_of(folder: str) -> str | None:
    """The path of a site's configuration; None where there is none."""
    return next((p for n in SITE_CONFIGS if os.path.isfile(p := os.path.join(folder, n))), None)


def read_text(path: str) -> str | None:
    """The beginning of a text file; None when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST)
    except OSError:
        return None
