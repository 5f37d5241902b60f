"""Decide a changeset against a book as it is: who wins, what the book becomes (FR-003..009, R1, SC-003).

Pure: values in, a decision or refusals out. The transaction that carries it out is ``library.commit``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from panaversity_fs.core.changes import Changeset, Delete, Verdict, Write, judge_all
from panaversity_fs.core.errors import Conflict, PanaversityError, SchemaViolation
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import NameIndex
from panaversity_fs.core.schema import Schema, require_place
from panaversity_fs.library.absence import no_book
from panaversity_fs.library.overlays import Overlay, name_clashes
from panaversity_fs.library.views import BookView, Change, Held, source_of
from panaversity_fs.store.books import BookRow

INGEST = "ingest"
"""The operation whose book is born ``docusaurus`` and whose refusals come as one list."""
CREATE = "create_book"
"""The operation that is refused when there is a book."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a changeset does to a book: the verdict on each operation, the settings and the base's view afterwards."""

    verdicts: tuple[Verdict, ...]
    schema: Schema
    numbering: Numbering | None
    settings_changed: bool
    view: BookView

    @property
    def changes(self) -> bool:
        """True when anything a reader could see changed."""
        return self.settings_changed or any(verdict.changes for verdict in self.verdicts)


class Refused(Exception):
    """The changeset takes no effect; ``refusals`` holds one typed error for every operation that stands in the way."""

    def __init__(self, refusals: Sequence[PanaversityError], answer: PanaversityError) -> None:
        super().__init__(str(answer))
        self.refusals = refusals
        self.answer = answer


def decide(
    book_id: str, book: BookRow | None, view: BookView, changeset: Changeset, own: Overlay | None = None
) -> Decision:
    """Judge every operation, then the book that would result. Raises ``Refused``, ``InvalidArgument``, ``Conflict``,
    ``NotFound``. ``own`` is the overlay the changeset is meant for; None: the base."""
    verb = changeset.operation
    if verb == CREATE and book is not None:
        raise Conflict(CREATE, book.book_id, "the book exists", "Write to it, or choose another id")
    if book is None and verb != CREATE and not changeset.digests():
        raise no_book(verb, book_id)  # deleting nothing must not bring a book about
    verdicts, refusals = judge_all(changeset.operations, (view if own is None else own).digests_by_path, verb)
    if refusals:
        raise Refused(refusals, _one_answer(refusals, verb))
    born_as = Schema.DOCUSAURUS if verb == INGEST else Schema.STRICT
    schema = changeset.schema or (book.schema if book else born_as)
    numbering = changeset.numbering or (book.numbering if book else None)
    if own is not None:
        return _decide_overlay(view, own, verdicts, schema, numbering, verb)
    changed = book is not None and (schema, numbering) != (book.schema, book.numbering)
    revision = (book.revision if book else 0) + 1
    changes = [_change(v) for v in verdicts if v.changes]
    after = view.after(changes, revision, numbering)
    misplaced = list(_misplaced(after, verdicts, schema, numbering, everything=changed, verb=verb))
    if misplaced:
        raise Refused(misplaced, _one_answer(misplaced, verb))
    names = _names(view, after, verdicts, verb)
    decision = Decision(tuple(verdicts), schema, numbering, changed, view)
    if not decision.changes:
        return decision
    return Decision(tuple(verdicts), schema, numbering, changed, after.with_names(names))


def _decide_overlay(
    view: BookView, own: Overlay, verdicts: Sequence[Verdict], schema: Schema, numbering: Numbering | None, verb: str
) -> Decision:
    """The same judgement of places and names over base and overlay together; the base stays as it is (FR-018)."""
    faults = list(_misplaced(view, verdicts, schema, numbering, everything=False, verb=verb))
    if faults := faults or list(name_clashes(view, own, verdicts, numbering, verb)):
        raise Refused(faults, _one_answer(faults, verb))
    return Decision(tuple(verdicts), schema, numbering, False, view)


def _change(verdict: Verdict) -> Change:
    operation = verdict.operation
    if isinstance(operation, Delete):
        return operation.path, None
    return operation.path, Held(operation.sha256, operation.size)


def _misplaced(
    after: BookView,
    verdicts: Iterable[Verdict],
    schema: Schema,
    numbering: Numbering | None,
    *,
    everything: bool,
    verb: str,
) -> Iterable[PanaversityError]:
    """Paths without a place: the new ones, or all when the book's settings change under them."""
    new = [v.operation.path for v in verdicts if v.mode == "created"]
    for path in after.entries if everything else new:
        try:
            require_place(path, schema, numbering, verb)
        except PanaversityError as fault:
            yield fault


def _names(view: BookView, after: BookView, verdicts: Sequence[Verdict], verb: str) -> NameIndex:
    """The index of source paths afterwards; deletes go first, so a case-only rename works (DESIGN 4)."""
    if after.numbering != view.numbering:
        names, joining = NameIndex(), list(after.entries)
    else:
        joining = [v.operation.path for v in verdicts if v.mode == "created"]
        gone = [v.operation.path for v in verdicts if v.mode == "deleted"]
        if not joining and not gone:
            return view.names
        names = view.names.copy()
        for path in gone:
            names.remove(source_of(path, view.numbering))
    clashes = []
    for path in joining:
        if clash := names.add(source_of(path, after.numbering)):
            clashes.append(
                SchemaViolation(verb, path, clash, "Give one of the two another name", path=path, reason=clash)
            )
    if clashes:
        raise Refused(clashes, _one_answer(clashes, verb))
    return names


def _one_answer(refusals: Sequence[PanaversityError], verb: str) -> PanaversityError:
    """The error to answer with: the refusal itself, or for an ingest one that lists them all."""
    first = refusals[0]
    if verb != INGEST:
        return first
    conflicts = [_listed(refusal) for refusal in refusals]
    kind = SchemaViolation if isinstance(first, SchemaViolation) else Conflict
    if first.code == "INVALID_PATH":
        kind = type(first)  # type: ignore[assignment]
    problem = first.problem if len(refusals) == 1 else f"{first.problem}, and {len(refusals) - 1} more"
    return kind(verb, first.subject, problem, first.hint, conflicts=conflicts)


def _listed(refusal: PanaversityError) -> dict[str, Any]:
    details = refusal.details
    return {
        "path": details.get("path", refusal.subject),
        "code": refusal.code,
        "reason": refusal.problem,
        "expected_hash": details.get("expected_hash"),
        "current_hash": details.get("current_hash"),
    }


def written(verdicts: Iterable[Verdict]) -> list[Write]:
    """The operations whose bytes the book holds afterwards."""
    return [v.operation for v in verdicts if isinstance(v.operation, Write)]
