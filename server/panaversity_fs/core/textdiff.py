"""Unified diffs of two texts, bounded in time and size (FEATURES: diff before write).

Lines end at LF only, so a CR or an exotic line separator is a part of its line and the diff applies byte for byte.
Knows text; does not know versions or files.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

CONTEXT = 3
MAX_COMPARED = 2_000
"""Lines a side that are matched one by one; more are told as one block (the matcher is quadratic)."""
MAX_DIFF = 256 * 1024
"""Characters of one diff; the rest is cut off, whole lines at a time."""

_NO_NEWLINE = "\\ No newline at end of file\n"

Opcode = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class TextDiff:
    """``text`` in unified form, empty for equal texts; ``added`` and ``removed`` count lines, cut or not."""

    text: str
    added: int
    removed: int
    truncated: bool


def unified(a: str, b: str, from_label: str, to_label: str, limit: int = MAX_DIFF) -> TextDiff:
    """What leads from text ``a`` to text ``b``, with three lines of context; at most ``limit`` characters."""
    old, new = lines_of(a), lines_of(b)
    groups = list(_grouped(old, new))
    added = sum(j2 - j1 for group in groups for tag, _, _, j1, j2 in group if tag != "equal")
    removed = sum(i2 - i1 for group in groups for tag, i1, i2, _, _ in group if tag != "equal")
    if not groups:
        return TextDiff("", 0, 0, False)
    text, truncated = _bounded(_lines(groups, old, new, from_label, to_label), limit)
    return TextDiff(text, added, removed, truncated)


def lines_of(text: str) -> list[str]:
    """The lines with their ends; only the last one may lack it."""
    *whole, last = text.split("\n")
    return [line + "\n" for line in whole] + ([last] if last else [])


def _grouped(old: list[str], new: list[str]) -> Iterator[list[Opcode]]:
    """Hunks as groups of opcodes over the whole texts; only what lies between equal ends is really compared."""
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if not middle_old and not middle_new:
        return
    changes = [
        (tag, i1 + head, i2 + head, j1 + head, j2 + head) for tag, i1, i2, j1, j2 in _compare(middle_old, middle_new)
    ]
    before, after = min(head, CONTEXT), min(tail, CONTEXT)
    end_old, end_new = len(old) - tail, len(new) - tail
    codes = [("equal", head - before, head, head - before, head), *changes,
             ("equal", end_old, end_old + after, end_new, end_new + after)]  # fmt: skip
    yield from _split([code for code in codes if code[1] != code[2] or code[3] != code[4]])


def _common(a: list[str], b: list[str]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _compare(old: list[str], new: list[str]) -> list[Opcode]:
    if max(len(old), len(new)) > MAX_COMPARED:
        return [("replace", 0, len(old), 0, len(new))]
    return list(SequenceMatcher(None, old, new).get_opcodes())


def _split(codes: list[Opcode]) -> Iterator[list[Opcode]]:
    """Begin a new hunk wherever more than twice the context is equal."""
    group: list[Opcode] = []
    for tag, i1, i2, j1, j2 in codes:
        if tag == "equal" and i2 - i1 > 2 * CONTEXT and group:
            yield [*group, (tag, i1, i1 + CONTEXT, j1, j1 + CONTEXT)]
            group = [(tag, i2 - CONTEXT, i2, j2 - CONTEXT, j2)]
        else:
            group.append((tag, i1, i2, j1, j2))
    yield group


def _lines(groups: list[list[Opcode]], old: list[str], new: list[str], a: str, b: str) -> Iterator[str]:
    yield f"--- {a}\n+++ {b}\n"
    for group in groups:
        first, last = group[0], group[-1]
        yield f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@\n"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from _marked(" ", old[i1:i2])
                continue
            yield from _marked("-", old[i1:i2])
            yield from _marked("+", new[j1:j2])


def _span(start: int, end: int) -> str:
    """A hunk's place: an empty one is named by the line before it."""
    length = end - start
    return f"{start + 1}" if length == 1 else f"{start + 1 if length else start},{length}"


def _marked(sign: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield sign + line if line.endswith("\n") else f"{sign}{line}\n{_NO_NEWLINE}"


def _bounded(lines: Iterable[str], limit: int) -> tuple[str, bool]:
    kept: list[str] = []
    room = limit
    for line in lines:
        room -= len(line)
        if room < 0:
            return "".join(kept), True
        kept.append(line)
    return "".join(kept), False
