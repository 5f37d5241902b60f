"""Hydrate from beginning to end: the order of steps, and nothing but the order (DESIGN 10, invariants 9 to 11).

    lock → read state → plan → validate → judge the tree → (metadata) → reconcile → plan.json → cache, then fetch and
    let the cache keep → index with what is pending → apply → flush → index, manifest.txt, metadata.json,
    manifest.json → note in the cache

Knows when each step happens and what its failure means to the user; how each is done is in the module of its name.
"""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.hydrate.apply import Applier
from panaversity_builder.book.hydrate.failures import local_edits
from panaversity_builder.book.hydrate.fetch import fetch, take_from_cache, take_texts
from panaversity_builder.book.hydrate.folder import Changed, Folder
from panaversity_builder.book.hydrate.glance import Asked, note
from panaversity_builder.book.hydrate.options import Clock, HydrateOptions, HydrateResult
from panaversity_builder.book.hydrate.place import require_manifest_file_apart
from panaversity_builder.book.hydrate.planning import Ground
from panaversity_builder.book.hydrate.preview import ground_for
from panaversity_builder.book.hydrate.recall import missing_blobs, remember
from panaversity_builder.book.hydrate.reconcile import Decisions
from panaversity_builder.book.hydrate.records import (
    CHECKPOINTS,
    INDEX,
    MANIFEST_JSON,
    MANIFEST_TEXT,
    METADATA,
    PLAN,
    Index,
    Owned,
    Pending,
    render_identity,
    render_index,
    render_plan,
)
from panaversity_builder.book.hydrate.scene import Scene, changes_of, look, mode_of
from panaversity_builder.book.hydrate.staging import Staging
from panaversity_builder.book.hydrate.state import State, StateFiles
from panaversity_builder.book.hydrate.tree import TreeOnDisk, believable, parents
from panaversity_builder.book.hydrate.validate import require_room
from panaversity_builder.book.hydrate.written import last_written, written_digest
from panaversity_builder.client import Server, Traffic
from panaversity_builder.durable import sync_filesystem
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest, digest_of


