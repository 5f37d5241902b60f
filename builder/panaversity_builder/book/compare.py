"""Manifests side by side: which one an operand means, and what differs (``manifest show | diff``, SC-103).

An operand is ``remote`` (the book as the server has it now), ``local:DIR`` or a folder (what a hydrated folder
recorded), a manifest hash, or a file holding manifest text or a ``manifest.json``. Knows operands and lines; does not
know terminals, and compares what was recorded, not the files themselves.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from panaversity_builder.book.hydrate.folder import STATE
from panaversity_builder.book.hydrate.records import MANIFEST_JSON, MANIFEST_TEXT, parse_identity
from panaversity_builder.book.hydrate.sealed import Miss
from panaversity_builder.book.hydrate.validate import derive
from panaversity_builder.client import BOOK_UNKNOWN, Server
from panaversity_fs.core.digest import Digest, digest_of, is_digest, parse_digest
from panaversity_fs.core.errors import HashMismatch, InvalidArgument, NotFound
from panaversity_fs.core.manifest import Diff, Entries, diff, parse

REMOTE, LOCAL = "remote", "local:"
LARGEST = 1 << 28
"""Bytes. A bigger file is no manifest."""


@dataclass(frozen=True, slots=True)
class Operand:
    """One manifest: what the user called it, its hash and its entries."""

    name: str
    manifest_hash: Digest
    entries: Entries

    def lines(self) -> Iterator[str]:
        """The canonical text, line by line without the line ends."""
        return (f"{path}:{self.entries[path]}" for path in sorted(self.entries))

    def to_json(self) -> dict[str, Any]:
        """The machine format of ``manifest show``."""
        return {
            "schema_version": 1,
            "name": self.name,
            "manifest_hash": self.manifest_hash,
            "file_count": len(self.entries),
            "files": [{"path": path, "sha256": self.entries[path]} for path in sorted(self.entries)],
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What leads from manifest ``a`` to manifest ``b``."""

    a: Operand
    b: Operand
    diff: Diff

    def __bool__(self) -> bool:
        return bool(self.diff)

    def changes(self) -> list[tuple[str, str, str | None]]:
        """(status, path, new path) sorted by path; status is A, M, D or R, and only R has a new path."""
        found: list[tuple[str, str, str | None]] = [("A", path, None) for path in self.diff.added]
        found += [("M", path, None) for path in self.diff.modified]
        found += [("D", path, None) for path in self.diff.deleted]
        found += [("R", old, new) for old, new in self.diff.renamed]
        return sorted(found, key=lambda change: change[1])

    def lines(self) -> Iterator[str]:
        """``status TAB path``, for a rename ``R TAB old TAB new``."""
        for status, path, new in self.changes():
            yield f"{status}\t{path}" if new is None else f"{status}\t{path}\t{new}"

    def names(self) -> Iterator[str]:
        """The paths only; of a rename both."""
        for _, path, new in self.changes():
            yield path
            if new is not None:
                yield new

    def to_json(self) -> dict[str, Any]:
        """The machine format of ``manifest diff``."""
        return {
            "schema_version": 1,
            "a": {"name": self.a.name, "manifest_hash": self.a.manifest_hash},
            "b": {"name": self.b.name, "manifest_hash": self.b.manifest_hash},
            "added": len(self.diff.added),
            "modified": len(self.diff.modified),
            "deleted": len(self.diff.deleted),
            "renamed": len(self.diff.renamed),
            "files": [
                {"status": status, "path": path} | ({} if new is None else {"new_path": new})
                for status, path, new in self.changes()
            ],
        }


def needs_server(operand: str) -> bool:
    """True when only a server can say what the operand holds, so that none is started for two files."""
    return operand == REMOTE or (is_digest(operand) and not os.path.exists(operand))


def compare(a: Operand, b: Operand) -> Comparison:
    """Compare two manifests; renames are paired by digest."""
    return Comparison(a, b, diff(a.entries, b.entries))


def load(operand: str, server: Server | None = None, book_id: str | None = None) -> Operand:
    """Find the manifest an operand means.

    ``server`` and ``book_id`` are needed where ``needs_server`` says so. Raises ``InvalidArgument`` for an operand
    that is none, ``NotFound`` for a manifest, book or folder that is not there, ``HashMismatch`` for a damaged one.
    """
    if needs_server(operand):
        if server is None or not book_id:
            raise InvalidArgument(
                "manifest", operand, "needs a server and a book", "Give --book-id and set PANAVERSITY_MCP_URL"
            )
        text = _current(server, book_id) if operand == REMOTE else _named(server, book_id, operand)
        return _operand(operand, text)
    path = operand.removeprefix(LOCAL)
    if operand.startswith(LOCAL) or os.path.isdir(path):
        return _operand(operand, _recorded(path, operand))
    return _operand(operand, _from_file(path, operand))


def _operand(name: str, text: bytes) -> Operand:
    return Operand(name, digest_of(text), parse(text, "manifest"))


def _current(server: Server, book_id: str) -> bytes:
    plan = server.plan_build(book_id)
    if plan.warns(BOOK_UNKNOWN):
        raise NotFound("manifest", book_id, "no such book on this server", "Check --book-id and PANAVERSITY_MCP_URL")
    derived = None if plan.truncated else derive(plan, {})
    return derived.text if derived else server.manifest_text(book_id, plan.manifest_hash)


def _named(server: Server, book_id: str, digest: str) -> bytes:
    manifest = parse_digest(digest, "manifest")
    text = server.manifest_text(book_id, manifest)
    if digest_of(text) != manifest:
        raise HashMismatch("manifest", digest, "the server answered another text", "Check the server with fsck")
    return text


def _recorded(folder: str, name: str) -> bytes:
    """The manifest text a hydrated folder keeps, checked against its ``manifest.json``."""
    state = os.path.join(folder, STATE)
    try:
        stored = parse_identity(_read(os.path.join(state, MANIFEST_JSON))).manifest_hash
        text = _read(os.path.join(state, MANIFEST_TEXT))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            "manifest", name, "is not a hydrated folder: it has no recorded manifest",
            "Run panaversity hydrate into it first, or name another operand",
        ) from None  # fmt: skip
    except (Miss, OSError) as fault:
        raise _damaged(name, str(fault)) from fault
    if digest_of(text) != stored:
        raise _damaged(name, f"{MANIFEST_TEXT} is not the text of the stored hash")
    return text


def _from_file(path: str, name: str) -> bytes:
    """Manifest text from a file; a ``manifest.json`` stands for the text beside it."""
    try:
        data = _read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            "manifest", name, "is neither a file nor a folder nor a manifest hash",
            "Use remote, local:DIR, 64 hexadecimal digits, or a file",
        ) from None  # fmt: skip
    except (Miss, OSError, ValueError) as fault:
        raise _damaged(name, str(fault)) from fault
    if not data.lstrip().startswith(b"{"):
        return data
    try:
        stored = parse_identity(data).manifest_hash
        text = _read(os.path.join(os.path.dirname(path), MANIFEST_TEXT))
    except (Miss, OSError) as fault:
        raise _damaged(name, f"{fault}") from fault
    if digest_of(text) != stored:
        raise _damaged(name, f"the {MANIFEST_TEXT} beside it is another manifest's")
    return text


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Miss(f"is larger than {LARGEST} bytes")
    return data


def _damaged(name: str, problem: str) -> HashMismatch:
    return HashMismatch("manifest", name, f"cannot be used: {problem}", "Run panaversity hydrate to write it anew")
