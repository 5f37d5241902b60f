"""The grammar of names: which paths, book ids and user ids are safe at all, and which two would collide.

Safety only: whether a safe path has a place in a book is the business of ``core.schema``. Names are judged and
refused, never repaired (DESIGN 4; FR-009, R1, S18). This module does not know disks: no name is looked up.
"""

import re
import unicodedata
from collections.abc import Iterable

from panaversity_fs.core.errors import InvalidArgument, InvalidPath

MAX_PATH_BYTES = 1000
MAX_SEGMENT_BYTES = 120
MAX_LEVELS = 16
BASE = "__base__"
"""The ``user_id`` under which everyone's namespace is kept; no caller may name it."""

_SIGNS = frozenset(" ._-()+,&'@~#!=")
_PLAIN = re.compile(r"[A-Za-z0-9 ._\-()+,&'@~#!=]*")
_CLEAR = re.compile(
    r"(?:(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:[ ./]|\Z))"
    r"[A-Za-z0-9_\-()+,&'@~#!=](?:[A-Za-z0-9 ._\-()+,&'@~#!=]{0,118}[A-Za-z0-9_\-()+,&'@~#!=])?(?:/(?!\Z)|\Z)){1,16}"
)
"""Paths that are safe at a glance; about the others nothing is said. Judging in words costs ten times as much."""
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"] + [f"{d}{n}" for d in ("COM", "LPT") for n in "0123456789¹²³"]
)
_BOOK_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
_USER_ID = re.compile(r"[A-Za-z0-9._:|@-]{1,128}")


def _segment_fault(segment: str) -> str | None:
    if segment == "":
        return "holds an empty segment"
    if segment in (".", ".."):
        return f"holds the segment {segment!r}"
    if not _PLAIN.fullmatch(segment):
        for char in segment:
            if char not in _SIGNS and unicodedata.category(char)[0] not in "LMN":
                return f"holds the character U+{ord(char):04X}"
    if segment[0] in " ." or segment[-1] in " .":
        return "has a segment that begins or ends with a space or a dot"
    if len(segment.encode("utf-8", "surrogatepass")) > MAX_SEGMENT_BYTES:
        return f"has a segment of more than {MAX_SEGMENT_BYTES} bytes"
    if segment.partition(".")[0].rstrip(" ").upper() in _DEVICES:
        return f"holds the device name {segment!r}"
    return None


def path_fault(path: str) -> str | None:
    """Why this relative path is not safe, or None. Slashes separate segments; no other separator exists."""
    if len(path) <= MAX_PATH_BYTES and _CLEAR.fullmatch(path):
        return None
    if not path:
        return "is empty"
    if path.startswith("/"):
        return "is absolute"
    if not path.isascii():
        if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
            return f"is longer than {MAX_PATH_BYTES} bytes"
        if not unicodedata.is_normalized("NFC", path):
            return "is not in Unicode NFC"
    elif len(path) > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes"
    segments = path.split("/")
    if len(segments) > MAX_LEVELS:
        return f"has more than {MAX_LEVELS} levels"
    return next((fault for fault in map(_segment_fault, segments) if fault), None)


def shown(text: str) -> str:
    """A name made safe to print: control, format and lone surrogate characters escaped, cut to 200 characters."""
    cut = text if len(text) <= 200 else text[:200] + "…"
    return "".join(c if unicodedata.category(c)[0] not in "CZ" or c == " " else f"\\u{ord(c):04x}" for c in cut)


def require_path(path: str, operation: str) -> str:
    """The path itself when it is safe. Raises ``InvalidPath`` with the reason."""
    fault = path_fault(path)
    if fault:
        raise InvalidPath(
            operation, shown(path), fault, "Rename it; names are never repaired", path=shown(path), reason=fault
        )
    return path


def require_book_id(book_id: str, operation: str) -> str:
    """The book id itself when it is legal. Raises ``InvalidArgument``."""
    if not _BOOK_ID.fullmatch(book_id):
        raise InvalidArgument(
            operation,
            "book_id",
            f"{shown(book_id)!r} is not a book id",
            "Use 2 to 63 of a-z, 0-9 and -, not beginning with -",
            name="book_id",
        )
    return book_id


