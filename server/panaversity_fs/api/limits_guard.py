"""How much one caller may ask for: requests at once, requests a second, and how slowly a body may come in (S22).

Knows subjects, counts and times, all handed in; does not know what the requests do.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import Message, Receive

from panaversity_fs.core.errors import RateLimited, TimedOut

GRACE = 30.0
"""Seconds of waiting that every body has to its credit, and the most it can ever save up."""
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """Per subject: ``rate`` requests a second on average, ``burst`` at once out of rest, ``concurrent`` running ones.

    A rate or concurrency of 0 is no limit.
    """

    rate: float
    burst: int
    concurrent: int


@dataclass(slots=True)
class _Account:
    tokens: float
    at: float
    running: int = 0


class Limits:
    """One token bucket and one counter a subject. ``monotonic`` answers seconds."""

    def __init__(self, allowance: Allowance, monotonic: Callable[[], float]) -> None:
        self._allowance, self._monotonic = allowance, monotonic
        self._accounts: dict[str, _Account] = {}

    @contextmanager
    def admitted(self, subject: str) -> Iterator[None]:
        """Count one request while it runs. Raises ``RateLimited`` with ``retry_after`` in whole seconds."""
        account = self._account(subject)
        if self._allowance.concurrent and account.running >= self._allowance.concurrent:
            raise _limited(f"{account.running} requests of yours are running", 1)
        if self._allowance.rate and account.tokens < 1:
            wait = math.ceil((1 - account.tokens) / self._allowance.rate)
            raise _limited(f"more than {self._allowance.rate:g} requests a second came from you", max(wait, 1))
        account.tokens -= 1
        account.running += 1
        try:
            yield
        finally:
            account.running -= 1

    def _account(self, subject: str) -> _Account:
        now = self._monotonic()
        account = self._accounts.get(subject)
        if account is None:
            self._forget(now)
            account = self._accounts[subject] = _Account(self._allowance.burst, now)
        account.tokens = self._refilled(account, now)
        account.at = now
        return account

    def _refilled(self, account: _Account, now: float) -> float:
        return min(self._allowance.burst, account.tokens + (now - account.at) * self._allowance.rate)

    def _forget(self, now: float) -> None:
        """Whoever rests with a full bucket is like one who never came; the table must not grow with subjects."""
        if len(self._accounts) < _MANY:
            return
        full = self._allowance.burst if self._allowance.rate else -math.inf
        resting = [s for s, a in self._accounts.items() if not a.running and self._refilled(a, now) >= full]
        for subject in resting:
            del self._accounts[subject]


class Patience:
    """Waits for bodies, but not for ever: each received byte buys ``1 / rate`` seconds, beside ``GRACE`` at the start.

    Only time spent waiting for the sender counts, not what we do between its pieces. A rate of 0 waits for ever.
    """

    def __init__(self, rate: float, monotonic: Callable[[], float], grace: float = GRACE) -> None:
        self._rate, self._monotonic, self._grace = rate, monotonic, grace

    def __call__(self, receive: Receive) -> Receive:
        """The same messages; raises ``TimedOut`` when the credit is used up before the body's end."""
        if not self._rate:
            return receive
        credit, ended = float(self._grace), False

        async def patient() -> Message:
            nonlocal credit, ended
            if ended:
                return await receive()
            began = self._monotonic()
            if credit <= 0:
                raise self._too_slow()
            try:
                async with asyncio.timeout(credit):
                    message = await receive()
            except TimeoutError:
                credit = 0
                raise self._too_slow() from None
            ended = message["type"] != "http.request" or not message.get("more_body", False)
            gained = len(message.get("body", b"")) / self._rate
            credit = min(self._grace, credit - (self._monotonic() - began) + gained)
            return message

        return patient

    def _too_slow(self) -> TimedOut:
        problem, hint = f"arrives more slowly than {self._rate:g} bytes a second", "Send it over a faster connection"
        return TimedOut("request", "body", problem, hint, seconds=self._grace)


def _limited(problem: str, retry_after: int) -> RateLimited:
    return RateLimited("request", "rate", problem, f"Try again in {retry_after} s", retry_after=retry_after)
