"""Ingest: make the book equal the source tree, in one commit or not at all (FR-201..206, DESIGN 6).

Knows the order of things: scan, plan, decide, send, remember. What is decided and why stands in ``book.ingest_plan``
and ``book.three_way``. Does not know terminals or how a server is reached; it never writes to the source.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from panaversity_builder.book.ingest_limits import allowed_deletes, require_few_deletes, require_peace
from panaversity_builder.book.ingest_plan import IngestPlan, Wishes, after, plan_ingest
from panaversity_builder.book.ingest_send import Sending
from panaversity_builder.book.ingest_state import IngestState
from panaversity_builder.book.mapping import Refusal
from panaversity_builder.book.selection import EVERYTHING, Selection
from panaversity_builder.book.source import READS, SourceChanged, SourceTree, scan
from panaversity_builder.client import ChangesetAnswer, Server
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.manifest import render
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.core.schema import Schema

Via = Literal["bulk", "tools"]
"""How bytes travel: in one changeset over the data plane, or file by file through MCP tools."""


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What to ingest where. ``state_dir`` is the project's ``.panaversity``.

    ``max_deletes`` is "N" or "P%"; ``overwrite`` lets the source win over other people's edits; ``schema`` and
    ``numbering`` None leave the choice to the book, then to the source. ``accept_rollback`` gives up what was
    remembered of the book's audit log. ``files`` limits the ingest to some source paths. ``via`` tools goes with a
    ``ToolServer``: every file is a commit of its own, and the last ingest is remembered here instead of in the book.
    """

    book_id: str
    source_dir: str
    state_dir: str
    dry_run: bool = False
    max_deletes: str | None = None
    overwrite: bool = False
    schema: Schema | None = None
    numbering: Numbering | None = None
    accept_rollback: bool = False
    files: Selection = EVERYTHING
    via: Via = "bulk"


