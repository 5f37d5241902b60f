"""The files settings lie in: ``book.toml``, ``[tool.panaversity]`` of a project file, ``.env``; and the project root.

Reads them; does not know which layer wins.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from panaversity_builder.upward import is_repository, up_to_repository
from panaversity_fs.core.errors import ConfigInvalid

BOOK_FILE = "book.toml"
PROJECT_FILE = "pyproject.toml"
SITE_CONFIGS = tuple(f"docusaurus.config.{e}" for e in ("ts", "mts", "cts", "js", "mjs", "cjs"))


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A file with settings: where it lies, and its table as it stands, unread and unchecked."""

    path: str
    table: Mapping[str, Any]


def settings_file(start: str) -> SettingsFile | None:
    """The nearest file with settings, in this folder or above it: up to its repository, where the project ends."""
    for folder in up_to_repository(start):
        for name in (BOOK_FILE, PROJECT_FILE):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and (table := _table(path)) is not None:
                return SettingsFile(path, table)
    return None


def settings_places(start: str) -> list[str]:
    """Every path where a file with settings for this folder may lie, ``.env`` included."""
    return [
        os.path.join(folder, name) for folder in up_to_repository(start) for name in (BOOK_FILE, PROJECT_FILE, ".env")
    ]


def _table(path: str) -> Mapping[str, Any] | None:
    """The settings of one file; None for a project file without ``[tool.panaversity]``."""
    try:
        with open(path, "rb") as file:
            body = tomllib.load(file)
    except (OSError, ValueError) as error:
        reason = str(error)
        raise ConfigInvalid(
            "configuration", path, f"cannot be read ({reason})", "Correct the file", key=path, origin=path
        ) from None
    tool = body.get("tool")
    ours = tool.get("panaversity") if isinstance(tool, dict) else None
    if os.path.basename(path) == PROJECT_FILE:
        return ours
    return {**{k: v for k, v in body.items() if k != "tool"}, **(ours or {})}


def project_root(cwd: str, file: SettingsFile | None) -> tuple[str, str]:
    """The project: its repository, whose folders all share one store; else the settings' folder; else here."""
    *_, top = up_to_repository(cwd)
    if is_repository(top):
        return top, "git root"
    return (os.path.dirname(file.path), file.path) if file else (cwd, "current folder")
