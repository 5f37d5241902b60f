"""What hydrate remembers between runs, as values and as bytes: the build state's file formats, version 1.

    manifest.json   which manifest the folder holds (FR-301, FR-302); written last
    manifest.txt    that manifest's canonical text
    index           every file and folder that is ours, with what it takes to see that it is unchanged
    plan.json       the plan a running or interrupted hydrate works on
    metadata.json   when and by whom each file was last written, where a site shows it (``written``)
    glance          what a run that has nothing to do goes by (``glance``)

PURE: knows formats; does not open files. Reading raises ``Miss`` for whatever is odd: these files may come from a
cache that anybody could write (S32), so every path and value in them is judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from panaversity_builder.book.hydrate.folder import Signature
from panaversity_builder.book.sealed import Miss, seal, unseal
from panaversity_fs.core.digest import Digest, is_digest
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import path_fault, shown

FORMAT = 1
MANIFEST_JSON, MANIFEST_TEXT, INDEX, PLAN = "manifest.json", "manifest.txt", "index", "plan.json"
CHECKPOINTS, GLANCE, METADATA = "checkpoints.json", "glance", "metadata.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which tree a folder holds: two equal identities mean equal folders."""

    book_id: str
    manifest_hash: Digest
    store_id: str
    incarnation: int
    numbering: Numbering | None
    tree: str
    scope: str


@dataclass(frozen=True, slots=True)
class Owned:
    """One file of ours: digest and size of what we wrote, and its signature; None when that is not to be believed."""

    digest: Digest
    size: int
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """One change that was about to be made to a path: the file before (None: nothing) and after (None: removed)."""

    old: Digest | None
    new: Digest | None


@dataclass(slots=True)
class Index:
    """What is ours in the folder. ``pending`` holds the changes of a run that has not ended."""

    files: dict[str, Owned] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    pending: dict[str, Pending] = field(default_factory=dict)

    def accepted(self) -> dict[str, tuple[Digest, ...]]:
        """Per path of ours the digests that are our doing: one, or two where a change may or may not have happened."""
        answer: dict[str, tuple[Digest, ...]] = {path: (owned.digest,) for path, owned in self.files.items()}
        for path, change in self.pending.items():
            answer[path] = answer.get(path, ()) + tuple(d for d in (change.old, change.new) if d is not None)
        return answer


@dataclass(frozen=True, slots=True)
class Glance:
    """A folder found whole and at rest: the digests of the state files read then, the folders that were looked into,
    how many files are ours, and the digest over everything seen."""

    state: dict[str, Digest]
    folders: list[str]
    files: int
    tree: Digest


def render_glance(glance: Glance) -> bytes:
    """``glance``, sealed."""
    return seal(
        {
            "format": FORMAT,
            "state": glance.state,
            "folders": glance.folders,
            "files": glance.files,
            "tree": glance.tree,
        }
    )


def parse_glance(data: bytes) -> Glance:
    """Read ``glance``. Raises ``Miss``."""
    document = _document(data, "format")
    try:
        state = {_text(name): _digest(digest) for name, digest in document["state"].items()}
        folders = [_path(path) for path in document["folders"]]
        return Glance(state, folders, _count(document["files"]), _digest(document["tree"]))
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise Miss(f"holds an unexpected value ({shown(str(fault))})") from fault


def render_identity(identity: Identity, timestamp: str, file_count: int, revision: int) -> bytes:
    """``manifest.json``: the four keys of FR-302 first, ours after them."""
    return seal(
        {
            "book_id": identity.book_id,
            "manifest_hash": identity.manifest_hash,
            "timestamp": timestamp,
            "file_count": file_count,
            "schema_version": FORMAT,
            "store_id": identity.store_id,
            "incarnation": identity.incarnation,
            "numbering": identity.numbering,
            "tree": identity.tree,
            "scope": identity.scope,
            "revision": revision,
        },
        readable=True,
    )


def parse_identity(data: bytes) -> Identity:
    """Read ``manifest.json``. Raises ``Miss``."""
    document = _document(data, "schema_version")
    try:
        _count(document["file_count"])
        return identity_of(document)
    except (KeyError, TypeError, ValueError) as fault:
        raise Miss(f"holds an unexpected value ({shown(str(fault))})") from fault


