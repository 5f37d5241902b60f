"""What a server says of itself on ``/readyz``: readiness, version, mode, and its clock.

PURE: an answer in, a value out. Does not know how it was fetched.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from panaversity_fs.core.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Health:
    """The answer's body, and the server's time as its ``Date`` header says it (None: it does not)."""

    body: Mapping[str, Any]
    date: datetime | None


def read_health(address: str, status: int, headers: Mapping[str, str], body: bytes) -> Health:
    """Read an answer; 503 is one too. Raises ``Unavailable`` when no server of books answered."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if status not in (200, 503) or not isinstance(said, dict) or "status" not in said:
        problem = f"answers {status} on /readyz like no server of books"
        raise Unavailable("doctor", address, problem, "Check the address")
    try:
        date = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        date = None
    return Health(said, date if date is None or date.tzinfo else None)
