"""Phase 5 of the book: what goes into the site, running it, and whether what was built is still there.

Knows the built folder, its kept copies and its lock. Does not know the phases before, nor when to run.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from panaversity_builder.book.listings import Listings
from panaversity_builder.book.remote_site import RemoteSite
from panaversity_builder.book.site import Site, build_site, built_digest, log_warnings
from panaversity_builder.book.site_inputs import SOURCES, site_inputs
from panaversity_builder.book.site_sources import named_changes
from panaversity_builder.book.trees import Marks, copy_tree, docs_digest, marks_digest
from panaversity_builder.durable import write_beside
from panaversity_builder.engine import Presence
from panaversity_builder.kept import KeptFolders, sweep_beside
from panaversity_builder.locking import taken_alone
from panaversity_builder.progress import Progress
from panaversity_builder.snapshots import Record, RecordFiles
from panaversity_builder.state_folder import make_state_folder
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ConfigInvalid, OutputLocked, PhaseFailed

SITE_PHASE = "5"
OTHERS = "that of other inputs"
SITE_NOTE = "site"
"""The file in a build folder that says which site it belongs to."""


def site_build_dir(state_dir: str, site: str) -> str:
    """The build folder of one site: sites of one project must not push each other's copies out."""
    name = f"{os.path.basename(os.path.abspath(site))}-{digest_of(os.fsencode(_within(state_dir, site)))[:12]}"
    return os.path.join(state_dir, "build", name)


def _within(state_dir: str, site: str) -> str:
    """A site's path in its project."""
    return os.path.relpath(site, os.path.dirname(os.path.abspath(state_dir)))


def site_of(build_dir: str) -> str | None:
    """The path, in its project, of the site a build folder belongs to; None where nothing says so."""
    try:
        with open(os.path.join(build_dir, SITE_NOTE), "rb") as file:
            return os.fsdecode(file.read(4096)) or None
    except OSError:
        return None


def kept_dir(build_dir: str) -> str:
    """Where the kept copies of one site lie."""
    return os.path.join(build_dir, "kept")


@contextlib.contextmanager
def build_lock(build_dir: str, site: str) -> Iterator[int]:
    """One build of a site at a time: the descriptor of a lock that dies with its owners.

    Raises ``OutputLocked`` while somebody else builds, ``ConfigInvalid`` when the folder cannot be written.
    """
    lock = _lock_file(build_dir)
    try:
        if not taken_alone(lock):
            raise OutputLocked("build", site, "is being built by another command", "Wait until it is done")
        try:
            yield lock
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # also for a process of the build that has not quite ended
    finally:
        os.close(lock)


def _lock_file(build_dir: str) -> int:
    try:
        make_state_folder(os.path.dirname(os.path.dirname(build_dir)))
        os.makedirs(build_dir, exist_ok=True)
        return os.open(os.path.join(build_dir, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise ConfigInvalid("build", build_dir, problem, "Make the project folder writable", key="root") from error


def _restored(state: str) -> str:
    return "the same inputs were built before" if state == OTHERS else f"the built folder was {state}"


class SitePhase:
    """Phase 5: its inputs, its run, and whether what it built is there. ``lock`` is None for one that never runs."""

    def __init__(
        self,
        site: Site,
        build_dir: str,
        builder_version: str,
        records: RecordFiles,
        progress: Progress,
        lock: int | None = None,
    ) -> None:
        self._site, self._build_dir, self._version = site, build_dir, builder_version
        self._records, self._progress, self._lock = records, progress, lock
        self.kept = KeptFolders(kept_dir(build_dir), copy_tree)
        self._listings = Listings(os.path.join(build_dir, "sources"))
        self._log = os.path.join(build_dir, "logs", "docusaurus.log")
        self._sources: Marks = {}
        self.remote: RemoteSite | None = None

    def inputs(self) -> dict[str, str]:
        """See ``site_inputs``; the docs come in as the output of the phase before."""
        found = site_inputs(self._site, self._version)
        self._sources = found.sources
        return found.values

    def particulars(self, name: str, old: str, new: str) -> str:
        """Which of the site's own files differ, as far as their listings are remembered."""
        before, after = self._listings.find(old), self._sources
        if name != SOURCES or before is None or marks_digest(after) != new:
            return ""
        return named_changes(before, after)

    def look(self, record: Record) -> Presence:
        """The built folder equals what is remembered, or could be put back, or is gone. Nothing is touched."""
        state = self._state(record.output)
        if state is None:
            return Presence(True, "unchanged")
        if self.kept.has(record.output):
            return Presence(True, f"a kept copy would be put back: the built folder is {state}", restored=True)
        return Presence(False, f"the built folder is {state}, no copy is kept")

    def check(self, record: Record) -> Presence:
        """The built folder equals what is remembered, or is put back from its kept copy, or is gone."""
        sweep_beside(self._site.built)
        state = self._state(record.output)
        if state is None:
            self.kept.use(record.output)
            return Presence(True, "unchanged")
        why = self.kept.restore(record.output, self._site.built)
        if why is not None and self.remote is not None and self.remote.bring_again(record):
            why = self.kept.restore(record.output, self._site.built)
        if why is None:
            origin = self.remote and self.remote.origin(record.output)
            if origin:
                self._tidy(record.output)
            note = f"restored from the server ({origin})" if origin else f"restored: {_restored(state)}"
            return Presence(True, note, restored=True)
        return Presence(False, f"the built folder is {state}, {why}")

    def _state(self, output: str) -> str | None:
        """What is wrong with the built folder; None when it is the one that is meant.

        That of another build is not altered: its inputs were, and are now those of this output again.
        """
        if not os.path.isdir(self._site.built):
            return "missing"
        found = built_digest(self._site.built)
        if found == output:
            return None
        return OTHERS if any(record.output == found for record in self._records.all(SITE_PHASE)) else "altered"

    def run(self) -> str:
        """Build, keep a copy, and answer the digest of the built folder."""
        sweep_beside(self._site.built)
        docs = docs_digest(self._site.docs)
        self._progress.note(f"docusaurus writes its output to {self._log}")
        build_site(self._site, self._log, self._lock)
        if count := log_warnings(self._log):
            self._progress.warn(f"docusaurus: built with warnings ({count}); read {self._log}")
        if docs_digest(self._site.docs) != docs:
            hint = "Run again when nobody writes there"
            raise PhaseFailed(
                "build", self._site.docs, "changed while the site was built", hint, phase=SITE_PHASE, log=self._log
            )
        return self._keep()

    def _keep(self) -> str:
        """The digest of what was built, and a copy for later. A disk too full for one does not undo a built site."""
        try:
            output = self.kept.keep(self._site.built)
        except OSError as error:
            self._progress.warn(f"build: no copy of the site is kept ({error})")
            output = built_digest(self._site.built)
        self._tidy(output)
        return output

    def _tidy(self, output: str) -> None:
        """Remember what the sources were, and let go of what no record is about any more."""
        remembered = self._records.all(SITE_PHASE)
        try:
            place = os.path.dirname(os.path.dirname(self._build_dir))
            note = os.fsencode(_within(place, self._site.folder))
            write_beside(os.path.join(self._build_dir, SITE_NOTE), note, flush=False)
            self._listings.keep(self._sources, [r.document.inputs.get(SOURCES, "") for r in remembered])
            self.kept.prune([output, *(r.output for r in remembered)])
        except OSError as error:
            self._progress.warn(f"build: old copies of the site cannot be tidied up ({error})")