def require_user_id(user_id: str, operation: str) -> str:
    """The user id itself when a caller may use it. Raises ``InvalidArgument`` (sentinels included)."""
    if not _USER_ID.fullmatch(user_id) or user_id.casefold() in (BASE, "system"):
        raise InvalidArgument(
            operation, "user_id", f"{shown(user_id)!r} is not a user id", "Give the reader's own id", name="user_id"
        )
    return user_id


def fold(path: str) -> str:
    """The form in which two names meet on a file system that folds case or width (NFKC casefold)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def clearly_distinct(paths: Iterable[str]) -> bool:
    """A quick yes for source paths that cannot meet: folded, no file equals another or a folder, no folder has two
    spellings. ``NameIndex`` decides, and words it, when this says no; it is forty times slower and larger.
    """
    files: set[str] = set()
    folders: dict[str, str] = {}
    seen: dict[str, str] = {"": ""}
    count = 0
    for path in paths:
        count += 1
        folder, _, name = path.rpartition("/")
        folded = seen.get(folder)
        if folded is None:
            parts = folder.split("/")
            for end in range(1, len(parts) + 1):
                spelling = "/".join(parts[:end])
                if folders.setdefault(fold(spelling), spelling) != spelling:
                    return False
            folded = seen[folder] = fold(folder)
        files.add(f"{folded}/{name.lower() if name.isascii() else fold(name)}" if folder else fold(name))
    return len(files) == count and files.isdisjoint(folders)


class NameIndex:
    """The source paths of one tree, folder prefix by folder prefix, so that collisions are found in O(depth).

    ``add`` answers why a path cannot join (another spelling of a folder or file, a file where a folder is, a folder
    where a file is) and leaves the index unchanged then. Each value is (spelling, is_file, number of paths through).
    """

    def __init__(self, known: dict[str, tuple[str, bool, int]] | None = None) -> None:
        self._known = {} if known is None else known

    @classmethod
    def of(cls, paths: Iterable[str]) -> "NameIndex":
        """The index of paths that are known not to collide."""
        index = cls()
        for path in paths:
            index.add(path)
        return index

    def copy(self) -> "NameIndex":
        """An index that can be changed without changing this one."""
        return NameIndex(dict(self._known))

    def clash(self, path: str) -> str | None:
        """Why this path cannot join, with the name it meets, or None. Changes nothing."""
        return self._clash(_steps(path))

    def _clash(self, steps: "list[_Step]") -> str | None:
        for prefix, folded, is_file in steps:
            held = self._known.get(folded)
            if held is None:
                continue
            spelling, held_is_file, _ = held
            if held_is_file != is_file:
                return f"is a {'folder' if held_is_file else 'file'} where {spelling} is a " + (
                    "file" if held_is_file else "folder"
                )
            if is_file or spelling != prefix:
                return f"collides with {spelling}"
        return None

    def add(self, path: str) -> str | None:
        """Take the path in, or answer why it cannot join."""
        steps = _steps(path)
        if clash := self._clash(steps):
            return clash
        for prefix, folded, is_file in steps:
            spelling, _, count = self._known.get(folded, (prefix, is_file, 0))
            self._known[folded] = (spelling, is_file, count + 1)
        return None

    def remove(self, path: str) -> None:
        """Forget a path that is in the index."""
        for _, folded, _ in _steps(path):
            spelling, is_file, count = self._known[folded]
            if count == 1:
                del self._known[folded]
            else:
                self._known[folded] = (spelling, is_file, count - 1)


_Step = tuple[str, str, bool]
"""A folder prefix or the whole path, its folded form, and whether it is the file."""


def _steps(path: str) -> list[_Step]:
    steps: list[_Step] = []
    end = path.find("/")
    while end != -1:
        steps.append((path[:end], fold(path[:end]), False))
        end = path.find("/", end + 1)
    steps.append((path, fold(path), True))
    return steps
