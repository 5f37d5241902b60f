"""When a round of the watch runs, and which changes are worth one.

PURE: names, counts and seconds in, decisions out. Disks, clocks and servers are unknown here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from panaversity_builder.book.ignore import IGNORE_FILE, IgnoreRules

Cause = Literal["start", "change", "settings", "retry"]
"""Why a round runs: the first one, the source changed, the settings changed, the last one failed and may go now."""

STEP_MS: Final = 75
"""A batch of changes is complete when nothing came for this long; so an edit waits for one to two of these."""
POLL_SECONDS: Final = 1.0
"""How often the tree is looked at where the system tells of no changes."""
LONGEST_MS: Final = 5_000
"""A source that never comes to rest is looked at all the same after this long."""
TICK_MS: Final = 250
"""How often the watch looks around (site server, settings, retries) while nothing changes."""
GONE_SECONDS: Final = 0.4
"""How much longer a file that is gone is waited for: editors delete and create, and no delete is in a hurry."""
FIRST_RETRY_SECONDS: Final = 1.0
LAST_RETRY_SECONDS: Final = 60.0
PASSING: Final = frozenset({5, 10})
"""Exit statuses of trouble that passes without an edit: the folder is in use, the server is away."""
HOPELESS: Final = frozenset({2, 13, 15, 16})
"""Exit statuses that end the watch when the very first round meets them: no edit of a lesson can mend them."""

_BUILT_IN = IgnoreRules()


def concerns(path: str) -> bool:
    """True when a change of this source path may change the book; a ``.bookignore`` may.

    What only a ``.bookignore`` names still concerns us: the scan knows it and finds nothing changed.
    """
    folder, _, name = path.rpartition("/")
    judged = folder if name == IGNORE_FILE else path
    steps = judged.split("/") if judged else []
    return not any(_BUILT_IN.reason("/".join(steps[: n + 1]), is_folder=True) for n in range(len(steps)))


def concerning(paths: Iterable[str]) -> frozenset[str]:
    """Those of the changed paths that may change the book."""
    return frozenset(path for path in paths if concerns(path))


def retry_seconds(failures: int) -> float:
    """How long to wait after this many failures in a row: doubled each time, never longer than a minute."""
    return min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 30))


@dataclass(slots=True)
class Rhythm:
    """What was done so far, and so what is due. Times are seconds of any steady clock."""

    rounds: int = 0
    failures: int = 0
    retry_at: float | None = None

    def due(self, now: float, *, changed: bool, blind: bool, settings: bool) -> Cause | None:
        """Why a round is due now, or None. A change always is: an edit may be what mends a failure.

        ``blind`` says that something may have changed, unseen.
        """
        if self.rounds == 0:
            return "start"
        if settings:
            return "settings"
        if changed:
            return "change"
        if self.retry_at is not None and now >= self.retry_at:
            return "retry"
        return "change" if blind else None

    def ended_well(self) -> None:
        """The round is done: nothing is owed any more."""
        self.rounds += 1
        self.failures, self.retry_at = 0, None

    def failed(self, exit_status: int, now: float) -> bool:
        """The round failed. True when the watch should end with it; else it goes on, and retries what may pass."""
        self.rounds += 1
        self.failures += 1
        self.retry_at = now + retry_seconds(self.failures) if exit_status in PASSING else None
        return self.rounds == 1 and exit_status in HOPELESS
