"""The sentences of the console: errors with their particulars, phases, amounts.

Written for a reader at two in the morning: subject, fact, next step. Pure; knows no stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.core.paths import shown

if TYPE_CHECKING:  # only a build has phases, and its engine need not be loaded to print an ingest
    from panaversity_builder.engine import PhaseEvent

LISTED = 20
"""Particulars shown of a long list; ``--format json`` holds them all."""
_SAID_ALREADY = frozenset({"known", "scopes", "digests"})


def error_lines(error: PanaversityError) -> Iterator[str]:
    """``error CODE: sentence`` and one indented line for each particular that the error lists."""
    yield f"error {error.code}: {error}"
    for name, value in error.details.items():
        if isinstance(value, list | tuple) and name not in _SAID_ALREADY:
            mark = "  | " if name == "log_tail" else "  "
            yield from listed([particular(one) for one in value], mark)


def listed(lines: Sequence[str], indent: str = "  ", most: int = LISTED) -> Iterator[str]:
    """Indented lines, the rest of a long list as a number."""
    for line in lines[:most]:
        yield indent + line
    if len(lines) > most:
        yield f"{indent}and {len(lines) - most} more (all of them with --format json)"


def particular(value: object) -> str:
    """One item of a list in an error: a text as it is, a mapping as ``path: reason``."""
    if not isinstance(value, Mapping):
        return shown(str(value))
    path, reason = value.get("source") or value.get("path") or "", value.get("reason") or value.get("code") or ""
    return ": ".join(filter(None, [shown(str(path)), shown(str(reason))]))


def amount(number: int, unit: str) -> str:
    """``3 files``, ``1 file``, ``31.2 KB``. Kilo is 1000."""
    if unit == "bytes":
        return size(number)
    return f"{number} {unit.removesuffix('s') if number == 1 else unit}"


def size(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def counted(body: Mapping[str, object], words: Sequence[str]) -> str:
    """``3 added, 1 updated`` from a result's counts, zeros left out."""
    return ", ".join(f"{body[word]} {word}" for word in words if body.get(word))


def phase_line(event: "PhaseEvent", verbosity: int) -> str | None:
    """One line about one phase. What always runs, and what is as it was, is news only for who asked for more."""
    routine = event.phase.volatile or event.kind == "cached"
    if routine and event.kind != "failed" and (verbosity < 1 or event.kind == "start"):
        return None
    match event.kind:
        case "start":
            return f"{phase_head(event)}: {event.note}"
        case "failed":
            return f"{phase_head(event)}: failed ({took(event)})"
        case "cached":
            cached = "" if event.note.startswith("restored") else "cached, "
            return f"{phase_head(event)}: {cached}{event.note} ({took(event)})"
    done = event.note if event.phase.volatile else f"done{_afterthought(event.note)}"
    return f"{phase_head(event)}: {done} ({took(event)})"


def phase_head(event: "PhaseEvent") -> str:
    """``[80%] hydrate``: how far the run is, and which phase speaks."""
    return f"[{event.percent}%] {event.phase.name}"


def took(event: "PhaseEvent") -> str:
    """The seconds a phase took."""
    return f"{event.seconds or 0:.1f} s"


def _afterthought(note: str) -> str:
    """What a phase found out while it ran; the reason in front of it was told when it began."""
    _, mark, found = note.partition("; ")
    return mark + found
