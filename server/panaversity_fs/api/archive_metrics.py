"""Watches one archive being sent: its scope, how it ended and how far the process grew meanwhile (SC-001, R4).

Knows the query of the archive route and what the kernel says about this process; does not know archives.
"""

import os
from urllib.parse import parse_qs

from starlette.types import Scope

from panaversity_fs.api.noting import Note
from panaversity_fs.metrics import SCOPES, Metrics

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATUSES = {"ok": "success", "refused": "refused", "failed": "error", "cut": "error"}


def resident_bytes() -> int:
    """Memory of this process in bytes; 0 where the system does not tell (no ``/proc``)."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0


class ArchiveWatch:
    """Memory is looked at after every piece that left, so what other requests take meanwhile counts too."""

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._before = self._peak = resident_bytes()

    @classmethod
    def of(cls, scope: Scope) -> "ArchiveWatch":
        """The watch for a request, by its query; an unknown scope counts as ``all``."""
        wanted = parse_qs(scope["query_string"].decode("latin-1")).get("scope", ["all"])[0]
        return cls(wanted if wanted in SCOPES else "all")

    def sent_some(self) -> None:
        """A piece of the answer left."""
        self._peak = max(self._peak, resident_bytes())

    def report(self, metrics: Metrics, outcome: str, note: Note, seconds: float) -> None:
        """The answer ended with this outcome after so many seconds."""
        status = "partial" if outcome == "ok" and note.partial else _STATUSES[outcome]
        metrics.archived(self._scope, status, seconds, self._peak - self._before)
