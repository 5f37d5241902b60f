"""Where source, last ingest, book and docs folder stand to each other, without changing any (``manifest status``).

The same questions an ingest asks and the same decision (``book.three_way``), told per path instead of carried out.
Does not know terminals, and remembers nothing: not even what it hashed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from panaversity_builder.book.compare.recorded import load_folder
from panaversity_builder.book.ingest import IngestOptions
from panaversity_builder.book.ingest_plan import IngestPlan, Wishes, plan_ingest
from panaversity_builder.book.ingest_state import IngestState
from panaversity_builder.book.source import scan
from panaversity_builder.client import Server
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import HashMismatch, NotFound
from panaversity_fs.core.manifest import Entries, changed_paths
from panaversity_fs.core.mapping import Numbering, decode

Side = Literal["mine", "theirs", "conflict"]
Letter = Literal["A", "M", "D"]
_SIDES: dict[str, Side] = {
    "writes": "mine", "deletes": "mine", "diverged": "theirs", "kept": "theirs", "conflicts": "conflict"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PathStatus:
    """One path that is not alike everywhere. ``mine`` and ``theirs`` say what became of it in source and book since
    the last ingest: added, modified, deleted, or None where it is as it was."""

    path: str
    source: str
    side: Side
    mine: Letter | None
    theirs: Letter | None


@dataclass(frozen=True, slots=True)
class Output:
    """How the docs folder stands to the book; ``files`` counts the paths in which its record differs."""

    state: Literal["current", "behind", "absent", "damaged"]
    files: int = 0
    manifest_hash: Digest | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The answer. ``last_ingest`` is the manifest last ingested, None when nobody did; ``unchanged`` counts paths."""

    book_id: str
    manifest_hash: Digest
    revision: int
    last_ingest: Digest | None
    numbering: Numbering
    renumbers: bool
    unchanged: int
    ignored: int
    files: tuple[PathStatus, ...]
    output: Output | None

    def count(self, side: Side) -> int:
        """How many paths are of this side."""
        return sum(file.side == side for file in self.files)

    @property
    def settled(self) -> bool:
        """True when nobody has anything to do."""
        return not self.files and not self.renumbers and (self.output is None or self.output.state == "current")

    def to_json(self) -> dict[str, Any]:
        """The machine format of ``manifest status``."""
        output = self.output and {
            "state": self.output.state, "files": self.output.files, "manifest_hash": self.output.manifest_hash
        }  # fmt: skip
        return {
            "schema_version": 1,
            "book_id": self.book_id,
            "manifest_hash": self.manifest_hash,
            "revision": self.revision,
            "last_ingest": self.last_ingest,
            "numbering": self.numbering,
            "renumbers": self.renumbers,
            "changed": not self.settled,
            "mine": self.count("mine"),
            "theirs": self.count("theirs"),
            "conflicts": self.count("conflict"),
            "unchanged": self.unchanged,
            "ignored": self.ignored,
            "output": output,
            "files": [
                {"path": f.path, "source": f.source, "side": f.side, "mine": f.mine, "theirs": f.theirs}
                for f in self.files
            ],
        }


def status(
    server: Server,
    options: IngestOptions,
    output_dir: str | None = None,
    manifest_file: str | None = None,
    progress: Progress = SILENT,
) -> Status:
    """One or two requests. Of ``options`` the book, the source and the settings of the book count.

    ``output_dir`` None leaves the docs folder out. Raises as an ingest that writes nothing does: ``SourceRefused``,
    ``SchemaViolation`` (exit 12), ``ChainBroken`` (13), ``InvalidArgument``.
    """
    state = IngestState(
        options.state_dir, options.book_id, options.source_dir, progress,
        accept_rollback=options.accept_rollback, read_only=True,
    )  # fmt: skip
    tree = scan(options.source_dir, state.marks, progress=progress)
    wishes = Wishes(options.numbering, options.schema, operation="manifest status")
    plan = plan_ingest(server, options.book_id, tree, state, wishes, progress)
    return Status(
        book_id=options.book_id,
        manifest_hash=plan.plan.manifest_hash,
        revision=plan.plan.revision,
        last_ingest=plan.plan.ingest_manifest,
        numbering=plan.numbering,
        renumbers=plan.before is not None,
        unchanged=len(plan.decision.unchanged),
        ignored=len(tree.ignored),
        files=tuple(sorted(_paths(plan), key=lambda file: file.path)),
        output=None if output_dir is None else _output(output_dir, manifest_file, plan),
    )


def _paths(plan: IngestPlan) -> Iterator[PathStatus]:
    last = plan.last or {}
    for name, side in _SIDES.items():
        for path in getattr(plan.decision, name):
            source = plan.origin.get(path) or decode(path, plan.numbering) or path
            yield PathStatus(path, source, side, _letter(last, plan.source, path), _letter(last, plan.book, path))


def _letter(before: Entries, now: Entries, path: str) -> Letter | None:
    if before.get(path) == now.get(path):
        return None
    return "A" if path not in before else "D" if path not in now else "M"


def _output(folder: str, manifest_file: str | None, plan: IngestPlan) -> Output:
    try:
        found = load_folder(folder, manifest_file, folder)
    except NotFound:
        return Output("absent")
    except HashMismatch:
        return Output("damaged")
    book = plan.book if plan.before is None else plan.before
    behind = len(changed_paths(found.entries, book))
    moved = found.numbering != plan.plan.numbering
    return Output("behind" if behind or moved else "current", behind, found.manifest_hash)
