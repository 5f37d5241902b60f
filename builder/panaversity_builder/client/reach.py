"""Reaching a server: a connected socket, with TLS where the address says so, now or while something else is loaded.

A far server's first round trip is as long as loading everything that will be asked of it: both begin together. Knows
addresses, sockets and certificates; does not know HTTP.
"""

import os
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from panaversity_builder.client.transport import CONNECT_SECONDS, is_direct

if TYPE_CHECKING:
    import ssl


def connect(address: SplitResult, seconds: float) -> socket.socket:
    """A connection to the server. Raises ``OSError``, and ``ValueError`` for a host name that no resolver takes."""
    plain = socket.create_connection((address.hostname or "", port_of(address)), timeout=seconds)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.scheme != "https":
            return plain
        return _authorities().wrap_socket(plain, server_hostname=address.hostname)
    except BaseException:
        plain.close()
        raise


def port_of(address: SplitResult) -> int:
    """The port that an address means."""
    return address.port or (443 if address.scheme == "https" else 80)


def begin(url: str) -> "Early | None":
    """Begin to connect to a server; None where a proxy stands in the way, or where that is no address."""
    try:
        address = urlsplit(url)
        port_of(address)
    except ValueError:
        return None
    if address.scheme not in ("http", "https") or not address.hostname or not is_direct(address):
        return None
    return Early(lambda: connect(address, CONNECT_SECONDS))


class Early:
    """A connection in the making. Whoever has one takes its ``socket`` or lets it go with ``abandon``."""

    def __init__(self, make: Callable[[], socket.socket]) -> None:
        self._make = make
        self._made: socket.socket | None = None
        self._fault: Exception | None = None
        self._lock, self._abandoned = threading.Lock(), False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            made = self._make()
        except (OSError, ValueError) as fault:  # told to whoever sends the first request
            self._fault = fault
            return
        with self._lock:
            if self._abandoned:
                made.close()
            else:
                self._made = made

    def socket(self) -> socket.socket:
        """The connection, once it stands. Raises what ``connect`` raised."""
        self._thread.join()
        with self._lock:
            made, self._made = self._made, None
        if made is None:
            raise self._fault or OSError("was given up")
        return made

    def abandon(self) -> None:
        """Nobody will ask (any more); waits for nothing."""
        with self._lock:
            self._abandoned = True
            if self._made is not None:
                self._made.close()
                self._made = None


def _authorities() -> "ssl.SSLContext":
    """Whom to trust with a certificate: what the environment names, else the list that comes with us."""
    import ssl

    if file := os.environ.get("SSL_CERT_FILE"):
        context = ssl.create_default_context(cafile=file)
    elif folder := os.environ.get("SSL_CERT_DIR"):
        context = ssl.create_default_context(capath=folder)
    else:
        import certifi

        context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
