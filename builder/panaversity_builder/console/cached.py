"""``cache list`` and ``cache prune`` as lines: kept copies of sites, and the blobs of this machine.

Pure; the present comes in. Knows amounts and ages; does not know folders.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panaversity_builder.console.phases import aged, aligned
from panaversity_builder.console.texts import amount, size
from panaversity_fs.core.digest import is_digest, short

Body = Mapping[str, Any]


def cache_lines(body: Body) -> Iterator[str]:
    """What is kept: a line a copy, then the sums."""
    copies: Sequence[Body] = body["sites"]
    if copies:
        heading = ("site", "copy", "state", "files", "size", "age", "used")
        yield from aligned([heading, *map(_cells, copies)])
    orphans = [copy for copy in copies if copy["state"] != "in use"]
    unused = f", {len(orphans)} of them no build asks for" if orphans else ""
    yield f"sites: {_copies(len(copies))}, {size(body['site_bytes'])}{unused}"
    yield f"blobs: {amount(body['blobs'], 'files')}, {size(body['blob_bytes'])} in {body['blob_folder']}"


def _cells(copy: Body) -> tuple[str, ...]:
    age, used = copy["age_seconds"], copy["used_seconds"]
    name = short(copy["name"]) if is_digest(copy["name"]) else copy["name"]
    return (
        *(copy["site"], name, copy["state"], str(copy["files"]), size(copy["bytes"])),
        aged(age) if age is not None else "-",
        aged(used),
    )


def pruned_lines(body: Body) -> Iterator[str]:
    """What went, or would go."""
    word = "would be removed; dry run, nothing was removed" if body["dry_run"] else "removed"
    for copy in body["sites"]:
        name = short(copy["name"]) if is_digest(copy["name"]) else copy["name"]
        yield f"- {copy['site']} {name} ({copy['state']}, {size(copy['bytes'])})"
    sites = f"{_copies(len(body['sites']))} ({size(body['site_bytes'])})"
    if not (body["sites"] or body["blobs"] or body["blob_bytes"]):
        yield "cache: nothing to remove"
        return
    yield f"cache: {sites} and {amount(body['blobs'], 'blobs')} ({size(body['blob_bytes'])}) {word}"


def _copies(number: int) -> str:
    return f"{number} {'copy' if number == 1 else 'copies'}"
