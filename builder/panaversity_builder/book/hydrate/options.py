"""What a hydrate is asked for and what it answers.

Values only: does not know disks, servers or how an answer is shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from panaversity_builder.client import Scope
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.mapping import Numbering

if TYPE_CHECKING:
    from panaversity_builder.book.hydrate.reconcile import Obstacle, OnEdit

Clock = Callable[[], datetime]
Tree = Literal["source", "storage"]
Mode = Literal["full", "delta", "unchanged", "offline"]
RESULT_VERSION = 1


@dataclass(frozen=True, slots=True)
class HydrateOptions:
    """What to hydrate and where to (FR-102, FR-107).

    ``manifest_file`` moves ``manifest.json`` only. ``source_dir``, where it is known, keeps the output out of it.
    ``allow_empty`` accepts a book that nobody created. ``verify`` reads every file instead of believing the stat
    cache. ``full_rebuild`` forgets the stored manifest and reads every file again; what is whole is not downloaded.
    ``accept_rollback`` gives up what was remembered of the book's audit log. ``offline`` asks no server: the folder is
    made to equal the manifest that was told last; ``server_name`` is under whose name that is remembered. ``metadata``
    keeps when and by whom each file was last written in ``metadata.json``, for a site that shows it.
    """

    book_id: str
    output_dir: str
    manifest_file: str | None = None
    scope: Scope = "all"
    full_rebuild: bool = False
    tree: Tree = "source"
    allow_empty: bool = False
    verify: bool = False
    on_edit: "OnEdit" = "stop"
    source_dir: str | None = None
    accept_rollback: bool = False
    offline: bool = False
    server_name: str = ""
    metadata: bool = False


@dataclass(frozen=True, slots=True)
class HydrateResult:
    """What a hydrate did. Counts are files of the output folder within the scope; downloads count distinct blobs.

    ``mode`` is ``unchanged`` when nothing had to be done, ``delta`` when the stored manifest was built upon and
    ``full`` otherwise; then ``reason`` says why. A delta that had to repair the folder says so in ``reason`` too.
    ``offline`` says nothing about the server: the folder is the book as of ``as_of`` (UTC), None in every other mode.
    ``files_from_cache`` are blobs that the shared cache of this machine had. ``previous_manifest_hash`` is what the
    folder equalled before, None if it was no book's or another's. ``target`` is what the folder equals now within the
    scope, path → digest; what else lies in it is somebody else's. ``metadata_digest`` is of what a site can show of
    ``metadata.json``, None where that was not asked for.
    """

    book_id: str
    manifest_hash: Digest
    mode: Mode
    reason: str
    added: int
    updated: int
    deleted: int
    unchanged: int
    files_downloaded: int
    bytes_transferred: int
    requests: int
    output_dir: str
    numbering: Numbering | None
    revision: int
    files_from_cache: int = 0
    as_of: str | None = None
    previous_manifest_hash: Digest | None = None
    metadata_digest: Digest | None = None
    changes: "tuple[Change, ...]" = ()
    target: Mapping[str, Digest] = field(default_factory=dict, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The machine format of DESIGN 10, with the metric names of FR-401's list."""
        return {
            "schema_version": RESULT_VERSION,
            "book_id": self.book_id,
            "manifest_hash": self.manifest_hash,
            "previous_manifest_hash": self.previous_manifest_hash,
            "mode": self.mode,
            "reason": self.reason,
            "added": self.added,
            "updated": self.updated,
            "deleted": self.deleted,
            "unchanged": self.unchanged,
            "hydrate_files_downloaded": self.files_downloaded,
            "hydrate_bytes_transferred": self.bytes_transferred,
            "files_from_cache": self.files_from_cache,
            "requests": self.requests,
            "output_dir": self.output_dir,
            "numbering": self.numbering,
            "revision": self.revision,
            "as_of": self.as_of,
            "metadata_digest": self.metadata_digest,
            "files": [change.to_json() for change in self.changes],
        }


@dataclass(frozen=True, slots=True)
class Change:
    """One file of the output folder that a hydrate would add (A), modify (M) or delete (D)."""

    status: Literal["A", "M", "D"]
    path: str

    def to_json(self) -> dict[str, str]:
        return {"path": self.path, "status": self.status}


@dataclass(frozen=True, slots=True)
class HydratePreview:
    """What a hydrate would do now. ``obstacles`` is what would stop it (exit 3) under the edit policy asked for.

    ``files_to_download`` counts distinct blobs that are neither in the folder nor in the shared cache,
    ``bytes_to_download`` their bytes before compression; ``files_from_cache`` those the cache seems to have. Offline
    the former are what a hydrate would stop for (exit 10).
    """

    book_id: str
    manifest_hash: Digest
    mode: Mode
    reason: str
    changes: tuple[Change, ...]
    unchanged: int
    files_to_download: int
    bytes_to_download: int
    obstacles: "tuple[Obstacle, ...]"
    output_dir: str
    numbering: Numbering | None
    revision: int
    files_from_cache: int = 0
    as_of: str | None = None

    @property
    def differs(self) -> bool:
        """True when a hydrate would change or refuse something (``plan --check`` exits 1)."""
        return bool(self.changes or self.obstacles)

    def lines(self) -> list[str]:
        """One ``status TAB path`` line a change, sorted by path."""
        return [f"{change.status}\t{change.path}" for change in self.changes]

    def to_json(self) -> dict[str, Any]:
        """The machine format of ``plan``."""
        return {
            "schema_version": RESULT_VERSION,
            "book_id": self.book_id,
            "manifest_hash": self.manifest_hash,
            "mode": self.mode,
            "reason": self.reason,
            "files": [change.to_json() for change in self.changes],
            "unchanged": self.unchanged,
            "files_to_download": self.files_to_download,
            "bytes_to_download": self.bytes_to_download,
            "files_from_cache": self.files_from_cache,
            "obstacles": [{"path": o.path, "reason": o.reason} for o in self.obstacles],
            "output_dir": self.output_dir,
            "numbering": self.numbering,
            "revision": self.revision,
            "as_of": self.as_of,
        }
