"""Results of the use cases as lines for people, made from their machine format.

One line when nothing happened; what changed, counted and then named, when something did. Pure; knows no stream.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from panaversity_builder.console.texts import amount, counted, listed, particular, size
from panaversity_fs.core.mapping import Numbering, decode

Body = Mapping[str, Any]
_CHANGES = ("added", "updated", "deleted")
_MARKS = {"added": "A", "updated": "M", "deleted": "D"}


def ingest_lines(body: Body, verbose: bool = False) -> Iterator[str]:
    """What an ingest did, or would do (``dry_run``). ``verbose`` also names what was kept, or ignored and why."""
    head = f"ingest {body['book_id']}"
    counts = counted(body, (*_CHANGES, "moved", "unchanged", "diverged", "ignored")) or "an empty book"
    if not counted(body, (*_CHANGES, "moved")):
        yield f"{head}: nothing changed ({counts})"
    elif body["dry_run"]:
        yield f"{head}: would be {counts}; dry run, nothing was written"
    else:
        one_by_one = ", a commit a file" if body.get("via") == "tools" else ""
        yield f"{head}: {counts}; revision {body['revision']}{one_by_one}"
    yield from listed([f"{_MARKS[f['change']]} {f['source'] or _source(body, f['path'])}" for f in body["files"]])
    if body["diverged_files"]:
        yield "left alone, edited in the book since the last ingest (bring it with pull, or --overwrite it):"
        yield from listed([f"! {_source(body, path)}" for path in body["diverged_files"]])
    if body["kept_files"]:
        kept = amount(len(body["kept_files"]), "files")
        yield f"only in the book, kept (bring {'it' if len(body['kept_files']) == 1 else 'them'} with pull): {kept}"
    if verbose:
        yield from listed([f"= {_source(body, path)}" for path in body["kept_files"]])
    if verbose and body["ignored_files"]:
        yield "ignored:"
        yield from listed([f"- {particular(one)}" for one in body["ignored_files"]])


def _source(body: Body, path: str) -> str:
    """Where the author knows a book path."""
    return decode(path, Numbering(body["numbering"]) if body.get("numbering") else None) or path


def hydrate_lines(body: Body) -> Iterator[str]:
    """What a hydrate did."""
    head = f"hydrate {body['book_id']}"
    changes = counted(body, _CHANGES)
    if body["mode"] == "offline":
        yield f"{head}: offline, {changes or 'no file changed'} ({amount(body['unchanged'], 'files')} as they were)"
        yield f"  {body['reason']}"
        return
    if body["mode"] == "unchanged":
        yield f"{head}: unchanged ({amount(body['unchanged'], 'files')})"
        return
    files, transferred = body["hydrate_files_downloaded"], body["hydrate_bytes_transferred"]
    what = changes or "no file changed"
    cached = f", {body['files_from_cache']} from the cache" if body.get("files_from_cache") else ""
    yield f"{head}: {what}; {amount(files, 'files')} downloaded{cached}, {size(transferred)} transferred"
    if body.get("reason"):
        yield f"  {body['mode']}: {body['reason']}"


def plan_lines(body: Body, explain: bool) -> Iterator[str]:
    """What a hydrate would do."""
    head = f"plan {body['book_id']}"
    files = body["files"]
    offline = body["mode"] == "offline"
    if not files and not body["obstacles"] and not offline:
        yield f"{head}: unchanged ({amount(body['unchanged'], 'files')})"
    else:
        yield f"{head}: {amount(len(files), 'files')} would change; {_needed(body)}"
    if offline:
        yield f"  offline: {body['reason']}"
    elif explain:
        yield f"  {body['mode']}: {body['reason'] or 'the stored manifest is known'}"
    yield from listed([f"{f['status']} {f['path']}" for f in files])
    if body["obstacles"]:
        yield "in the way (a hydrate would stop with status 3):"
        yield from listed([f"! {o['path']}: {o['reason']}" for o in body["obstacles"]])


def _needed(body: Body) -> str:
    """Where the bytes of a plan would come from."""
    cached = f"{body['files_from_cache']} from the cache, " if body.get("files_from_cache") else ""
    lacking = amount(body["files_to_download"], "files")
    if body["mode"] == "offline":
        return f"{cached}{lacking} not on this machine"
    return f"{cached}{lacking}, {size(body['bytes_to_download'])} to download"


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
