"""What an ingest has to do: the book as it stands, the source in the book's terms, and the decision between them.

Asks the server for the plan and, when it must, for manifest texts; decides and refuses. Changes nothing anywhere:
``book.ingest`` carries a plan out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from panaversity_builder.book.ingest_state import IngestState
from panaversity_builder.book.mapping import Mapped, Refusal, detect_numbering, map_tree
from panaversity_builder.book.source import SourceTree
from panaversity_builder.book.three_way import Decision, decide
from panaversity_builder.client import BOOK_UNKNOWN, MANIFEST_UNKNOWN, BuildPlan, Server
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest, digest_of, short
from panaversity_fs.core.errors import Conflict, HashMismatch, InvalidArgument, NotFound, SchemaViolation, SourceRefused
from panaversity_fs.core.manifest import Entries, parse, render
from panaversity_fs.core.mapping import Numbering, decode, encode
from panaversity_fs.core.paths import shown
from panaversity_fs.core.schema import Schema

FREE_DELETES: Final = 10
FREE_PERCENT: Final = 10


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller asked for beyond the obvious; None leaves the choice to book and source."""

    numbering: Numbering | None = None
    schema: Schema | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """Everything that is to happen, in book paths of the numbering ``numbering``.

    ``before`` is the book in its old paths when a change of numbering moves any of them; ``book`` and ``last`` are told
    in new paths then. ``last`` is None when nobody ingested yet. ``origin`` leads from a book path to its source path.
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

    @property
    def source_text(self) -> bytes:
        return render(self.source)


def plan_ingest(
    server: Server, book_id: str, tree: SourceTree, state: IngestState, wishes: Wishes, progress: Progress
) -> IngestPlan:
    """One request when nothing odd happened: ask, map, decide. Raises ``SourceRefused`` or ``SchemaViolation``.

    Conflicts and mass deletion are in the answer; ``require_peace`` and ``require_few_deletes`` judge them.
    """
    known = _known(tree, state, wishes)
    plan = state.witness.plan(server, digest_of(known) if known is not None else None)
    numbering = wishes.numbering or plan.numbering or detect_numbering(tree.files)
    schema = wishes.schema or plan.schema or Schema.DOCUSAURUS
    mapped = map_tree(tree.files, numbering, schema)
    _require_places(tree, mapped, plan, schema)
    source = {book_path: tree.files[path].digest for path, book_path in mapped.paths.items()}
    book = book_entries(server, book_id, plan, known)
    last = _last_ingest(server, book_id, plan, source, book, state, progress)
    before: Entries | None = None
    if plan.numbering is not None and plan.numbering != numbering:
        before, book = book, renumbered(book, plan.numbering, numbering)
        last = None if last is None else renumbered(last, plan.numbering, numbering)
    return IngestPlan(
        plan=plan,
        numbering=numbering,
        schema=schema,
        source=source,
        book=book,
        last=last,
        origin={book_path: path for path, book_path in mapped.paths.items()},
        before=before if before != book else None,
        decision=decide(source, book, last or {}, overwrite=wishes.overwrite),
    )


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


def _require_places(tree: SourceTree, mapped: Mapped, plan: BuildPlan, schema: Schema) -> None:
    refused = [*tree.refused, *mapped.refused]
    if refused:
        raise SourceRefused(
            "ingest", shown(tree.root), f"{_files(refused)} cannot be taken: {_listed(refused)}",
            "Rename or remove what is listed, or name it in .bookignore", refused=[r.to_json() for r in refused],
        )  # fmt: skip
    if mapped.misfits:
        narrowing = plan.schema is not None and plan.schema != schema
        raise SchemaViolation(
            "ingest", shown(tree.root),
            f"{_files(mapped.misfits)} {'have' if len(mapped.misfits) > 1 else 'has'} no place in a {schema} book: "
            f"{_listed(mapped.misfits)}",
            "Leave out --schema strict" if narrowing or plan.schema is None else "Say --schema docusaurus to widen it",
            refused=[r.to_json() for r in mapped.misfits],
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


def require_peace(plan: IngestPlan, book_id: str) -> None:
    """Raise ``Conflict`` with every path that both sides changed (FR-203: a person resolves it)."""
    if not plan.decision.conflicts:
        return
    conflicts = [
        {
            "path": path,
            "source": plan.origin.get(path),
            "code": "CONFLICT",
            "expected_hash": (plan.last or {}).get(path),
            "current_hash": plan.book.get(path),
            "source_hash": plan.source.get(path),
        }
        for path in plan.decision.conflicts
    ]
    first = ", ".join(shown(path) for path in plan.decision.conflicts[:3])
    more = f" and {len(conflicts) - 3} more" if len(conflicts) > 3 else ""
    raise Conflict(
        "ingest", book_id, f"changed in the source and in the book since the last ingest: {first}{more}",
        "Nothing was written. Merge the book's text into the source, or say --overwrite to let the source win",
        conflicts=conflicts,
    )  # fmt: skip


def require_few_deletes(plan: IngestPlan, book_id: str, max_deletes: str | None) -> None:
    """Raise ``SourceRefused`` when more files would go than allowed (D10, F47)."""
    deletes, held = plan.decision.deletes, len(plan.book)
    if len(deletes) > allowed_deletes(max_deletes, held):
        raise SourceRefused(
            "ingest", book_id, f"{len(deletes)} of {held} files would be deleted",
            f"Check --source-dir; if it is right, say --max-deletes {len(deletes)}",
            deleted=list(deletes), limit=allowed_deletes(max_deletes, held),
        )  # fmt: skip


def allowed_deletes(max_deletes: str | None, held: int) -> int:
    """How many of ``held`` files may go: "N", "P%", or None for max(10, 10 %). Raises ``InvalidArgument``."""
    if max_deletes is None:
        return max(FREE_DELETES, held * FREE_PERCENT // 100)
    number = max_deletes.removesuffix("%")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise InvalidArgument(
            "ingest",
            "--max-deletes",
            f"{shown(max_deletes)!r} is no limit",
            "Give a number of files, or a percentage as 25%",
        )
    return int(number) if number == max_deletes else held * int(number) // 100


def after(plan: IngestPlan) -> dict[str, Digest]:
    """The book's manifest once the decision is carried out, if nobody else writes meanwhile."""
    gone = set(plan.decision.deletes)
    written = {path: plan.source[path] for path in plan.decision.writes}
    return {path: digest for path, digest in plan.book.items() if path not in gone} | written
