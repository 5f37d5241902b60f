"""A job of GitHub's runner as a listener: annotations, groups, step outputs, the job summary (FEATURES 1).

Everything here is told beside the work and never stops it: a file that cannot be written is one warning. Outside a job
only the log's part remains. Knows the job's variables and files; does not know commands or exit statuses.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping

from panaversity_builder.console.github import (
    Level,
    assignments,
    file_in_repository,
    outputs,
    workflow_command,
)
from panaversity_builder.console.summary import SUMMARY_BYTES, Body, failure, summary
from panaversity_builder.console.texts import particular
from panaversity_fs.core.errors import PanaversityError

MOST_ANNOTATIONS = 9
"""Of one level. The runner keeps ten a step; more would be dropped without a word."""
_NOTICED: Mapping[str, Level] = {"obstacles": "warning", "diverged_files": "notice"}


class Job:
    """One step of a job. ``say`` writes a line to the log as it is. ``places`` are the folders that paths lie in."""

    def __init__(self, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._environ, self._say = environ, say
        self.places: Mapping[str, str] = {}
        self._said: Counter[Level] = Counter()

    def mask(self, secret: str | None) -> None:
        """Have the runner hide a secret. Only inside a job: anywhere else the command itself would show it."""
        if secret and self._environ.get("GITHUB_ACTIONS") == "true":
            self._say(workflow_command("add-mask", secret))

    def begin(self, title: str) -> None:
        """The lines that follow are folded under this title."""
        self._say(workflow_command("group", title))

    def end(self) -> None:
        """No more lines under the last title."""
        self._say(workflow_command("endgroup"))

    def annotate(
        self, level: Level, text: str, *, title: str = "", file: str | None = None, line: object = None
    ) -> bool:
        """One annotation; False beyond nine of a level, which are only counted for ``close``."""
        self._said[level] += 1
        if self._said[level] > MOST_ANNOTATIONS:
            return False
        self._say(workflow_command(level, text, file=file, line=line, title=title))
        return True

    def succeeded(self, command: str, body: Body, page: Callable[[int], str] | None = None) -> None:
        """Outputs, summary (``page``, if the command has its own) and annotations of one that answered ``body``."""
        for name, level in _NOTICED.items():
            self._particulars(level, name, body.get(name), title=name.replace("_", " "))
        self._assign(outputs({"status": "done", **body}))
        self._summarise(page or (lambda limit: summary(command, body, limit)))

    def failed(self, command: str, error: PanaversityError, body: Body) -> None:
        """The same of a command that failed; ``body`` is what is known of the run all the same."""
        self.annotate("error", str(error), title=error.code)
        for name, value in error.details.items():
            if name != "log_tail":
                self._particulars("error", name, value, title=error.code)
        told = {**body, "status": "failed", "error_code": error.code}
        self._assign(outputs(told) | {"exit-status": str(error.exit_status)})
        self._summarise(lambda limit: failure(command, error, body, limit))

    def close(self) -> None:
        """Say how many annotations the runner was spared."""
        for level, number in sorted(self._said.items()):
            if number > MOST_ANNOTATIONS:
                more = number - MOST_ANNOTATIONS
                self._say(workflow_command("notice", f"{more} more {level}s, see the log and the job summary"))
        self._said.clear()

    def _particulars(self, level: Level, name: str, items: object, title: str) -> None:
        for item in items if isinstance(items, list | tuple) else ():
            if isinstance(item, Mapping) and (item.get("path") or item.get("source")):
                self.annotate(level, particular(item), title=title, file=self._file(item), line=item.get("line"))
            elif name in _NOTICED:
                self.annotate(level, str(item), title=title)

    def _file(self, item: Mapping[str, object]) -> str | None:
        """Where the file an error lists stands in the checkout, if it does: what has a source is the author's."""
        for key, place in (("source", "source"), ("path", "output")):
            if item.get(key):
                folder = self.places.get(place)
                path = os.path.join(folder, str(item[key])) if folder else None
                return file_in_repository(path, self._environ.get("GITHUB_WORKSPACE")) if path else None
        return None

    def _assign(self, values: Mapping[str, str]) -> None:
        self._append("GITHUB_OUTPUT", lambda _held: assignments(values))

    def _summarise(self, page: Callable[[int], str]) -> None:
        self._append("GITHUB_STEP_SUMMARY", lambda held: page(SUMMARY_BYTES - held))

    def _append(self, variable: str, text: Callable[[int], str]) -> None:
        """Add to a file of the job; ``text`` is told how many bytes are there already."""
        path = self._environ.get(variable)
        if not path:
            return
        try:
            with open(path, "ab+") as file:
                held = file.seek(0, os.SEEK_END)
                begin = b"" if held == 0 or _ends_a_line(path, held) else b"\n"
                data = begin + text(held + len(begin)).encode("utf-8", "backslashreplace")
                file.write(data)
        except (OSError, ValueError) as error:
            self.annotate("warning", f"{variable}: nothing could be written ({error})")
            return
        if data == begin:
            self.annotate("warning", f"{variable}: {path} is full; nothing was added")


def _ends_a_line(path: str, size: int) -> bool:
    with open(path, "rb") as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"
