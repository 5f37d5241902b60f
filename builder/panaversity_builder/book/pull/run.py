"""Pull from beginning to end: the order of steps (DESIGN 10: three-way, never over an author's change).

    scan → plan → decide → fetch and verify → drop, put → tell the book what is settled

Whatever is interrupted, every file of the source is wholly old or wholly new, and running it again goes on: what came
already stands alike in source and book and is left alone. Knows when each step happens and what its failure means.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from panaversity_builder.book.hydrate.fetch import fetch
from panaversity_builder.book.hydrate.folder import Changed, Folder
from panaversity_builder.book.hydrate.validate import tree_of
from panaversity_builder.book.ingest_limits import allowed_deletes
from panaversity_builder.book.ingest_plan import IngestPlan, Wishes, plan_ingest
from panaversity_builder.book.ingest_send import Sending
from panaversity_builder.book.ingest_state import IngestState
from panaversity_builder.book.pull import place, stage
from panaversity_builder.book.pull.decide import Clash, Drop, PullDecision, Put, decide_pull
from panaversity_builder.book.pull.failures import ADVICE, conflict, told
from panaversity_builder.book.pull.options import PullOptions, PullResult
from panaversity_builder.book.source import SourceTree, scan
from panaversity_builder.book.three_way import settled
from panaversity_builder.client import BOOK_UNKNOWN, Server
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import Forbidden, NotFound, ReadOnly, SourceRefused
from panaversity_fs.core.manifest import Entries, render
from panaversity_fs.core.mapping import decode
from panaversity_fs.core.paths import require_book_id, shown


def pull(
    server: Server,
    options: PullOptions,
    progress: Progress = SILENT,
    *,
    clock: Callable[[], int] = time.time_ns,
    new_key: Callable[[], str] = lambda: secrets.token_hex(16),
) -> PullResult:
    """Bring what others changed in the book into the source: one request when there is nothing, three for anything.

    Raises ``Conflict`` (exit 11) listing every path that both sides changed; then nothing is pulled. Also
    ``SourceRefused`` (exit 12: the source itself, or more deletions than allowed), ``NotFound`` for a book nobody
    created, ``NoSpace``, ``ConfigInvalid`` for a source that cannot be written, ``OutputLocked``, ``HashMismatch``.
    """
    require_book_id(options.book_id, "pull")
    allowed_deletes(options.max_deletes, 0)
    before = server.traffic.requests
    state = IngestState(
        options.state_dir, options.book_id, options.source_dir, progress,
        accept_rollback=options.accept_rollback, read_only=options.dry_run,
    )  # fmt: skip
    tree = scan(options.source_dir, state.marks, progress=progress, clock=clock)
    state.save_marks()
    try:
        plan = plan_ingest(
            server, options.book_id, tree, state, Wishes(files=options.files, operation="pull"), progress
        )
        result = _Run(server, options, tree, plan, state, progress, new_key).run()
    finally:
        state.save_checkpoints()
    return replace(result, requests=server.traffic.requests - before)


@dataclass(slots=True)
class _Run:
    """One pull with its plan at hand."""

    server: Server
    options: PullOptions
    tree: SourceTree
    plan: IngestPlan
    state: IngestState
    progress: Progress
    new_key: Callable[[], str]

    def run(self) -> PullResult:
        plan = self.plan
        if plan.plan.warns(BOOK_UNKNOWN):
            raise NotFound(
                "pull", self.options.book_id, "no such book on this server", "Check --book-id and PANAVERSITY_MCP_URL",
                kind="book", subject_id=self.options.book_id,
            )  # fmt: skip
        tree_of(plan.book, plan.numbering, "source", "all")  # what a server names is judged before it is a file name
        places = {path: decode(path, plan.numbering) or path for path in plan.book.keys() | plan.source.keys()}
        decision = decide_pull(plan, places, self.tree.rules.reason_along)
        self._require_peace(decision)
        if not self.options.dry_run:
            self._require_few_deletes(decision)
            source = self._carry_out(decision) if decision.puts or decision.drops else plan.source
            self._settle(source)
            self._require_done(decision, source)
        return _result(self.options, plan, decision)

    def _require_peace(self, decision: PullDecision) -> None:
        if decision.clashes:
            raise conflict(self.options.book_id, self.plan, decision.clashes, "Nothing was pulled. " + ADVICE)

    def _require_few_deletes(self, decision: PullDecision) -> None:
        """A book that was emptied by mistake must not empty the source (P10)."""
        count, held = len(decision.drops), len(self.plan.source)
        allowed = allowed_deletes(self.options.max_deletes, held)
        if count > allowed or (count == held and count and not decision.puts):
            raise SourceRefused(
                "pull", self.options.book_id, f"{count} of {held} source files would be deleted",
                f"See who deleted them with panaversity manifest log; if it is right, say --max-deletes {count}"
                if count < held or decision.puts else "A pull never empties a source",
                deleted=[drop.source for drop in decision.drops], limit=allowed,
            )  # fmt: skip

    def _carry_out(self, decision: PullDecision) -> Entries:
        """Stage, then change the source. Answers the source as it is then, as far as we changed it."""
        source = dict(self.plan.source)
        with (
            told(self.options.source_dir),
            stage.opened(self.options.state_dir, self.options.book_id, self.options.source_dir) as bytes_at,
            Folder.open(self.options.source_dir) as folder,
        ):
            place.sweep(folder, bytes_at.left())
            wanted: dict[Digest, int | None] = {put.new: None for put in decision.puts}
            wanted |= {f.current: f.size for f in self.plan.plan.files if f.current is not None and f.current in wanted}
            bytes_at.staging.resume(wanted)
            manifest = self.plan.plan.manifest_hash
            fetch(self.server, self.options.book_id, manifest, wanted, bytes_at.staging, self.progress)
            bytes_at.note([place.beside(put.source) for put in decision.puts])
            for drop in decision.drops:
                with self._if_unchanged():
                    place.drop(folder, drop)
                    del source[drop.path]
            for put in decision.puts:
                with self._if_unchanged():
                    place.put(folder, put, bytes_at.bytes_of(put.new))
                    source[put.path] = put.new
            bytes_at.clear()
        return source

    @contextlib.contextmanager
    def _if_unchanged(self) -> Iterator[None]:
        """A file that changed since the scan is left to the author; the others still come."""
        try:
            yield
        except Changed as changed:
            self.progress.note(f"pull: {shown(changed.path)} changed meanwhile and was left alone")

    def _settle(self, source: Entries) -> None:
        """Let the book know where source and book stand alike now, so that the next ingest has nothing to do."""
        plan, options = self.plan, self.options
        base = settled(source, plan.book, plan.last or {}, plan.among)
        if base == (plan.last or {}) and not (plan.last_is_ours and options.via == "bulk"):
            return
        if options.via == "tools":
            self.state.keep_base(plan.plan, base)
            return
        try:
            sending = Sending(self.server, options.book_id, plan, self.tree, self.state, self.progress, self.new_key)
            sending.settle(base)
        except (Forbidden, ReadOnly) as refusal:
            self.state.keep_base(plan.plan, base)
            self.progress.warn(f"{refusal.message} The files are pulled; that is remembered on this machine only")
        self.state.remember(render(plan.book), render(base))

    def _require_done(self, decision: PullDecision, source: Entries) -> None:
        missed: list[Put | Drop] = [put for put in decision.puts if source.get(put.path) != put.new]
        missed += [drop for drop in decision.drops if drop.path in source]
        if missed:
            clashes = [Clash(one.source, one.path, "changed while pull was at work") for one in missed]
            hint = "It was left as you made it, everything else was pulled. Run it again"
            raise conflict(self.options.book_id, self.plan, clashes, hint)


def _result(options: PullOptions, plan: IngestPlan, decision: PullDecision) -> PullResult:
    files = [(put.path, put.source, _change(put)) for put in decision.puts]
    files += [(drop.path, drop.source, "deleted") for drop in decision.drops]
    return PullResult(
        book_id=options.book_id,
        manifest_hash=plan.plan.manifest_hash,
        revision=plan.plan.revision,
        dry_run=options.dry_run,
        unchanged=len(plan.decision.unchanged),
        outgoing=len(plan.decision.writes) + len(plan.decision.deletes),
        files=tuple(sorted(files, key=lambda file: file[1])),
        ignored_files=decision.ignored,
    )


def _change(put: Put) -> str:
    return "added" if put.old is None else "updated"
