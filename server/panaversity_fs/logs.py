"""The server's log on standard error: one line an event, as text for people or as JSON for machines (S27).

Knows formats and levels; does not know what is logged. Whatever a message holds cannot forge another line or move a
terminal, and what an exception says stays out of the log: it may quote what a caller sent.
"""

import json
import logging
import sys
import traceback
import unicodedata
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

Form = Literal["text", "json"]
TALKATIVE = ("panaversity_fs.access", "panaversity_fs.serve")
"""The loggers that speak while all is well: a line for every call and request, and where the server listens."""

_UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")
_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def configure_logging(form: Form | None = None, *, talkative: bool = True) -> None:
    """Log to standard error; ``form`` is by default text on a terminal and JSON anywhere else.

    Not ``talkative``: trouble only, for a client that owns this process and shows what it says (stdio).
    """
    handler = logging.StreamHandler(sys.stderr)
    text = form == "text" or (form is None and sys.stderr.isatty())
    handler.setFormatter(TextLines() if text else JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO if talkative else logging.WARNING)


class _Frames(logging.Formatter):
    """Tracebacks without messages: kinds of errors and places in the code only."""

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - the name is logging's
        return "\n".join(self.frames(ei[1]))

    def frames(self, fault: BaseException | None) -> list[str]:
        """The chain of faults, the first cause last; one line a frame."""
        lines: list[str] = []
        seen: set[int] = set()
        while fault is not None and id(fault) not in seen:
            seen.add(id(fault))
            lines.append(type(fault).__name__)
            lines += [f"  {f.filename}:{f.lineno} in {f.name}" for f in traceback.extract_tb(fault.__traceback__)]
            fault = fault.__cause__ or fault.__context__
        return lines


class TextLines(_Frames):
    """``ERROR panaversity_fs.api: …``; news as it is; an answered call as ``write_content OK 3.1 ms book_id=…``."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            return escaped(_sentence(fields))
        return escaped(record.message if record.levelno <= logging.INFO else super().formatMessage(record))


def _sentence(fields: dict[str, object]) -> str:
    rest = dict(fields)
    name, _, code, duration = (rest.pop(key, "") for key in ("name", "outcome", "code", "duration_ms"))
    return " ".join([f"{name} {code} {duration} ms", *(f"{key}={value}" for key, value in rest.items())])


class JsonLines(_Frames):
    """One object a line: time (ISO 8601, UTC), level, logger, event, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= fields
        if record.exc_info:
            line["traceback"] = self.frames(record.exc_info[1])
        # ASCII only: every control and format character leaves as an escape. DEL is the one JSON lets through.
        return json.dumps(line, default=str).replace("\x7f", "\\u007f")


def escaped(text: str) -> str:
    """The text with every control, format and surrogate character spelled out."""
    return "".join(c if unicodedata.category(c) not in _UNSAFE else f"\\u{ord(c):04x}" for c in text)
