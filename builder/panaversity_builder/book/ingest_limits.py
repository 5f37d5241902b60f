"""What stops an ingest that knows what it has to do: conflicts, and more deletions than anybody means (D10, D17, F47).

PURE: a plan in, an error or nothing out. Does not know how a plan is made or carried out.
"""

from typing import Final

from panaversity_builder.book.ingest_plan import IngestPlan
from panaversity_fs.core.errors import Conflict, InvalidArgument, SourceRefused
from panaversity_fs.core.mapping import decode
from panaversity_fs.core.paths import shown

FREE_DELETES: Final = 10
FREE_PERCENT: Final = 10


def require_peace(plan: IngestPlan, book_id: str) -> None:
    """Raise ``Conflict`` with every path that both sides changed (FR-203: a person resolves it)."""
    if not plan.decision.conflicts:
        return
    conflicts = [
        {
            "path": path,
            "source": plan.origin.get(path) or decode(path, plan.numbering),
            "code": "CONFLICT",
            "reason": _both_sides(path in plan.source, path in plan.book),
            "expected_hash": (plan.last or {}).get(path),
            "current_hash": plan.book.get(path),
            "source_hash": plan.source.get(path),
        }
        for path in plan.decision.conflicts
    ]
    first = ", ".join(shown(str(one["source"])) for one in conflicts[:3])
    more = f" and {len(conflicts) - 3} more" if len(conflicts) > 3 else ""
    raise Conflict(
        "ingest", book_id, f"changed in the source and in the book since the last ingest: {first}{more}",
        "Nothing was written. Merge the book's text (hydrate brings it into the docs folder) into yours, then say "
        "ingest --overwrite --files FILE to let yours win",
        conflicts=conflicts,
    )  # fmt: skip


def _both_sides(in_source: bool, in_book: bool) -> str:
    ours, theirs = ("changed" if there else "deleted" for there in (in_source, in_book))
    return f"was {ours} here and {theirs} in the book"


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
