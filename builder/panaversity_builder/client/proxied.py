"""Requests through a proxy that the environment names, by the HTTP library: tunnels, credentials, exceptions by name.

Knows the library and what it raises; does not know routes or what travels.
"""

import ssl
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlunsplit

from panaversity_builder.client.transport import Broken, Patience
from panaversity_fs.core.paths import shown

if TYPE_CHECKING:
    import httpx


class Proxied:
    """See ``transport.Transport``."""

    def __init__(self, address: SplitResult, headers: Mapping[bytes, bytes]) -> None:
        self._library = httpx = _library()
        self._http = httpx.Client(
            base_url=urlunsplit((address.scheme, address.netloc, address.path, "", "")),
            headers=dict(headers),
            verify=True if address.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    def open(self) -> None:
        """See ``Transport.open``; the library connects with its first request."""

    def send(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | Iterable[bytes], patience: Patience
    ) -> "_Answer":
        """See ``Transport.send``."""
        timeout = self._library.Timeout(patience.silence, connect=patience.connect)
        request = self._http.build_request(method, path, headers=headers, content=content or None, timeout=timeout)
        try:
            return _Answer(self._http.send(request, stream=True), self._library)
        except (self._library.TransportError, self._library.DecodingError) as fault:
            raise _broken(fault) from fault

    def close(self) -> None:
        """See ``Transport.close``."""
        self._http.close()


class _Answer:
    """See ``transport.Response``."""

    def __init__(self, response: "httpx.Response", library: Any) -> None:
        self._response, self._faults = response, (library.TransportError, library.DecodingError)
        self.status_code = response.status_code
        self.headers: Mapping[str, str] = response.headers

    @property
    def num_bytes_downloaded(self) -> int:
        return self._response.num_bytes_downloaded

    def iter_raw(self) -> Iterator[bytes]:
        return self._told(self._response.iter_raw())

    def iter_bytes(self) -> Iterator[bytes]:
        return self._told(self._response.iter_bytes())

    def close(self) -> None:
        self._response.close()

    def _told(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from chunks
        except self._faults as fault:
            raise _broken(fault) from fault


def _library() -> Any:
    """The HTTP library without its own command line, which would load a terminal library with it."""
    if "httpx" not in sys.modules:
        command_line = ModuleType("httpx._main")
        command_line.main = lambda: None  # type: ignore[attr-defined]
        sys.modules["httpx._main"] = command_line
    import httpx

    return httpx


def _broken(fault: Exception) -> Broken:
    name = type(fault).__name__
    what = shown(str(fault) or name)
    if "Timeout" in name:
        return Broken("does not answer in time")
    return Broken(f"cannot be reached ({what})" if "Connect" in name else f"the connection broke ({what})")
