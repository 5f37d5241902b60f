"""What a build of the book would do now: the book's lifecycle, looked ahead at (``--dry-run``, ``--show-phases``).

A dry run asks ingest and hydrate for their own previews and puts them together: what hydrate would do *after* that
ingest. From the digests of the source it even knows the docs tree to come, and so whether its site was built before.
Without previews, the docs folder is taken as it lies there: what would become of the site if nobody changed anything.

Knows the phases of a book; does not know commands or how a server is reached. Nothing is written.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from panaversity_builder.book.hydrate import HydratePreview
from panaversity_builder.book.hydrate.failures import local_edits
from panaversity_builder.book.hydrate.folder import STATE
from panaversity_builder.book.hydrate.records import MANIFEST_JSON, METADATA, parse_identity
from panaversity_builder.book.hydrate.written import is_current, written_digest
from panaversity_builder.book.ingest import IngestFile, IngestResult
from panaversity_builder.book.pipeline import BOOK, BuildOptions, book_records, book_steps, docs_output_of
from panaversity_builder.book.sealed import Miss
from panaversity_builder.book.site_phase import SitePhase
from panaversity_builder.book.trees import Marks, docs_marks
from panaversity_builder.client import TOPS
from panaversity_builder.forecast import Forecast, Foreseen, Previews, forecast
from panaversity_builder.kept import Kept
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.mapping import Numbering, decode

NAMED = 3
"""Changed files named in one line."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The volatile phases as questions. None of ``ingest`` and ``hydrate``: there is no book yet that could be asked.

    ``scan`` answers the source: path → digest. ``tree`` and ``scope`` are those of the docs folder;
    ``metadata`` says that the site shows when and by whom lessons were last written.
    """

    scan: Callable[[], Mapping[str, Digest]]
    ingest: Callable[[], IngestResult] | None
    hydrate: Callable[[], HydratePreview] | None
    tree: str = "source"
    scope: str = "all"
    metadata: bool = False


def foresee(options: BuildOptions, outlook: Outlook, progress: Progress = SILENT) -> list[Forecast]:
    """What ``BookBuild.run`` would do, phase by phase, and why.

    Raises what stops that build before its site too: a conflict, a refused source, local edits.
    """
    return _forecast(options, _Ahead(options.site.docs, outlook).previews(), progress)


def as_it_is(options: BuildOptions, manifest_file: str | None, progress: Progress = SILENT) -> list[Forecast]:
    """How the phases stand, the docs folder taken as it is. Asks no server."""
    docs = options.site.docs
    output = None
    if os.path.isdir(docs):
        metadata = written_digest(recorded_metadata(docs)) if options.metadata else None
        output = docs_output_of(docs_marks(docs), recorded_numbering(docs, manifest_file), metadata)
    return _forecast(options, {BOOK.find("hydrate").id: lambda: Foreseen("", output)}, progress)


def kept_sites(options: BuildOptions) -> list[Kept]:
    """The kept copies of this build's site."""
    return _site_phase(options, SILENT).kept.entries()


def _forecast(options: BuildOptions, previews: Previews, progress: Progress) -> list[Forecast]:
    records = book_records(options.build_dir, progress)
    steps = book_steps(_site_phase(options, progress))
    return forecast(BOOK, steps, records, previews, rebuild=options.rebuild, until=options.until)


def _site_phase(options: BuildOptions, progress: Progress) -> SitePhase:
    records = book_records(options.build_dir, progress)
    return SitePhase(options.site, options.build_dir, options.builder_version, records, progress)


def recorded_numbering(docs: str, manifest_file: str | None) -> Numbering | None:
    """How the folders of a hydrated docs folder are named; None also where nothing says so."""
    try:
        with open(manifest_file or os.path.join(docs, STATE, MANIFEST_JSON), "rb") as file:
            return parse_identity(file.read()).numbering
    except (OSError, Miss):
        return None


def recorded_metadata(docs: str) -> bytes | None:
    """What a hydrated docs folder knows of when and by whom its files were last written; None where nothing does."""
    try:
        with open(os.path.join(docs, STATE, METADATA), "rb") as file:
            return file.read()
    except OSError:
        return None


