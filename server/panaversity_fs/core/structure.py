"""Is a book well built? Judges its paths as a whole, where ``core.schema`` judges one (FR-010).

Finds what the schema refuses, chapters without a lesson, numbers given twice or left out. Knows paths only; whether
their bytes are there and what they say is looked at by ``library.checking``.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from panaversity_fs.core.mapping import DIRECT, Numbering, extension
from panaversity_fs.core.schema import Schema, schema_fault

Level = Literal["error", "warning"]

_NUMBERED = re.compile(r"([0-9]{2})-.+", re.DOTALL)
_SHOWN_GAPS = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: ``path`` is a file, or a folder with its last slash."""

    level: Level
    code: str
    path: str
    problem: str


def is_lesson_text(path: str) -> bool:
    """True for Markdown and MDX below ``content/``."""
    return path.startswith("content/") and extension(path.rpartition("/")[2]) in ("md", "mdx")


def parts_and_chapters(paths: Iterable[str]) -> tuple[set[str], set[str]]:
    """The folders one and two levels below ``content/``, with their last slash."""
    folders = [path.split("/")[:-1] for path in paths if path.startswith("content/")]
    parts = {"/".join(steps[:2]) + "/" for steps in folders if len(steps) >= 2}
    chapters = {"/".join(steps[:3]) + "/" for steps in folders if len(steps) >= 3}
    return parts, chapters


def judge_structure(paths: Iterable[str], schema: Schema, numbering: Numbering | None) -> Iterator[Finding]:
    """Everything that is wrong with a book of these paths under that schema, sorted by what it is and where."""
    paths = sorted(paths)
    for path in paths:
        if fault := schema_fault(path, schema, numbering):
            yield Finding("error", "SCHEMA_VIOLATION", path, fault[0])
    yield from _empty_chapters(paths)
    yield from _numbers(paths, schema)


def _empty_chapters(paths: list[str]) -> Iterator[Finding]:
    """Chapters that hold files, or assets meant for them, and no lesson."""
    _, chapters = parts_and_chapters(paths)
    chapters |= {folder for path in paths if (folder := _chapter_of_asset(path))}
    taught = {"/".join(path.split("/")[:3]) + "/" for path in paths if is_lesson_text(path) and path.count("/") >= 3}
    for chapter in sorted(chapters - taught):
        yield Finding("warning", "EMPTY_CHAPTER", chapter, "holds no lesson")


def _chapter_of_asset(path: str) -> str | None:
    steps = path.split("/")[2:-1] if path.startswith("static/") else []
    if len(steps) < 2 or DIRECT in steps[:2] or not all(_NUMBERED.fullmatch(step) for step in steps[:2]):
        return None
    return f"content/{steps[0]}/{steps[1]}/"


def _numbers(paths: list[str], schema: Schema) -> Iterator[Finding]:
    """Numbers of the lessons, and of the folders, that lie in one folder."""
    lessons: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    folders: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in paths:
        if not path.startswith("content/"):
            continue
        steps = path.split("/")
        for depth in range(1, len(steps) - 1):
            _note(folders["/".join(steps[:depth]) + "/"], steps[depth], steps[depth])
        if is_lesson_text(path):
            _note(lessons["/".join(steps[:-1]) + "/"], steps[-1], _lesson_name(steps[-1]))
    level: Level = "error" if schema is Schema.STRICT else "warning"
    for place, found in sorted([*lessons.items(), *folders.items()], key=lambda item: item[0]):
        yield from _judge_numbers(place, found, level)


def _lesson_name(name: str) -> str:
    """A lesson and its summary are one."""
    stem = name.rpartition(".")[0]
    return stem.removesuffix(".summary")


def _note(found: dict[int, set[str]], name: str, counted_as: str) -> None:
    if match := _NUMBERED.fullmatch(name):
        found[int(match[1])].add(counted_as)


def _judge_numbers(place: str, found: dict[int, set[str]], level: Level) -> Iterator[Finding]:
    for number, names in sorted(found.items()):
        if len(names) > 1:
            told = ", ".join(sorted(names)[:3])
            yield Finding(level, "DUPLICATE_NUMBER", place, f"gives the number {number:02} to {len(names)}: {told}")
    missing = sorted(set(range(min([1, *found]), max(found, default=0))) - found.keys())
    if missing:
        more = " …" if len(missing) > _SHOWN_GAPS else ""
        told = ", ".join(f"{number:02}" for number in missing[:_SHOWN_GAPS])
        yield Finding("warning", "NUMBER_GAP", place, f"leaves out {told}{more}")
