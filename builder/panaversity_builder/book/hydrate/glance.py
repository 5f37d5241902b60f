"""The quick way of a run that has nothing to do: one question to the server, one look at every name, nothing else.

A run that found the folder whole and every file at rest leaves a note: which state files it had read and one digest
over all signatures it saw. Where the state files are still those, the server says that nothing changed and the folder
shows the same signatures, judging each file again would come to the same end. Anything else, however small, is left
to that judgement. The server is asked first and answers while the folder is looked at. Knows state files and the
seam; never decides what is to be done.
"""

import contextlib
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.checkpoints import Witness
from panaversity_builder.book.hydrate.folder import Changed, Folder, sight_digest
from panaversity_builder.book.hydrate.options import HydrateOptions, HydrateResult
from panaversity_builder.book.hydrate.recall import renew
from panaversity_builder.book.hydrate.records import (
    CHECKPOINTS,
    GLANCE,
    INDEX,
    MANIFEST_JSON,
    MANIFEST_TEXT,
    METADATA,
    PLAN,
    Glance,
    Identity,
    Index,
    parse_glance,
    parse_identity,
    parse_told,
    render_glance,
)
from panaversity_builder.book.hydrate.state import StateFiles
from panaversity_builder.book.sealed import Miss
from panaversity_builder.client import TEXT_WITHIN, BuildPlan, PlanQuestion, Server
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest, digest_of

if TYPE_CHECKING:
    from panaversity_builder.book.hydrate.tree import TreeOnDisk

MANY = 20_000
"""Files beyond which the folder is not looked at before the answer is here: looking twice would cost more than that."""


class Asked:
    """A plan that is asked for with this manifest known, while the caller looks at the folder.

    Nothing else may be asked of the server until ``plan`` was called.
    """

    def __init__(self, known: Digest, witness: Witness, ask: Callable[[], BuildPlan]) -> None:
        self.known, self.witness = known, witness
        self._ask = ask
        self._plan: BuildPlan | None = None
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._plan = self._ask()
        except Exception as fault:  # noqa: BLE001 — raised where the answer is needed
            self._fault = fault

    @property
    def waiting(self) -> bool:
        """True while there is time for something else."""
        return self._thread.is_alive()

    def plan(self) -> BuildPlan:
        """The answer, waited for. Raises what asking raised."""
        self._thread.join()
        if self._plan is None:
            raise self._fault or AssertionError("a plan or an error")
        return self._plan


@dataclass(frozen=True, slots=True)
class _Told:
    """What the folder holds by ``manifest.json``, and the audit logs remembered."""

    raw: bytes
    identity: Identity
    revision: int
    checkpoints: bytes | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Book and folder are as the last run left them."""

    told: _Told
    glance: Glance
    plan: BuildPlan
    witness: Witness


def glance_at(
    server: Server, options: HydrateOptions, files: StateFiles, folder: Folder, progress: Progress
) -> Unchanged | Asked | None:
    """Whether there is nothing to do; else what the server is asked already, None where it is not. Writes nothing.

    Raises what asking for a plan raises.
    """
    told = _told(options, files)
    if told is None:
        return None
    witness, known = Witness(told.checkpoints, options.book_id, progress), told.identity.manifest_hash
    question = PlanQuestion(known, options.scope, text_within=TEXT_WITHIN)
    asked = Asked(known, witness, lambda: witness.plan(server, question))
    glance = _noted(files, told)
    if glance is None or (glance.files > MANY and not _same(asked.plan(), told)):
        return asked
    if not _untouched(folder, glance) or not _same(asked.plan(), told):
        return asked
    return Unchanged(told, glance, asked.plan(), witness)


def unchanged(
    server: Server,
    options: HydrateOptions,
    files: StateFiles,
    folder: Folder,
    progress: Progress,
    cache: BlobCache | None,
) -> HydrateResult | Asked | None:
    """``glance_at`` for a hydrate: what it would remember anyway is remembered, and the result is its own."""
    before = replace(server.traffic)
    seen = glance_at(server, options, files, folder, progress)
    if not isinstance(seen, Unchanged):
        return seen
    identity, plan = seen.told.identity, seen.plan
    if seen.witness.dirty:
        files.write(CHECKPOINTS, seen.witness.to_bytes())
    if cache is not None and not renew(options, identity, plan.revision, cache):
        return Asked(identity.manifest_hash, seen.witness, lambda: plan)
    spent = server.traffic.since(before)
    return HydrateResult(
        book_id=options.book_id, manifest_hash=identity.manifest_hash, mode="unchanged", reason="", added=0, updated=0,
        deleted=0, unchanged=seen.glance.files, files_downloaded=0, bytes_transferred=spent.received,
        requests=spent.requests, output_dir=options.output_dir, numbering=identity.numbering, revision=plan.revision,
        previous_manifest_hash=identity.manifest_hash,
    )  # fmt: skip


def note(files: StateFiles, index: Index, index_digest: Digest, tree: "TreeOnDisk", target: Collection[str]) -> None:
    """Leave the note for the next run, if every file of ours is at rest. May do nothing."""
    from panaversity_builder.book.hydrate.tree import parents  # a run that glances does without

    owned = index.files
    if index.pending or owned.keys() != set(target) or any(file.signature is None for file in owned.values()):
        return
    if (raw := files.raw(MANIFEST_JSON)) is None:
        return
    state = {INDEX: index_digest, MANIFEST_JSON: digest_of(raw[MANIFEST_JSON])}
    glance = Glance(state, sorted(parents(owned) - {""}), len(owned), tree.seen)
    with contextlib.suppress(OSError):  # the folder is whole; the next run looks closer
        files.write(GLANCE, render_glance(glance), flush=False)


def _told(options: HydrateOptions, files: StateFiles) -> _Told | None:
    """What can be asked about before anything else is read; None where that is not what is wanted."""
    if options.full_rebuild or options.verify or options.offline or options.accept_rollback or options.manifest_file:
        return None
    if options.metadata or files.raw(METADATA) is not None:  # may be new where no byte of the book is
        return None
    if (raw := files.raw(MANIFEST_JSON)) is None:
        return None
    data = raw[MANIFEST_JSON]
    try:
        identity, revision = parse_identity(data), parse_told(data)[1]
    except Miss:
        return None
    if (options.book_id, options.tree, options.scope) != (identity.book_id, identity.tree, identity.scope):
        return None
    return _Told(data, identity, revision, (files.raw(CHECKPOINTS) or {}).get(CHECKPOINTS))


def _noted(files: StateFiles, told: _Told) -> Glance | None:
    """What the last run left; None where there is no such note, or where it is about other state files."""
    if files.raw(PLAN) is not None or (raw := files.raw(GLANCE, INDEX, MANIFEST_TEXT)) is None:
        return None
    try:
        glance = parse_glance(raw[GLANCE])
    except Miss:
        return None
    if glance.state != {INDEX: digest_of(raw[INDEX]), MANIFEST_JSON: digest_of(told.raw)}:
        return None
    return glance if digest_of(raw[MANIFEST_TEXT]) == told.identity.manifest_hash else None


def _same(plan: BuildPlan, told: _Told) -> bool:
    here = told.identity
    there = (plan.manifest_hash, plan.store_id, plan.incarnation, plan.numbering)
    if there != (here.manifest_hash, here.store_id, here.incarnation, here.numbering):
        return False
    return not plan.files and not plan.truncated and plan.warning is None and plan.revision >= told.revision


def _untouched(folder: Folder, glance: Glance) -> bool:
    try:
        return sight_digest(folder.scan({"", *glance.folders})) == glance.tree
    except Changed:
        return False
