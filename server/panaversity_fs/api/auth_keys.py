"""The keys that tokens are checked with: where they come from, and when they are looked up again (S11).

Knows bytes, times and that a key has an id and an algorithm; what a key is made into is the caller's ``build``.
"""

import asyncio
import http.client
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar
from urllib.parse import urlsplit

MAX_BYTES = 256 * 1024
"""Of a key set; a large issuer's is some 10 KiB."""
APART = 10.0
"""Seconds between two look-ups, whoever asks and whatever came of the first."""
STALE = 60.0
"""Seconds after which a set is looked up again, so that a key that was withdrawn stops to count."""
_SOCKET_SECONDS, _TOTAL_SECONDS = 5.0, 10.0

logger = logging.getLogger("panaversity_fs.auth")
Key = TypeVar("Key")
Load = Callable[[], Awaitable[bytes]]


class KeySet(Generic[Key]):
    """Keys by (key id, algorithm), looked up when they are first needed. When a look-up fails the old set stays."""

    def __init__(
        self,
        load: Load,
        build: Callable[[bytes], Mapping[tuple[str | None, str], Key]],
        monotonic: Callable[[], float],
    ) -> None:
        self._load, self._build, self._monotonic = load, build, monotonic
        self._keys: Mapping[tuple[str | None, str], Key] = {}
        self._attempted: float | None = None
        self._lock = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key of this id; without an id the only key for the algorithm. Unknown ids share one look-up."""
        known = self._known(kid, algorithm)
        if known is None:
            await self._look_up(APART)
            return self._known(kid, algorithm)
        # In the background: a slow issuer must not slow down callers whose key is at hand.
        if self._due(STALE) and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._look_up(STALE))
        return known

    def _known(self, kid: str | None, algorithm: str) -> Key | None:
        if kid is not None:
            return self._keys.get((kid, algorithm))
        fitting = [key for (_, name), key in self._keys.items() if name == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    def _due(self, seconds: float) -> bool:
        return self._attempted is None or self._monotonic() - self._attempted >= seconds

    async def _look_up(self, apart: float) -> None:
        async with self._lock:
            if not self._due(apart):
                return
            self._attempted = self._monotonic()
            try:
                async with asyncio.timeout(_TOTAL_SECONDS * 1.5):
                    self._keys = self._build(await self._load())
            except Exception as fault:  # noqa: BLE001 - whatever an issuer sends, the old keys stay
                logger.warning("the key set cannot be read (%s); the keys known before stay", type(fault).__name__)


def from_file(path: str) -> Load:
    """Reads a key set file of at most ``MAX_BYTES``. Raises ``OSError``, ``ValueError``."""

    def read() -> bytes:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            return _bounded(file.read(MAX_BYTES + 1))

    return lambda: asyncio.to_thread(read)


def from_url(url: str, monotonic: Callable[[], float]) -> Load:
    """Fetches a key set from this host only: no redirect is followed, no proxy asked, and nothing of any request that
    came in goes out. Raises ``OSError``, ``ValueError`` or ``http.client.HTTPException``."""
    return lambda: asyncio.to_thread(_fetch, url, monotonic)


def _fetch(url: str, monotonic: Callable[[], float]) -> bytes:
    parts, until = urlsplit(url), monotonic() + _TOTAL_SECONDS
    host, path = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=_SOCKET_SECONDS, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=_SOCKET_SECONDS)
    )
    try:
        connection.request("GET", path, headers={"Accept": "application/json, application/jwk-set+json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        body = b""
        while chunk := answer.read1(16 * 1024):
            body = _bounded(body + chunk)
            if monotonic() > until:
                raise TimeoutError("the key set takes too long")
        return body
    finally:
        connection.close()


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BYTES:
        raise ValueError("the key set is too large")
    return body
