"""Hydrate from beginning to end: the order of steps, and nothing but the order (DESIGN 10, invariants 9 to 11).

    lock → read state → plan → validate → judge the tree → reconcile → plan.json → fetch → index with what is
    pending → apply → flush → index, manifest.txt, manifest.json

Knows when each step happens and what its failure means to the user; how each is done is in the module of its name.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from panaversity_builder.book.hydrate import state as states
from panaversity_builder.book.hydrate.apply import Applier
from panaversity_builder.book.hydrate.failures import local_edits, told
from panaversity_builder.book.hydrate.fetch import fetch
from panaversity_builder.book.hydrate.folder import Folder
from panaversity_builder.book.hydrate.options import (
    Change,
    HydrateOptions,
    HydratePreview,
    HydrateResult,
    Mode,
)
from panaversity_builder.book.hydrate.place import require_manifest_file_apart, require_place_for_output
from panaversity_builder.book.hydrate.planning import Ground, ask
from panaversity_builder.book.hydrate.reconcile import Decisions, Obstacle, reconcile, settle
from panaversity_builder.book.hydrate.records import (
    CHECKPOINTS,
    INDEX,
    MANIFEST_JSON,
    MANIFEST_TEXT,
    PLAN,
    Index,
    Owned,
    Pending,
    render_identity,
    render_index,
    render_plan,
)
from panaversity_builder.book.hydrate.staging import Staging
from panaversity_builder.book.hydrate.state import State, StateFiles
from panaversity_builder.book.hydrate.tree import TreeOnDisk, believable, judge, parents
from panaversity_builder.book.hydrate.validate import require_room
from panaversity_builder.client import Server, Traffic
from panaversity_builder.durable import sync_filesystem
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.digest import Digest

Clock = Callable[[], datetime]


def hydrate(
    server: Server, options: HydrateOptions, progress: Progress = SILENT, clock: Clock = lambda: datetime.now(UTC)
) -> HydrateResult:
    """Make the output folder equal the book's current manifest (FR-101 … FR-107, P7, P8, P9).

    Raises ``NotFound`` for a book nobody created, ``LocalEdits``, ``NoSpace``, ``OutputLocked``, ``InvalidPath`` and
    ``HashMismatch`` (an unsafe or untrue plan), ``ServerUnreachable``. Whatever is raised, the folder holds no torn
    file and running it again goes on.
    """
    require_place_for_output(options)
    with told(options.output_dir):
        os.makedirs(options.output_dir, exist_ok=True)
        with (
            Folder.open(options.output_dir) as folder,
            states.locked(folder, f"process {os.getpid()} on {os.uname().nodename}") as began_ns,
        ):
            return _Run(server, options, progress, clock, folder, began_ns).run()


def plan_hydrate(server: Server, options: HydrateOptions, progress: Progress = SILENT) -> HydratePreview:
    """What ``hydrate`` would do now, and why it would be full if it would; writes nothing and takes no lock."""
    require_place_for_output(options)
    with told(options.output_dir), contextlib.ExitStack() as opened:
        folder, state = None, State()
        with contextlib.suppress(FileNotFoundError):
            folder = opened.enter_context(Folder.open(options.output_dir))
        if folder is not None and states.exists(folder):
            state = StateFiles(folder, options.manifest_file).read()
        ground = ask(server, options, state, progress)
        scene = _scene(folder, ground, state, options, progress)
        return _preview(ground, scene, options)


@dataclass(slots=True)
class _Scene:
    """The tree as found and what is to be done to it."""

    tree: TreeOnDisk
    made: set[str]
    decisions: Decisions

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        return (*self.decisions.edited, *self.decisions.foreign)

    @property
    def idle(self) -> bool:
        return not (self.decisions.puts or self.decisions.drops or self.decisions.aside)


def _scene(folder: Folder | None, ground: Ground, state: State, options: HydrateOptions, progress: Progress) -> _Scene:
    accepted = state.index.accepted() if state.index else {p: (d,) for p, d in ground.former.items()}
    made = state.index.folders if state.index else parents(ground.former) - {""}
    paths = ground.target.keys() | accepted.keys()
    remembered = state.index.files if state.index else {}
    verify = options.verify or options.full_rebuild
    tree = TreeOnDisk({}, {}) if folder is None else judge(folder, paths, remembered, verify, progress)
    decisions = reconcile(ground.target, accepted, tree.found, made)
    return _Scene(tree, set(made), settle(decisions, tree.found, ground.target, options.on_edit))


def _preview(ground: Ground, scene: _Scene, options: HydrateOptions) -> HydratePreview:
    there = {d.digest for d in scene.decisions.drops} | {
        f.digest for path in scene.decisions.keep if (f := scene.tree.found[path]).digest
    }
    wanted = {put.new for put in scene.decisions.puts} - there
    changes = [Change("M" if put.old else "A", put.path) for put in scene.decisions.puts]
    changes += [Change("D", drop.path) for drop in scene.decisions.drops]
    mode, reason = _mode(ground, scene)
    return HydratePreview(
        book_id=options.book_id,
        manifest_hash=ground.identity.manifest_hash,
        mode=mode,
        reason=reason,
        changes=tuple(sorted(changes, key=lambda c: c.path)),
        unchanged=len(scene.decisions.keep),
        files_to_download=len(wanted),
        bytes_to_download=sum(ground.sizes.get(digest, 0) for digest in wanted),
        obstacles=scene.obstacles,
        output_dir=options.output_dir,
        numbering=ground.identity.numbering,
        revision=ground.revision,
    )


def _mode(ground: Ground, scene: _Scene) -> tuple[Mode, str]:
    if ground.full_because:
        return "full", ground.full_because
    if scene.idle:
        return "unchanged", ""
    repairs = 0 if ground.changed else len(scene.decisions.puts)
    return "delta", f"{repairs} files of the folder were missing or altered" if repairs else ""


class _Run:
    """One hydrate under the lock."""

    def __init__(
        self,
        server: Server,
        options: HydrateOptions,
        progress: Progress,
        clock: Clock,
        folder: Folder,
        began_ns: int,
    ) -> None:
        self.server, self.options, self.progress, self.clock = server, options, progress, clock
        self.folder, self.began_ns = folder, began_ns
        self.files = StateFiles(folder, options.manifest_file)
        self.staging = Staging(folder)
        self.sizes: Mapping[Digest, int] = {}

    def run(self) -> HydrateResult:
        before = replace(self.server.traffic)
        state = self.files.read()
        ground = ask(self.server, self.options, state, self.progress)
        if ground.checkpoints is not None:  # first of all: a witness remembers whatever becomes of the rest
            self.files.write(CHECKPOINTS, ground.checkpoints)
        require_manifest_file_apart(self.options, ground.target)
        scene = _scene(self.folder, ground, state, self.options, self.progress)
        if scene.obstacles:
            raise local_edits(self.options.output_dir, scene.obstacles)
        self._tidy_state(state)
        downloaded, folders = 0, scene.made
        if not scene.idle or state.unfinished:
            downloaded, folders = self._change(ground, scene, state)
        self._remember(ground, scene, state, folders)
        mode, reason = _mode(ground, scene)
        return _result(ground, scene, self.options, mode, reason, downloaded, self.server.traffic.since(before))

    def _tidy_state(self, state: State) -> None:
        """Put away what could not be read, and what a full rebuild asks to forget (FR-304); the index stays."""
        self.files.sweep()
        for name in state.bad:
            self.files.keep_aside(name)
            state.raw.pop(name, None)
        if self.options.full_rebuild:
            for name in (MANIFEST_JSON, MANIFEST_TEXT):
                self.files.forget(name)
                state.raw.pop(name, None)

    def _change(self, ground: Ground, scene: _Scene, state: State) -> tuple[int, set[str]]:
        decisions = scene.decisions
        changes = {put.path: Pending(put.old, put.new) for put in decisions.puts}
        changes.update({drop.path: Pending(drop.digest, None) for drop in decisions.drops})
        if state.interrupted:
            self.progress.note(f"going on from an interrupted hydrate to {state.interrupted[:12]}")
        wanted: dict[Digest, int | None] = {put.new: ground.sizes.get(put.new) for put in decisions.puts}
        self.staging.resume(wanted)
        self._require_room(decisions, ground, wanted)
        known = state.identity.manifest_hash if state.identity else None
        self.files.write(PLAN, render_plan(ground.identity, known, changes))
        self._take_from_tree(scene, wanted)
        book_id, manifest = self.options.book_id, ground.identity.manifest_hash
        downloaded = fetch(self.server, book_id, manifest, wanted, self.staging, self.progress)
        made = _new_folders(decisions, scene.tree)
        self.files.write(INDEX, render_index(self._pending_index(scene, ground, state, made, changes)))
        applier = Applier(self.folder, self.staging, scene.tree.signatures, self.progress)
        self.sizes = dict(self.staging.held)
        folders = applier.apply(decisions, scene.made, ground.target.keys())
        self.staging.clear()
        sync_filesystem(self.folder.path)
        return downloaded, folders

    def _require_room(self, decisions: Decisions, ground: Ground, wanted: Mapping[Digest, int | None]) -> None:
        """Bytes to come, and those of second copies; where the plan was too long to tell sizes, the whole book's."""
        needed = sum(ground.sizes.get(put.new, 0) for put in decisions.puts)
        if None in wanted.values():
            needed = max(needed, ground.total_bytes)
        here = sum(self.staging.held.values()) + sum(map(self.staging.part_size, wanted))
        require_room(max(0, needed - here), self.folder.free_bytes(), self.options.output_dir)

    def _take_from_tree(self, scene: _Scene, wanted: Collection[Digest]) -> None:
        """Renamed files and files of another numbering are here already: under another path."""
        for path in (*(drop.path for drop in scene.decisions.drops), *scene.decisions.keep):
            digest = scene.tree.found[path].digest
            if digest is not None and digest in wanted and digest not in self.staging.held:
                self.staging.copy(digest, path)

    def _pending_index(
        self,
        scene: _Scene,
        ground: Ground,
        state: State,
        made: Collection[str],
        changes: Mapping[str, Pending],
    ) -> Index:
        index = Index(pending=dict(changes), folders=scene.made | set(made))
        for path in (*scene.decisions.keep, *changes):
            if (owned := self._owned(path, scene.tree)) is not None and path in scene.tree.found:
                index.files[path] = owned
        if state.index:
            for path, owned in state.index.files.items():
                if path in ground.target:
                    index.files.setdefault(path, owned)
        return index

    def _owned(self, path: str, tree: TreeOnDisk) -> Owned | None:
        digest, seen = tree.found[path].digest if path in tree.found else None, tree.signatures.get(path)
        if digest is None or seen is None:
            return None
        return Owned(digest, seen[0], seen if believable(seen, self.began_ns) else None)

    def _remember(self, ground: Ground, scene: _Scene, state: State, folders: set[str]) -> None:
        index = Index(folders=folders)
        for path in scene.decisions.keep:
            if owned := self._owned(path, scene.tree):
                index.files[path] = owned
        for put in scene.decisions.puts:
            index.files[put.path] = Owned(put.new, self.sizes[put.new])
        changed = not scene.idle or state.unfinished
        data = render_index(index)
        if changed or data != state.raw.get(INDEX):
            self.files.write(INDEX, data)
        if ground.manifest.text != state.raw.get(MANIFEST_TEXT):
            self.files.write(MANIFEST_TEXT, ground.manifest.text)
        if changed or ground.identity != state.identity or MANIFEST_JSON not in state.raw:
            now = self.clock().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            count = len(ground.target)
            self.files.write(MANIFEST_JSON, render_identity(ground.identity, now, count, ground.revision))
        self.files.forget(PLAN)


def _new_folders(decisions: Decisions, tree: TreeOnDisk) -> set[str]:
    return {folder for folder in parents(put.path for put in decisions.puts) if folder and folder not in tree.found}


def _result(
    ground: Ground, scene: _Scene, options: HydrateOptions, mode: Mode, reason: str, downloaded: int, spent: Traffic
) -> HydrateResult:
    decisions = scene.decisions
    added = sum(put.old is None for put in decisions.puts)
    return HydrateResult(
        book_id=options.book_id,
        manifest_hash=ground.identity.manifest_hash,
        mode=mode,
        reason=reason,
        added=added,
        updated=len(decisions.puts) - added,
        deleted=len(decisions.drops),
        unchanged=len(decisions.keep),
        files_downloaded=downloaded,
        bytes_transferred=spent.received,
        requests=spent.requests,
        output_dir=options.output_dir,
        numbering=ground.identity.numbering,
        revision=ground.revision,
    )
