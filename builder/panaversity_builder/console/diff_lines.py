"""What two manifests differ in, as lines for people and as Markdown, made from the machine format.

Names come from books, text from lessons: what a terminal would obey, or would hide, is written out. Pure; knows no
stream.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from panaversity_builder.console.texts import amount, counted
from panaversity_fs.core.digest import short

Body = Mapping[str, Any]
_CHANGES = ("added", "modified", "deleted", "renamed")
_WIDEST = 40
"""Characters of the longest bar of ``--stat``."""
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control characters but tab and LF, and what changes direction or has no width; joiners are letters' business."""


def name_lines(body: Body, view: str, end: str) -> Iterator[str]:
    """``--name-only`` and ``--name-status``: fields apart by tab, or by NUL when ``end`` is one."""
    for file in body["files"]:
        if view == "name_only":
            yield file["path"]
        else:
            yield ("\0" if end == "\0" else "\t").join(_fields(file))


def _fields(file: Body) -> list[str]:
    if file["status"] == "R":
        return ["R100", file["from"], file["path"]]
    return [file["status"], file["path"]]


def diff_pieces(body: Body, files: Iterable[Body], view: str) -> Iterator[Sequence[str]]:
    """What the other views print, in pieces: something a file, and what it comes to."""
    told: list[Body] = []
    for file in files:
        told.append({k: v for k, v in file.items() if k != "diff"})
        if view == "content":
            yield list(content_lines(file))
    if view == "stat":
        yield list(stat_lines(told))
    elif view == "list":
        yield ["\t".join(_fields(file)) for file in told]
    if told:
        yield [_total(body, told)]


def _total(body: Body, files: Sequence[Body]) -> str:
    lines = ""
    if any("lines_added" in file for file in files):
        added, removed = (sum(file.get(f"lines_{way}", 0) for file in files) for way in ("added", "removed"))
        lines = f"; {amount(added, 'lines')} added, {removed} removed"
    verb = "differs" if len(files) == 1 else "differ"
    return f"{amount(len(files), 'files')} {verb}: {counted(body, _CHANGES)}; {body['unchanged']} alike{lines}"


def diff_notes(body: Body, verbose: bool) -> Iterator[str]:
    """What is worth saying beside a comparison: which two, and why nothing is listed where nothing is."""
    a, b = body["a"], body["b"]
    if verbose:
        for side in (a, b):
            yield f"manifest diff: {side['name']}: {side['manifest_hash']} ({amount(side['file_count'], 'files')})"
    if not body["files"]:
        first = body["first_difference"]
        elsewhere = f" among what was asked for; they differ elsewhere, first at {first['path']}" if first else ""
        yield f"manifest diff: no differences{elsewhere}"
    if a["numbering"] and b["numbering"] and a["numbering"] != b["numbering"]:
        yield f"manifest diff: the source trees are named differently: {a['numbering']}, {b['numbering']}"


def content_lines(file: Body) -> Iterator[str]:
    """One file of ``--content``: a unified diff, or why there is none."""
    name, kind = file["path"], file["content"]
    was = file.get("from", name)
    match kind:
        case "same":
            yield from (f"rename from {was}", f"rename to {name}")
        case "binary":
            yield f"Binary files {_side('a', was, file['before'])} and {_side('b', name, file['after'])} differ"
        case "text":
            if not file["diff"]:
                yield f"{_said(file['status'])} {name}, an empty file"
            yield from visible(file["diff"]).removesuffix("\n").split("\n") if file["diff"] else ()
            if file.get("line_ends_only"):
                yield f"({name}: only line ends differ; ^M is a carriage return)"
            if file["diff_truncated"]:
                yield f"({name}: the rest of {file['lines_added'] + file['lines_removed']} changed lines is left out)"
        case "large":
            yield f"{_said(file['status'])} {name}: too large to be compared line by line"
        case _:
            yield f"{_said(file['status'])} {name}: its bytes are not at hand"


def _side(letter: str, path: str, digest: str | None) -> str:
    return f"{letter}/{path}" if digest else "/dev/null"


def _said(status: str) -> str:
    return {"A": "added", "M": "modified", "D": "deleted"}[status]


def visible(text: str) -> str:
    """Text with everything a terminal would obey or hide written out: ``^M``, ``^[``, ``\\u202e``."""
    return _UNSEEN.sub(lambda match: _written_out(match[0]), text)


def _written_out(char: str) -> str:
    return f"^{chr(ord(char) ^ 64)}" if ord(char) < 128 else f"\\u{ord(char):04x}"


def stat_lines(files: Sequence[Body]) -> Iterator[str]:
    """One line a file as ``git diff --stat`` draws it, the bars scaled to the largest change."""
    names = [f"{file['from']} => {file['path']}" if file["status"] == "R" else file["path"] for file in files]
    width = max(map(_cells, names), default=0)
    most = max((_lines_of(file) for file in files), default=0)
    digits = len(str(most))
    for name, file in zip(names, files, strict=True):
        yield f" {name}{' ' * (width - _cells(name))} | {_bar(file, most, digits)}"


def _cells(text: str) -> int:
    """Columns of a terminal, near enough: wide letters take two, combining ones none."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def _lines_of(file: Body) -> int:
    return int(file.get("lines_added", 0) + file.get("lines_removed", 0))


def _bar(file: Body, most: int, digits: int) -> str:
    if file["content"] != "text":
        return {"same": "renamed", "binary": "Bin", "large": "large", "missing": "not at hand"}[file["content"]]
    plus, minus = (_scaled(file[f"lines_{way}"], most) for way in ("added", "removed"))
    return f"{_lines_of(file):>{digits}} {'+' * plus}{'-' * minus}".rstrip()


def _scaled(lines: int, most: int) -> int:
    return lines if most <= _WIDEST else max(lines > 0, lines * _WIDEST // most)


def diff_markdown(body: Body, limit: int) -> str:
    """A comparison as a page of at most ``limit`` bytes: what was compared, the counts, a table of the files."""
    from panaversity_builder.console.markdown import Page, cell, table

    page = Page(limit)
    page.add("### panaversity manifest diff", "")
    for side in ("a", "b"):
        one = body[side]
        page.add(f"- {cell(one['name'])}: {cell(short(one['manifest_hash']))}, {amount(one['file_count'], 'files')}")
    files = body["files"]
    if not files:
        page.add("", "No differences.")
        return page.text()
    page.add("", f"**{_total(body, files)}**")
    rest = f"{len(files)} files in all; the table is cut"
    page.left -= len(rest) + 2
    rows = [_row(file) for file in files]
    before = page.text().count("\n")
    table(page, ["", "path", "from", "before", "after"], iter(rows))
    page.left += len(rest) + 2
    if page.text().count("\n") - before < len(rows) + 3:
        page.add("", rest)
    return page.text()


def _row(file: Body) -> list[str]:
    from panaversity_builder.console.markdown import cell

    was = cell(file["from"]) if "from" in file else ""
    digests = [cell(short(file[side])) if file[side] else "" for side in ("before", "after")]
    return [file["status"], cell(file["path"]), was, *digests]
