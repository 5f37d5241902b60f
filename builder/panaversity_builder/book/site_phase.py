"""Phase 5 of the book: what goes into the site, running it, and whether what was built is still there.

Knows the built folder, its kept copies and its lock. Does not know the phases before, nor when to run.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from panaversity_builder.book.site import Site, build_site, built_digest, log_warnings, site_inputs
from panaversity_builder.book.trees import docs_digest
from panaversity_builder.engine import Presence
from panaversity_builder.progress import Progress
from panaversity_builder.snapshots import KeptFolders, Record, RecordFiles
from panaversity_builder.state_folder import make_state_folder
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ConfigInvalid, OutputLocked, PhaseFailed

SITE_PHASE = "5"


def site_build_dir(state_dir: str, site: str) -> str:
    """The build folder of one site: sites of one project must not push each other's copies out."""
    where = os.path.relpath(site, os.path.dirname(os.path.abspath(state_dir)))
    name = f"{os.path.basename(os.path.abspath(site))}-{digest_of(os.fsencode(where))[:12]}"
    return os.path.join(state_dir, "build", name)


@contextlib.contextmanager
def build_lock(build_dir: str, site: str) -> Iterator[int]:
    """One build of a site at a time: the descriptor of a lock that dies with its owners.

    Raises ``OutputLocked`` while somebody else builds, ``ConfigInvalid`` when the folder cannot be written.
    """
    lock = _lock_file(build_dir)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputLocked("build", site, "is being built by another command", "Wait until it is done") from None
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


class SitePhase:
    """Phase 5: its inputs, its run, and whether what it built is there."""

    def __init__(
        self, site: Site, build_dir: str, builder_version: str, records: RecordFiles, progress: Progress, lock: int
    ) -> None:
        self._site, self._version = site, builder_version
        self._records, self._progress, self._lock = records, progress, lock
        self._kept = KeptFolders(os.path.join(build_dir, "kept"), built_digest)
        self._log = os.path.join(build_dir, "logs", "docusaurus.log")

    def inputs(self) -> dict[str, str]:
        """See ``site.site_inputs``; the docs come in as the output of the phase before."""
        return site_inputs(self._site, self._version)

    def check(self, record: Record) -> Presence:
        """The built folder equals what is remembered, or is put back from its kept copy, or is gone."""
        there = os.path.isdir(self._site.built)
        if there and built_digest(self._site.built) == record.output:
            return Presence(True, "unchanged")
        why = self._kept.restore(record.output, self._site.built)
        state = "altered" if there else "missing"
        if why is None:
            return Presence(True, f"restored: the built folder was {state}")
        return Presence(False, f"the built folder is {state}, {why}")

    def run(self) -> str:
        """Build, keep a copy, and answer the digest of the built folder."""
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
        output = built_digest(self._site.built)
        self._keep(output)
        return output

    def _keep(self, output: str) -> None:
        """Keep a copy for later. A disk too full for a copy does not undo a site that is built."""
        try:
            self._kept.keep(self._site.built, output)
            self._kept.prune([output, *(r.output for r in self._records.all(SITE_PHASE))])
        except OSError as error:
            self._progress.warn(f"build: no copy of the site is kept ({error})")
