"""From what is remembered and what the server answers to the tree that is to be made.

Asks the server (one request where all is well), has the answer validated, and says why a run is full. Knows the
build state and the seam; does not know the tree on disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from panaversity_builder.book.checkpoints import Witness
from panaversity_builder.book.hydrate.options import HydrateOptions, Tree
from panaversity_builder.book.hydrate.records import Identity
from panaversity_builder.book.hydrate.state import State
from panaversity_builder.book.hydrate.validate import Manifest, derive, from_text, require_safe, tree_of, untrue
from panaversity_builder.client import BOOK_UNKNOWN, MANIFEST_UNKNOWN, BuildPlan, Scope, Server
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import InvalidPath, NotFound

NOTHING_YET = "nothing was hydrated here before"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a run stands: the tree to make, the one that was there, and the sizes of blobs in bytes where known.

    ``full_because`` says why the stored manifest could not be built upon; empty when it was. ``changed`` says whether
    the book differs from what was remembered. ``former`` is the remembered manifest as output paths, for a folder
    whose ownership index is lost.
    ``total_bytes`` is the size of the whole book. ``checkpoints`` is to be remembered of audit logs (None: as it was).
    """

    identity: Identity
    revision: int
    manifest: Manifest
    target: Mapping[str, Digest]
    former: Mapping[str, Digest]
    sizes: Mapping[Digest, int]
    full_because: str
    changed: bool
    total_bytes: int
    checkpoints: bytes | None


def ask(server: Server, options: HydrateOptions, state: State, progress: Progress) -> Ground:
    """Plan against what is remembered, or in full without it.

    Raises ``NotFound`` for a book nobody created, ``InvalidPath`` and ``HashMismatch`` for a plan that is refused,
    ``ChainBroken`` for one whose audit log is not the one remembered.
    """
    witness = Witness(state.checkpoints, options.book_id, progress, accept_rollback=options.accept_rollback)
    miss = _miss(state, options)
    known = None if miss or state.identity is None else state.identity.manifest_hash
    plan = witness.plan(server, known, options.scope)
    if known is not None and (miss := _foreign(state, plan)) and plan.warning is None:
        plan = witness.plan(server, None, options.scope)
    _require_book(plan, options, progress)
    return _ground(server, options, state, plan, miss, witness)


def _miss(state: State, options: HydrateOptions) -> str:
    """Why the stored manifest is not told to the server; empty when it is."""
    stored = state.identity
    if options.full_rebuild:
        return "a full rebuild was asked for"
    if state.misses:
        return "; ".join(state.misses)
    if stored is None:
        return NOTHING_YET if state.index is None else "manifest.json is not there"
    if stored.book_id != options.book_id:
        return f"the folder holds another book, {stored.book_id}"
    if stored.tree != options.tree:
        return f"the folder is laid out as {stored.tree} tree, {options.tree} was asked for"
    if stored.scope != options.scope:
        return f"the folder holds scope {stored.scope}, {options.scope} was asked for"
    return "" if state.index else "the ownership index is not there"


def _foreign(state: State, plan: BuildPlan) -> str:
    """Why the server's answer cannot build upon the stored manifest; empty when it can."""
    stored = state.identity
    if plan.warns(BOOK_UNKNOWN) or stored is None:
        return "the server knows no such book"
    if stored.store_id != plan.store_id:
        return "the folder was hydrated from another store"
    if stored.incarnation != plan.incarnation:
        return "the book was deleted and made again since"
    return "the server does not know the stored manifest" if plan.warns(MANIFEST_UNKNOWN) else ""


def _require_book(plan: BuildPlan, options: HydrateOptions, progress: Progress) -> None:
    if plan.warns(BOOK_UNKNOWN) and not options.allow_empty:
        raise NotFound(
            "hydrate", options.book_id, "no such book on this server",
            "Check --book-id and PANAVERSITY_MCP_URL, or ingest it first; --allow-empty accepts an empty folder",
            kind="book", subject_id=options.book_id,
        )  # fmt: skip
    if plan.warning is not None:
        progress.warn(plan.warning[1])


def _ground(
    server: Server, options: HydrateOptions, state: State, plan: BuildPlan, full_because: str, witness: Witness
) -> Ground:
    known: Mapping[str, Digest] = {}
    if not full_because and state.entries is not None:
        known = state.entries
    require_safe(plan)
    manifest = _manifest(server, options, plan, known)
    target = tree_of(manifest.entries, plan.numbering, options.tree, options.scope)
    identity = Identity(
        options.book_id,
        plan.manifest_hash,
        plan.store_id,
        plan.incarnation,
        plan.numbering,
        options.tree,
        options.scope,
    )
    return Ground(
        identity=identity,
        revision=plan.revision,
        manifest=manifest,
        target=target,
        former={} if state.index else _former(state),
        sizes=_sizes(state, plan),
        full_because=full_because,
        changed=identity != state.identity,
        total_bytes=plan.total_bytes,
        checkpoints=witness.to_bytes() if witness.dirty else None,
    )


def _manifest(server: Server, options: HydrateOptions, plan: BuildPlan, known: Mapping[str, Digest]) -> Manifest:
    if not plan.truncated and (derived := derive(plan, known)) is not None:
        return derived
    if not plan.truncated and options.scope == "all":
        raise untrue(plan, "the changes it lists do not lead to the manifest it promises")
    text = server.manifest_text(options.book_id, plan.manifest_hash)
    return from_text(plan, text, known, options.scope)


def _former(state: State) -> dict[str, Digest]:
    """The remembered manifest as a tree; empty when there is none or it makes no sense any more."""
    if state.identity is None or state.entries is None:
        return {}
    tree: Tree = "storage" if state.identity.tree == "storage" else "source"
    scope: Scope = {"content": "content", "assets": "assets"}.get(state.identity.scope, "all")  # type: ignore[assignment]
    try:
        return tree_of(state.entries, state.identity.numbering, tree, scope)
    except InvalidPath:
        return {}


def _sizes(state: State, plan: BuildPlan) -> dict[Digest, int]:
    sizes = {owned.digest: owned.size for owned in state.index.files.values()} if state.index else {}
    sizes.update({file.current: file.size for file in plan.files if file.current is not None})
    return sizes
