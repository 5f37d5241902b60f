"""What became of a transaction that ended in trouble, and doing it again where that is right (F23, F24).

Three ends are told apart: refused (any other error), nothing was done for a reason that passes (``NothingDone``), and
nobody knows (``Undecided``). Knows nothing of engines or of what a transaction does.
"""

import random
from collections.abc import Awaitable, Callable
from functools import wraps
from itertools import count
from typing import ParamSpec, TypeVar

import anyio

from panaversity_fs.core.errors import Unavailable

ATTEMPTS = 8
PATIENCE = 30.0
"""Seconds after which nothing is begun again."""
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 1.0
"""Seconds. Seven pauses that double come to about three seconds: a restart of the database is lived through."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


class NothingDone(Unavailable):
    """The transaction was rolled back, or never began, for a reason that passes: all of it may be carried out again."""


class Undecided(Unavailable):
    """The connection was lost between COMMIT and its answer: it may have happened, and may not."""


def again(*, undecided: bool) -> Callable[[Callable[_P, Awaitable[_R]]], Callable[_P, Awaitable[_R]]]:
    """Carry out a step that reads everything anew each time, again while it ends with ``NothingDone``.

    ``undecided`` says that a second effect is no other than the first, so that ``Undecided`` counts as well.
    """

    def repeated(step: Callable[_P, Awaitable[_R]]) -> Callable[_P, Awaitable[_R]]:
        @wraps(step)
        async def run(*arguments: _P.args, **options: _P.kwargs) -> _R:
            return await carry_out(lambda: step(*arguments, **options), undecided=undecided)

        return run

    return repeated


async def carry_out(step: Callable[[], Awaitable[_R]], *, undecided: bool) -> _R:
    """As ``again``. Ends with ``Undecided`` where one attempt did: the next ones having failed proves nothing."""
    reasons = (NothingDone, Undecided) if undecided else (NothingDone,)
    deadline = anyio.current_time() + PATIENCE
    doubt: Undecided | None = None
    for attempt in count(1):
        try:
            return await step()
        except reasons as fault:
            doubt = fault if isinstance(fault, Undecided) else doubt
            if attempt == ATTEMPTS or anyio.current_time() > deadline:
                raise doubt or fault from None
        await anyio.sleep(pause_after(attempt))
    raise AssertionError("the last attempt raises")


def pause_after(attempt: int) -> float:
    """Seconds to wait after this attempt, counted from 1: doubled each time, and never two callers the same."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
