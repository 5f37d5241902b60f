"""Whether a plan is safe and tells the truth, judged whole before the first write (invariant 9, F55, F62).

PURE: takes a plan and the entries it builds on, answers the tree to make or raises. Does not know disks or servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from panaversity_builder.book.hydrate.options import Tree
from panaversity_builder.client import TOPS, BuildPlan, Scope
from panaversity_fs.core.digest import Digest, digest_of, is_digest, short
from panaversity_fs.core.errors import HashMismatch, InvalidPath, NoSpace
from panaversity_fs.core.manifest import Entries, parse, render
from panaversity_fs.core.mapping import Numbering, legal_source
from panaversity_fs.core.paths import NameIndex, clearly_distinct, path_fault, shown

SPARE = 0.05
"""Share of the bytes to be written that must be free on top of them."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole book's entries by book path, and their canonical text."""

    entries: Mapping[str, Digest]
    text: bytes


def derive(plan: BuildPlan, known: Entries) -> Manifest | None:
    """Apply a plan to what it builds on; None when that does not make the manifest it promises.

    ``known`` is empty for a full plan. A truncated plan never derives, one with a scope only by luck.
    """
    entries = dict(known)
    for file in plan.files:
        if file.target != known.get(file.path):
            return None
        if file.current is None:
            entries.pop(file.path, None)
        else:
            entries[file.path] = file.current
    text = render(entries)
    return Manifest(entries, text) if digest_of(text) == plan.manifest_hash else None


def from_text(plan: BuildPlan, text: bytes, known: Entries, scope: Scope) -> Manifest:
    """The manifest from its text, for a plan that is truncated or covers a scope; the listed files must agree with it.

    Raises ``HashMismatch``.
    """
    if digest_of(text) != plan.manifest_hash:
        raise untrue(plan, "its manifest text has another hash")
    entries = parse(text, "hydrate")
    for file in plan.files:
        if entries.get(file.path) != file.current or known.get(file.path) != file.target:
            raise untrue(plan, f"it lists {shown(file.path)} with another digest than the manifest")
    if not plan.truncated:
        listed = {file.path for file in plan.files}
        for path in entries.keys() | known.keys():
            if path.startswith(TOPS[scope]) and entries.get(path) != known.get(path) and path not in listed:
                raise untrue(plan, f"it leaves out {shown(path)}")
    return Manifest(entries, text)


def untrue(plan: BuildPlan, problem: str) -> HashMismatch:
    """The error for a plan that contradicts itself; nothing was written."""
    return HashMismatch(
        "hydrate", f"plan of {short(plan.manifest_hash)}", f"cannot be right: {problem}",
        "Nothing was written. Try again; if it stays, check the server with panaversity-fs fsck",
        expected=plan.manifest_hash,
    )  # fmt: skip


def require_safe(plan: BuildPlan) -> None:
    """Judge what a plan lists before anything is made of it. Raises ``InvalidPath`` or ``HashMismatch``."""
    for file in plan.files:
        if fault := path_fault(file.path):
            raise _unsafe(file.path, fault)
        if file.size < 0:
            raise untrue(plan, f"the size of {shown(file.path)} is negative")
    if not is_digest(plan.manifest_hash):
        raise untrue(plan, "its manifest hash is not a digest")


def tree_of(entries: Entries, numbering: Numbering | None, tree: Tree, scope: Scope) -> dict[str, Digest]:
    """Output path → digest for the part of the book that is asked for.

    Every path of the book is judged, in scope or not: grammar, a legal place under the numbering, and that no two
    meet on a file system that folds names. Raises ``InvalidPath`` naming both.
    """
    tops = TOPS[scope]
    made: dict[str, Digest] = {}
    everything: list[str] = []
    for book_path, digest in entries.items():
        source = _source_of(book_path, numbering)
        everything.append(source)
        if book_path.startswith(tops):
            made[source if tree == "source" else book_path] = digest
    _require_distinct(everything)
    if tree == "storage":
        _require_distinct(list(entries))
    return made


def _source_of(book_path: str, numbering: Numbering | None) -> str:
    if fault := path_fault(book_path):
        raise _unsafe(book_path, fault)
    source = legal_source(book_path, numbering)
    if source is None:
        raise _unsafe(book_path, "has no place in a book of this numbering")
    if numbering is Numbering.NAME_NUMBER and (fault := path_fault(source)):  # else its segments are the book path's
        raise _unsafe(source, fault)
    return source


def _require_distinct(paths: list[str]) -> None:
    if clearly_distinct(paths):
        return
    names = NameIndex()
    for path in paths:
        if fault := names.add(path):
            raise _unsafe(path, fault)


def _unsafe(path: str, fault: str) -> InvalidPath:
    return InvalidPath(
        "hydrate", shown(path), fault,
        "The server's plan is refused and nothing was written. Check that it is the right server",
        path=shown(path), reason=fault,
    )  # fmt: skip


def require_room(needed: int, free: int, output_dir: str) -> None:
    """Raise ``NoSpace`` unless ``needed`` bytes and a little more fit (F10). Zero bytes always fit."""
    wanted = needed + int(needed * SPARE)
    if wanted > free:
        raise NoSpace(
            "hydrate", output_dir, f"needs {wanted} bytes but {free} are free",
            "Free some space and run it again; nothing was written", needed=wanted, free=free,
        )  # fmt: skip
