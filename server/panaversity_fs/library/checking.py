"""``validate_book_structure``: a book looked over as a whole (FR-010).

Adds to the judgement of paths (``core.structure``) what only the store knows: bytes that are missing, lessons that are
no text or hold characters nobody sees (S7). Bounded: it says how much it looked at. Repairs nothing.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.invisible import invisible_in
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.core.schema import Schema
from panaversity_fs.core.structure import Finding, is_lesson_text, judge_structure, parts_and_chapters
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.telling import require_book
from panaversity_fs.library.views import BookView
from panaversity_fs.store.blob_rows import BlobRow, find_blobs
from panaversity_fs.store.blobs import CHUNK

_OPERATION = "validate_book_structure"
MAX_BLOBS = 5_000
"""Blobs whose presence on the medium is asked for; the rows of all are looked at."""
MAX_TEXTS = 1_000
"""Lessons that are read."""
MAX_TEXT_BYTES = 32 * CHUNK
"""Bytes of lessons that are read."""
MAX_ONE_TEXT = CHUNK
"""A lesson larger than this is not read."""
_GROUP = 64


@dataclass(frozen=True, slots=True)
class Checked:
    """The judgement: no error means valid. Counts say what was there and how much of it was looked at."""

    judged_as: Schema
    schema: Schema
    revision: int
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    files: int
    lessons: int
    assets: int
    parts: int
    chapters: int
    blobs_checked: int
    texts_checked: int

    @property
    def valid(self) -> bool:
        return not self.errors


async def check(context: Context, book_id: str, strict: bool) -> Checked:
    """Look a book over, under its own schema or, with ``strict``, under the strict one. Raises ``NotFound``."""
    require_book_id(book_id, _OPERATION)
    async with context.database.read(_OPERATION) as connection:
        book = await require_book(connection, book_id, _OPERATION)
        view = await context.views.load(connection, book)
        blobs = await find_blobs(connection, book_id, book.incarnation, view.sizes.keys())
    judged_as = Schema.STRICT if strict else book.schema
    findings = list(judge_structure(view.entries, judged_as, book.numbering))
    looked_at = list(blobs.values())[:MAX_BLOBS]
    missing = await _missing(context, looked_at)
    findings += _missing_findings(view, missing | (view.sizes.keys() - _kept(blobs.values())))
    texts = _texts_to_read(view, [row for row in looked_at if row.sha256 not in missing])
    findings += [finding async for finding in _read(context, texts)]
    parts, chapters = parts_and_chapters(view.entries)
    return Checked(
        judged_as, book.schema, book.revision,
        errors=tuple(f for f in findings if f.level == "error"),
        warnings=tuple(f for f in findings if f.level == "warning"),
        files=len(view.entries), lessons=sum(map(is_lesson_text, view.entries)),
        assets=sum(path.startswith("static/") for path in view.entries), parts=len(parts), chapters=len(chapters),
        blobs_checked=len(looked_at), texts_checked=len(texts),
    )  # fmt: skip


def _kept(rows: Iterable[BlobRow]) -> set[str]:
    return {row.sha256 for row in rows if row.state != "deleted"}


async def _missing(context: Context, blobs: Iterable[BlobRow]) -> set[str]:
    """Digests whose bytes the medium does not hold in full length."""
    return {row.sha256 for row in blobs if await context.blobs.size(row.key) != row.size}


def _missing_findings(view: BookView, missing: set[str]) -> Iterator[Finding]:
    for path, held in sorted(view.entries.items()):
        if held.digest in missing:
            yield Finding("error", "MISSING_BLOB", path, "its bytes are not in the store")


def _texts_to_read(view: BookView, blobs: Iterable[BlobRow]) -> list[tuple[str, BlobRow]]:
    """The first lessons by path, within the bounds."""
    rows = {row.sha256: row for row in blobs if row.state != "deleted" and row.size <= MAX_ONE_TEXT}
    chosen: list[tuple[str, BlobRow]] = []
    room = MAX_TEXT_BYTES
    for path, held in sorted(view.entries.items()):
        row = rows.get(held.digest)
        if row is None or not is_lesson_text(path):
            continue
        room -= row.size
        if room < 0 or len(chosen) == MAX_TEXTS:
            break
        chosen.append((path, row))
    return chosen


async def _read(context: Context, texts: Sequence[tuple[str, BlobRow]]) -> AsyncIterator[Finding]:
    """What is wrong with these lessons, read in groups: one hop to a thread a group instead of one a lesson."""
    for start in range(0, len(texts), _GROUP):
        group = texts[start : start + _GROUP]
        datas = await context.blobs.read_many([row.key for _, row in group])
        for (path, row), data in zip(group, datas, strict=True):
            if finding := _judge_text(path, row, data):
                yield finding


def _judge_text(path: str, row: BlobRow, data: bytes) -> Finding | None:
    if digest_of(data) != row.sha256:
        return Finding("error", "DAMAGED_BLOB", path, "the store holds other bytes than its hash promises")
    try:
        found = invisible_in(data.decode("utf-8"))
    except UnicodeDecodeError:
        return Finding("warning", "NOT_UTF8", path, "is not UTF-8 text")
    if found is None:
        return None
    problem = f"holds {found.count} invisible characters, the first in line {found.line}: {', '.join(found.kinds)}"
    return Finding("warning", "INVISIBLE_CHARACTERS", path, problem)


class Checking(Facade):
    """Looking a book over."""

    async def validate(self, book_id: str, *, strict: bool = False) -> Checked:
        """Everything that is wrong with the book as it is. Raises ``NotFound``, ``BookGone``."""
        return await check(self._context, book_id, strict)