def parse_told(data: bytes) -> tuple[str, int]:
    """When ``manifest.json`` says it was written, and the book's revision then. Raises ``Miss``."""
    document = _document(data, "schema_version")
    try:
        return _text(document["timestamp"]), _count(document["revision"])
    except (KeyError, TypeError) as fault:
        raise Miss(f"holds an unexpected value ({shown(str(fault))})") from fault


def identity_of(document: Mapping[str, Any]) -> Identity:
    """An identity from the keys of its name. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
    return Identity(
        book_id=_text(document["book_id"]),
        manifest_hash=_digest(document["manifest_hash"]),
        store_id=_text(document["store_id"]),
        incarnation=_count(document["incarnation"]),
        numbering=None if document["numbering"] is None else Numbering(document["numbering"]),
        tree=_text(document["tree"]),
        scope=_text(document["scope"]),
    )


def render_index(index: Index) -> bytes:
    """The ownership index: compact, one short list a file."""
    return seal(
        {
            "format": FORMAT,
            "files": ((p, o.digest, o.size, *(o.signature or ())) for p, o in sorted(index.files.items())),
            "folders": sorted(index.folders),
            "pending": [[p, c.old, c.new] for p, c in sorted(index.pending.items())],
        }
    )


def parse_index(data: bytes) -> Index:
    """Read the ownership index. Raises ``Miss``, also for a path that no hydrate could have written."""
    document = _document(data, "format")
    index = Index()
    try:
        _require_rows(document["files"])
        for path, digest, size, *seen in document["files"]:
            index.files[path] = Owned(digest, size, tuple(seen) if seen else None)
        index.folders = {_path(path) for path in document["folders"]}
        for path, old, new in document["pending"]:
            index.pending[_path(path)] = Pending(_optional(old), _optional(new))
    except (KeyError, TypeError, ValueError) as fault:
        raise Miss(f"holds an unexpected value ({shown(str(fault))})") from fault
    return index


def render_plan(identity: Identity, known: Digest | None, changes: Mapping[str, Pending]) -> bytes:
    """``plan.json``: where the folder is being brought and by which changes, for people and for a resumed run."""
    return seal(
        {
            "format": FORMAT,
            "book_id": identity.book_id,
            "manifest_hash": identity.manifest_hash,
            "known": known,
            "numbering": identity.numbering,
            "tree": identity.tree,
            "scope": identity.scope,
            "changes": [[p, c.old, c.new] for p, c in sorted(changes.items())],
        }
    )


def parse_plan(data: bytes) -> Digest:
    """The manifest that an interrupted hydrate was on its way to. Raises ``Miss``."""
    document = _document(data, "format")
    try:
        return _digest(document["manifest_hash"])
    except (KeyError, ValueError) as fault:
        raise Miss("names no manifest") from fault


def _document(data: bytes, version: str) -> dict[str, Any]:
    document = unseal(data)
    if document.get(version) != FORMAT:
        raise Miss(f"has format {shown(str(document.get(version)))}, this version reads {FORMAT}")
    return document


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("not a number from 0 on")
    return value


def _require_rows(rows: list[list[Any]]) -> None:
    """Judge all rows of the index kind by kind: a hundred thousand calls of each judge would cost as much again."""
    if not {len(row) for row in rows} <= {3, 7}:
        raise ValueError("a signature of another length")
    numbers = [number for row in rows for number in row[2:]]
    if not set(map(type, numbers)) <= {int} or min(numbers, default=0) < 0:
        raise TypeError("not a number from 0 on")
    for row in rows:
        if not is_digest(row[1]):
            raise ValueError("not a digest")
        _path(row[0])


def _digest(value: object) -> Digest:
    if not is_digest(value):
        raise ValueError("not a digest")
    return Digest(str(value))


def _optional(value: object) -> Digest | None:
    return None if value is None else _digest(value)


def _path(value: object) -> str:
    path = _text(value)
    if fault := path_fault(path):
        raise ValueError(f"the path {shown(path)} {fault}")
    return path
