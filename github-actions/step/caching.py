"""When a job's cache is read and written, and under which keys.

Caches of GitHub are immutable, shared by a branch and those that come from it, and anything that can write one can
poison a later job. So: a key of its own for every run, found again by its beginning; written from the default branch
only; not used at all where somebody else's code or a release is at work (FEATURES 1, S32). Pure; does not know the
process, its environment or the cache service.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from inputs import Given, Refused, shown

FORMAT: Final = 1
"""Of what a hydrated folder remembers. A higher one leaves all older caches behind."""

_RISKY_EVENTS = frozenset(("release", "pull_request_target", "workflow_run"))
_SUFFIX = re.compile(r"[A-Za-z0-9._-]{0,64}")


@dataclass(frozen=True, slots=True)
class Job:
    """What a job says of itself. ``default_branch`` is None where its event does not tell."""

    event: str
    ref: str
    ref_type: str
    self_hosted: bool
    default_branch: str | None
    system: str = "Linux"
    run: str = "0"
    attempt: str = "1"

    @property
    def on_default_branch(self) -> bool:
        """True for a run of the default branch itself; pull requests run on refs of their own."""
        if self.event == "schedule":  # always there, and its event names no branch
            return True
        return self.default_branch is not None and self.ref == f"refs/heads/{self.default_branch}"

    @property
    def trusted(self) -> bool:
        """Whether a cache is used unasked."""
        return not self.self_hosted and self.ref_type != "tag" and self.event not in _RISKY_EVENTS


def job_of(environ: Mapping[str, str], event: Mapping[str, Any]) -> Job:
    """The job from its runner's variables and its event."""
    repository = event.get("repository")
    branch = repository.get("default_branch") if isinstance(repository, Mapping) else None
    return Job(
        event=environ.get("GITHUB_EVENT_NAME", ""),
        ref=environ.get("GITHUB_REF", ""),
        ref_type=environ.get("GITHUB_REF_TYPE", ""),
        self_hosted=environ.get("RUNNER_ENVIRONMENT") != "github-hosted",
        default_branch=branch if isinstance(branch, str) and branch else None,
        system=environ.get("RUNNER_OS", "Linux"),
        run=environ.get("GITHUB_RUN_ID", "0"),
        attempt=environ.get("GITHUB_RUN_ATTEMPT", "1"),
    )


def is_restored(job: Job, given: Given) -> bool:
    """Whether this job reads a cache."""
    return _enabled(job, given) and given.is_on("restore-cache", True)


def is_saved(job: Job, given: Given) -> bool:
    """Whether this job writes one, if there is anything new to write."""
    wish = given.choice("save-cache", "auto")
    return _enabled(job, given) and (job.on_default_branch if wish == "auto" else wish == "true")


def _enabled(job: Job, given: Given) -> bool:
    wish = given.choice("enable-cache", "auto")
    return job.trusted if wish == "auto" else wish == "true"


@dataclass(frozen=True, slots=True)
class Keys:
    """``key`` is this run's own; what begins with ``restore`` is as good as it, the newest first."""

    key: str
    restore: str


def keys(kind: str, parts: Iterable[str], same: Iterable[str], given: Given, job: Job) -> Keys:
    """Keys for ``kind``: readable ``parts``, then a digest of them and of everything else that must be the ``same``.

    The digest covers the suffix too, so that no key begins with the beginning of another one's.
    """
    suffix = given.text("cache-suffix")
    if not _SUFFIX.fullmatch(suffix):
        problem = f"{shown(suffix)} is not made of at most 64 letters, digits, dots, dashes and underscores"
        raise Refused("input cache-suffix", problem, "Choose another one")
    parts = list(parts)
    digest = hashlib.sha256("\0".join((*parts, *same, suffix)).encode()).hexdigest()[:16]
    stem = "-".join((kind, str(FORMAT), *parts, digest, suffix)) + "-"
    return Keys(f"{stem}{job.run}-{job.attempt}", stem)
