"""Results of the use cases as lines for people, made from their machine format.

One line when nothing happened; what changed, counted and then named, when something did. Pure; knows no stream.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from panaversity_builder.console.texts import amount, counted, listed, particular, size

Body = Mapping[str, Any]
_CHANGES = ("added", "updated", "deleted")
_MARKS = {"added": "A", "updated": "M", "deleted": "D"}


def ingest_lines(body: Body, verbose: bool = False) -> Iterator[str]:
    """What an ingest did, or would do (``dry_run``). ``verbose`` also names what was ignored or kept, and why."""
    head = f"ingest {body['book_id']}"
    counts = counted(body, (*_CHANGES, "moved", "unchanged", "diverged", "ignored")) or "an empty book"
    if not counted(body, (*_CHANGES, "moved")):
        yield f"{head}: nothing changed ({counts})"
    elif body["dry_run"]:
        yield f"{head}: would be {counts}; dry run, nothing was written"
    else:
        yield f"{head}: {counts}; revision {body['revision']}"
    yield from listed([f"{_MARKS[f['change']]} {f['source'] or f['path']}" for f in body["files"]])
    if body["diverged_files"]:
        yield "left alone, edited in the book since the last ingest (--overwrite lets the source win):"
        yield from listed([f"! {path}" for path in body["diverged_files"]])
    if verbose and body["kept_files"]:
        yield "only in the book, kept:"
        yield from listed([f"= {path}" for path in body["kept_files"]])
    if verbose and body["ignored_files"]:
        yield "ignored:"
        yield from listed([f"- {particular(one)}" for one in body["ignored_files"]])


def hydrate_lines(body: Body) -> Iterator[str]:
    """What a hydrate did."""
    head = f"hydrate {body['book_id']}"
    changes = counted(body, _CHANGES)
    if body["mode"] == "unchanged":
        yield f"{head}: unchanged ({amount(body['unchanged'], 'files')})"
        return
    files, transferred = body["hydrate_files_downloaded"], body["hydrate_bytes_transferred"]
    what = changes or "no file changed"
    yield f"{head}: {what}; {amount(files, 'files')} downloaded, {size(transferred)} transferred"
    if body.get("reason"):
        yield f"  {body['mode']}: {body['reason']}"


def plan_lines(body: Body, explain: bool) -> Iterator[str]:
    """What a hydrate would do."""
    head = f"plan {body['book_id']}"
    files = body["files"]
    if not files and not body["obstacles"]:
        yield f"{head}: unchanged ({amount(body['unchanged'], 'files')})"
    else:
        download = f"{amount(body['files_to_download'], 'files')}, {size(body['bytes_to_download'])} to download"
        yield f"{head}: {amount(len(files), 'files')} would change; {download}"
    if explain:
        yield f"  {body['mode']}: {body['reason'] or 'the stored manifest is known'}"
    yield from listed([f"{f['status']} {f['path']}" for f in files])
    if body["obstacles"]:
        yield "in the way (a hydrate would stop with status 3):"
        yield from listed([f"! {o['path']}: {o['reason']}" for o in body["obstacles"]])


def build_lines(report: Body, site: str) -> Iterator[str]:
    """How a build ended: unchanged, restored or done, and where the site is."""
    head, seconds = f"build {report['book_id']}", report["build_total_seconds"]
    last = report["phases"][-1]
    if last["name"] != "docusaurus":
        yield f"{head}: done up to {last['name']} ({seconds:.1f} s)"
    elif last["state"] == "ran":
        yield f"{head}: site built in {seconds:.1f} s: {site}"
    else:
        yield f"{head}: {last['reason']}; the site is up to date ({seconds:.1f} s): {site}"
