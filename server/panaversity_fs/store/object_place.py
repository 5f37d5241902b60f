"""Where an object store is, who we are there, and how long we wait for it: plain values, judged by ``config``.

Knows no library and sends nothing. The secret is kept out of every text made of these values.
"""

from dataclasses import dataclass, field
from typing import Literal

_SLOWEST = 1 << 17
"""Bytes a second that one request sends at least: 1 Mbit/s, of which a few share a line."""

Conditional = Literal["require", "lock"]
"""``require``: a store that ignores ``If-None-Match: *`` is refused. ``lock``: the book's lock alone is relied on."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds, and how often to try. Waits are drawn from 0 … min(``longest``, ``first`` · 2ⁿ)."""

    attempt: float = 10.0
    """One request, or 1 MiB of a long one; what a request brings is given time beside it (``sending``)."""
    total: float = 25.0
    """All attempts at one small thing together, waits included."""
    tries: int = 8
    first: float = 0.05
    longest: float = 2.0

    def sending(self, size: int) -> float:
        """Seconds that one request is given which brings so many bytes."""
        return self.attempt + size / _SLOWEST

    def longest_wait(self, failed: int) -> float:
        """The most to wait after so many failed attempts (1, 2, …)."""
        return min(self.longest, self.first * 2.0 ** (failed - 1))


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """One bucket, or the part of it below ``prefix`` (no slash at either end). ``endpoint`` is a URL without a path."""

    bucket: str
    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    prefix: str = ""
    conditional: Conditional = "require"
    patience: Patience = Patience()

    def below(self, part: str) -> str:
        """The prefix of a part of this place."""
        return f"{self.prefix}/{part}" if self.prefix else part
