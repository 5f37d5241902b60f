"""What has to be done to make a folder equal a tree: decided with values, before anything is touched.

PURE. Knows the target, what is ours and what was found; does not know disks, servers or bytes. The same decisions
serve ``plan`` (shown) and ``hydrate`` (done).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from panaversity_fs.core.digest import Digest

Kind = Literal["file", "folder", "link", "other"]
OnEdit = Literal["stop", "backup", "overwrite"]


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at a path: its kind, and a file's digest where one was needed."""

    kind: Kind
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Let ``path`` hold ``new`` where ``old`` is now (None: nothing)."""

    path: str
    old: Digest | None
    new: Digest


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove the file at ``path`` if it still is ``digest``."""

    path: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that is not ours to change: ``reason`` completes the sentence "path …"."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """Everything to be done, each tuple sorted by path.

    ``folders`` are folders of ours that stand where a file has to go; ``edited`` are files of ours that somebody
    changed; ``foreign`` things stand in the way and were never ours.
    """

    keep: tuple[str, ...]
    puts: tuple[Put, ...]
    drops: tuple[Drop, ...]
    folders: tuple[str, ...]
    edited: tuple[Obstacle, ...]
    foreign: tuple[Obstacle, ...]
    aside: tuple[str, ...] = ()


_KIND = {"file": "was edited", "folder": "was replaced by a folder", "link": "was replaced by a symbolic link"}


def reconcile(
    target: Mapping[str, Digest],
    accepted: Mapping[str, tuple[Digest, ...]],
    found: Mapping[str, Found],
    made: Collection[str],
) -> Decisions:
    """Decide what to do.

    ``accepted`` holds, per path of ours, the digests that are our doing; ``made`` the folders that are ours. A file
    that already equals its target is kept, whoever put it there. ``target`` must not collide with itself.
    """
    edited: list[Obstacle] = []
    drops = _drops(target, accepted, found, edited)
    gone = {drop.path for drop in drops}
    ways = _Ways(found, gone, frozenset(made), {o.path for o in edited})
    keep, puts, folders, foreign = list[str](), list[Put](), list[str](), list[Obstacle]()
    for path in sorted(target):
        here, new = found.get(path), target[path]
        if (blocker := ways.blocker(path)) is not None:
            if blocker:
                foreign.append(Obstacle(blocker, f"is {_named(found[blocker])} where a folder has to be"))
        elif here is None:
            puts.append(Put(path, None, new))
        elif here.digest == new:
            keep.append(path)
        elif here.digest is not None and here.digest in accepted.get(path, ()):
            puts.append(Put(path, here.digest, new))
        elif here.kind == "folder" and ways.clears(path):
            folders.append(path)
            puts.append(Put(path, None, new))
        elif path in accepted:
            edited.append(Obstacle(path, _KIND.get(here.kind, "was replaced")))
        else:
            foreign.append(Obstacle(path, f"is {_named(here)} that hydrate did not write"))
    return Decisions(
        tuple(keep), tuple(puts), tuple(drops), tuple(folders), tuple(sorted(edited, key=_path)),
        tuple(sorted(set(foreign), key=_path)),
    )  # fmt: skip


def _path(obstacle: Obstacle) -> str:
    return obstacle.path


def _named(found: Found) -> str:
    return {"link": "a symbolic link", "other": "a special file"}.get(found.kind, f"a {found.kind}")


def _drops(
    target: Mapping[str, Digest],
    accepted: Mapping[str, tuple[Digest, ...]],
    found: Mapping[str, Found],
    edited: list[Obstacle],
) -> list[Drop]:
    drops = []
    for path in sorted(accepted.keys() - target.keys()):
        here = found.get(path)
        if here is None or here.kind == "folder":
            continue  # our file is gone; a folder of its name is the next file's way, or somebody else's
        if here.digest is not None and here.digest in accepted[path]:
            drops.append(Drop(path, here.digest))
        else:
            edited.append(Obstacle(path, f"{_KIND.get(here.kind, 'was replaced')} and is no longer in the book"))
    return drops


class _Ways:
    """Whether a path can be reached, and whether a folder will be out of the way."""

    def __init__(
        self, found: Mapping[str, Found], gone: Collection[str], made: frozenset[str], listed: Collection[str]
    ) -> None:
        self._found, self._gone, self._made, self._listed = found, gone, made, listed
        self._blockers: dict[str, str | None] = {"": None}

    def blocker(self, path: str) -> str | None:
        """What stands where a folder of ``path`` has to be: None if nothing, "" if it is listed as an edit already."""
        folder = path.rpartition("/")[0]
        if folder not in self._blockers:
            here = self._found.get(folder)
            blocked = self.blocker(folder)
            if blocked is None and here is not None and here.kind != "folder" and folder not in self._gone:
                blocked = "" if folder in self._listed else folder
            self._blockers[folder] = blocked
        return self._blockers[folder]

    def clears(self, folder: str) -> bool:
        """True when a folder and all that is in it is ours and leaves."""
        if folder not in self._made:
            return False
        inside = [p for p in self._found if p.startswith(folder + "/")]
        return all(p in self._gone or (self._found[p].kind == "folder" and p in self._made) for p in inside)


def settle(
    decisions: Decisions, found: Mapping[str, Found], target: Mapping[str, Digest], on_edit: OnEdit
) -> Decisions:
    """Apply the edit policy: what stays in ``edited`` and ``foreign`` afterwards stops the run.

    ``backup`` moves edited files and links aside, ``overwrite`` lets the book win over them. A folder in a file's
    place holds what was never ours, and what was never ours always stops (P8, F51, F52).
    """
    if on_edit == "stop" or not decisions.edited:
        return decisions
    puts, drops, aside = list(decisions.puts), list(decisions.drops), list[str]()
    edited: list[Obstacle] = []
    for obstacle in decisions.edited:
        path, here = obstacle.path, found[obstacle.path]
        if here.kind == "folder":
            edited.append(obstacle)
            continue
        replaced = here.digest if on_edit == "overwrite" else None
        if replaced is None:
            aside.append(path)
        elif path not in target:
            drops.append(Drop(path, replaced))
        if path in target:
            puts.append(Put(path, replaced, target[path]))
    puts += _unblocked(decisions, found, target)
    return Decisions(
        decisions.keep, tuple(sorted(puts, key=lambda p: p.path)), tuple(sorted(drops, key=lambda d: d.path)),
        decisions.folders, tuple(edited), decisions.foreign, tuple(aside),
    )  # fmt: skip


def _unblocked(decisions: Decisions, found: Mapping[str, Found], target: Mapping[str, Digest]) -> list[Put]:
    """The paths below an edited file that leaves the way: nothing was decided about them yet."""
    edits = {obstacle.path for obstacle in decisions.edited}
    decided = {p.path for p in decisions.puts} | set(decisions.keep) | edits
    return [
        Put(path, None, new)
        for path, new in target.items()
        if path not in decided and path not in found and any(path.startswith(edit + "/") for edit in edits)
    ]
