"""The language of a GitHub job's runner: workflow commands in the log, assignments in files (FEATURES 1, S33).

The runner obeys any line of the log that reads like a command, whoever wrote it: so what is ours is escaped on the way
into a command, and every other line is made inert. Pure; does not know streams, files or which command was run.
"""

import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

Level = Literal["error", "warning", "notice"]

_DATA = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_PROPERTY = (*_DATA, (":", "%3A"), (",", "%2C"))
_BEGINS = re.compile("(^|[\r\n])([\\s\ufeff\u200b]*)::")
"""The new form of a command stands at the start of a line; the runner takes white space off first."""
_OLD_FORM = "##["
"""The old form is obeyed anywhere in a line."""

MOST_PATHS = 256
"""Paths in one output: a matrix has no more than 256 jobs."""
MOST_OUTPUT_BYTES = 60_000
"""Of one output: a step passes it on as one environment variable, and Linux ends those at 128 KiB."""


def escaped(text: str, *, inside_property: bool = False) -> str:
    """``text`` as the data, or as a property, of a workflow command. The runner's unescaping is the inverse."""
    for char, code in _PROPERTY if inside_property else _DATA:
        text = text.replace(char, code)
    return text


def workflow_command(name: str, data: str = "", **properties: object) -> str:
    """One line the runner obeys. Properties that are None or empty are left out."""
    said = ",".join(
        f"{key}={escaped(str(value), inside_property=True)}"
        for key, value in properties.items()
        if value not in (None, "")
    )
    return f"::{name}{' ' + said if said else ''}::{escaped(data)}"


def inert(text: str) -> str:
    """``text`` for the log, with no line left in it that the runner would obey."""
    return _BEGINS.sub(r"\1\2\\u003a:", text).replace(_OLD_FORM, r"#\u0023[")


def assignments(values: Mapping[str, str], new_token: Callable[[], str] = lambda: secrets.token_hex(16)) -> str:
    """The values as text for ``GITHUB_OUTPUT``.

    Each stands between two lines that hold a random token, so no value can end itself and begin another output.
    """
    return "".join(_assignment(name, value, new_token) for name, value in values.items())


def _assignment(name: str, value: str, new_token: Callable[[], str]) -> str:
    token = new_token()
    while token in value:
        token = new_token()
    return f"{name}<<end-{token}\n{value}\nend-{token}\n"


def capped_list(paths: Iterable[str]) -> tuple[str, bool]:
    """The first paths as a JSON array in ASCII, and whether that is all of them. A path is never cut."""
    taken: list[str] = []
    size = 2
    for path in paths:
        size += len(json.dumps(path)) + 2
        if len(taken) == MOST_PATHS or size > MOST_OUTPUT_BYTES:
            return json.dumps(taken), False
        taken.append(path)
    return json.dumps(taken), True


def outputs(body: Mapping[str, object]) -> dict[str, str]:
    """A command's machine-format body as step outputs. What the body does not tell is left out, not guessed.

    ``changed`` is there for every body that can tell; ``changed-files`` is capped, ``changed-files-complete`` says so.
    """
    found = {name: _text(body[key]) for name, key in _NAMES.items() if body.get(key) is not None}
    for name, side in (("previous-manifest-hash", "a"), ("manifest-hash", "b")):  # of a comparison
        if isinstance(one := body.get(side), Mapping) and one.get("manifest_hash"):
            found[name] = _text(one["manifest_hash"])
    if "updated" not in found and "modified" in body:
        found["updated"] = _text(body["modified"])
    if isinstance(files := body.get("files"), list | tuple):
        if not any(word in body for word in _CHANGES):  # a plan names its changes and does not count them
            statuses = Counter(one.get("status") for one in files if isinstance(one, Mapping))
            found |= {name: str(statuses[mark]) for name, mark in _MARKS.items()}
        found["changed-files"], complete = capped_list(_path(one) for one in files)
        found["changed-files-complete"] = _text(complete)
    if (changed := _changed(body)) is not None:
        found["changed"] = _text(changed)
    return found


_NAMES = {
    "status": "status",
    "error-code": "error_code",
    "manifest-hash": "manifest_hash",
    "previous-manifest-hash": "previous_manifest_hash",
    "added": "added",
    "updated": "updated",
    "deleted": "deleted",
    "renamed": "renamed",
    "unchanged": "unchanged",
    "bytes-transferred": "hydrate_bytes_transferred",
    "bytes-to-download": "bytes_to_download",
    "mode": "mode",
    "reason": "reason",
    "report": "report",
    "hydrate_files_downloaded": "hydrate_files_downloaded",
    "hydrate_bytes_transferred": "hydrate_bytes_transferred",
    "ingest_files_changed": "ingest_files_changed",
    "build_total_seconds": "build_total_seconds",
}
_CHANGES = ("added", "updated", "modified", "deleted", "renamed", "moved")
_MARKS = {"added": "A", "updated": "M", "deleted": "D"}


def _changed(body: Mapping[str, object]) -> bool | None:
    if isinstance(told := body.get("changed"), bool):
        return told
    counts = [body[word] for word in _CHANGES if isinstance(body.get(word), int)]
    if counts:
        return any(counts)
    return bool(body["files"]) if "files" in body else None


def _path(one: object) -> str:
    """The path of a change; of a rename, the new one."""
    return str(one.get("path") or "") if isinstance(one, Mapping) else str(one)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def file_in_repository(path: str, workspace: str | None) -> str:
    """The path as an annotation names it: relative to the checkout if it lies below, else as it is."""
    if not workspace:
        return path
    relative = os.path.relpath(path, workspace)
    return path if relative.startswith("..") else relative
