"""Manifests: every path of a book with the digest of its bytes, as canonical text (DESIGN 5).

Knows text, hash and difference; does not know which revision a manifest belongs to or who was told it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from panaversity_fs.core.digest import Digest, digest_of, is_digest
from panaversity_fs.core.errors import HashMismatch

Entries = Mapping[str, Digest]
"""Book path → digest, in any order."""


def render(entries: Entries) -> bytes:
    """The canonical text: one line ``{path}:{sha256}\\n`` an entry, sorted by the UTF-8 bytes of the path.

    Python orders text by code point, which is the order of its UTF-8 bytes; a test holds that fact.
    """
    return "".join(f"{path}:{entries[path]}\n" for path in sorted(entries)).encode()


def manifest_hash(entries: Entries) -> Digest:
    """SHA-256 of the canonical text; the empty book's is that of the empty text."""
    return digest_of(render(entries))


def parse(text: bytes, operation: str = "manifest") -> dict[str, Digest]:
    """Read canonical text strictly. Raises ``HashMismatch`` for anything ``render`` would not have written.

    The paths themselves are not judged: who takes a manifest from outside checks them with ``core.paths``.
    """
    entries: dict[str, Digest] = {}
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise _malformed(operation, 0) from None
    if lines.pop() != "":
        raise _malformed(operation, len(lines) + 1)
    previous = ""
    for number, line in enumerate(lines, 1):
        path, colon, digest = line.rpartition(":")
        if not colon or path <= previous or not is_digest(digest):
            raise _malformed(operation, number)
        entries[path] = Digest(digest)
        previous = path
    return entries


def _malformed(operation: str, line: int) -> HashMismatch:
    return HashMismatch(
        operation, f"line {line}", "is not canonical manifest text", "Fetch the manifest again", line=line
    )


@dataclass(frozen=True, slots=True)
class Diff:
    """What leads from manifest a to manifest b; each list is sorted by path.

    ``renamed`` holds (old, new) pairs of equal digest and is taken out of ``deleted`` and ``added``.
    """

    added: tuple[str, ...]
    modified: tuple[str, ...]
    deleted: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.modified or self.deleted or self.renamed)

    def __len__(self) -> int:
        return len(self.added) + len(self.modified) + len(self.deleted) + len(self.renamed)


def changed_paths(a: Entries, b: Entries) -> list[str]:
    """The paths whose digest differs between a and b (absent counts as different), sorted (SC-007, SC-103)."""
    return sorted([p for p, d in b.items() if a.get(p) != d] + [p for p in a if p not in b])


def diff(a: Entries, b: Entries) -> Diff:
    """Compare two manifests. A deleted and an added path with one digest are a rename, also where only case differs.

    Of several candidates those of one path but for case come together first, then those of one file name, then those
    first in order, so that equal manifests always give equal pairs.
    """
    added = sorted(p for p in b if p not in a)
    deleted = sorted(p for p in a if p not in b)
    modified = sorted(p for p, d in b.items() if p in a and a[p] != d)
    renamed = _pairs({path: a[path] for path in deleted}, {path: b[path] for path in added})
    old, new = set(renamed), set(renamed.values())
    return Diff(
        added=tuple(p for p in added if p not in new),
        modified=tuple(modified),
        deleted=tuple(p for p in deleted if p not in old),
        renamed=tuple(sorted(renamed.items())),
    )


def _pairs(gone: Entries, come: Entries) -> dict[str, str]:
    """Old path → new path of one digest. Both arguments in sorted order; linear, however many files are alike."""
    pairs: dict[str, str] = {}
    taken: set[str] = set()
    for likeness in (str.casefold, _name, _anything):
        left: dict[tuple[Digest, str], list[str]] = {}
        for path in reversed(list(gone)):
            if path not in pairs:
                left.setdefault((gone[path], likeness(path)), []).append(path)
        for path in come:
            if path not in taken and (candidates := left.get((come[path], likeness(path)))):
                pairs[candidates.pop()] = path
                taken.add(path)
    return pairs


def _name(path: str) -> str:
    return path.rpartition("/")[2].casefold()


def _anything(_path: str) -> str:
    return ""
