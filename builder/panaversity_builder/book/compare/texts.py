"""Manifests out of files that somebody wrote by hand or by tool: manifest text and ``sha256sum`` lines.

PURE: bytes in, entries out. Knows forms; does not know where bytes come from, nor judges paths beyond reading them.
"""

import re
from collections.abc import Iterator

from panaversity_builder.book.mapping import detect_numbering
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import HashMismatch, SourceRefused
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.mapping import Numbering, canonical, encode
from panaversity_fs.core.paths import shown

_SUM = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)", re.DOTALL)


def is_sums(data: bytes) -> bool:
    """True for a file whose first line that is not a comment is one of ``sha256sum``."""
    for line in data[:4096].split(b"\n"):
        if line and not line.startswith(b"#"):
            return _SUM.fullmatch(line.decode("utf-8", "replace")) is not None or line.startswith(b"\\")
    return False


def parse_text(data: bytes, name: str) -> dict[str, Digest]:
    """Canonical manifest text. Raises ``HashMismatch`` naming file and line."""
    try:
        return parse(data)
    except HashMismatch as fault:
        raise HashMismatch(
            "manifest", name, f"{fault.subject} {fault.problem}",
            "Give the file panaversity manifest show wrote, or one of sha256sum", **fault.details,
        ) from None  # fmt: skip


def parse_sums(data: bytes, name: str) -> dict[str, Digest]:
    """Path → digest from ``sha256sum`` lines, in either mode; comments, empty lines and a leading ``./`` do not count.

    Nor do names of which a part begins with a dot, as an ingest does: ``find`` lists them. Raises ``HashMismatch`` for
    any other line and for a path with two digests.
    """
    entries: dict[str, Digest] = {}
    for number, line in enumerate(_lines(data, name), 1):
        if not line or line.startswith("#"):
            continue
        match = _SUM.fullmatch(line)
        if match is None:
            escaped = ": a name with a line end or backslash is in no book" if line.startswith("\\") else ""
            raise _malformed(name, number, f"is no line of sha256sum{escaped}")
        path, digest = match[2].removeprefix("./"), Digest(match[1].lower())
        if entries.get(path, digest) != digest:
            raise _malformed(name, number, f"gives {shown(path)} a second digest")
        if not any(part.startswith(".") and part not in (".", "..") for part in path.split("/")):
            entries[path] = digest
    return entries


def _lines(data: bytes, name: str) -> Iterator[str]:
    try:
        return iter(data.decode("utf-8").split("\n"))
    except UnicodeDecodeError as fault:
        raise _malformed(name, data.count(b"\n", 0, fault.start) + 1, "is not UTF-8 text") from None


def placed(entries: dict[str, Digest], numbering: Numbering | None, tree: str | None, name: str) -> dict[str, Digest]:
    """The same files by book path. ``tree`` says how the names are meant: ``source``, ``storage``, or None to look.

    Looked at, names are book paths when every one of them is one; else the tree is the author's, whose ``numbering``
    is detected where nobody says. Raises ``HashMismatch`` where a name has no place, or cannot be told.
    """
    if tree == "storage" or (tree is None and all(canonical(path, None) == path for path in entries)):
        return entries
    try:
        numbering = numbering or detect_numbering(entries)
    except SourceRefused as fault:
        raise _unclear(name, fault.problem, "Say --numbering number-name or --numbering name-number") from None
    found: dict[str, Digest] = {}
    for path, digest in entries.items():
        book_path = encode(path, numbering)
        if book_path is None or found.get(book_path, digest) != digest:
            raise _unclear(name, f"{shown(path)} has no place of its own in a book", "Rename it")
        found[book_path] = digest
    return found


def _malformed(name: str, number: int, problem: str) -> HashMismatch:
    return HashMismatch("manifest", name, f"line {number} {problem}", "Write it with sha256sum", line=number)


def _unclear(name: str, problem: str, hint: str) -> HashMismatch:
    return HashMismatch("manifest", name, problem, hint)