@dataclass(frozen=True, slots=True)
class IngestFile:
    """One path that changed: book path, source path (None: the source no longer has it), added, updated or deleted."""

    path: str
    source: str | None
    change: str


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What an ingest did, or would do when ``dry_run``; ``revision`` and ``manifest_hash`` are the book's afterwards.

    ``moved`` counts paths renamed by a change of numbering; they are in no other count. ``previous_manifest_hash`` is
    the book's as it was found. With ``--files`` every count is of what was asked for.
    """

    book_id: str
    manifest_hash: Digest
    revision: int
    numbering: Numbering
    dry_run: bool
    unchanged: int
    moved: int
    files: tuple[IngestFile, ...]
    diverged_files: tuple[str, ...]
    kept_files: tuple[str, ...]
    ignored_files: tuple[Refusal, ...] = field(repr=False)
    requests: int = 0
    previous_manifest_hash: Digest | None = None
    via: Via = "bulk"

    @property
    def changed(self) -> int:
        """How many files the source changed in the book (``ingest_files_changed``)."""
        return len(self.files)

    def count(self, change: str) -> int:
        """How many files were ``added``, ``updated`` or ``deleted``."""
        return sum(file.change == change for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """The machine format of DESIGN 10."""
        return {
            "schema_version": 1,
            "book_id": self.book_id,
            "manifest_hash": self.manifest_hash,
            "previous_manifest_hash": self.previous_manifest_hash,
            "revision": self.revision,
            **{change: self.count(change) for change in ("added", "updated", "deleted")},
            "unchanged": self.unchanged,
            "diverged": len(self.diverged_files),
            "ignored": len(self.ignored_files),
            "files": [{"path": f.path, "source": f.source, "change": f.change} for f in self.files],
            "dry_run": self.dry_run,
            "numbering": self.numbering,
            "moved": self.moved,
            "requests": self.requests,
            "via": self.via,
            "diverged_files": list(self.diverged_files),
            "kept_files": list(self.kept_files),
            "ignored_files": [ignored.to_json() for ignored in self.ignored_files],
        }


def ingest(
    server: Server,
    options: IngestOptions,
    progress: Progress = SILENT,
    *,
    clock: Callable[[], int] = time.time_ns,
    new_key: Callable[[], str] = lambda: secrets.token_hex(16),
) -> IngestResult:
    """Bring the book to the source: one request when nothing changed, two for any change, one more per large file.

    Raises ``SourceRefused`` and ``SchemaViolation`` (exit 12: names, empty source, mass deletion, a file that keeps
    changing), ``Conflict`` (exit 11), ``ChainBroken`` (exit 13), ``InvalidArgument`` and whatever the server refuses.
    Nothing is written to the book then, except that a change of numbering is a commit of its own that may stand.
    """
    require_book_id(options.book_id, "ingest")
    allowed_deletes(options.max_deletes, 0)
    before = server.traffic.requests
    state = IngestState(
        options.state_dir,
        options.book_id,
        options.source_dir,
        progress,
        accept_rollback=options.accept_rollback,
        read_only=options.dry_run,
    )
    for left in reversed(range(READS)):
        tree = scan(options.source_dir, state.marks, progress=progress, clock=clock)
        state.save_marks()
        try:
            try:
                result = _ingest(server, options, tree, state, progress, new_key)
            finally:
                state.save_checkpoints()
            return replace(result, requests=server.traffic.requests - before)
        except SourceChanged as changed:
            if not left:
                raise
            progress.note(f"{changed.message} Scanning again.")
            state.forget_marks()  # a cache that says otherwise must not be believed for ever
    raise AssertionError("the last attempt answers or raises")


def _ingest(
    server: Server,
    options: IngestOptions,
    tree: SourceTree,
    state: IngestState,
    progress: Progress,
    new_key: Callable[[], str],
) -> IngestResult:
    wishes = Wishes(options.numbering, options.schema, options.overwrite, options.files)
    plan = plan_ingest(server, options.book_id, tree, state, wishes, progress)
    require_peace(plan, options.book_id)
    if options.dry_run:
        if len(plan.decision.deletes) > allowed_deletes(options.max_deletes, len(plan.book)):
            progress.warn("ingest: without --dry-run this would be refused: too many files would be deleted")
        return _result(options, plan, tree, None)
    require_few_deletes(plan, options.book_id, options.max_deletes)
    by_tools = options.via == "tools"
    sending = Sending(server, options.book_id, plan, tree, state, progress, new_key, by_tools)
    moved = sending.renumber()
    answer = sending.commit() or moved
    expected = render(after(plan))
    told = answer.manifest_hash if answer else plan.plan.manifest_hash
    state.answered()  # also what an interrupted run had sent: it is in the book, or was never needed
    state.remember(expected if digest_of(expected) == told else None, render(plan.base))
    if by_tools:
        state.keep_base(plan.plan, plan.base)
    return _result(options, plan, tree, answer)


def _result(options: IngestOptions, plan: IngestPlan, tree: SourceTree, answer: ChangesetAnswer | None) -> IngestResult:
    decision = plan.decision
    written = [
        IngestFile(path, plan.origin[path], "updated" if path in plan.book else "added") for path in decision.writes
    ]
    deleted = [IngestFile(path, None, "deleted") for path in decision.deletes]
    return IngestResult(
        book_id=options.book_id,
        manifest_hash=answer.manifest_hash if answer else plan.plan.manifest_hash,
        revision=answer.revision if answer else plan.plan.revision,
        numbering=plan.numbering,
        dry_run=options.dry_run,
        unchanged=len(decision.unchanged),
        moved=0 if plan.before is None else len(plan.before.keys() - plan.book.keys()),
        files=tuple(sorted(written + deleted, key=lambda file: file.path)),
        diverged_files=decision.diverged,
        kept_files=decision.kept,
        ignored_files=tuple(ignored for ignored in tree.ignored if ignored.source in options.files),
        via=options.via,
        previous_manifest_hash=plan.plan.manifest_hash,
    )
