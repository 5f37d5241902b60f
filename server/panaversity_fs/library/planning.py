"""``plan_build``: what leads from the manifest the caller has to the book as it is (FR-025..027, SC-007)."""

from dataclasses import dataclass

from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.digest import EMPTY, Digest, digest_of, short
from panaversity_fs.core.errors import HashMismatch, NotFound, Unavailable
from panaversity_fs.core.manifest import changed_paths, parse
from panaversity_fs.core.merkle import Proof
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.library.absence import gone
from panaversity_fs.library.answers import MAX_PLAN_FILES, ChangeType, Plan, PlanFile, Scope
from panaversity_fs.library.auditing import checkpoint_of, proof_since
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.observing import PlanAnswer
from panaversity_fs.library.telling import manifest_metadata, manifest_text, tell
from panaversity_fs.library.views import BookView
from panaversity_fs.store.blob_rows import find_blobs
from panaversity_fs.store.books import BookRow, find_book
from panaversity_fs.store.told import find_told

TOPS: dict[Scope, tuple[str, ...]] = {
    "all": ("content/", "static/"),
    "content": ("content/",),
    "assets": ("static/",),
}
"""Scope → the folders it holds."""

Warned = tuple[str, str] | None
_LOOKS = 5
"""How often a book is looked at again that moved on before its manifest was told."""


async def plan(
    context: Context, book_id: str, known: Digest | None, scope: Scope, seen: Checkpoint | None = None
) -> Plan:
    """Answer the difference and promise the manifest it leads to.

    A book nobody created is an empty plan with the warning ``BOOK_UNKNOWN``; a known hash this book never told is the
    full plan with ``MANIFEST_UNKNOWN``. ``seen`` is the checkpoint the caller remembers: the proof that the log
    continues it comes along where there is one. Raises ``BookGone``, and ``ChainBroken`` when the proof cannot be made.
    """
    require_book_id(book_id, "plan_build")
    promised = await _promised(context, book_id, seen)
    if promised is None:
        return _unknown_book(context, book_id)
    book, view, persisted, proof = promised.book, promised.view, promised.persisted, promised.proof
    have, warning = await _known_entries(context, book_id, view, known)
    # Not compared with itself: 100,000 paths take some 30 ms (measured) to say that nothing changed.
    changed = [] if known == view.manifest_hash else changed_paths(have, view.digests_by_path)
    files = [_plan_file(path, have, view) for path in changed]
    files = [file for file in files if file.path.startswith(TOPS[scope])]
    answer: PlanAnswer = "full" if warning or known in (None, EMPTY) else "delta" if files else "unchanged"
    context.observer.planned(answer, len(files))
    return Plan(
        status="unchanged" if known == view.manifest_hash else "changed",
        manifest_hash=view.manifest_hash, numbering=book.numbering, schema=book.schema, revision=view.revision,
        store_id=context.store_id, incarnation=book.incarnation, ingest_manifest=book.ingest_manifest,
        files=tuple(files[:MAX_PLAN_FILES]), changed_count=len(files), total_files=len(view.entries),
        total_bytes=view.total_bytes, truncated=len(files) > MAX_PLAN_FILES, persisted=persisted, warning=warning,
        checkpoint=checkpoint_of(book), proof=proof,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Promised:
    """A book as it was when its manifest was told; ``persisted`` is False only on a server that may not write."""

    book: BookRow
    view: BookView
    persisted: bool
    proof: Proof | None


async def _promised(context: Context, book_id: str, seen: Checkpoint | None) -> _Promised | None:
    """Look at the book and tell its manifest; None for a book nobody created.

    A book that moved on before it was told, and whose old bytes a collector already took, is looked at again: an answer
    that nobody stands by must not leave. Raises ``BookGone``, ``Unavailable``.
    """
    for _ in range(_LOOKS):
        async with context.database.read("plan_build") as connection:
            book = await find_book(connection, book_id)
            if book is None:
                return None
            if book.state != "live":
                raise gone("plan_build", book_id)
            view = await context.views.load(connection, book)
            told = await find_told(connection, book_id, book.incarnation, view.manifest_hash)
            proof = await proof_since(context, connection, book, seen, "plan_build") if seen else None
        persisted = await tell(context, book, view, told)
        if persisted or context.read_only:
            return _Promised(book, view, persisted, proof)
    raise Unavailable("plan_build", book_id, "changes faster than its manifest can be told", "Try again")


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


async def texts(context: Context, book_id: str, plan: Plan, within: int) -> dict[Digest, str]:
    """The text of every file a plan lists as added or modified, by digest: all of them or none.

    None where they have more than ``within`` bytes together, where one is no UTF-8, and where one cannot be read as it
    was promised: who then asks for the bytes is told why.
    """
    sizes = {file.current_hash: file.size for file in plan.files if file.current_hash}
    if plan.truncated or not sizes or sum(sizes.values()) > within:
        return {}
    async with context.database.read("plan_build") as connection:
        found = await find_blobs(connection, book_id, plan.incarnation, list(sizes))
    if found.keys() != sizes.keys():
        return {}
    try:
        bodies = await context.blobs.read_many([row.key for row in found.values()])
        told = {digest: data.decode() for digest, data in zip(found, bodies, strict=True)}
    except (UnicodeDecodeError, NotFound, HashMismatch, Unavailable):
        return {}
    whole = all(digest_of(data) == digest for digest, data in zip(found, bodies, strict=True))
    return told if whole else {}


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


class Planning(Facade):
    """Manifests, and what leads from one to the next."""

    async def plan(
        self, book_id: str, known: Digest | None, scope: Scope = "all", seen: Checkpoint | None = None
    ) -> Plan:
        """The difference between the manifest the caller has and the book (FR-025), with the log's checkpoint."""
        return await plan(self._context, book_id, known, scope, seen)

    async def texts(self, book_id: str, plan: Plan, within: int) -> dict[Digest, str]:
        """The text of all changed files of a plan, by digest, if it has at most ``within`` bytes; else nothing."""
        return await texts(self._context, book_id, plan, within)

    async def manifest_text(self, book_id: str, manifest: Digest) -> bytes:
        """The text of a told manifest of this book. Raises ``NotFound``."""
        require_book_id(book_id, "manifest")
        return await manifest_text(self._context, book_id, manifest)

    async def manifest_metadata(self, book_id: str, manifest: Digest) -> dict[str, tuple[str, str]]:
        """Path → (ISO time, agent) of the last write, as of that manifest."""
        require_book_id(book_id, "manifest")
        found = await manifest_metadata(self._context, book_id, manifest)
        return {path: (when.isoformat(timespec="microseconds"), agent) for path, (when, agent) in found.items()}
