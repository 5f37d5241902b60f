"""Three attempts: which failures may pass, how long to wait for the next attempt, and how the last one is told.

Knows error types only; does not know HTTP. Waits are a value, so that tests need none.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from panaversity_fs.core.errors import (
    BlobsMissing,
    HashMismatch,
    Internal,
    PanaversityError,
    ServerUnreachable,
)

ATTEMPTS = 3
LONGEST_RETRY_AFTER = 30.0
"""Seconds. A server that asks for more is not waited for longer than this."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds before the next attempt: ``first``, doubling up to ``longest``, plus a random part up to ``jitter``."""

    first: float = 0.2
    longest: float = 3.0
    jitter: float = 0.5


NORMAL_WAITS = Waits()
NO_WAITS = Waits(0.0, 0.0, 0.0)


def may_pass(error: BaseException, damage: bool) -> bool:
    """True when the same request may succeed later. ``damage``: bytes we received broken may arrive whole next time.

    An internal error of the server is tried again too: every request of ours may be repeated without a second effect.
    """
    if isinstance(error, BlobsMissing) or not isinstance(error, PanaversityError):
        return False
    return error.retryable or isinstance(error, Internal) or (damage and isinstance(error, HashMismatch))


def attempts(
    address: str = "the server", waits: Waits = NORMAL_WAITS, damage: bool = True
) -> Iterator[AbstractContextManager[object]]:
    """Attempts at one request; see ``Server.attempts``. ``address`` names the server in the final error."""

    def wait_for(error: Exception) -> bool | float:
        if not may_pass(error, damage):
            return False
        asked = getattr(error, "details", {}).get("retry_after")
        if isinstance(asked, int | float) and waits.longest:
            return min(float(asked), LONGEST_RETRY_AFTER)
        return True

    first = _First(damage)
    yield first
    if first.fault is None:
        return
    try:
        yield from _further(first.fault, wait_for, waits)
    except PanaversityError as last:
        if isinstance(last, HashMismatch) or not may_pass(last, damage):
            raise
        raise ServerUnreachable(
            last.operation,
            address,
            f"gave no good answer in {ATTEMPTS} attempts: {last.problem}",
            last.hint or "See that the server runs and that PANAVERSITY_MCP_URL names it, then try again",
            url=address,
            attempts=ATTEMPTS,
            cause=last.code,
        ) from last


class _First:
    """The first attempt: most are the last, and need no library that counts and waits (15 ms of a command)."""

    def __init__(self, damage: bool) -> None:
        self._damage = damage
        self.fault: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> bool:
        self.fault = fault
        return fault is not None and may_pass(fault, self._damage)


def _further(
    fault: BaseException, wait_for: Callable[[Exception], bool | float], waits: Waits
) -> Iterator[AbstractContextManager[object]]:
    """The attempts after the first one, which failed with ``fault``. Raises what the last one raised."""
    import logging

    import stamina

    logging.getLogger("stamina").addHandler(logging.NullHandler())  # or its retry lines reach stderr unasked
    context = stamina.retry_context(
        on=wait_for,
        attempts=ATTEMPTS,
        timeout=None,
        wait_initial=waits.first,
        wait_max=waits.longest,
        wait_jitter=waits.jitter,
    )
    told = False
    for attempt in context:
        if told:
            yield attempt
        else:
            told = True
            with attempt:
                raise fault
