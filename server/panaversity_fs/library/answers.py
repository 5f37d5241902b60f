"""What the library is asked with and answers: plain values that every door can turn into its own form."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.changes import Mode
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.mapping import Numbering, decode
from panaversity_fs.core.merkle import Proof
from panaversity_fs.core.schema import Schema

Scope = Literal["all", "content", "assets"]
Source = Literal["base", "overlay"]
ChangeType = Literal["added", "modified", "deleted"]

MAX_PLAN_FILES = 5_000
"""Above this a plan lists only the first changes and the caller reads the manifest text."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``subject`` scopes pins and idempotency keys ("local" while there is no authentication), ``agent`` is
    the name the audit log keeps; None or "system" may read, not write."""

    subject: str
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class BookInfo:
    """A book as it is now; sizes in bytes."""

    book_id: str
    incarnation: int
    schema: Schema
    numbering: Numbering | None
    revision: int
    base_revision: int
    ingest_manifest: Digest | None
    file_count: int
    total_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One path as it is now, with where the author knows it, and which layer it was found in.

    ``orphaned``: an overlay's entry whose path the base held once and no longer does.
    """

    path: str
    source_path: str
    sha256: Digest
    size: int
    revision: int
    last_written_at: datetime
    storage_backend: str
    agent_id: str
    source: Source = "base"
    orphaned: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one operation did. ``size`` is that of the bytes there now, 0 when nothing is there."""

    path: str
    mode: Mode
    before: Digest | None
    after: Digest | None
    size: int


_KEPT_OUTCOMES = 100


@dataclass(frozen=True, slots=True)
class CommitResult:
    """An acknowledged commit. ``outcomes`` follow the operations; a replayed large changeset has only its counts."""

    book_id: str
    revision: int
    schema: Schema
    numbering: Numbering | None
    outcomes: tuple[Outcome, ...]
    manifest_hash: Digest | None = None
    counts: dict[str, int] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None
    """The audit log's, with this commit in it."""

    @property
    def added(self) -> int:
        return self.counts.get("created", 0)

    @property
    def updated(self) -> int:
        return self.counts.get("updated", 0)

    @property
    def deleted(self) -> int:
        return self.counts.get("deleted", 0)

    @property
    def unchanged(self) -> int:
        return self.counts.get("unchanged", 0) + self.counts.get("absent", 0)

    def source_path(self, path: str) -> str:
        """Where the author knows this book path."""
        return decode(path, self.numbering) or path

    def to_record(self) -> dict[str, Any]:
        """The form kept beside an idempotency key."""
        kept = self.outcomes if len(self.outcomes) <= _KEPT_OUTCOMES else ()
        return {
            "revision": self.revision,
            "schema": self.schema,
            "numbering": self.numbering,
            "manifest_hash": self.manifest_hash,
            "counts": self.counts,
            "checkpoint": self.checkpoint.to_wire() if self.checkpoint else None,
            "outcomes": [[o.path, o.mode, o.before, o.after, o.size] for o in kept],
        }

    @classmethod
    def from_record(cls, book_id: str, record: dict[str, Any]) -> "CommitResult":
        """The answer again, for a repeated request (P6)."""
        return cls(
            book_id=book_id,
            revision=record["revision"],
            schema=Schema(record["schema"]),
            numbering=Numbering(record["numbering"]) if record["numbering"] else None,
            outcomes=tuple(Outcome(*values) for values in record["outcomes"]),
            manifest_hash=record["manifest_hash"],
            counts=record["counts"],
            checkpoint=Checkpoint(**record["checkpoint"]) if record.get("checkpoint") else None,
        )


def count_modes(outcomes: tuple[Outcome, ...]) -> dict[str, int]:
    """How many operations had which mode."""
    return dict(Counter(outcome.mode for outcome in outcomes))


@dataclass(frozen=True, slots=True)
class PlanFile:
    """One difference between the caller's manifest and the book: ``current_hash`` is the book's (None: deleted),
    ``target_hash`` the caller's (None: added), ``size`` that of the book's bytes (0: deleted)."""

    path: str
    current_hash: Digest | None
    target_hash: Digest | None
    change_type: ChangeType
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What leads from the manifest the caller has to the book's (FR-025..027). ``persisted`` is False when the
    manifest could not be promised (read-only server that never told it). ``checkpoint`` is the audit log's, ``proof``
    shows that it continues the caller's (None: none was given, or there is no proof)."""

    status: Literal["unchanged", "changed"]
    manifest_hash: Digest
    numbering: Numbering | None
    schema: Schema | None
    revision: int
    store_id: str
    incarnation: int
    ingest_manifest: Digest | None
    files: tuple[PlanFile, ...]
    changed_count: int
    total_files: int
    total_bytes: int
    truncated: bool = False
    persisted: bool = True
    warning: tuple[str, str] | None = None
    checkpoint: Checkpoint | None = None
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness stands on; each is "ok" or the reason it is not."""

    database: str
    storage: str
    migrations: str

    @property
    def ready(self) -> bool:
        return self.database == self.storage == "ok"
