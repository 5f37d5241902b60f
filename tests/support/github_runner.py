"""GitHub's runner as far as it reads: commands in the log, assignments in ``GITHUB_OUTPUT``, limits of the summary.

Written from the runner's own rules, apart from the code under test. Knows how a runner reads; does not know what is
told to it.
"""

import re
from dataclasses import dataclass, field

COMMANDS = frozenset(
    ("error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "stop-commands", "set-output", "set-env",
     "save-state", "add-path", "echo", "add-matcher", "remove-matcher")
)  # fmt: skip
SUMMARY_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Command:
    """One command the runner would carry out."""

    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)


def commands(log: str) -> list[Command]:
    """Every command in a log. Lines end as .NET ends them: CR, LF or both."""
    return [found for line in re.split("\r\n|\r|\n", log) if (found := _new_form(line) or _old_form(line))]


def _new_form(line: str) -> Command | None:
    line = line.lstrip()
    if not line.startswith("::"):
        return None
    info, separator, data = line[2:].partition("::")
    name, _, rest = info.partition(" ")
    if not separator or name not in COMMANDS:
        return None
    pairs = [pair.split("=", 1) for pair in rest.strip().split(",") if "=" in pair]
    return Command(name, _data(data), {key: _property(value) for key, value in pairs})


def _old_form(line: str) -> Command | None:
    _, found, rest = line.partition("##[")
    info, bracket, data = rest.partition("]")
    name = info.partition(" ")[0]
    return Command(name, data) if found and bracket and name in COMMANDS else None


def _data(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def _property(text: str) -> str:
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


class BadOutput(Exception):
    """The runner would fail the step."""


def outputs(text: str) -> dict[str, str]:
    """The step outputs a file sets; a later assignment wins. Raises ``BadOutput`` as the runner fails the step."""
    found: dict[str, str] = {}
    lines = iter(text.removesuffix("\n").split("\n") if text else [])
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
        elif heredoc > 0:
            name, _, delimiter = line.partition("<<")
            value = "\n".join(_until(delimiter, lines))
        else:
            raise BadOutput(f"invalid format {line!r}")
        if not name:
            raise BadOutput(f"no name in {line!r}")
        found[name] = value
    return found


def _until(delimiter: str, lines):
    for line in lines:
        if line == delimiter:
            return
        yield line
    raise BadOutput(f"matching delimiter not found {delimiter!r}")
