"""The scene of a run: the tree as found, what is to be done to it, and how that is called.

Shared by ``hydrate``, which then acts, and ``plan``, which only tells. Knows ground, folder and decisions; changes
nothing and asks nobody.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from panaversity_builder.book.hydrate.folder import Folder
from panaversity_builder.book.hydrate.options import Change, HydrateOptions, Mode
from panaversity_builder.book.hydrate.planning import Ground
from panaversity_builder.book.hydrate.reconcile import Decisions, Obstacle, reconcile, settle
from panaversity_builder.book.hydrate.state import State
from panaversity_builder.book.hydrate.tree import TreeOnDisk, judge, parents
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest


@dataclass(slots=True)
class Scene:
    """The tree as found and what is to be done to it.

    ``made`` are the folders that are ours, ``accepted`` per path of ours the digests that are our doing.
    """

    tree: TreeOnDisk
    made: set[str]
    accepted: Mapping[str, tuple[Digest, ...]]
    decisions: Decisions

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """Everything that stops a run."""
        return (*self.decisions.edited, *self.decisions.foreign)

    @property
    def idle(self) -> bool:
        """True when the folder is as it should be."""
        return not (self.decisions.puts or self.decisions.drops or self.decisions.aside)

    def in_tree(self, wanted: Collection[Digest]) -> dict[Digest, str]:
        """Which wanted blobs lie in the folder already, under which path: renamed, or of another numbering."""
        there: dict[Digest, str] = {}
        for path in (*(drop.path for drop in self.decisions.drops), *self.decisions.keep):
            digest = self.tree.found[path].digest
            if digest is not None and digest in wanted:
                there.setdefault(digest, path)
        return there


def look(folder: Folder | None, ground: Ground, state: State, options: HydrateOptions, progress: Progress) -> Scene:
    """Judge the tree on disk against the ground. ``folder`` None: there is none yet."""
    accepted = state.index.accepted() if state.index else {p: (d,) for p, d in ground.former.items()}
    made = state.index.folders if state.index else parents(ground.former) - {""}
    paths = ground.target.keys() | accepted.keys()
    remembered = state.index.files if state.index else {}
    verify = options.verify or options.full_rebuild
    tree = TreeOnDisk({}, {}) if folder is None else judge(folder, paths, remembered, verify, progress)
    decisions = reconcile(ground.target, accepted, tree.found, made)
    return Scene(tree, set(made), accepted, settle(decisions, tree.found, ground.target, options.on_edit))


def mode_of(ground: Ground, scene: Scene) -> tuple[Mode, str]:
    """What a run over this scene is called, and why."""
    if ground.as_of is not None:
        return "offline", f"the book as of {ground.as_of}; the server was not asked"
    if ground.full_because:
        return "full", ground.full_because
    if scene.idle:
        return "unchanged", ""
    repairs = 0 if ground.changed else len(scene.decisions.puts)
    return "delta", f"{repairs} files of the folder were missing or altered" if repairs else ""


def changes_of(decisions: Decisions) -> tuple[Change, ...]:
    """What is to be added, modified and deleted, by path."""
    changes = [Change("M" if put.old else "A", put.path) for put in decisions.puts]
    changes += [Change("D", drop.path) for drop in decisions.drops]
    return tuple(sorted(changes, key=lambda change: change.path))
