"""When a store was looked after last, and what came of it: kept in the store, for commands leave no process to ask.

Knows a few whole numbers by name; does not know what they mean, nor who shows them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.library.context import Context
from panaversity_fs.library.facade import Facade
from panaversity_fs.store.facts import recall, remember

Kind = Literal["gc", "fsck quick", "fsck structure", "fsck data", "fsck audit"]
KINDS: tuple[Kind, ...] = ("gc", "fsck quick", "fsck structure", "fsck data", "fsck audit")
"""A look of one depth does not make forgotten what a deeper one found."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last whole run of one kind."""

    at: datetime
    found: Mapping[str, int] = field(default_factory=dict)


async def note_run(context: Context, kind: Kind, found: Mapping[str, int]) -> None:
    """Remember a run over all books. A store that cannot be written keeps what it knew: no run must fail by this."""
    if context.read_only:
        return
    text = json.dumps({"at": context.clock().isoformat(), "found": dict(found)}, sort_keys=True)
    try:
        await remember(context.database, f"last_{kind}", text)
    except PanaversityError:
        return


class Upkeep(Facade):
    """What is known of past runs, and of the access log of this process."""

    async def note_run(self, kind: Kind, found: Mapping[str, int]) -> None:
        """Remember a run over all books that just ended."""
        await note_run(self._context, kind, found)

    async def last_runs(self) -> dict[str, LastRun]:
        """Kind → the last run, of those that ever ran; what cannot be read counts as never."""
        runs = {}
        for kind in KINDS:
            text = await recall(self._context.database, f"last_{kind}")
            try:
                body = json.loads(text or "")
                found = {str(name): int(number) for name, number in body["found"].items()}
                runs[str(kind)] = LastRun(datetime.fromisoformat(body["at"]), found)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
        return runs

    def access_notes(self) -> tuple[int, int, int]:
        """(written, lost, waiting) notes of the access log since this process opened the store."""
        access = self._context.access
        return (0, 0, 0) if access is None else (access.written_count, access.lost_count, access.waiting_count)
