"""The kept copies of all sites of a project: what there is, what may go, and letting it go (``cache list|prune``).

A copy is an *orphan* when no record names it or its site is gone: no build will ever ask for it again. What may go is
decided with values, then done, site by site, under the lock of its build: a site that is being built keeps everything.

Knows the project's build folders; never looks at the store, the docs folders or the sites themselves.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from panaversity_builder.book.pipeline import DOCUSAURUS, book_records
from panaversity_builder.book.site_phase import build_lock, kept_dir, site_of
from panaversity_builder.book.trees import copy_tree
from panaversity_builder.kept import KeptFolders
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.errors import OutputLocked

State = Literal["in use", "orphan", "remains"]


@dataclass(frozen=True, slots=True)
class SiteCopy:
    """One entry: the build folder it lies in and its site's ``path`` in the project (None: unknown), its name and
    weight, when it was built (ISO 8601, None: unknown) and last used (seconds of the epoch). ``remains`` is what an
    interrupted command left."""

    site: str
    path: str | None
    name: str
    files: int
    size: int
    built_at: str | None
    used_at: float
    state: State


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which copies to let go: all of them, orphans and remains, those not used for so many seconds, or the ones used
    longest ago until at most so many bytes stay. None: no such wish. Remains go with every wish."""

    everything: bool = False
    orphans: bool = False
    older_than: float | None = None
    max_size: int | None = None


def site_copies(state_dir: str, progress: Progress = SILENT) -> list[SiteCopy]:
    """Every kept copy of every site of a project, the last used first."""
    found = [copy for site in _sites(state_dir) for copy in _copies(state_dir, site, progress)]
    return sorted(found, key=lambda copy: (-copy.used_at, copy.site, copy.name))


def _sites(state_dir: str) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(_builds(state_dir)) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _builds(state_dir: str) -> str:
    return os.path.join(state_dir, "build")


def _copies(state_dir: str, site: str, progress: Progress) -> list[SiteCopy]:
    build_dir = os.path.join(_builds(state_dir), site)
    built = {r.output: r.finished_at for r in reversed(book_records(build_dir, progress).all(DOCUSAURUS.id))}
    path = site_of(build_dir)
    gone = path is not None and not os.path.isdir(os.path.join(os.path.dirname(os.path.abspath(state_dir)), path))
    copies = []
    for kept in KeptFolders(kept_dir(build_dir), copy_tree).entries():
        named = kept.name in built and not gone
        state: State = "remains" if not kept.whole else "in use" if named else "orphan"
        copies.append(SiteCopy(site, path, kept.name, kept.files, kept.size, built.get(kept.name), kept.used_at, state))
    return copies


def choose(copies: Sequence[SiteCopy], wanted: Wanted, now: float) -> list[SiteCopy]:
    """Which of these go. ``now`` is in seconds of the epoch."""
    gone = [c for c in copies if wanted.everything or c.state == "remains" or _unwanted(c, wanted, now)]
    if wanted.max_size is not None:
        left = sorted((c for c in copies if c not in gone), key=lambda c: (c.used_at, c.site, c.name))
        total = sum(copy.size for copy in left)
        for copy in left:
            if total <= wanted.max_size:
                break
            gone.append(copy)
            total -= copy.size
    return gone


def _unwanted(copy: SiteCopy, wanted: Wanted, now: float) -> bool:
    if wanted.orphans and copy.state == "orphan":
        return True
    return wanted.older_than is not None and now - copy.used_at > wanted.older_than


def let_go(state_dir: str, copies: Collection[SiteCopy], progress: Progress = SILENT) -> list[SiteCopy]:
    """Remove these copies and answer which are gone. A site that is being built now is left alone, and that is told.

    Raises ``ConfigInvalid`` when the state folder cannot be written.
    """
    gone: list[SiteCopy] = []
    for site in sorted({copy.site for copy in copies}):
        build_dir = os.path.join(_builds(state_dir), site)
        kept = KeptFolders(kept_dir(build_dir), copy_tree)
        try:
            with build_lock(build_dir, site):
                for copy in (one for one in copies if one.site == site):
                    kept.discard(copy.name)
                    gone.append(copy)
        except OutputLocked:
            progress.warn(f"cache: {site} is being built; its copies are left alone")
        except OSError as error:
            progress.warn(f"cache: copies of {site} cannot be removed ({error})")
    return gone