class Run:
    """One hydrate under the lock."""

    def __init__(
        self,
        server: Server,
        options: HydrateOptions,
        progress: Progress,
        clock: Clock,
        folder: Folder,
        files: StateFiles,
        began_ns: int,
        cache: BlobCache | None,
    ) -> None:
        self.server, self.options, self.progress, self.clock = server, options, progress, clock
        self.folder, self.files, self.began_ns, self.cache = folder, files, began_ns, cache
        self.staging = Staging(folder)
        self.sizes: Mapping[Digest, int] = {}
        self.cached = 0
        self.written: bytes | None = None

    def run(self, before: Traffic, asked: Asked | None, glance: bool) -> HydrateResult:
        """Everything from the build state to the result. ``before`` is the traffic until then, ``asked`` an answer
        that is on its way; ``glance`` leaves a note for the quick way."""
        self.glance = glance
        state = self.files.read()
        ground = ground_for(self.server, self.options, state, self.progress, self.cache, asked)
        state.entries = None  # told on as the ground's; of a large book two are too many
        if ground.checkpoints is not None:  # first of all: a witness remembers whatever becomes of the rest
            self.files.write(CHECKPOINTS, ground.checkpoints)
        require_manifest_file_apart(self.options, ground.target)
        scene = look(self.folder, ground, state, self.options, self.progress)
        if scene.obstacles:
            raise local_edits(self.options.output_dir, scene.obstacles)
        self.written = last_written(self.server, self.options, ground, state, self.progress)
        self._tidy_state(state)
        downloaded, folders = set[Digest](), scene.made
        if not scene.idle or state.unfinished:
            downloaded, folders = self._change(ground, scene, state)
        self._remember(ground, scene, state, folders)
        self._keep(ground)
        result = self._result(ground, scene, len(downloaded), self.server.traffic.since(before))
        return replace(result, previous_manifest_hash=_known(state, self.options.book_id))

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

    def _change(self, ground: Ground, scene: Scene, state: State) -> tuple[set[Digest], set[str]]:
        decisions = scene.decisions
        changes = {put.path: Pending(put.old, put.new) for put in decisions.puts}
        changes.update({drop.path: Pending(drop.digest, None) for drop in decisions.drops})
        for path in decisions.aside:  # ours until it is out of the way, also when the book no longer has it
            changes.setdefault(path, Pending(scene.accepted[path][-1], None))
        if state.interrupted:
            self.progress.note(f"going on from an interrupted hydrate to {state.interrupted[:12]}")
        wanted: dict[Digest, int | None] = {put.new: ground.sizes.get(put.new) for put in decisions.puts}
        self.staging.resume(wanted)
        self._require_cached(scene, wanted)
        self._require_room(decisions, ground, wanted)
        known = state.identity.manifest_hash if state.identity else None
        self.files.write(PLAN, render_plan(ground.identity, known, changes))
        downloaded = self._gather(ground, scene, wanted)
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

    def _require_cached(self, scene: Scene, wanted: Collection[Digest]) -> None:
        """Offline, know before the first write whether the bytes are all on this machine."""
        if not self.options.offline:
            return
        lacking = set(wanted) - scene.in_tree(wanted).keys() - self.staging.held.keys()
        self._refuse_lacking({d for d in lacking if self.cache is None or self.cache.size(d) is None}, scene)

    def _refuse_lacking(self, lacking: Collection[Digest], scene: Scene) -> None:
        if lacking:
            cache = self.cache or BlobCache("", 0)
            raise missing_blobs(self.options, lacking, len(scene.decisions.puts), cache)

    def _gather(self, ground: Ground, scene: Scene, wanted: Mapping[Digest, int | None]) -> set[Digest]:
        """Bring all wanted blobs into staging: from the folder, the cache, the server; answers what was downloaded."""
        for digest, path in scene.in_tree(wanted.keys() - self.staging.held.keys()).items():
            self.staging.copy(digest, path)
        if self.cache is not None:
            self.cached = take_from_cache(self.cache, wanted, self.staging, self.progress)
        lacking = wanted.keys() - self.staging.held.keys()
        for digest in take_texts(ground.texts, wanted, self.staging):
            self._came(digest)
        if self.options.offline:
            self._refuse_lacking(lacking, scene)  # one that was there was damaged
        else:
            book_id, manifest = self.options.book_id, ground.identity.manifest_hash
            fetch(self.server, book_id, manifest, wanted, self.staging, self.progress, self._came)
        return set(lacking)

    def _came(self, digest: Digest) -> None:
        """Let the cache have a blob that came: verified, and the rest is still on its way."""
        if self.cache is not None:
            with contextlib.suppress(Changed, OSError), self.folder.reading(self.staging.name(digest)) as file:
                self.cache.put_open(digest, file)

    def _keep(self, ground: Ground) -> None:
        """Let the cache know what was told; all is done, so nothing of this can fail the run."""
        if self.cache is not None and not self.options.offline:
            remember(self.options, ground.identity, ground.revision, ground.manifest.text, self.cache)
            self.cache.settle()

    def _pending_index(
        self,
        scene: Scene,
        ground: Ground,
        state: State,
        made: Collection[str],
        changes: Mapping[str, Pending],
    ) -> Index:
        index = Index(pending=dict(changes), folders=scene.made | set(made))
        aside = set(scene.decisions.aside)  # what somebody made of a file of ours is never taken for our doing
        for path in (*scene.decisions.keep, *(changes.keys() - aside)):
            if (owned := self._owned(path, scene.tree, state)) is not None and path in scene.tree.found:
                index.files[path] = owned
        if state.index:
            for path, owned in state.index.files.items():
                if path in ground.target or path in aside:
                    index.files.setdefault(path, owned)
        return index

    def _owned(self, path: str, tree: TreeOnDisk, state: State) -> Owned | None:
        digest, seen = tree.found[path].digest if path in tree.found else None, tree.signatures.get(path)
        if digest is None or seen is None:
            return None
        owned = Owned(digest, seen[0], seen if believable(seen, self.began_ns) else None)
        former = state.index.files.get(path) if state.index else None
        return former if former == owned else owned

    def _remember(self, ground: Ground, scene: Scene, state: State, folders: set[str]) -> None:
        index = Index(folders=folders)
        for path in scene.decisions.keep:
            if owned := self._owned(path, scene.tree, state):
                index.files[path] = owned
        for put in scene.decisions.puts:
            index.files[put.path] = Owned(put.new, self.sizes[put.new])
        changed = not scene.idle or state.unfinished
        data = render_index(index)
        index_digest = digest_of(data)
        if changed or index_digest != state.index_digest:
            self.files.write(INDEX, data)
        del data  # a large book's weighs 20 MB
        if ground.manifest.text != state.raw.get(MANIFEST_TEXT):
            self.files.write(MANIFEST_TEXT, ground.manifest.text)
        self._remember_written(state)
        told = changed or ground.identity != state.identity or ground.revision < state.revision
        if told or MANIFEST_JSON not in state.raw:
            now = self.clock().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            count = len(ground.target)
            self.files.write(MANIFEST_JSON, render_identity(ground.identity, now, count, ground.revision))
        self.files.forget(PLAN)
        if self.glance and not changed and not self.options.offline:
            note(self.files, index, index_digest, scene.tree, ground.target.keys())

    def _remember_written(self, state: State) -> None:
        """What a site shows is of this manifest or is not there: nobody is told another state's dates."""
        if self.written is not None and self.written != state.raw.get(METADATA):
            self.files.write(METADATA, self.written)
        elif self.written is None and METADATA in state.raw:
            self.files.forget(METADATA)

    def _result(self, ground: Ground, scene: Scene, downloaded: int, spent: Traffic) -> HydrateResult:
        decisions, options = scene.decisions, self.options
        added = sum(put.old is None for put in decisions.puts)
        mode, reason = mode_of(ground, scene)
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
            files_from_cache=self.cached,
            as_of=ground.as_of,
            changes=changes_of(decisions),
            target=ground.target,
            metadata_digest=written_digest(self.written),
        )


def _known(state: State, book_id: str) -> Digest | None:
    """The manifest of this book that the folder equalled before."""
    return state.identity.manifest_hash if state.identity and state.identity.book_id == book_id else None


def _new_folders(decisions: Decisions, tree: TreeOnDisk) -> set[str]:
    """Folders that will be made, also those that take the place of a file of ours."""
    needed = parents(put.path for put in decisions.puts) - {""}
    return {folder for folder in needed if folder not in tree.found or tree.found[folder].kind != "folder"}
