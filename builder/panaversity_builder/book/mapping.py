"""A whole source tree as a book: which names are ignored, how folders are numbered, where every file is kept.

PURE: lists of paths in, a mapping or refusals out (DESIGN 4). The bijection of one path is ``core.mapping``'s; disks
and servers are unknown here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import translate

from panaversity_fs.core.errors import SourceRefused
from panaversity_fs.core.mapping import Numbering, encode
from panaversity_fs.core.paths import NameIndex, path_fault, shown
from panaversity_fs.core.schema import Schema, schema_fault

IGNORE_FILE = ".bookignore"
_LEADING = re.compile(r"[0-9]{2}-.+", re.DOTALL)
_TRAILING = re.compile(r".+-[0-9]{2}", re.DOTALL)
_DEBRIS = frozenset({"node_modules", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A source path that cannot be taken, and why: ``{source} {reason}`` reads as a sentence."""

    source: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return {"source": shown(self.source), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Mapped:
    """Source path → book path for everything that has a place; ``misfits`` have one only in a wider schema."""

    paths: dict[str, str]
    refused: tuple[Refusal, ...]
    misfits: tuple[Refusal, ...]


class IgnoreRules:
    """The built-in ignored names and those of one ``.bookignore`` (DESIGN 4.5).

    A line is a pattern with ``*``, ``?`` and ``[…]``; with a slash inside or in front it is read from the root
    (``**`` stands for any folders), else it matches a name anywhere; a slash behind it means folders only; ``#``
    begins a comment.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._names: list[tuple[re.Pattern[str], bool]] = []
        self._paths: list[tuple[tuple[re.Pattern[str] | None, ...], bool]] = []
        for pattern in patterns:
            folders_only, body = pattern.endswith("/"), pattern.rstrip("/")
            if "/" in body:
                steps = tuple(None if s == "**" else re.compile(translate(s)) for s in body.lstrip("/").split("/"))
                self._paths.append((steps, folders_only))
            else:
                self._names.append((re.compile(translate(body)), folders_only))

    @classmethod
    def parse(cls, text: str) -> "IgnoreRules":
        """Read a ``.bookignore``. Raises ``SourceRefused`` for ``!patterns``, which this file does not know."""
        patterns = []
        for number, line in enumerate(text.splitlines(), 1):
            pattern = line.strip()
            if pattern.startswith("!"):
                raise SourceRefused(
                    "ingest", f"{IGNORE_FILE} line {number}", "takes something back with !",
                    "List what is to be ignored only", line=number,
                )  # fmt: skip
            if pattern.strip("/") and not pattern.startswith("#"):
                patterns.append(pattern)
        return cls(patterns)

    def reason(self, path: str, is_folder: bool) -> str | None:
        """Why this path is ignored, or None. Its folders are not judged again: who walks a tree never enters them."""
        name = path.rpartition("/")[2]
        if name.startswith("."):
            return "begins with a dot"
        if name in _DEBRIS or name.endswith(("~", ".swp")):
            return "is a working file"
        if any(rule.match(name) for rule, folders in self._names if is_folder or not folders):
            return f"is named in {IGNORE_FILE}"
        steps = path.split("/")
        if any(_matches(rule, steps) for rule, folders in self._paths if is_folder or not folders):
            return f"is named in {IGNORE_FILE}"
        return None


def _matches(rule: Sequence[re.Pattern[str] | None], steps: Sequence[str]) -> bool:
    """Pattern steps against path steps; a ``**`` (None) takes any number. Linear states, no backtracking."""
    states = {0}
    for step in steps:
        states = _skipped(rule, states)
        following = set()
        for state in states:
            if state < len(rule):
                pattern = rule[state]
                if pattern is None:
                    following.add(state)
                elif pattern.match(step):
                    following.add(state + 1)
        states = following
    return len(rule) in _skipped(rule, states)


def _skipped(rule: Sequence[re.Pattern[str] | None], states: set[int]) -> set[int]:
    """The states themselves and those reached by letting a ``**`` stand for nothing."""
    reached = set(states)
    for state in sorted(states):
        while state < len(rule) and rule[state] is None:
            state += 1
            reached.add(state)
    return reached


def detect_numbering(sources: Iterable[str]) -> Numbering:
    """How the folders of a source are numbered, from its top folders (DESIGN 4.4).

    Raises ``SourceRefused`` when both ways occur: only the author can know.
    """
    tops = sorted({source.partition("/")[0] for source in sources if "/" in source})
    trailing = [t for t in tops if _TRAILING.fullmatch(t) and not _LEADING.fullmatch(t)]
    leading = [t for t in tops if _LEADING.fullmatch(t) and not _TRAILING.fullmatch(t)]
    if trailing and leading:
        raise SourceRefused(
            "ingest", "numbering",
            f"the top folders are numbered both ways: {shown(leading[0])} and {shown(trailing[0])}",
            "Rename one kind, or say --numbering number-name or --numbering name-number",
            number_name=leading, name_number=trailing,
        )  # fmt: skip
    return Numbering.NAME_NUMBER if trailing else Numbering.NUMBER_NAME


def map_tree(sources: Iterable[str], numbering: Numbering | None, schema: Schema) -> Mapped:
    """Where every source path is kept, with all refusals at once, each naming what is wrong (FR-202, F45).

    Refused: what the grammar refuses, folders named ``@``, names that meet another name. Sources are judged in sorted
    order, so the same tree always gives the same answer.
    """
    paths: dict[str, str] = {}
    refused: list[Refusal] = []
    misfits: list[Refusal] = []
    names, origin = NameIndex(), dict[str, str]()
    for source in sorted(sources):
        book_path, reason = _place(source, numbering)
        if reason is None:
            reason = names.add(source)
        if reason is None and book_path in origin:
            reason = f"would be kept as {book_path}, where {origin[book_path]} is kept"
        if reason is not None:
            refused.append(Refusal(source, reason))
            continue
        if fault := schema_fault(book_path, schema, numbering):
            misfits.append(Refusal(source, f"is kept as {book_path}, which {fault[0]}"))
        paths[source] = book_path
        origin[book_path] = source
    return Mapped(paths, tuple(refused), tuple(misfits))


def _place(source: str, numbering: Numbering | None) -> tuple[str, str | None]:
    if fault := path_fault(source):
        return "", fault
    book_path = encode(source, numbering)
    if book_path is None:
        return "", "lies in a folder named @, which is reserved"
    if fault := path_fault(book_path):
        return "", f"would be kept as {book_path}, which {fault}"
    return book_path, None
