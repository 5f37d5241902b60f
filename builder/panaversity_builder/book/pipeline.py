"""The book as a lifecycle: author → ingest → plan_build → hydrate → docusaurus (DESIGN 11).

The first four phases look at the outside world and always run; they are cheap when nothing changed. The fifth is
believed as long as what went into it is the same and the built folder is there, or can be put back from a kept copy.

Knows what a phase of a book is, what goes in and what comes out. Does not know commands, consoles or HTTP.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from panaversity_builder.book.report import Report
from panaversity_builder.book.site import Site
from panaversity_builder.book.site_phase import SitePhase, build_lock, site_build_dir
from panaversity_builder.book.trees import docs_digest
from panaversity_builder.engine import Clock, PhaseEvent, PhaseResult, Step, run_lifecycle
from panaversity_builder.lifecycle import Lifecycle, Phase
from panaversity_builder.progress import SILENT, Progress
from panaversity_builder.snapshots import RecordFiles
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.mapping import Numbering

BOOK = Lifecycle(
    "book",
    1,
    (
        Phase("1", "author", "scan the source tree", volatile=True),
        Phase("2", "ingest", "make the book equal the source tree", volatile=True),
        Phase("3", "plan_build", "ask what leads from the known manifest to the book's", volatile=True),
        Phase("4", "hydrate", "make the docs folder equal the manifest", volatile=True),
        Phase("5", "docusaurus", "build the site from the docs folder"),
    ),
)
HYDRATE, DOCUSAURUS = BOOK.phases[3], BOOK.phases[4]


class Ingested(Protocol):
    """What the pipeline needs to know of an ingest."""

    @property
    def manifest_hash(self) -> Digest | None: ...
    def to_json(self) -> dict[str, object]: ...


class Planned(Protocol):
    """What the pipeline needs to know of a plan."""

    @property
    def manifest_hash(self) -> Digest: ...


class Hydrated(Protocol):
    """What the pipeline needs to know of a hydrate."""

    @property
    def numbering(self) -> Numbering | None: ...
    @property
    def manifest_hash(self) -> Digest: ...
    def to_json(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class Doors:
    """The four volatile phases as calls, bound to one book, one source and one server.

    ``scan`` answers the digest of the source tree as found; ``hydrate`` is told whether to start from nothing.
    """

    scan: Callable[[], str]
    ingest: Callable[[], Ingested]
    plan: Callable[[], Planned]
    hydrate: Callable[[bool], Hydrated]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """One build. ``state_dir`` is the project's ``.panaversity``; ``rebuild`` names phases to run whatever is kept."""

    book_id: str
    site: Site
    state_dir: str
    builder_version: str
    rebuild: Collection[str] = ()
    until: str | None = None

    @property
    def build_dir(self) -> str:
        """Where the engine's records, kept folders and logs lie. Safe to delete: the next build is a full one."""
        return site_build_dir(self.state_dir, self.site.folder)


@dataclass(slots=True)
class BookBuild:
    """One run of the book's lifecycle, and what its phases answered so far."""

    options: BuildOptions
    doors: Doors
    progress: Progress = SILENT
    clock: Clock = field(default_factory=Clock)
    ingested: Ingested | None = None
    planned: Planned | None = None
    hydrated: Hydrated | None = None
    results: list[PhaseResult] = field(default_factory=list)

    def run(self, listen: Callable[[PhaseEvent], None]) -> Report:
        """Settle the phases, write the run report (also of a build that fails) and answer it.

        Raises what ``run_lifecycle`` raises, and ``OutputLocked`` while another build of this site runs.
        """
        started, began = self.clock.now(), self.clock.stopwatch()
        report = Report(self.options.book_id, started.isoformat(timespec="seconds"), status="failed")
        with build_lock(self.options.build_dir, self.options.site.folder) as lock:
            try:
                report.phases = self._settle(listen, lock)
                report.status = "done"
            finally:
                self._fill(report, self.clock.stopwatch() - began)
                self._write(report)
        return report

    def _write(self, report: Report) -> None:
        try:
            report.write(self.options.state_dir)
        except OSError as error:
            self.progress.warn(f"build: no report is written ({error})")

    def _settle(self, listen: Callable[[PhaseEvent], None], lock: int) -> list[PhaseResult]:
        records = book_records(self.options.build_dir, self.progress)
        forced = {BOOK.find(word).id for word in self.options.rebuild}
        self.results = run_lifecycle(
            BOOK,
            self._steps(records, lock, full=HYDRATE.id in forced),
            records,
            rebuild=self.options.rebuild,
            until=self.options.until,
            listen=listen,
            clock=self.clock,
        )
        return self.results

    def _fill(self, report: Report, seconds: float) -> None:
        report.build_total_seconds = seconds
        if self.ingested is not None:
            body = self.ingested.to_json()
            report.ingest_files_changed = sum(_count(body, word) for word in ("added", "updated", "deleted"))
            report.manifest_hash = self.ingested.manifest_hash
        if self.hydrated is not None:
            body = self.hydrated.to_json()
            report.manifest_hash = self.hydrated.manifest_hash
            report.mode, report.reason = _text(body, "mode"), _text(body, "reason")
            report.hydrate_files_downloaded = _count(body, "hydrate_files_downloaded")
            report.hydrate_bytes_transferred = _count(body, "hydrate_bytes_transferred")

    def _steps(self, records: RecordFiles, lock: int, full: bool) -> list[Step]:
        author, ingest, plan_build, hydrate, docusaurus = BOOK.phases
        site = SitePhase(
            self.options.site, self.options.build_dir, self.options.builder_version, records, self.progress, lock
        )
        return [
            Step(author, self.doors.scan),
            Step(ingest, self._ingest),
            Step(plan_build, self._plan),
            Step(hydrate, lambda: self._hydrate(full)),
            Step(docusaurus, site.run, site.inputs, site.check),
        ]

    def _ingest(self) -> str:
        self.ingested = self.doors.ingest()
        return self.ingested.manifest_hash or "none"

    def _plan(self) -> str:
        self.planned = self.doors.plan()
        return self.planned.manifest_hash

    def _hydrate(self, full: bool) -> str:
        self.hydrated = self.doors.hydrate(full)
        return docs_output(self.options.site.docs, self.hydrated.numbering)


def docs_output(docs: str, numbering: Numbering | None) -> Digest:
    """The output of phase 4: the whole docs tree as found, foreign files included, with the numbering."""
    tree = docs_digest(docs)
    return digest_of(f"{numbering}\n{tree}\n".encode())


def book_records(build_dir: str, progress: Progress = SILENT) -> RecordFiles:
    """The records of the book's phases in this project."""
    return RecordFiles(os.path.join(build_dir, "phases", BOOK.name), progress.warn)


def _count(body: dict[str, object], name: str) -> int:
    value = body.get(name, 0)
    return value if isinstance(value, int) else 0


def _text(body: dict[str, object], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None
