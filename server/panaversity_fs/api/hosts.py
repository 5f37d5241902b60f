"""Which Host and Origin a request may carry: the guard against DNS rebinding, as a pure decision (S1).

Knows names and ports; does not know requests. The framework's own guard accepts every port of the loopback names,
which lets a page of any local development server through; this one wants our port.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://([^/?#@]+)")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HostRule:
    """The names this server answers to.

    ``extra`` holds ``name`` (any port) or ``name:port`` entries in lower case, as in PANAVERSITY_ALLOWED_HOSTS.
    """

    extra: Collection[str] = ()

    def host_allowed(self, host: str | None, port: int | None, scheme: str = "http") -> bool:
        """True when this ``Host`` header names us. ``port`` is the one we listen on; None: unknown, so any."""
        match = _AUTHORITY.fullmatch(host.lower()) if host else None
        if match is None:
            return False
        name, asked = match[1], int(match[2]) if match[2] else _DEFAULT_PORTS.get(scheme, 80)
        if name in self.extra or f"{name}:{asked}" in self.extra:
            return True
        return name in LOOPBACK and (port is None or asked == port)

    def origin_allowed(self, origin: str | None, port: int | None) -> bool:
        """True when there is no ``Origin`` or it is a page of ours; ``null`` and foreign ones are not."""
        if origin is None:
            return True
        match = _ORIGIN.fullmatch(origin.lower())
        return match is not None and self.host_allowed(match[2], port, match[1])
