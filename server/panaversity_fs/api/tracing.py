"""The id of the request that is being answered: in ``X-Request-Id``, in log lines and in masked errors.

Knows one context variable; does not know what an id is used for.
"""

import re
import uuid
from contextvars import ContextVar

HEADER = "X-Request-Id"

_CURRENT: ContextVar[str | None] = ContextVar("panaversity_request_id", default=None)
_FORM = re.compile(r"[A-Za-z0-9._-]{8,64}")


def begin(offered: str | None) -> str:
    """Take the caller's id when it is harmless, else make one; it holds for the rest of this request."""
    identity = offered if offered and _FORM.fullmatch(offered) else uuid.uuid4().hex
    _CURRENT.set(identity)
    return identity


def request_id() -> str:
    """The current request's id; a new one where none began (stdio, in-memory calls)."""
    return _CURRENT.get() or uuid.uuid4().hex
