"""What a person or a script sees: data on stdout, everything else on stderr (DESIGN 10).

A reader that goes away (``| head``) never stops the work: what cannot be said any more is not said. Knows streams and
formats; does not know commands, and never decides an exit status (``edge`` does).
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

from panaversity_builder.console.texts import error_lines, phase_line
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.errors import PanaversityError

if TYPE_CHECKING:
    from panaversity_builder.engine import PhaseEvent

Format = Literal["text", "json"]
SCHEMA_VERSION = 1
"""Of every JSON object on stdout; raised when a field changes its meaning or goes."""


@dataclass(slots=True)
class Manner:
    """How to speak: format, and verbosity from -1 (results and trouble only) over 0 to 1 (notes too)."""

    format: Format = "text"
    verbosity: int = 0


class Console:
    """Two streams and a manner. ``manner`` may change once, when the command line has been read."""

    def __init__(self, stdout: TextIO, stderr: TextIO, environ: Mapping[str, str]) -> None:
        self._out, self._err = stdout, stderr
        self._environ = environ
        self.manner = Manner()
        self.log_dir: str | None = None
        self._progress: Progress | None = None

    @property
    def progress(self) -> Progress:
        """The listener for work: bars on a terminal, plain lines elsewhere, only trouble when quiet."""
        if self._progress is None:
            self._progress = self._listener()
        return self._progress

    def _listener(self) -> Progress:
        from panaversity_builder.console.bars import Bars, Lines

        if self.manner.verbosity >= 0 and self.lively:
            return Bars(self)
        return Lines(self)

    @property
    def lively(self) -> bool:
        """True on a terminal that can redraw a line."""
        return self._err.isatty() and self._environ.get("TERM") != "dumb" and not self._environ.get("CI")

    @property
    def coloured(self) -> bool:
        """True when colour is wanted: ``NO_COLOR`` forbids it, ``FORCE_COLOR`` asks for it, else a terminal has it."""
        if self._environ.get("NO_COLOR"):
            return False
        return bool(self._environ.get("FORCE_COLOR")) or (self._err.isatty() and self._environ.get("TERM") != "dumb")

    @property
    def error_stream(self) -> TextIO:
        """Where bars are drawn."""
        return self._err

    def result(self, lines: Iterable[str], body: Mapping[str, object]) -> None:
        """The result of a command: its lines as text (none when quiet), or one JSON object, version first."""
        if self.manner.format == "json":
            rest = {k: v for k, v in body.items() if k != "schema_version"}
            self._say_out(json.dumps({"schema_version": SCHEMA_VERSION, **rest}, ensure_ascii=False))
        elif self.manner.verbosity >= 0:
            self.data(lines)

    def data(self, lines: Iterable[str], end: str = "\n") -> None:
        """Lines that were asked for, quiet or not."""
        self._out = _write(self._out, "".join(line + end for line in lines))

    def _say_out(self, line: str) -> None:
        self.data([line])

    def say(self, line: str) -> None:
        """One line beside the result."""
        self._err = _write(self._err, line + "\n")

    def phase(self, event: "PhaseEvent") -> None:
        """How a lifecycle comes along, one line an event worth one."""
        line = phase_line(event, self.manner.verbosity)
        if line and self.manner.verbosity >= 0:
            self.say(line)

    def error(self, error: PanaversityError) -> None:
        """A failure: ``error CODE: sentence`` and its particulars on stderr, or one JSON object on stdout."""
        if self.manner.format == "json":
            body = {**error.to_wire()["error"], "exit_status": error.exit_status}
            self._say_out(json.dumps({"schema_version": SCHEMA_VERSION, "error": body}, ensure_ascii=False))
            return
        first, *rest = error_lines(error)
        self.say(first.replace("error", "\x1b[1;31merror\x1b[0m", 1) if self.coloured else first)
        for line in rest:
            self.say(line)

    def close(self) -> None:
        """End a bar that is still drawn, and flush."""
        if self._progress is not None:
            self._progress.finish()
        self._progress = SILENT
        self._out, self._err = _write(self._out, ""), _write(self._err, "")


def _write(stream: TextIO, text: str) -> TextIO:
    """Write and flush; a stream whose reader has gone is replaced by one that forgets."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _forget(stream)
    return stream


def _forget(stream: TextIO) -> None:
    """Point the stream's descriptor at nothing, so that later writes and the interpreter's last flush succeed."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
