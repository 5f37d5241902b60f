"""What leads from one manifest to another, path by path, and why their hashes differ.

PURE: operands in, changes out. Knows paths and digests; does not know bytes, places or how changes are shown.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Any, Literal

from panaversity_builder.book.compare.operands import Operand
from panaversity_builder.client import TOPS
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.manifest import Entries, changed_paths, diff

Status = Literal["A", "M", "D", "R"]


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs. A rename (same digest) has ``old``, the path it had; else ``old`` is None.

    ``before`` and ``after`` are digests, None where nothing was or is there.
    """

    status: Status
    path: str
    old: str | None
    before: Digest | None
    after: Digest | None

    def to_json(self) -> dict[str, Any]:
        """The machine format of one file."""
        renamed = {} if self.old is None else {"from": self.old}
        return {"status": self.status, "path": self.path, **renamed, "before": self.before, "after": self.after}

    def fields(self) -> list[str]:
        """What one record of ``--name-status`` holds; a rename's similarity is always 100."""
        return [self.status, self.path] if self.old is None else [f"{self.status}100", self.old, self.path]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What leads from manifest ``a`` to manifest ``b`` among the paths that were asked for.

    ``changes`` are sorted by the path they begin at. ``first`` is the first path of all, asked for or not, at which
    the two manifests differ; None for equal ones.
    """

    a: Operand
    b: Operand
    changes: tuple[Change, ...]
    unchanged: int
    first: str | None

    def __bool__(self) -> bool:
        return bool(self.changes)

    def count(self, status: Status) -> int:
        """How many changes have this status."""
        return sum(change.status == status for change in self.changes)

    def records(self) -> Iterator[list[str]]:
        """The records of ``--name-status``."""
        return (change.fields() for change in self.changes)

    def names(self) -> Iterator[str]:
        """The paths as they are in ``b``, or were in ``a`` where ``b`` has none."""
        return (change.path for change in self.changes)

    def to_json(self) -> dict[str, Any]:
        """The machine format of ``manifest diff``."""
        return {
            "schema_version": 1,
            "a": self.a.summary(),
            "b": self.b.summary(),
            "equal": self.a.manifest_hash == self.b.manifest_hash,
            "added": self.count("A"),
            "modified": self.count("M"),
            "deleted": self.count("D"),
            "renamed": self.count("R"),
            "unchanged": self.unchanged,
            "first_difference": self._first(),
            "files": [change.to_json() for change in self.changes],
        }

    def _first(self) -> dict[str, Any] | None:
        if self.first is None:
            return None
        return {"path": self.first, "a": self.a.entries.get(self.first), "b": self.b.entries.get(self.first)}


def compare(a: Operand, b: Operand, scope: str = "all", patterns: Sequence[str] = ()) -> Comparison:
    """Compare two manifests. With ``scope`` or ``patterns`` the rest of both is as if it were not there."""
    old, new = (_narrowed(one.entries, scope, patterns) for one in (a, b))
    found = diff(old, new)
    changes = [Change("R", path, was, old[was], new[path]) for was, path in found.renamed]
    changes += [Change("A", path, None, None, new[path]) for path in found.added]
    changes += [Change("D", path, None, old[path], None) for path in found.deleted]
    changes += [Change("M", path, None, old[path], new[path]) for path in found.modified]
    changes.sort(key=lambda change: change.old or change.path)
    unchanged = len(old) - len(found) + len(found.added)
    return Comparison(a, b, tuple(changes), unchanged, next(iter(changed_paths(a.entries, b.entries)), None))


def _narrowed(entries: Entries, scope: str, patterns: Sequence[str]) -> Entries:
    if scope != "all":
        entries = {path: digest for path, digest in entries.items() if path.startswith(TOPS[scope])}
    return {p: entries[p] for p in matching(entries, patterns)} if patterns else entries


def matching(paths: Iterable[str], patterns: Sequence[str]) -> Iterator[str]:
    """The paths that a pattern names: a path, a folder, or a pattern whose ``*`` crosses folders, as git's do."""
    rules = [re.compile(translate(pattern.rstrip("/"))) for pattern in patterns]
    folders = tuple(pattern.rstrip("/") + "/" for pattern in patterns)
    return (path for path in paths if path.startswith(folders) or any(rule.match(path) for rule in rules))
