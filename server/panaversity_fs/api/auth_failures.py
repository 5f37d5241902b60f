"""How often one address may come with a token that does not count: a bucket an address, refilled as time goes (S22).

An address that used its bucket up is refused before anything of its next token is looked at, unless that very token
counted before: whoever shares an address with a stranger (an office, a build farm) goes on. This machine's own
addresses and those of private networks have no bucket: there a proxy stands in front, and everybody comes from it.
Knows addresses, digests of tokens and times, all handed in; judges no token.
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from panaversity_fs.core.errors import RateLimited

_ADDRESSES = 10_000
_TOKENS = 10_000
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
"""Named one by one: the standard library counts addresses of documentation in, which tests use."""
_HOST_BITS = 64
"""Of an IPv6 address: one customer has all of them."""


class FailedLogins:
    """``per_minute`` failures on average, and as many at once; 0 is no limit. ``monotonic`` answers seconds."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._most, self._rate, self._monotonic = float(per_minute), per_minute / 60, monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Address → (failures it may still have, when that was so)."""
        self._counted: OrderedDict[bytes, None] = OrderedDict()

    def admit(self, address: str | None, token: str) -> None:
        """Raise ``RateLimited``, with ``retry_after`` in whole seconds, where this token shall not be looked at."""
        whose = self._bucket_of(address)
        if whose is None or (left := self._left(whose)) >= 1 or _digest(token) in self._counted:
            return
        wait = max(1, math.ceil((1 - left) / self._rate))
        problem, hint = "too many tokens that do not count came from your address", f"Try again in {wait} s"
        raise RateLimited("request", "token", problem, hint, retry_after=wait)

    def failed(self, address: str | None) -> None:
        """A token of this address did not count."""
        whose = self._bucket_of(address)
        if whose is not None:
            self._buckets[whose] = (max(0.0, self._left(whose) - 1), self._monotonic())
            self._buckets.move_to_end(whose)
            self._forget()

    def counted(self, token: str) -> None:
        """This token counted."""
        if self._most:
            self._counted[digest := _digest(token)] = None
            self._counted.move_to_end(digest)
            if len(self._counted) > _TOKENS:
                self._counted.popitem(last=False)

    def _left(self, whose: str) -> float:
        left, at = self._buckets.get(whose, (self._most, 0.0))
        return min(self._most, left + (self._monotonic() - at) * self._rate)

    def _forget(self) -> None:
        """A full bucket is like none; beyond them those go that failed longest ago, so the table cannot grow."""
        if len(self._buckets) > _ADDRESSES:
            for whose in [whose for whose in self._buckets if self._left(whose) >= self._most]:
                del self._buckets[whose]
        while len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)

    def _bucket_of(self, address: str | None) -> str | None:
        """Whose bucket this is; None for who has none: this machine, private networks, and what is no address."""
        if not self._most or address is None:
            return None
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None
        found = getattr(found, "ipv4_mapped", None) or found
        if found.is_loopback or any(found in network for network in _PRIVATE):
            return None
        if found.version == 4:
            return str(found)
        return str(ipaddress.ip_network((found, _HOST_BITS), strict=False))


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
