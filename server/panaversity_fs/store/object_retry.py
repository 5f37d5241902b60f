"""Trying again: which failures, how often, how long to wait in between, and when to give up (F18, F19, SC-010).

Knows a clock, chance and the meaning of failures; does not know requests. Every wait is drawn between nothing and a
bound that doubles, so that clients that failed together do not come back together.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio

from panaversity_fs.store.object_faults import VENDOR_FAULTS, Judged, judge, typed
from panaversity_fs.store.object_place import Patience

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Retry:
    """How one client tries. ``chance`` answers 0 … 1; ``sleep`` waits that many seconds."""

    patience: Patience
    chance: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = field(default=anyio.sleep)

    async def wait(self, failed: int) -> None:
        """Wait after so many failed attempts."""
        await self.sleep(self.chance() * self.patience.longest_wait(failed))

    async def call(
        self, operation: str, attempt: Callable[[int], Awaitable[_Result]], total: float | None = None
    ) -> _Result:
        """The result of the first attempt that succeeds; ``attempt`` is told how many failed before.

        Raises ``Refusal`` for what trying again does not help, and the typed error once patience is at its end:
        ``total`` seconds, by default those of one small thing.
        """
        until = anyio.current_time() + (self.patience.total if total is None else total)
        failed = 0
        while True:
            try:
                with anyio.fail_after(max(0.0, until - anyio.current_time())):
                    return await attempt(failed)
            except VENDOR_FAULTS as fault:
                judged = judge(fault)
                if judged.meaning != "again":
                    raise Refusal(judged, operation) from fault
                failed += 1
                left = until - anyio.current_time()
                if failed >= self.patience.tries or left <= self.patience.longest_wait(failed):
                    raise typed(judged, operation) from fault
            await self.wait(failed)


class Refusal(Exception):
    """A refusal that stays, inside of the adapter: whoever asked decides whether it is an answer or an error."""

    def __init__(self, judged: Judged, operation: str) -> None:
        super().__init__(judged.said)
        self.meaning = judged.meaning
        self.error = typed(judged, operation)

    def require_absent(self) -> None:
        """Raise the error unless the answer was that nothing is there."""
        if self.meaning != "absent":
            raise self.error from self
