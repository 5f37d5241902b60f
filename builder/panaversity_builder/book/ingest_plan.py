"""What an ingest has to do: the book as it stands, the source in the book's terms, and the decision between them.

Asks the server for the plan and, when it must, for manifest texts; decides and refuses. Changes nothing anywhere:
``book.ingest`` carries a plan out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from panaversity_builder.book.ingest_state import IngestState
from panaversity_builder.book.mapping import Mapped, Refusal, detect_numbering, map_tree
from panaversity_builder.book.selection import EVERYTHING, Selection
from panaversity_builder.book.source import SourceTree
from panaversity_builder.book.three_way import Decision, decide, going_back, settled
from panaversity_builder.client import BOOK_UNKNOWN, MANIFEST_UNKNOWN, BuildPlan, PlanQuestion, Server
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest, digest_of, short
from panaversity_fs.core.errors import HashMismatch, InvalidArgument, NotFound, SchemaViolation, SourceRefused
from panaversity_fs.core.manifest import Entries, parse, render
from panaversity_fs.core.mapping import Numbering, decode, encode
from panaversity_fs.core.paths import shown
from panaversity_fs.core.schema import Schema


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller asked for beyond the obvious; None leaves the choice to book and source.

    ``files`` limits everything to some source paths; ``operation`` is who asks, for the words of an error.
    """

    numbering: Numbering | None = None
    schema: Schema | None = None
    overwrite: bool = False
    files: Selection = EVERYTHING
    operation: str = "ingest"


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """Everything that is to happen, in book paths of the numbering ``numbering``.

    ``before`` is the book in its old paths when a change of numbering moves any of them; ``book`` and ``last`` are told
    in new paths then. ``last`` is None when nobody ingested yet; ``last_is_ours`` says that the server does not know it
    (it is remembered here, after an ingest by tools). ``origin`` leads from a book path to its source path. ``among``
    holds the paths that were asked for (None: all); the decision is about these only.
    """

    plan: BuildPlan
    numbering: Numbering
    schema: Schema
    source: Entries
    book: Entries
    last: Entries | None
    origin: Mapping[str, str]
    before: Entries | None
    decision: Decision
    last_is_ours: bool
    among: frozenset[str] | None

    @property
    def base(self) -> Entries:
        """The last ingest once this plan is carried out: the source, as far as it was asked for."""
        return self.source if self.among is None else settled(self.source, after(self), self.last or {}, self.among)


def plan_ingest(
    server: Server, book_id: str, tree: SourceTree, state: IngestState, wishes: Wishes, progress: Progress
) -> IngestPlan:
    """One request when nothing odd happened: ask, map, decide. Raises ``SourceRefused`` or ``SchemaViolation``.

    Conflicts and mass deletion are in the answer; ``book.ingest_limits`` judges them.
    """
    known = _known(tree, state, wishes)
    plan = state.witness.plan(server, PlanQuestion(digest_of(known) if known is not None else None))
    numbering = wishes.numbering or plan.numbering or detect_numbering(tree.files)
    schema = wishes.schema or plan.schema or Schema.DOCUSAURUS
    mapped = map_tree(tree.files, numbering, schema)
    _require_places(tree, mapped, plan, schema, wishes)
    source = {book_path: tree.files[path].digest for path, book_path in mapped.paths.items()}
    book = book_entries(server, book_id, plan, known)
    own = state.own_base(plan)
    last = own if own is not None else _last_ingest(server, book_id, plan, source, book, state, progress)
    before: Entries | None = None
    if plan.numbering is not None and plan.numbering != numbering:
        before, book = book, renumbered(book, plan.numbering, numbering)
        last = None if last is None else renumbered(last, plan.numbering, numbering)
    among = _among(tree, numbering, wishes, source.keys() | book.keys() | (last or {}).keys())
    asked = [entries if among is None else _some(entries, among) for entries in (source, book, last or {})]
    decision = decide(*asked, overwrite=wishes.overwrite)
    seen = _seen(state, plan) if decision.changes and before is None else None
    if seen is not None:
        back = going_back(decision, source, book, last or {}, seen)
        _warn_of_going_back([decode(path, numbering) or path for path in back], book_id, wishes, progress)
    return IngestPlan(
        plan=plan,
        numbering=numbering,
        schema=schema,
        source=source,
        book=book,
        last=last,
        origin={book_path: path for path, book_path in mapped.paths.items()},
        before=before if before != book else None,
        decision=decision,
        last_is_ours=own is not None,
        among=among,
    )


def _seen(state: IngestState, plan: BuildPlan) -> Entries | None:
    """The book as this checkout saw it last; None when it is still that, or nobody knows. Where the server has no such
    book nobody changed it: what was seen was another server's."""
    if state.book is None or plan.warns(BOOK_UNKNOWN) or digest_of(state.book) == plan.manifest_hash:
        return None
    try:
        return parse(state.book, "ingest")
    except HashMismatch:
        return None


