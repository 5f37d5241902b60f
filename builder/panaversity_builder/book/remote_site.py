"""The team's built sites: one is brought here instead of built, and what was built here is offered to the others.

The cache is never trusted: its key document must hash to the very key that is wanted, what unpacks must have the digest
it is said to have. And it never costs a build: whatever is wrong with it, slow or not allowed, the site is built here
and one line says so; then the cache is left alone for the rest of the run. Only sites of a docs folder that holds the
manifest's files and nothing else are asked for or offered: an author's own file beside them is nobody else's business.

Knows the cache's seam, docs folders and kept copies; does not know when a phase runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from panaversity_builder.book.site_pack import NotShareable, pack_site, unpack_site
from panaversity_builder.book.trees import docs_marks
from panaversity_builder.client import FetchedSite, SiteCache
from panaversity_builder.client.site_cache import OPERATION
from panaversity_builder.engine import Records
from panaversity_builder.kept import KeptFolders
from panaversity_builder.lifecycle import KeyDocument
from panaversity_builder.progress import Progress
from panaversity_builder.snapshots import Record
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import (
    Conflict,
    HashMismatch,
    IdentityError,
    NotFound,
    PanaversityError,
    ReadOnly,
    TooLarge,
)
from panaversity_fs.core.paths import shown
from panaversity_fs.core.site_meta import SiteMeta

Target = Callable[[], Mapping[str, Digest]]
"""What hydrate made the docs folder equal: path → digest."""

_NO_NEWS = (IdentityError, Conflict, ReadOnly, TooLarge, NotFound)
"""Refusals that are nobody's fault: a token that may not, a quota, another builder that was first, an older server."""


@dataclass(frozen=True, slots=True)
class SitePlace:
    """The book, the docs folder hydrate fills, the built folder, and a folder for bytes on their way."""

    book_id: str
    docs: str
    built: str
    spool: str


class RemoteSite:
    """The remote cache for one site of one book, for the length of one build."""

    def __init__(
        self, cache: SiteCache, place: SitePlace, target: Target, kept: KeptFolders, progress: Progress
    ) -> None:
        self._cache, self._place, self._target = cache, place, target
        self._kept, self._progress = kept, progress
        self._off = False
        self._asked: set[Digest] = set()
        self._unpacked: set[str] = set()
        self._brought: dict[str, str] = {}

    def bring(self, document: KeyDocument) -> Record | None:
        """A record of a build somebody made of just this, its folder among the kept copies; None: build it here."""
        if self._off or not self._is_clean("is not asked for"):
            return None
        self._asked.add(document.key)
        try:
            with self._cache.fetch(self._place.book_id, document.key) as found:
                return None if found is None else self._taken(document, found)
        except _NO_NEWS as refused:
            self._leave(self._progress.note, refused.problem)
        except PanaversityError as error:
            self._leave(self._progress.warn, error.problem)
        except OSError as error:
            self._leave(self._progress.warn, f"its site cannot be written here ({error})")
        return None

    def _taken(self, document: KeyDocument, found: FetchedSite) -> Record:
        meta = found.meta
        if meta.document != document.canonical().decode():
            raise HashMismatch(OPERATION, "site", "was built from another key document")
        if not self._kept.has(meta.output):
            self._kept.receive(meta.output, lambda folder: unpack_site(found.chunks, folder, meta.output))
            self._unpacked.add(meta.output)
        self._brought[meta.output] = f"built by {shown(meta.agent)}, {shown(meta.stored_at)}"
        return Record(document, meta.output, meta.stored_at, meta.build_ms / 1000)

    def bring_again(self, record: Record) -> bool:
        """Whether the very folder of a record could be brought whose kept copy turned out damaged or is gone."""
        if record.output in self._unpacked:
            return False
        brought = self.bring(record.document)
        return brought is not None and brought.output == record.output

    def origin(self, output: str) -> str | None:
        """``built by AGENT, WHEN`` for a folder that was brought in this run."""
        return self._brought.get(output)

    def offer(self, record: Record) -> None:
        """Let the team have what was built here, unless the cache holds one already."""
        if self._off or not self._is_clean("is not offered to others"):
            return
        document = record.document.canonical().decode()
        meta = SiteMeta(document, Digest(record.output), int(record.seconds * 1000))
        try:
            if not self._is_held(meta.key):
                place = self._place
                self._cache.store(place.book_id, meta, lambda: pack_site(place.built, record.output), place.spool)
                self._progress.note("remote cache: the site is kept on the server for the team")
        except NotShareable as reason:
            self._progress.note(f"remote cache: the site is not offered to others: {reason}")
        except _NO_NEWS as refused:
            self._leave(self._progress.note, refused.problem, "the site is not kept there")
        except PanaversityError as error:
            self._leave(self._progress.warn, error.problem, "the site is not kept there")
        except OSError as error:
            self._leave(self._progress.warn, str(error), "the site is not kept there")

    def _is_held(self, key: Digest) -> bool:
        """Asked again only where it was not asked before building: a forced build does not."""
        if key in self._asked:
            return False
        with self._cache.fetch(self._place.book_id, key) as found:
            return found is not None

    def _is_clean(self, verb: str) -> bool:
        """True when the docs folder holds what hydrate put there and nothing else."""
        wanted = {path: f"file {digest}" for path, digest in self._target().items()}
        there = docs_marks(self._place.docs)
        if there == wanted:
            return True
        other = min(path for path in {*there, *wanted} if there.get(path) != wanted.get(path))
        self._progress.note(f"remote cache: the site {verb}: the docs folder differs from the book ({shown(other)})")
        return False

    def _leave(self, tell: Callable[[str], None], problem: str, so: str = "the site is built here") -> None:
        """Say it once and do without the cache from now on."""
        self._off = True
        tell(f"remote cache: {problem}; {so}")


class SharedRecords:
    """The records of a lifecycle, with the team's sites as a second place to look for those of one phase.

    ``present`` says whether the output of a record kept here is still at hand; then nobody is asked. A phase that is
    ``forced`` to run is not looked for, but what it made is offered.
    """

    def __init__(
        self, local: Records, remote: RemoteSite, phase: str, present: Callable[[Record], bool], forced: bool
    ) -> None:
        self._local, self._remote, self._phase = local, remote, phase
        self._present, self._forced = present, forced
        self._found: list[Record] = []

    def find(self, document: KeyDocument) -> Record | None:
        """The record under this document's key, from here or brought from the cache."""
        record = self._local.find(document)
        if document.phase == self._phase and not self._forced and (record is None or not self._present(record)):
            record = self._remote.bring(document) or record
        if record is not None:
            self._found.append(record)
        return record

    def latest(self, phase_id: str) -> Record | None:
        """The record used last here: what an explanation compares with."""
        return self._local.latest(phase_id)

    def remember(self, record: Record) -> None:
        """Keep it here; what was made just now is offered to the others."""
        self._local.remember(record)
        if record.document.phase == self._phase and not any(record is known for known in self._found):
            self._remote.offer(record)
