"""What a manifest is compared as: its entries, its hash, and where the bytes it names can be had.

Knows values and the words a user may say; finds nothing itself (``compare.resolving`` does).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from panaversity_builder.client import Server
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import InvalidPath, NotFound
from panaversity_fs.core.manifest import Entries, render
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import path_fault, shown

REMOTE: Final = "remote"
LOCAL: Final = "local"
NOTHING: Final = "empty"
SHORTEST: Final = 8
"""Digits of the shortest prefix of a manifest hash that is looked for."""
OPERANDS: Final = (
    f"{REMOTE} (the book as it is now), {LOCAL} (what the docs folder was hydrated to), {LOCAL}:DIR, URL#BOOK (a book "
    f"on another server), a manifest hash or its first {SHORTEST} digits or more, a file (manifest text, sha256sum "
    f"lines, manifest.json), {NOTHING}"
)
"""Every kind of operand, for help and for the error about one that is none."""


@dataclass(frozen=True, slots=True)
class HydratedFolder:
    """A folder that holds the bytes, and how it lays them out."""

    path: str
    numbering: Numbering | None
    tree: str
    scope: str


@dataclass(frozen=True, slots=True)
class BookOnServer:
    """A book whose server answers the bytes of manifests it told."""

    server: Server
    book_id: str


@dataclass(frozen=True, slots=True)
class Operand:
    """One manifest. ``name`` is what to call it, safe to print and without credentials.

    ``place`` is where its bytes can be had, None where nothing is known of that; ``numbering`` that of its source
    tree, None where the manifest does not tell (no manifest text does).
    """

    name: str
    manifest_hash: Digest
    entries: Entries
    place: HydratedFolder | BookOnServer | None = None
    numbering: Numbering | None = None

    def lines(self) -> Iterator[str]:
        """The canonical text, line by line without the line ends."""
        return (f"{path}:{self.entries[path]}" for path in sorted(self.entries))

    def summary(self) -> dict[str, Any]:
        """What it is, without its files."""
        return {
            "name": self.name,
            "manifest_hash": self.manifest_hash,
            "file_count": len(self.entries),
            "numbering": self.numbering,
        }

    def to_json(self) -> dict[str, Any]:
        """The machine format of ``manifest show``."""
        files = [{"path": path, "sha256": self.entries[path]} for path in sorted(self.entries)]
        return {"schema_version": 1, **self.summary(), "files": files}


def operand_of(
    name: str,
    entries: Mapping[str, Digest],
    place: HydratedFolder | BookOnServer | None = None,
    numbering: Numbering | None = None,
) -> Operand:
    """The operand of these entries, every path judged. Raises ``InvalidPath`` for one that no book can hold: names
    come from files and servers that nobody vouches for, and end on terminals and disks."""
    for path in entries:
        if fault := path_fault(path):
            raise InvalidPath(
                "manifest", name, f"names {shown(path)}, which {fault}", "Take it from a book that holds such a file",
                path=shown(path), reason=fault,
            )  # fmt: skip
    return Operand(name, digest_of(render(entries)), entries, place, numbering)


def unknown(word: str, problem: str) -> NotFound:
    """The error about a word that means no manifest; it names those that do (exit 2)."""
    return NotFound("manifest", shown(word), problem, f"Operands: {OPERANDS}", kind="manifest", operand=shown(word))