class _Ahead:
    """One look ahead. Each preview is asked when its phase's turn comes, and remembered for the phases after it."""

    def __init__(self, docs: str, outlook: Outlook) -> None:
        self._docs, self._outlook = docs, outlook
        self._source: Mapping[str, Digest] = {}
        self._ingested: IngestResult | None = None
        self._planned: HydratePreview | None = None

    def previews(self) -> Previews:
        calls = (self._author, self._ingest, self._plan, self._hydrate)
        return {phase.id: call for phase, call in zip(BOOK.phases, calls, strict=False)}

    def _author(self) -> Foreseen:
        self._source = self._outlook.scan()
        return Foreseen(_files(len(self._source)))

    def _ingest(self) -> Foreseen:
        if self._outlook.ingest is None:
            return Foreseen(f"{_files(len(self._source))} would be added; the book is not there yet")
        self._ingested = self._outlook.ingest()
        body = self._ingested.to_json()
        counts = [f"{body[word]} {word}" for word in ("added", "updated", "deleted", "moved") if body[word]]
        return Foreseen(f"would be {', '.join(counts)}" if counts else "nothing would change")

    def _plan(self) -> Foreseen:
        if self._outlook.hydrate is None:
            return Foreseen("full: nothing was hydrated here before")
        self._planned = self._outlook.hydrate()
        if self._planned.obstacles:
            raise local_edits(self._docs, self._planned.obstacles)
        reason = f": {self._planned.reason}" if self._planned.reason else ""
        return Foreseen(f"{self._planned.mode}{reason}")

    def _hydrate(self) -> Foreseen:
        if self._planned is None:
            return Foreseen(f"{_files(len(self._source))} would be written")
        docs = docs_marks(self._docs)
        changes = changes_ahead({c.path: c.status for c in self._planned.changes}, self._ingested_paths(), docs)
        note = f"{_files(len(changes))} would change ({_named(changes)})" if changes else "nothing would change"
        coming = foreseen_docs(docs, changes, self._known()) if self._outlook.tree == "source" else None
        if coming is None or not self._outlook.metadata:
            return Foreseen(note, docs_output_of(coming, self._numbering) if coming is not None else None)
        metadata = None if changes else self._metadata(self._planned)
        return Foreseen(note, docs_output_of(coming, self._numbering, metadata) if metadata else None)

    def _metadata(self, planned: HydratePreview) -> Digest | None:
        """The digest of what is recorded, where that is of the book as it is: nobody knows an ingest's moment ahead."""
        stored = recorded_metadata(self._docs)
        current = stored is not None and is_current(stored, planned.manifest_hash, planned.revision)
        return written_digest(stored) if current else None

    @property
    def _numbering(self) -> Numbering | None:
        if self._ingested is not None:
            return self._ingested.numbering
        return self._planned.numbering if self._planned is not None else None

    def _ingested_paths(self) -> dict[IngestFile, str]:
        """What the ingest would change, as far as the docs folder has it, by its path there."""
        files = self._ingested.files if self._ingested is not None else ()
        wanted = TOPS[self._outlook.scope]
        return {file: self._path(file.path) for file in files if file.path.startswith(wanted)}

    def _path(self, book_path: str) -> str:
        """Where a book path lies in the docs folder."""
        return book_path if self._outlook.tree == "storage" else decode(book_path, self._numbering) or book_path

    def _known(self) -> dict[str, Digest]:
        """Files to come whose content is the source's: not those that somebody edited in the book."""
        others = {self._path(path) for path in (self._ingested.diverged_files if self._ingested is not None else ())}
        return {path: digest for path, digest in self._source.items() if path not in others}


def changes_ahead(planned: Mapping[str, str], ingested: Mapping[IngestFile, str], docs: Marks) -> dict[str, str]:
    """What hydrate would do after an ingest: path in the docs folder → A, M or D, sorted by path.

    ``planned`` is what it would do without that ingest, ``ingested`` what the ingest changes, each with its path in
    the docs folder.
    """
    changes = dict(planned)
    for file, path in ingested.items():
        if file.change != "deleted":
            changes[path] = "M" if path in docs else "A"
        elif path in docs:
            changes[path] = "D"
        else:
            changes.pop(path, None)
    return dict(sorted(changes.items()))


def foreseen_docs(docs: Marks, changes: Mapping[str, str], source: Mapping[str, Digest]) -> dict[str, str] | None:
    """The docs tree to come; None where a file comes from the book whose content is not known here."""
    coming = {path: mark for path, mark in docs.items() if changes.get(path) != "D"}
    for path, status in changes.items():
        if status == "D":
            continue
        if path not in source:
            return None
        coming[path] = f"file {source[path]}"
    return coming


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def _named(changes: Mapping[str, str]) -> str:
    named: Iterable[str] = [f"{status} {path}" for path, status in changes.items()][:NAMED]
    more = f" and {len(changes) - NAMED} more" if len(changes) > NAMED else ""
    return ", ".join(named) + more
