"""What is learned about a request while it is answered, and the one log line it leaves behind (S27).

Knows one context variable and the fields of a line; does not know formats, doors or figures. No body, no header and no
token ever comes here; texts of callers are cut, and whoever writes the line escapes them.
"""

import logging
from contextvars import ContextVar
from dataclasses import dataclass

from panaversity_fs.api.tracing import request_id
from panaversity_fs.core.errors import BuildError, InvalidArgument, ReadOnly, error_types
from panaversity_fs.core.paths import require_book_id

logger = logging.getLogger("panaversity_fs.access")

MAX_FIELD = 200
"""Characters of a caller's text that a line keeps."""
OK = "OK"


@dataclass(slots=True)
class Note:
    """One request: who said to call, which book, and the code of the error it was answered with (None: it went well).

    ``partial`` is true for an archive that had to leave files out. The same object
    is seen by every task that answers the request.
    """

    agent: str | None = None
    book_id: str | None = None
    code: str | None = None
    partial: bool = False

    def left_out(self) -> None:
        """The archive being sent is not whole."""
        self.partial = True


_CURRENT: ContextVar[Note | None] = ContextVar("panaversity_note", default=None)


def begin_note() -> Note:
    """A new note, in force for the rest of this request."""
    note = Note()
    _CURRENT.set(note)
    return note


def current_note() -> Note:
    """The note in force; a new one where no request began (stdio, in-memory calls)."""
    return _CURRENT.get() or begin_note()


ANSWERED_CODES = frozenset(kind.code for kind in error_types() if not issubclass(kind, BuildError))
"""Every code a server may answer."""
_OURS = frozenset(kind.code for kind in error_types() if kind.http_status >= 500) - {ReadOnly.code}


def book_named(value: object) -> str | None:
    """The book a caller names, if that can be the name of one: nothing else of its arguments is logged."""
    try:
        return require_book_id(value, "log") if isinstance(value, str) else None
    except InvalidArgument:
        return None


def outcome_of(code: str | None, status: int = 200) -> str:
    """The word the figures use: ``ok``, ``refused`` (the caller's business) or ``failed`` (ours)."""
    if code is None and status < 400:
        return "ok"
    return "failed" if code in _OURS or (status >= 500 and code != ReadOnly.code) else "refused"


def log_answer(name: str, outcome: str, note: Note, seconds: float, **more: object) -> None:
    """The line of one answered call or request. Failures of ours are warnings, everything else is information."""
    fields: dict[str, object] = {
        "request_id": request_id(),
        "name": name,
        "outcome": outcome,
        "code": note.code or OK,
        "duration_ms": round(seconds * 1000, 1),
        "book_id": _cut(note.book_id),
        "agent": _cut(note.agent),
        **more,
    }
    level = logging.WARNING if outcome == "failed" else logging.INFO
    logger.log(level, "answered", extra={"fields": {k: v for k, v in fields.items() if v is not None}})


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= MAX_FIELD else text[:MAX_FIELD] + "…"
