"""Where a book stands and how it came there, as lines for people: ``manifest status`` and ``manifest log``.

Made from the machine format; names that come from a server are escaped. Pure; knows no stream.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from panaversity_builder.console.texts import amount, size
from panaversity_fs.core.paths import shown

Body = Mapping[str, Any]


def status_lines(body: Body) -> Iterator[str]:
    """One line a path, ``XY path``: what became of it in the source, and in the book."""
    for file in body["files"]:
        yield f"{file['mine'] or '.'}{file['theirs'] or '.'} {file['source']}"


def status_notes(body: Body) -> Iterator[str]:
    """What it comes to and what to do about it."""
    head = f"manifest status: {body['book_id']}"
    if not body["changed"]:
        yield f"{head}: everything is alike ({amount(body['unchanged'], 'files')}, revision {body['revision']})"
        return
    if body["mine"]:
        yield f"{head}: {amount(body['mine'], 'files')} of yours to ingest: panaversity ingest"
    if body["theirs"]:
        yield f"{head}: {amount(body['theirs'], 'files')} changed in the book by others: panaversity pull"
    if body["conflicts"]:
        yield f"{head}: {amount(body['conflicts'], 'files')} changed on both sides: merge them in the source"
    if body["renumbers"]:
        yield f"{head}: the folders are to be named {body['numbering']}: panaversity ingest"
    yield from _output_notes(head, body["output"])


def _output_notes(head: str, output: Body | None) -> Iterator[str]:
    match (output or {}).get("state"):
        case "absent":
            yield f"{head}: the docs folder was never hydrated: panaversity hydrate"
        case "damaged":
            yield f"{head}: the docs folder's record cannot be read: panaversity hydrate"
        case "behind" if output:
            files = amount(output["files"], "files")
            yield f"{head}: the docs folder differs from the book in {files}: panaversity hydrate"


def log_lines(body: Body) -> Iterator[str]:
    """One line a revision, in columns; the manifest hash last, whole, to be copied."""
    rows = [_revision(one) for one in body["revisions"]]
    if not rows:
        yield f"manifest log: {body['book_id']}: no revisions yet"
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _revision(one: Body) -> list[str]:
    what = shown(one["operation"]) + (
        " and settings" if one["settings_changed"] and one["operation"] != "set_book" else ""
    )
    files = f"+{one['added']} ~{one['modified']} -{one['deleted']}" + ("" if one["complete"] else " or more")
    told = one["manifest_hash"] or "-"
    return [str(one["revision"]), _moment(one["when"]), shown(one["agent"]), what, files, _bytes(one), told]


def _moment(text: str) -> str:
    """A time in UTC to the second; what is none, as it came."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except ValueError:
        return shown(text)


def _bytes(one: Body) -> str:
    written, replaced = one["bytes_written"], one["bytes_replaced"]
    if written is None:
        return "?"
    grown = "" if replaced is None else f" ({'-' if written < replaced else '+'}{size(abs(written - replaced))})"
    return f"{size(written)}{grown}"
