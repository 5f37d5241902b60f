"""Searching a book as one caller sees it: the base, and over it that caller's own overlay, never another one (R5, S19).

Knows which files are looked at, in which order, and when a call has done enough; patterns are ``search``'s. A place in
the results is a path and a line, so a search goes on where it stopped even when the book has changed meanwhile.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from anyio import CapacityLimiter, to_thread

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import NotFound
from panaversity_fs.core.paths import BASE, require_book_id
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.overlays import load_overlay, require_namespace
from panaversity_fs.library.telling import require_book
from panaversity_fs.library.views import Held
from panaversity_fs.search import Glob, Regex
from panaversity_fs.store.blob_rows import find_blobs
from panaversity_fs.store.blobs import BlobKey, BlobStore

MAX_FILES, MAX_BYTES, MAX_SECONDS = 5_000, 64 << 20, 2.0
"""What one ``grep_search`` looks at; then it answers what it found and where to go on."""
MAX_FILE = 8 << 20
"""A larger file is not searched: it would not be read as a lesson either."""
_GROUP_FILES, _GROUP_BYTES = 200, 1 << 20
_AT_ONCE = 1
"""Searches that use database, disk or processor at the same moment; they take turns group by group, so that readers
need not wait for them, however many there are (P13, S19)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Everything up to this line of this path was answered; None: up to the path's end."""

    path: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A line of a file that matches."""

    path: str
    line_number: int
    line: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A text that could not be searched, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Grep:
    """What one call found. ``following`` is where the next one begins; None at the end of the book."""

    hits: tuple[Found, ...]
    skipped: tuple[Skipped, ...]
    files_searched: int
    following: Place | None


@dataclass(frozen=True, slots=True)
class _File:
    """A file to look at; without ``key`` its bytes cannot be had."""

    path: str
    held: Held
    key: BlobKey | None


class _Search:
    """One call at work: what it looks for, what it found, what it may still do."""

    def __init__(self, regex: Regex, limit: int, begin: Place | None, monotonic: Callable[[], float]) -> None:
        self._regex, self._limit, self._begin, self._monotonic = regex, limit, begin, monotonic
        self._seconds = MAX_SECONDS
        self._bytes = 0
        self.files = 0
        self.hits: list[Found] = []
        self.skipped: list[Skipped] = []
        self.stopped: Place | None = None

    def spend(self, began: float) -> None:
        """Count the time since then."""
        self._seconds -= self._monotonic() - began

    def group(self, read: Sequence[tuple[_File, bytes | None]]) -> None:
        """Search these files until a bound is met. At least one step is made, so that every call gets on."""
        for file, data in read:
            time.sleep(0)  # lets go of the interpreter: whoever waits for it would else wait its whole interval
            began = self._monotonic()
            self.files += 1
            self._bytes += file.held.size
            reason = _unfit(file, data)
            if reason is not None:
                self.skipped.append(Skipped(file.path, reason))
            elif data is not None:
                self._text(file.path, data, began)
            self.spend(began)
            if self.stopped is None and self._is_full():
                self.stopped = Place(file.path)
            if self.stopped is not None:
                return

    def _text(self, path: str, text: bytes, began: float) -> None:
        after = self._begin.line or 0 if self._begin is not None and self._begin.path == path else 0
        for hit in self._regex.hits(text, after):
            if isinstance(hit, int):
                if self._monotonic() - began > self._seconds:
                    self.stopped = Place(path, hit)
                    return
            else:
                self.hits.append(Found(path, hit.line_number, hit.line))
                if len(self.hits) >= self._limit:
                    self.stopped = Place(path, hit.line_number)
                    return

    def _is_full(self) -> bool:
        return self._seconds <= 0 or self.files >= MAX_FILES or self._bytes >= MAX_BYTES


def _unfit(file: _File, data: bytes | None) -> str | None:
    """Why a file is not searched, or None."""
    if file.held.size > MAX_FILE:
        return f"is larger than {MAX_FILE} bytes"
    if data is None:
        return "is missing in the store"
    if digest_of(data) != file.held.digest:
        return "is damaged in the store"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    return None


async def visible(context: Context, book_id: str, user_id: str, operation: str) -> tuple[int, Mapping[str, Held]]:
    """(incarnation, path → digest and size) of what this user sees. Raises ``NotFound``, …"""
    require_book_id(book_id, operation)
    require_namespace(user_id, operation)
    async with context.database.read(operation) as connection:
        book = await require_book(connection, book_id, operation)
        entries = (await context.views.load(connection, book)).entries
        if user_id != BASE:
            entries = {**entries, **(await load_overlay(connection, book_id, user_id)).entries}
    return book.incarnation, entries


async def glob(
    context: Context, book_id: str, pattern: str, user_id: str, limit: int, after: str | None
) -> tuple[list[str], bool]:
    """Up to ``limit`` paths that match, sorted, from behind the path ``after`` on; and whether there are more."""
    wanted = Glob(pattern, "glob_search")
    _, entries = await visible(context, book_id, user_id, "glob_search")

    def look() -> list[str]:
        rest = (path for path in sorted(entries) if after is None or path > after)
        return list(islice((path for path in rest if wanted.matches(path)), limit + 1))

    found = await to_thread.run_sync(look)
    return found[:limit], len(found) > limit


async def grep(
    context: Context,
    turns: CapacityLimiter,
    book_id: str,
    pattern: str,
    user_id: str,
    limit: int,
    begin: Place | None,
) -> Grep:
    """The next lines that match, at most ``limit``, within the bounds of one call."""
    async with turns:
        regex = await to_thread.run_sync(Regex, pattern, "grep_search")
        incarnation, entries = await visible(context, book_id, user_id, "grep_search")
        paths = await to_thread.run_sync(_left, entries, begin)
    search = _Search(regex, limit, begin, context.monotonic)
    for some in _groups(paths, entries):
        async with turns:  # whoever had one stands behind all others that wait
            began = context.monotonic()
            files = await _located(context, (book_id, incarnation), some, entries)
            data = await _read(context.blobs, files)
            search.spend(began)
            await to_thread.run_sync(search.group, list(zip(files, data, strict=True)))
        if search.stopped is not None:
            break
    at_end = search.stopped is None or (search.stopped.line is None and search.stopped.path == paths[-1])
    following = None if at_end else search.stopped
    return Grep(tuple(search.hits), tuple(search.skipped), search.files, following)


def _left(entries: Mapping[str, Held], begin: Place | None) -> list[str]:
    """The lessons that are still to be searched, sorted."""
    paths = (path for path in entries if path.startswith("content/"))
    if begin is None:
        return sorted(paths)
    return sorted(path for path in paths if path > begin.path or (path == begin.path and begin.line is not None))


def _groups(paths: Sequence[str], entries: Mapping[str, Held]) -> Iterator[list[str]]:
    """Neighbours that are read and searched together; memory stays near the largest file."""
    group: list[str] = []
    size = 0
    for path in paths:
        if group and (len(group) == _GROUP_FILES or size + entries[path].size > _GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(path)
        size += entries[path].size
    if group:
        yield group


async def _located(
    context: Context, place: tuple[str, int], paths: Sequence[str], entries: Mapping[str, Held]
) -> list[_File]:
    async with context.database.read("grep_search") as connection:
        rows = await find_blobs(connection, *place, {entries[path].digest for path in paths})
    keys = {digest: row.key for digest, row in rows.items()}
    return [_File(path, entries[path], keys.get(entries[path].digest)) for path in paths]


async def _read(store: BlobStore, files: Sequence[_File]) -> list[bytes | None]:
    """Each file's bytes, or None: together while all are there, else one by one."""
    wanted = [file.key for file in files if file.key is not None and file.held.size <= MAX_FILE]
    try:
        found = dict(zip(wanted, await store.read_many(wanted), strict=True))
    except NotFound:
        found = {key: data for key in wanted if (data := await _read_one(store, key)) is not None}
    return [None if file.key is None else found.get(file.key) for file in files]


async def _read_one(store: BlobStore, key: BlobKey) -> bytes | None:
    try:
        (data,) = await store.read_many([key])
    except NotFound:
        return None
    return data


class Searching(Facade):
    """Finding names and lines."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._searches = CapacityLimiter(_AT_ONCE)

    async def glob_search(
        self, book_id: str, pattern: str, limit: int, *, user_id: str = BASE, after: str | None = None
    ) -> tuple[list[str], bool]:
        """Up to ``limit`` paths the pattern fits, and whether there are more. Raises ``InvalidArgument``, …"""
        return await glob(self._context, book_id, pattern, user_id, limit, after)

    async def grep_search(
        self, book_id: str, pattern: str, limit: int, *, user_id: str = BASE, begin: Place | None = None
    ) -> Grep:
        """Up to ``limit`` lines of lessons that match an RE2 expression. Raises ``InvalidArgument``, …"""
        return await grep(self._context, self._searches, book_id, pattern, user_id, limit, begin)
