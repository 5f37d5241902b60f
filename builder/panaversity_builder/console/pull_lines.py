"""What a pull did, as lines for people, made from its machine format. Pure; knows no stream."""

from collections.abc import Iterator, Mapping
from typing import Any

from panaversity_builder.console.texts import amount, counted, listed, particular

_CHANGES = ("added", "updated", "deleted")
_MARKS = {"added": "A", "updated": "M", "deleted": "D"}


def pull_lines(body: Mapping[str, Any], verbose: bool = False) -> Iterator[str]:
    """What was brought, or would be (``dry_run``), and what is the author's own turn. ``verbose`` names the ignored."""
    head = f"pull {body['book_id']}"
    changes = counted(body, _CHANGES)
    if not changes:
        yield f"{head}: nothing to pull ({amount(body['unchanged'], 'files')} unchanged)"
    elif body["dry_run"]:
        yield f"{head}: would be {changes}; dry run, nothing was written"
    else:
        yield f"{head}: {changes}; as of revision {body['revision']}"
    yield from listed([f"{_MARKS[file['change']]} {file['source']}" for file in body["files"]])
    if body["outgoing"]:
        yield f"of your own, for the next ingest: {amount(body['outgoing'], 'files')}"
    if body["ignored_files"] and not verbose:
        yield f"in the book under names this source ignores: {amount(body['ignored'], 'files')} (-v names them)"
    elif body["ignored_files"]:
        yield "in the book under names this source ignores:"
        yield from listed([f"- {particular(one)}" for one in body["ignored_files"]])
