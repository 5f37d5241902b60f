"""``plan_build``: what leads from the manifest the caller has to the book as it is (FR-025..027, SC-007)."""

from panaversity_fs.core.digest import EMPTY, Digest, short
from panaversity_fs.core.errors import NotFound
from panaversity_fs.core.manifest import changed_paths, parse
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library.absence import gone
from panaversity_fs.library.answers import MAX_PLAN_FILES, ChangeType, Plan, PlanFile, Scope
from panaversity_fs.library.context import Context
from panaversity_fs.library.telling import manifest_text, tell
from panaversity_fs.library.views import BookView
from panaversity_fs.store.books import find_book
from panaversity_fs.store.told import find_told

_TOPS: dict[Scope, tuple[str, ...]] = {
    "all": ("content/", "static/"),
    "content": ("content/",),
    "assets": ("static/",),
}

Warned = tuple[str, str] | None


async def plan(context: Context, book_id: str, known: Digest | None, scope: Scope) -> Plan:
    """Answer the difference and promise the manifest it leads to.

    A book nobody created is an empty plan with the warning ``BOOK_UNKNOWN``; a known hash this book never told is the
    full plan with ``MANIFEST_UNKNOWN``. Raises ``BookGone``.
    """
    require_book_id(book_id, "plan_build")
    async with context.database.read("plan_build") as connection:
        book = await find_book(connection, book_id)
        if book is None:
            return _unknown_book(context, book_id)
        if book.state != "live":
            raise gone("plan_build", book_id)
        view = await context.views.load(connection, book)
        told = await find_told(connection, book_id, book.incarnation, view.manifest_hash)
    persisted = await tell(context, book, view, told)
    have, warning = await _known_entries(context, book_id, view, known)
    files = [_plan_file(path, have, view) for path in changed_paths(have, view.digests_by_path)]
    files = [file for file in files if file.path.startswith(_TOPS[scope])]
    return Plan(
        status="unchanged" if known == view.manifest_hash else "changed",
        manifest_hash=view.manifest_hash, numbering=book.numbering, schema=book.schema, revision=book.revision,
        store_id=context.store_id, incarnation=book.incarnation, ingest_manifest=book.ingest_manifest,
        files=tuple(files[:MAX_PLAN_FILES]), changed_count=len(files), total_files=len(view.entries),
        total_bytes=view.total_bytes, truncated=len(files) > MAX_PLAN_FILES, persisted=persisted, warning=warning,
    )  # fmt: skip


async def _known_entries(
    context: Context, book_id: str, view: BookView, known: Digest | None
) -> tuple[dict[str, Digest], Warned]:
    if known is None or known == EMPTY:
        return {}, None
    if known == view.manifest_hash:
        return view.digests_by_path, None
    try:
        return parse(await manifest_text(context, book_id, known)), None
    except NotFound:
        problem = f"{book_id} never told the manifest {short(known)}; the plan lists every file"
        return {}, ("MANIFEST_UNKNOWN", problem)


def _plan_file(path: str, have: dict[str, Digest], view: BookView) -> PlanFile:
    held, target = view.entries.get(path), have.get(path)
    kind: ChangeType = "deleted" if held is None else "added" if target is None else "modified"
    return PlanFile(path, held.digest if held else None, target, kind, held.size if held else 0)


def _unknown_book(context: Context, book_id: str) -> Plan:
    return Plan(
        status="changed", manifest_hash=EMPTY, numbering=None, schema=None, revision=0, store_id=context.store_id,
        incarnation=0, ingest_manifest=None, files=(), changed_count=0, total_files=0, total_bytes=0, persisted=False,
        warning=("BOOK_UNKNOWN", f"nobody created the book {book_id} here"),
    )  # fmt: skip
