"""What the client asks of whatever carries its requests, and which of the two carriers that is.

``direct`` speaks HTTP/1.1 over the standard library: one command is two or three requests, and loading the HTTP
library costs more than they do. ``proxied`` is that library, for ways that lead through somebody else's proxy. Knows
addresses and the environment; does not know requests.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult

if TYPE_CHECKING:
    from panaversity_builder.client.reach import Early

CONNECT_SECONDS = 5.0
"""How long a server may take to be reached."""


class Broken(Exception):
    """The way to the server failed; the text completes the sentence "the server …"."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long the server may say nothing, and how long it may take to be reached."""

    silence: float
    connect: float


class Response(Protocol):
    """An answer whose body has not been read. Names of headers are in lower case. Reading raises ``Broken``."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def num_bytes_downloaded(self) -> int:
        """Bytes of the body that came so far, as they travelled."""

    def iter_raw(self) -> Iterator[bytes]:
        """The body as it travels."""

    def iter_bytes(self) -> Iterator[bytes]:
        """The body without the codings that were offered (gzip, zstd)."""

    def close(self) -> None:
        """Let go of the connection; it is used again when the body was read to its end."""


class Transport(Protocol):
    """Carries requests to one server."""

    def open(self) -> None:
        """Begin to connect, where that can be done beforehand. Raises nothing: the first request does."""

    def send(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | Iterable[bytes], patience: Patience
    ) -> Response:
        """One request; its answer as soon as the headers are here. Raises ``Broken``, and what ``content`` raises."""

    def close(self) -> None:
        """Let go of all connections."""


def transport_to(
    address: SplitResult, headers: Mapping[bytes, bytes], patience: Patience, early: "Early | None" = None
) -> Transport:
    """The carrier for a server: direct, unless the environment names a proxy for it. ``early`` is a connection that is
    being made already."""
    if is_direct(address):
        from panaversity_builder.client.direct import Direct

        return Direct(address, headers, patience, early)
    from panaversity_builder.client.proxied import Proxied

    return Proxied(address, headers)


def is_direct(address: SplitResult) -> bool:
    """True where no proxy stands between us and the server; between us and this machine none ever does."""
    return _is_loopback(address.hostname) or not _proxy_for(address)


def _is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or str(host).startswith("127.")


def _proxy_for(address: SplitResult) -> bool:
    """Whether the environment, or a desktop's settings, name a proxy for this address."""
    if sys.platform not in ("darwin", "win32") and not any(name.lower().endswith("_proxy") for name in os.environ):
        return False
    from urllib.request import getproxies, proxy_bypass

    named = getproxies()
    return (address.scheme in named or "all" in named) and not proxy_bypass(address.netloc.rpartition("@")[2])
