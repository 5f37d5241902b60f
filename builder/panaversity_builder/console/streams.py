"""The standard streams of a process, made to last: whoever writes to them never fails for it.

A reader that goes away (``| head``) is nobody's failure; a stream that cannot be written otherwise (a full disk) is
remembered, and everything after is forgotten: ours, click's and the interpreter's last flush alike. Knows descriptors;
does not know what is said, nor what a fault leads to.
"""

import io
import os
from collections.abc import Callable
from typing import Any, TextIO, cast


class _Lasting:
    """A text stream that takes everything; ``fault`` is why it passed nothing on."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self.fault: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """See ``io.TextIOBase``."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """See ``io.IOBase``."""
        self._try(self._stream.flush)

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except OSError as fault:
            self.fault = None if isinstance(fault, BrokenPipeError) else fault
            self._forget()

    def _forget(self) -> None:
        """Point the descriptor at nothing: whatever is buffered, and what children write to it, goes there."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, self._stream.fileno())
        finally:
            os.close(nowhere)


def lasting(stream: TextIO | None) -> TextIO:
    """The same stream, lasting; text that it cannot encode is escaped. For one that is closed, one that forgets."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):  # a test's
        return stream
    stream.reconfigure(errors="backslashreplace")
    return cast(TextIO, _Lasting(stream))


def fault_of(stream: TextIO) -> OSError | None:
    """Why a lasting stream could not be written; None when it could, or when only its reader went away."""
    return stream.fault if isinstance(stream, _Lasting) else None
