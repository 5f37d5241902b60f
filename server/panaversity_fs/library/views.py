"""A book's base entries at one revision, in memory, brought forward by what changed since (DESIGN 5).

A view never changes once made: a commit makes the next one. Loading costs O(changed) because deleted paths leave
tombstones. Knows rows, names and manifests; decides nothing.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.manifest import render
from panaversity_fs.core.mapping import Numbering, decode
from panaversity_fs.core.paths import NameIndex
from panaversity_fs.store.books import BookRow
from panaversity_fs.store.database import Connection
from panaversity_fs.store.journal import changed_since, living

_KEPT_VIEWS = 16


@dataclass(frozen=True, slots=True)
class Held:
    """What a path holds: digest and size in bytes."""

    digest: Digest
    size: int


Change = tuple[str, Held | None]
"""A path and what it holds afterwards; None: nothing."""


class BookView:
    """All base entries of a book; ``revision`` is that of the last change to them (``base_revision``)."""

    def __init__(
        self,
        incarnation: int,
        revision: int,
        numbering: Numbering | None,
        entries: Mapping[str, Held],
        names: NameIndex | None = None,
        digests: dict[str, Digest] | None = None,
    ) -> None:
        self.incarnation = incarnation
        self.revision = revision
        self.numbering = numbering
        self.entries = entries
        self._names = names
        self._digests = digests

    @cached_property
    def text(self) -> bytes:
        """The canonical manifest text."""
        return render(self.digests_by_path)

    @cached_property
    def manifest_hash(self) -> Digest:
        return digest_of(self.text)

    @property
    def digests_by_path(self) -> dict[str, Digest]:
        """Read it only: views that follow begin from it."""
        if self._digests is None:
            self._digests = {path: held.digest for path, held in self.entries.items()}
        return self._digests

    @cached_property
    def sizes(self) -> dict[Digest, int]:
        """Size of every digest the book names now."""
        return {held.digest: held.size for held in self.entries.values()}

    @cached_property
    def total_bytes(self) -> int:
        return sum(held.size for held in self.entries.values())

    @property
    def names(self) -> NameIndex:
        """Source paths, for judging collisions. Copy it before changing it."""
        if self._names is None:
            self._names = NameIndex.of(source_of(path, self.numbering) for path in self.entries)
        return self._names

    def after(
        self, changes: Iterable[Change], revision: int, numbering: Numbering | None, names: NameIndex | None = None
    ) -> "BookView":
        """The view that follows when these paths hold that."""
        entries = dict(self.entries)
        digests = None if self._digests is None else dict(self._digests)  # copying costs a tenth of making
        for path, held in changes:
            if held is None:
                entries.pop(path, None)
            else:
                entries[path] = held
            if digests is not None:
                _set(digests, path, None if held is None else held.digest)
        return BookView(self.incarnation, revision, numbering, entries, names, digests)

    def with_names(self, names: NameIndex) -> "BookView":
        """The same view, its source paths known."""
        return BookView(self.incarnation, self.revision, self.numbering, self.entries, names, self._digests)


def _set(digests: dict[str, Digest], path: str, digest: Digest | None) -> None:
    if digest is None:
        digests.pop(path, None)
    else:
        digests[path] = digest


def source_of(path: str, numbering: Numbering | None) -> str:
    """The source path of a path that is in a book, so is legal."""
    source = decode(path, numbering)
    assert source is not None, path
    return source


def empty_view(incarnation: int) -> BookView:
    """A book that holds nothing yet."""
    return BookView(incarnation, 0, None, {}, NameIndex())


class ViewCache:
    """The latest view of the books asked for last."""

    def __init__(self) -> None:
        self._views: OrderedDict[str, BookView] = OrderedDict()

    def keep(self, book_id: str, view: BookView) -> None:
        """Remember a committed view unless a later one is known."""
        known = self._views.get(book_id)
        if known is None or (known.incarnation, known.revision) <= (view.incarnation, view.revision):
            self._views[book_id] = view
            self._views.move_to_end(book_id)
            if len(self._views) > _KEPT_VIEWS:
                self._views.popitem(last=False)

    def incarnation_of(self, book_id: str) -> int | None:
        """The life this process saw last: a guess, since another process may have ended it."""
        known = self._views.get(book_id)
        return None if known is None else known.incarnation

    async def load(self, connection: Connection, book: BookRow) -> BookView:
        """The view of exactly this row's base, as this transaction sees it; overlays do not move it.

        A cached view that is older is brought forward; one that is newer than the caller's snapshot is not used.
        """
        known = self._views.get(book.book_id)
        fits = known is not None and (known.incarnation, known.numbering) == (book.incarnation, book.numbering)
        if known is None or not fits or known.revision > book.base_revision:
            rows = await living(connection, book.book_id)
            entries = {path: Held(digest, size) for path, digest, size in rows}
            view = BookView(book.incarnation, book.base_revision, book.numbering, entries)
        elif known.revision == book.base_revision:
            return known
        else:
            rows_since = await changed_since(connection, book.book_id, known.revision)
            changes = [(row.path, None if row.deleted else Held(row.sha256, row.size)) for row in rows_since]
            view = known.after(changes, book.base_revision, book.numbering)
        self.keep(book.book_id, view)
        return view
