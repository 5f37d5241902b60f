"""From what is remembered and what the server answers to the tree that is to be made.

Asks the server (one request where all is well), has the answer validated, and says why a run is full. Knows the
build state and the seam; does not know the tree on disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.checkpoints import Witness
from panaversity_builder.book.hydrate.glance import Asked
from panaversity_builder.book.hydrate.options import HydrateOptions, Tree
from panaversity_builder.book.hydrate.recall import recall
from panaversity_builder.book.hydrate.records import MANIFEST_TEXT, Identity
from panaversity_builder.book.hydrate.state import State
from panaversity_builder.book.hydrate.validate import Manifest, derive, from_text, require_safe, tree_of, untrue
from panaversity_builder.client import (
    BOOK_UNKNOWN,
    MANIFEST_UNKNOWN,
    TEXT_WITHIN,
    BuildPlan,
    PlanQuestion,
    Scope,
    Server,
)
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import ChainBroken, InvalidPath, NotFound

NOTHING_YET = "nothing was hydrated here before"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a run stands: the tree to make, the one that was there, and the sizes of blobs in bytes where known.

    ``full_because`` says why the stored manifest could not be built upon; empty when it was. ``changed`` says whether
    the book differs from what was remembered. ``former`` is the remembered manifest as output paths, for a folder
    whose ownership index is lost.
    ``total_bytes`` is the size of the whole book. ``checkpoints`` is to be remembered of audit logs (None: as it was).
    ``texts`` are bytes that came with the answer, not hashed yet. ``as_of`` is set where no server was asked: when the
    manifest was last known to be the book's.
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
    texts: Mapping[Digest, bytes] = field(default_factory=dict)
    as_of: str | None = None


def ask_nobody(options: HydrateOptions, state: State, cache: BlobCache) -> Ground:
    """The last told manifest in the place of an answer. Raises ``ServerUnreachable`` when none is known here.

    It came over a wire or out of a cache once, so it is judged as a plan is: ``InvalidPath`` for an unsafe one.
    """
    known = recall(options, state, cache)
    target = tree_of(known.entries, known.identity.numbering, options.tree, options.scope)
    sizes = _known_sizes(state)
    for digest in set(target.values()) - sizes.keys():
        if (size := cache.size(digest)) is not None:
            sizes[digest] = size
    return Ground(
        identity=known.identity,
        revision=known.revision,
        manifest=Manifest(known.entries, known.text),
        target=target,
        former={} if state.index else _former(state),
        sizes=sizes,
        full_because="",
        changed=known.identity != state.identity,
        total_bytes=0,
        checkpoints=None,
        as_of=known.as_of,
    )


def ask(
    server: Server, options: HydrateOptions, state: State, progress: Progress, asked: Asked | None = None
) -> Ground:
    """Plan against what is remembered, or in full without it. ``asked`` is an answer on its way.

    Raises ``NotFound`` for a book nobody created, ``InvalidPath`` and ``HashMismatch`` for a plan that is refused,
    ``ChainBroken`` for one whose audit log is not the one remembered, or that is older than this folder.
    """
    miss = _miss(state, options)
    known = None if miss or state.identity is None else state.identity.manifest_hash
    if asked is None:
        witness = Witness(state.checkpoints, options.book_id, progress, accept_rollback=options.accept_rollback)
        plan = witness.plan(server, PlanQuestion(known, options.scope, text_within=TEXT_WITHIN))
    else:
        if asked.waiting:
            from panaversity_builder.client import packs

            packs.load()
        witness, plan = asked.witness, asked.plan()
        if asked.known != known:  # what manifest.json says is not borne out by the rest
            plan = witness.plan(server, PlanQuestion(known, options.scope))
    if known is not None and (miss := _foreign(state, plan)) and plan.warning is None:
        plan = witness.plan(server, PlanQuestion(scope=options.scope))
    _require_book(plan, options, progress)
    _require_no_older_book(plan, options, state)
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


def _require_no_older_book(plan: BuildPlan, options: HydrateOptions, state: State) -> None:
    """Raise ``ChainBroken`` for a book that is older than the one this folder was made from (F49).

    The audit log shows a rollback of the whole store; this shows a server that lags or lies about one book only.
    """
    stored = state.identity
    if stored is None or options.accept_rollback or stored.book_id != options.book_id or plan.warns(BOOK_UNKNOWN):
        return
    same = (stored.store_id, stored.incarnation) == (plan.store_id, plan.incarnation)
    if same and plan.revision < state.revision:
        raise ChainBroken(
            "hydrate", options.book_id,
            f"the server tells revision {plan.revision}, but this folder was made from revision {state.revision}",
            "Find out why before you go on; after an honest restore say --accept-rollback",
            book_id=options.book_id, expected=state.revision, actual=plan.revision,
        )  # fmt: skip


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
    if plan.manifest_hash == (state.identity and state.identity.manifest_hash) and known and not plan.files:
        manifest = Manifest(known, state.raw[MANIFEST_TEXT])  # as it was judged when it was read
    else:
        manifest = _manifest(server, options, plan, known)
    target = tree_of(manifest.entries, plan.numbering, options.tree, options.scope)
    if state.index:  # the same texts, not equal ones: a hundred thousand paths weigh 12 MB
        held = {path: path for path in state.index.files}
        target = {held.get(path, path): digest for path, digest in target.items()}
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
        texts=plan.texts,
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


def _known_sizes(state: State) -> dict[Digest, int]:
    return {owned.digest: owned.size for owned in state.index.files.values()} if state.index else {}


def _sizes(state: State, plan: BuildPlan) -> dict[Digest, int]:
    sizes = _known_sizes(state)
    sizes.update({file.current: file.size for file in plan.files if file.current is not None})
    return sizes
