"""What the library tells whoever counts: how commits ended, what was taken back, which plans were answered.

Knows the events and their few words; does not know who listens or what becomes of it. An observer must be quick and
must not raise: it is called on the way to an answer.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol

from panaversity_fs.core.changes import Changeset, Delete
from panaversity_fs.core.errors import Conflict, HashRequired, PanaversityError
from panaversity_fs.library.answers import CommitResult

WriteStatus = Literal["success", "conflict", "refused", "error"]
PlanAnswer = Literal["unchanged", "delta", "full"]
SiteEvent = Literal["hit", "miss", "stored", "present", "conflict", "expired", "evicted", "damaged"]


class Observer(Protocol):
    """Somebody who counts. Seconds are durations; every word comes from a small fixed set but ``book_id``."""

    def wrote(self, operation: str, status: WriteStatus, modes: Mapping[str, int], seconds: float) -> None:
        """A commit ended; ``modes`` counts its paths (those asked for where it did not succeed)."""

    def took_back(self, blobs: int) -> None:
        """So many stored blobs were removed again because no commit named them."""

    def planned(self, answer: PlanAnswer, files: int) -> None:
        """A plan was answered that names so many files."""

    def verified(self, book_id: str, intact: bool) -> None:
        """The audit log of a book was verified."""

    def site_cache(self, event: SiteEvent, count: int = 1) -> None:
        """So many built sites were asked for, kept or let go."""


class Silent(Observer):
    """Nobody counts."""

    def wrote(self, *_: object, **__: object) -> None:
        return

    def took_back(self, *_: object, **__: object) -> None:
        return

    def planned(self, *_: object, **__: object) -> None:
        return

    def verified(self, *_: object, **__: object) -> None:
        return

    def site_cache(self, *_: object, **__: object) -> None:
        return


async def reported(
    observer: Observer, monotonic: Callable[[], float], changeset: Changeset, running: Awaitable[CommitResult]
) -> CommitResult:
    """Await a commit and report how it ended; its result and its errors pass untouched."""
    began = monotonic()
    status: WriteStatus = "error"
    modes = _asked(changeset)
    try:
        result = await running
        status, modes = "success", result.counts
    except PanaversityError as fault:
        status = _status(fault)
        raise
    finally:
        observer.wrote(changeset.operation, status, modes, monotonic() - began)
    return result


def _status(fault: PanaversityError) -> WriteStatus:
    if isinstance(fault, Conflict | HashRequired):
        return "conflict"
    return "refused" if fault.http_status < 500 else "error"


def _asked(changeset: Changeset) -> Mapping[str, int]:
    """What the operations would have done: with an expected hash they meant to update."""
    return Counter(
        "deleted" if isinstance(o, Delete) else "updated" if o.expected else "created" for o in changeset.operations
    )