def _warn_of_going_back(paths: list[str], book_id: str, wishes: Wishes, progress: Progress) -> None:
    """The book has one last ingest, whoever ran it: a checkout that lags looks like one that changed its mind."""
    if not paths:
        return
    first = ", ".join(map(shown, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    behind = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
    progress.warn(
        f"{wishes.operation}: {book_id}: {behind} as this checkout last saw the book, which others have "
        f"changed since: {first}. An ingest puts the older text back; if that is not meant, update the source first "
        "(git pull)"
    )


def _some(entries: Entries, among: Collection[str]) -> dict[str, Digest]:
    return {path: digest for path, digest in entries.items() if path in among}


def _among(tree: SourceTree, numbering: Numbering, wishes: Wishes, paths: Collection[str]) -> frozenset[str] | None:
    """The book paths that were asked for; None for all. Raises ``InvalidArgument`` for a name that means nothing."""
    if wishes.files.whole:
        return None
    sources = {path: decode(path, numbering) or path for path in paths}
    others = [refusal.source for refusal in (*tree.ignored, *tree.refused)]
    if unknown := wishes.files.of_nothing([*sources.values(), *tree.files, *others]):
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise InvalidArgument(
            wishes.operation, "--files", f"neither on disk nor in the book: {', '.join(map(shown, unknown[:3]))}{more}",
            "Check the spelling; names are read from the current folder, then from --source-dir", name="files",
            files=list(map(shown, unknown)),
        )  # fmt: skip
    return frozenset(path for path, source in sources.items() if source in wishes.files)


def _known(tree: SourceTree, state: IngestState, wishes: Wishes) -> bytes | None:
    """The manifest we say we have: the book's as last told, else the source's as a guess that often holds."""
    if state.book is not None:
        return state.book
    try:
        numbering = wishes.numbering or detect_numbering(tree.files)
    except SourceRefused:
        return None  # only a book that has a numbering can take this tree
    paths = map_tree(tree.files, numbering, Schema.DOCUSAURUS).paths
    return render({book_path: tree.files[path].digest for path, book_path in paths.items()})


def _require_places(tree: SourceTree, mapped: Mapped, plan: BuildPlan, schema: Schema, wishes: Wishes) -> None:
    """Judge what was asked for. What lies in a folder that cannot be read is not known to be gone, so it counts too."""
    refused = [r for r in tree.refused if wishes.files.touches(r.source)]
    refused += [r for r in mapped.refused if r.source in wishes.files]
    misfits = [r for r in mapped.misfits if r.source in wishes.files]
    if refused:
        raise SourceRefused(
            wishes.operation, shown(tree.root), f"{_files(refused)} cannot be taken: {_listed(refused)}",
            "Rename or remove what is listed, or name it in .bookignore", refused=[r.to_json() for r in refused],
        )  # fmt: skip
    if misfits:
        narrowing = plan.schema is not None and plan.schema != schema
        raise SchemaViolation(
            wishes.operation, shown(tree.root),
            f"{_files(misfits)} {'have' if len(misfits) > 1 else 'has'} no place in a {schema} book: "
            f"{_listed(misfits)}",
            "Leave out --schema strict" if narrowing or plan.schema is None else "Say --schema docusaurus to widen it",
            refused=[r.to_json() for r in misfits],
        )  # fmt: skip


def _files(found: Collection[Refusal]) -> str:
    return "1 file" if len(found) == 1 else f"{len(found)} files"


def _listed(refused: Collection[Refusal]) -> str:
    first = "; ".join(f"{shown(r.source)} {r.reason}" for r in list(refused)[:3])
    return first + (f"; and {len(refused) - 3} more" if len(refused) > 3 else "")


def book_entries(server: Server, book_id: str, plan: BuildPlan, known: bytes | None) -> dict[str, Digest]:
    """The book's manifest: the known one with the plan applied.

    Raises ``HashMismatch`` when that is not what was promised. A truncated plan costs one more request.
    """
    if plan.warns(BOOK_UNKNOWN):
        return {}
    if plan.truncated:
        return parse(server.manifest_text(book_id, plan.manifest_hash), "ingest")
    entries = {} if known is None or plan.warns(MANIFEST_UNKNOWN) else parse(known, "ingest")
    for file in plan.files:
        if file.current is None:
            entries.pop(file.path, None)
        else:
            entries[file.path] = file.current
    if digest_of(render(entries)) != plan.manifest_hash:
        raise HashMismatch(
            "ingest", book_id, f"the plan does not lead to the manifest {short(plan.manifest_hash)} it promises",
            "Nothing was written; tell whoever runs the server",
        )  # fmt: skip
    return entries


def _last_ingest(
    server: Server,
    book_id: str,
    plan: BuildPlan,
    source: Entries,
    book: Entries,
    state: IngestState,
    progress: Progress,
) -> Entries | None:
    """The source as last ingested; None when nobody did. Costs a request only when no text at hand has its hash."""
    last = plan.ingest_manifest
    if last is None:
        return None
    if last == plan.manifest_hash:
        return book
    if last == digest_of(render(source)):
        return source
    try:
        text = state.text(last) or server.manifest_text(book_id, last)
    except NotFound:
        progress.warn(f"ingest: {book_id}: the server forgot the last ingest; what differs now counts as a conflict")
        return {}
    return parse(text, "ingest")


def renumbered(entries: Entries, old: Numbering, new: Numbering) -> dict[str, Digest]:
    """The same source paths as another numbering keeps them. Raises ``HashMismatch`` for a path that is none."""
    moved: dict[str, Digest] = {}
    for path, digest in entries.items():
        source = decode(path, old)
        target = None if source is None else encode(source, new)
        if target is None:
            raise HashMismatch(
                "ingest", shown(path), "the server holds a path that is none of a book", "Run panaversity-fs fsck there"
            )
        moved[target] = digest
    return moved


def after(plan: IngestPlan) -> dict[str, Digest]:
    """The book's manifest once the decision is carried out, if nobody else writes meanwhile."""
    gone = set(plan.decision.deletes)
    written = {path: plan.source[path] for path in plan.decision.writes}
    return {path: digest for path, digest in plan.book.items() if path not in gone} | written
