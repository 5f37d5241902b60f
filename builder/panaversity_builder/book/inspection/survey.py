"""What lies in a site folder: its configuration, package file, lockfile, docs folders and ignore lines, as facts.

Reads, writes nothing, runs nothing, follows no links and never raises for what it finds; what cannot be read is
missing. Knows the disk; what follows from the facts is decided by ``founding`` and ``diagnosis``.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from panaversity_builder.book.ignore import IgnoreRules
from panaversity_builder.book.inspection.configuration import configuration_of, read_text
from panaversity_builder.book.inspection.site_text import SiteText, read_site_text
from panaversity_builder.book.site import ENTRY, LOCKFILES, find_upward
from panaversity_builder.config import SITE_CONFIGS
from panaversity_builder.upward import up_to_repository

MOST_NAMES: Final = 200_000
LESSONS: Final = (".md", ".mdx")
_RULES = IgnoreRules()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as names: source paths of its files in sorted order (at most ``MOST_NAMES``), and how many are lessons.

    ``hydrated`` says that a hydrate fills it: it holds build state.
    """

    path: str
    files: tuple[str, ...] = field(default=(), repr=False)
    hydrated: bool = False

    @property
    def lessons(self) -> int:
        """How many files are Markdown."""
        return sum(name.lower().endswith(LESSONS) for name in self.files)


@dataclass(frozen=True, slots=True)
class Survey:
    """A site folder. ``config`` is the configuration's path, None for a folder that is no site.

    ``package`` is package.json (empty when there is none), ``installed`` the version of Docusaurus that would run,
    ``ignores`` the lines of .gitignore in the site and above it up to the repository, ``candidates`` folders that may
    hold the author's lessons.
    """

    folder: str
    config: str | None = None
    text: SiteText = field(default_factory=SiteText)
    package: dict[str, Any] = field(default_factory=dict)
    lockfile: str | None = None
    installed: str | None = None
    ignores: tuple[str, ...] = ()
    candidates: tuple[Folder, ...] = ()


def survey(folder: str) -> Survey:
    """Look at a site folder."""
    folder = os.path.abspath(folder)
    config = configuration_of(folder)
    text = read_site_text(read_text(config) or "") if config else SiteText()
    names = ["docs", *(one.path for one in text.docs if one.path)]
    places = dict.fromkeys(os.path.normpath(os.path.join(folder, name)) for name in names)
    entry = find_upward(folder, (ENTRY,))
    docusaurus = _json(os.path.join(os.path.dirname(entry), "..", "package.json")) if entry else {}
    version = docusaurus.get("version")
    return Survey(
        folder,
        config,
        text,
        _json(os.path.join(folder, "package.json")),
        find_upward(folder, LOCKFILES),
        version if isinstance(version, str) else None,
        tuple(_ignore_lines(folder)),
        tuple(look(place) for place in places if os.path.isdir(place)),
    )


def sites_below(folder: str, levels: int = 2) -> list[str]:
    """Folders near by that hold a Docusaurus configuration, for a sentence that helps."""
    found: list[str] = []
    here = [folder]
    for _ in range(levels):
        here = [entry for parent in here for entry in _folders(parent)]
        found += [path for path in here if any(os.path.isfile(os.path.join(path, name)) for name in SITE_CONFIGS)]
    return found


def look(folder: str) -> Folder:
    """The names of a folder's files, built-in ignored names left out."""
    hydrated = os.path.isfile(os.path.join(folder, ".panaversity", "manifest.json"))
    return Folder(folder, tuple(sorted(_names(folder))), hydrated)


def _names(folder: str) -> Iterator[str]:
    count = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if _RULES.reason(name, is_folder=True) is None)
        inside = os.path.relpath(place, folder)
        for name in files:
            if _RULES.reason(name, is_folder=False) is None:
                yield name if inside == "." else f"{inside}/{name}"
                count += 1
        if count > MOST_NAMES:
            return


def _folders(parent: str) -> list[str]:
    try:
        with os.scandir(parent) as entries:
            return sorted(
                entry.path
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and _RULES.reason(entry.name, is_folder=True) is None
            )
    except OSError:
        return []


def _json(path: str) -> dict[str, Any]:
    try:
        body = json.loads(read_text(path) or "")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _ignore_lines(folder: str) -> Iterator[str]:
    """Lines of every .gitignore from here up to the repository's root, as paths would be seen from here: as written."""
    for here in up_to_repository(folder):
        for line in (read_text(os.path.join(here, ".gitignore")) or "").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line.strip()
