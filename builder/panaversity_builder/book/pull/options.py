"""What a pull is asked for and what it answers. Values only: does not know disks, servers or how they are shown."""

from dataclasses import dataclass, field
from typing import Any

from panaversity_builder.book.ingest import Via
from panaversity_builder.book.mapping import Refusal
from panaversity_builder.book.selection import EVERYTHING, Selection
from panaversity_fs.core.digest import Digest


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What to pull where. ``files`` limits it to some source paths; ``max_deletes`` is "N" or "P%" of the source's
    files; ``via`` tools goes with a ``ToolServer``. ``state_dir`` is the project's ``.panaversity``.
    """

    book_id: str
    source_dir: str
    state_dir: str
    dry_run: bool = False
    files: Selection = EVERYTHING
    max_deletes: str | None = None
    accept_rollback: bool = False
    via: Via = "bulk"


@dataclass(frozen=True, slots=True)
class PullResult:
    """What a pull did to the source, or would do when ``dry_run``; ``revision`` and ``manifest_hash`` are the book's.

    ``outgoing`` counts the author's own changes, which the next ingest brings; ``ignored_files`` are in the book under
    names that this source ignores.
    """

    book_id: str
    manifest_hash: Digest
    revision: int
    dry_run: bool
    unchanged: int
    outgoing: int
    files: tuple[tuple[str, str, str], ...]
    """(book path, source path, added, updated or deleted), sorted by source path."""
    ignored_files: tuple[Refusal, ...] = field(repr=False)
    requests: int = 0

    def to_json(self) -> dict[str, Any]:
        """The machine format."""
        changes = [change for _, _, change in self.files]
        return {
            "schema_version": 1,
            "book_id": self.book_id,
            "manifest_hash": self.manifest_hash,
            "revision": self.revision,
            **{change: changes.count(change) for change in ("added", "updated", "deleted")},
            "unchanged": self.unchanged,
            "outgoing": self.outgoing,
            "ignored": len(self.ignored_files),
            "files": [{"path": path, "source": source, "change": change} for path, source, change in self.files],
            "dry_run": self.dry_run,
            "requests": self.requests,
            "ignored_files": [ignored.to_json() for ignored in self.ignored_files],
        }
