"""Stand-ins for the actions of others that ours use: what they do to a job, without what they do to the world.

One function a name; a name that is not here, or a reference that is not a whole commit, is an error (S31).
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from actions.cache_service import Down, Entry, packed, unpacked, version_of

if TYPE_CHECKING:
    from actions.runner import Job, Step

Stub = Callable[["Job", dict[str, str], "Step"], None]
_PINNED = re.compile(r"(?P<name>[\w./-]+)@[0-9a-f]{40}")


def stub_for(uses: str) -> Stub:
    """The stand-in for what a step uses. Raises ``LookupError``."""
    match = _PINNED.fullmatch(uses)
    if match is None or match["name"] not in _STUBS:
        raise LookupError(f"unknown, or not pinned by commit: {uses}")
    return _STUBS[match["name"]]


def _restore(job: "Job", inputs: dict[str, str], step: "Step") -> None:
    """``actions/cache/restore``: a service that fails is a warning and a miss."""
    paths, keys = _lines(inputs["path"]), [inputs["key"], *_lines(inputs.get("restore-keys", ""))]
    assert all(len(key) <= 512 and "," not in key for key in keys), keys
    step.outputs |= {"cache-primary-key": keys[0], "cache-hit": "false"}
    try:
        found = job.cache.find(keys, _version(paths, inputs), job.github["ref"])
    except Down as error:
        step.log += f"::warning::Failed to restore: {error}\n"
        return
    if found is None:
        step.log += f"Cache not found for input keys: {', '.join(keys)}\n"
        del step.outputs["cache-hit"]
        return
    unpacked(found.data, job.workspace)
    step.outputs |= {"cache-matched-key": found.key, "cache-hit": str(found.key == keys[0]).lower()}
    step.log += f"Cache restored from key: {found.key}\n"


def _save(job: "Job", inputs: dict[str, str], step: "Step") -> None:
    """``actions/cache/save``: never fails a job."""
    paths = _lines(inputs["path"])
    data = packed(job.workspace, paths)
    if data is None:
        step.log += "::warning::Path Validation Error: Path(s) specified in the action for caching do(es) not exist\n"
        return
    try:
        new = job.cache.add(Entry(inputs["key"], _version(paths, inputs), job.github["ref"], data))
    except Down as error:
        step.log += f"::warning::Failed to save: {error}\n"
        return
    taken = "Unable to reserve cache, another job may be creating this cache"
    step.log += f"Cache saved with key: {inputs['key']}\n" if new else f"::warning::{taken}\n"


def _version(paths: list[str], inputs: dict[str, str]) -> str:
    return version_of(paths, inputs.get("enableCrossOsArchive") == "true")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _setup_python(job: "Job", inputs: dict[str, str], step: "Step") -> None:
    """The Python is there already."""
    step.outputs |= {"python-version": inputs["python-version"]}


_STUBS: dict[str, Stub] = {
    "actions/cache/restore": _restore,
    "actions/cache/save": _save,
    "actions/setup-python": _setup_python,
}
