"""The book as a lifecycle: author → ingest → plan_build → hydrate → docusaurus (DESIGN 11).

The first four phases look at the outside world and always run; they are cheap when nothing changed. The fifth is
believed as long as what went into it is the same and the built folder is there, or can be put back from a kept copy.

Knows what a phase of a book is, what goes in and what comes out. Does not know commands, consoles or HTTP.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from panaversity_builder.book.remote_site import RemoteSite, SharedRecords, SitePlace
from panaversity_builder.book.report import PhaseLog, Report
from panaversity_builder.book.site import Site
from panaversity_builder.book.site_phase import SitePhase, build_lock, site_build_dir
from panaversity_builder.book.trees import Marks, docs_marks, marks_digest
from panaversity_builder.client import SiteCache
from panaversity_builder.engine import Clock, PhaseEvent, PhaseResult, Records, Step, run_lifecycle
from panaversity_builder.lifecycle import Lifecycle, Phase, require_phases
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
    def target(self) -> Mapping[str, Digest]: ...
    @property
    def manifest_hash(self) -> Digest: ...
    @property
    def metadata_digest(self) -> Digest | None: ...
    def to_json(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class Doors:
    """The four volatile phases as calls, bound to one book, one source and one server.

    ``scan`` answers the digest of the source tree as found; ``hydrate`` is told whether to start from nothing.
    ``site_cache`` is where the team's built sites are, None for a build that does without them.
    """

    scan: Callable[[], str]
    ingest: Callable[[], Ingested]
    plan: Callable[[], Planned]
    hydrate: Callable[[bool], Hydrated]
    site_cache: SiteCache | None = None


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """One build. ``state_dir`` is the project's ``.panaversity``; ``rebuild`` names phases to run whatever is kept.

    ``metadata`` says that the site shows when and by whom lessons were last written. Without ``ingesting`` the book is
    built as it is, and the source is not looked at.
    """

    book_id: str
    site: Site
    state_dir: str
    builder_version: str
    rebuild: Collection[str] = ()
    until: str | None = None
    metadata: bool = False
    ingesting: bool = True

    @property
    def build_dir(self) -> str:
        """Where the engine's records, kept folders and logs lie. Safe to delete: the next build is a full one."""
        return site_build_dir(self.state_dir, self.site.folder)


@dataclass(slots=True)
class BookBuild:
    """One run of the book's lifecycle, and what its phases answered so far.

    ``report`` is told what they did, also by a failure; how the run ended and how long it took whoever calls it knows.
    """

    options: BuildOptions
    doors: Doors
    progress: Progress = SILENT
    clock: Clock = field(default_factory=Clock)
    ingested: Ingested | None = None
    hydrated: Hydrated | None = None
    results: list[PhaseResult] = field(default_factory=list)
    report: Report = field(default_factory=lambda: Report(None, ""))

    def run(self, listen: Callable[[PhaseEvent], None]) -> Report:
        """Settle the phases and answer the report.

        Raises what ``run_lifecycle`` raises, and ``OutputLocked`` while another build of this site runs.
        """
        heard = PhaseLog()

        def both(event: PhaseEvent) -> None:
            heard.hear(event)
            listen(event)

        with build_lock(self.options.build_dir, self.options.site.folder) as lock:
            try:
                self._settle(both, lock)
            finally:
                self._fill(heard.rows(self.results))
        return self.report

    def _settle(self, listen: Callable[[PhaseEvent], None], lock: int) -> list[PhaseResult]:
        records = book_records(self.options.build_dir, self.progress)
        forced = require_phases(BOOK, self.options.rebuild)
        site = SitePhase(
            self.options.site, self.options.build_dir, self.options.builder_version, records, self.progress, lock
        )
        return run_lifecycle(
            BOOK,
            self._steps(site, full=HYDRATE.id in forced),
            self._shared(records, site, forced=DOCUSAURUS.id in forced),
            rebuild=self.options.rebuild,
            until=self.options.until,
            listen=listen,
            clock=self.clock,
            results=self.results,
        )

    def _fill(self, phases: Sequence[Mapping[str, object]]) -> None:
        if self.ingested is not None:
            self.report.ingested(self.ingested.to_json())
        if self.hydrated is not None:
            self.report.hydrated(self.hydrated.to_json())
        self.report.settled(phases)
        site = book_records(self.options.build_dir).latest(DOCUSAURUS.id)
        node = site.document.inputs.get("node") if site else None
        tools = {"panaversity": self.options.builder_version} | ({"node": node} if node else {})
        self.report.versions = {**self.report.versions, **tools}

    def _shared(self, records: RecordFiles, site: SitePhase, forced: bool) -> Records:
        """The records of this project, and behind them the team's, where there is a cache."""
        if self.doors.site_cache is None:
            return records
        place = SitePlace(self.options.book_id, self.options.site.docs, self.options.site.built, self.options.build_dir)
        site.remote = RemoteSite(self.doors.site_cache, place, self._target, site.kept, self.progress)
        return SharedRecords(records, site.remote, DOCUSAURUS.id, lambda record: site.look(record).there, forced)

    def _target(self) -> Mapping[str, Digest]:
        return self.hydrated.target if self.hydrated is not None else {}

    def _steps(self, site: SitePhase, full: bool) -> list[Step]:
        return book_steps(site, self._scan, self._ingest, self._plan, lambda: self._hydrate(full))

    def _scan(self) -> str:
        return self.doors.scan() if self.options.ingesting else "none"

    def _ingest(self) -> str:
        if not self.options.ingesting:
            return "none"
        self.ingested = self.doors.ingest()
        return self.ingested.manifest_hash or "none"

    def _plan(self) -> str:
        return self.doors.plan().manifest_hash

    def _hydrate(self, full: bool) -> str:
        self.hydrated = self.doors.hydrate(full)
        return docs_output(self.options.site.docs, self.hydrated.numbering, self.hydrated.metadata_digest)


def _not_run() -> str:
    raise AssertionError("these steps are for looking ahead only")


def book_steps(
    site: SitePhase,
    scan: Callable[[], str] = _not_run,
    ingest: Callable[[], str] = _not_run,
    plan: Callable[[], str] = _not_run,
    hydrate: Callable[[], str] = _not_run,
) -> list[Step]:
    """The book's phases with what is known about them; without calls for the volatile ones they cannot be run."""
    author_phase, ingest_phase, plan_phase, hydrate_phase, site_phase = BOOK.phases
    return [
        Step(author_phase, scan),
        Step(ingest_phase, ingest),
        Step(plan_phase, plan),
        Step(hydrate_phase, hydrate),
        Step(site_phase, site.run, site.inputs, site.check, site.look, site.particulars),
    ]


def docs_output(docs: str, numbering: Numbering | None, metadata: Digest | None = None) -> Digest:
    """The output of phase 4: the whole docs tree as found, foreign files included, with the numbering.

    Where the site shows when and by whom lessons were last written, ``metadata`` is the digest of that.
    """
    return docs_output_of(docs_marks(docs), numbering, metadata)


def docs_output_of(docs: Marks, numbering: Numbering | None, metadata: Digest | None = None) -> Digest:
    """The same of a docs tree that is known, or foreseen."""
    shown = f"metadata {metadata}\n" if metadata else ""
    return digest_of(f"{numbering}\n{marks_digest(docs)}\n{shown}".encode())


def book_records(build_dir: str, progress: Progress = SILENT) -> RecordFiles:
    """The records of the book's phases in this project."""
    return RecordFiles(os.path.join(build_dir, "phases", BOOK.name), progress.warn)
