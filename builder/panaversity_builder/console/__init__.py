"""What a person or a script sees: data on stdout, everything else on stderr (DESIGN 10).

A stream that cannot be written never stops the work: what cannot be said any more is not said (``streams``), and why
is known at the end. Knows formats; does not know commands, and never decides an exit status (``edge`` does).
"""

import errno
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

from panaversity_builder.console.streams import fault_of
from panaversity_builder.console.texts import error_lines
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.errors import ConfigInvalid, NoSpace, PanaversityError

if TYPE_CHECKING:
    from panaversity_builder.console.job import Job

Format = Literal["text", "json", "github", "markdown"]
AGENTS = ("AI_AGENT", "CLAUDECODE", "CODEX_SANDBOX")
"""Variables by which a coding agent tells that it reads our output: plain lines, no bars (FEATURES 3)."""
SCHEMA_VERSION = 1
"""Of every JSON object on stdout; raised when a field changes its meaning or goes."""


@dataclass(slots=True)
class Manner:
    """How to speak: format, and verbosity from -1 (results and trouble only) over 0 to 1 (notes too).

    ``command`` is what was called, as headings name it.
    """

    format: Format = "text"
    verbosity: int = 0
    command: str = ""


class Console:
    """Two streams and a manner. ``manner`` may change once, when the command line has been read."""

    def __init__(self, stdout: TextIO, stderr: TextIO, environ: Mapping[str, str]) -> None:
        self._out, self._err = stdout, stderr
        self._environ = environ
        self.manner = Manner()
        self.log_dir: str | None = None
        self.known: dict[str, object] = {}
        """What is known of this run beside its result: told with it, or with its failure, to GitHub."""
        self._progress: Progress | None = None
        self._job: Job | None = None

    @property
    def job(self) -> "Job | None":
        """The job we are a step of, in the format ``github`` only."""
        if self._job is None and self.manner.format == "github":
            from panaversity_builder.console.job import Job

            self._job = Job(self._environ, self._command_line)
        return self._job

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
        """True on a terminal that can redraw a line, with a person in front of it."""
        plain = self.manner.format == "github" or any(map(self._environ.get, ("CI", *AGENTS)))
        return self._err.isatty() and self._environ.get("TERM") != "dumb" and not plain

    @property
    def coloured(self) -> bool:
        """True when colour is wanted: ``NO_COLOR`` forbids it, ``FORCE_COLOR`` asks for it, else a terminal has it."""
        if self._environ.get("NO_COLOR"):
            return False
        if (forced := self._environ.get("FORCE_COLOR")) is not None:
            return forced not in ("0", "false")
        return self._err.isatty() and self._environ.get("TERM") != "dumb" and not any(map(self._environ.get, AGENTS))

    @property
    def error_stream(self) -> TextIO:
        """Where bars are drawn."""
        return self._err

    def result(
        self, lines: Iterable[str], body: Mapping[str, object], page: Callable[[int], str] | None = None
    ) -> None:
        """The result of a command: its lines as text (none when quiet), one JSON object, or a page of Markdown.

        In the format ``github`` the lines, and beside them what the job keeps of ``body``: outputs and a summary.
        ``page`` makes the Markdown, of at most so many bytes, for a command that has a better one than any body has.
        """
        match self.manner.format:
            case "json":
                self._say_object({k: v for k, v in body.items() if k != "schema_version"})
                return
            case "markdown":
                from panaversity_builder.console.summary import COMMENT_BYTES, summary

                self.data([page(COMMENT_BYTES) if page else summary(self.manner.command, body, COMMENT_BYTES)], end="")
                return
        if self.manner.verbosity >= 0:
            self.data(lines)
        if self.job is not None:
            self.job.succeeded(self.manner.command, {**body, **self.known}, page)

    def data(self, lines: Iterable[str], end: str = "\n") -> None:
        """Lines that were asked for, quiet or not."""
        _write(self._out, "".join(self._harmless(line) + end for line in lines))

    def _say_object(self, body: Mapping[str, object]) -> None:
        self.data([json.dumps({"schema_version": SCHEMA_VERSION, **body}, ensure_ascii=False)])

    def say(self, line: str) -> None:
        """One line beside the result."""
        self._command_line(self._harmless(line))

    def _command_line(self, line: str) -> None:
        _write(self._err, line + "\n")

    def _harmless(self, line: str) -> str:
        if self.manner.format != "github":
            return line
        from panaversity_builder.console.github import inert

        return inert(line)

    def warn(self, text: str) -> None:
        """Something everybody should see; nothing failed."""
        if self.job is None or not self.job.annotate("warning", text):
            self.say(f"warning: {text}")

    def group(self, title: str | None) -> None:
        """In the log of a job, fold what follows under a title; None ends that. Nothing elsewhere."""
        if self.job is not None and self.manner.verbosity >= 0:
            self.job.begin(title) if title else self.job.end()

    def error(self, error: PanaversityError) -> None:
        """A failure: ``error CODE: sentence`` and its particulars on stderr, or one JSON object on stdout.

        As Markdown a page on stdout besides; as annotations, outputs and summary in a job.
        """
        if self.manner.format == "json":
            self._say_object({"error": {**error.to_wire()["error"], "exit_status": error.exit_status}})
            return
        first, *rest = error_lines(error)
        if self.job is not None:
            self.job.failed(self.manner.command, error, self.known)
        else:
            self.say(first.replace("error", "\x1b[1;31merror\x1b[0m", 1) if self.coloured else first)
        for line in rest:
            self.say(line)
        if self.manner.format == "markdown":
            from panaversity_builder.console.summary import COMMENT_BYTES, failure

            self.data([failure(self.manner.command, error, self.known, COMMENT_BYTES)], end="")

    def close(self) -> None:
        """End a bar that is still drawn, and flush."""
        if self._progress is not None:
            self._progress.finish()
        self._progress = SILENT
        if self._job is not None:
            self._job.close()
        self._out.flush()
        self._err.flush()

    @property
    def unsaid(self) -> PanaversityError | None:
        """The failure of a stream that could not be written; what was to be said since then is lost."""
        for name, stream in (("standard output", self._out), ("standard error", self._err)):
            if (fault := fault_of(stream)) is not None:
                full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
                kind, hint = (NoSpace, "Free some space") if full else (ConfigInvalid, "Send it elsewhere")
                return kind(self.manner.command or "panaversity", name, f"cannot be written ({fault.strerror})", hint)
        return None


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
