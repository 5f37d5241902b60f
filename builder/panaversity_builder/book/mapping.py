"""A whole source tree as a book: how folders are numbered, where every file is kept.

PURE: lists of paths in, a mapping or refusals out (DESIGN 4). The bijection of one path is ``core.mapping``'s; disks,
servers and what is ignored (``book.ignore``) are unknown here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from panaversity_fs.core.errors import SourceRefused
from panaversity_fs.core.mapping import Numbering, encode
from panaversity_fs.core.paths import NameIndex, clearly_distinct, path_fault, shown
from panaversity_fs.core.schema import Schema, schema_fault

_LEADING = re.compile(r"[0-9]{2}-.+", re.DOTALL)
_TRAILING = re.compile(r".+-[0-9]{2}", re.DOTALL)


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
    ordered, origin = sorted(sources), dict[str, str]()
    names = None if clearly_distinct(ordered) else NameIndex()
    for source in ordered:
        book_path, reason = _place(source, numbering)
        if reason is None and names is not None:
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
