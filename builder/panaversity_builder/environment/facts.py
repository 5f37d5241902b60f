"""What was read of the world before recipes are made: the base's digest, copied files, scripts, commits.

Values only; ``gather`` reads them.
"""

from dataclasses import dataclass

from panaversity_builder.environment.recipe import BaseImage
from panaversity_fs.core.digest import Digest


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder of this machine that is copied: where it is, and the digest of all that counts of it."""

    path: str
    is_folder: bool
    digest: Digest


@dataclass(frozen=True, slots=True)
class Resolved:
    """A repository and what its branch means now. ``url`` is where git finds it; a local one's is absolute."""

    url: str
    commit: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it, in the order of the configuration's lists."""

    base: BaseImage
    copies: tuple[Source, ...] = ()
    scripts: tuple[bytes, ...] = ()
    repos: tuple[Resolved, ...] = ()
