"""The inputs of the five actions: which there are, what each may hold, and what becomes of it.

A text becomes a ``PANAVERSITY_`` variable and is judged by the command itself; a choice is judged here; a switch
becomes a flag of our own spelling. So no shell ever sees a text of a caller, and only the two operands of a comparison
become words of a command line, behind ``--``. An input that is empty, or only white space, counts as not given. Pure;
does not know the process, the runner or any command.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "secret", "choice", "switch"]

TRUE, FALSE = frozenset(("true", "True", "TRUE")), frozenset(("false", "False", "FALSE"))
"""The spellings of a boolean that GitHub's own toolkit takes."""


class Refused(ValueError):
    """What a step cannot go on with. ``subject`` is the input or thing at fault, ``hint`` what to do."""

    def __init__(self, subject: str, problem: str, hint: str, status: int = 2) -> None:
        super().__init__(f"{subject}: {problem}. {hint}.")
        self.status = status


@dataclass(frozen=True, slots=True)
class Input:
    """One input. ``becomes`` is a variable or, of a switch, the words its truth adds; empty: the step reads it."""

    name: str
    kind: Kind = "text"
    becomes: str = ""
    choices: tuple[str, ...] = ()


_COMMON = (
    Input("book-id", becomes="PANAVERSITY_BOOK_ID"),
    Input("server-url", becomes="PANAVERSITY_MCP_URL"),
    Input("login", "choice", choices=("auto", "github", "none")),
    Input("token", "secret", "PANAVERSITY_TOKEN"),
    Input("audience"),
    Input("working-directory"),
    Input("summary", "switch"),
)
_CACHE = (
    Input("enable-cache", "choice", choices=("auto", "true", "false")),
    Input("restore-cache", "switch"),
    Input("save-cache", "choice", choices=("auto", "true", "false")),
    Input("cache-suffix"),
)
_HYDRATE = (
    Input("output-dir", becomes="PANAVERSITY_OUTPUT_DIR"),
    Input("full-rebuild", "switch", "--full-rebuild"),
    Input("fallback", "choice", choices=("full", "fail")),
    Input("on-unavailable", "choice", "PANAVERSITY_ON_UNAVAILABLE", ("fail", "use-cache")),
)
_INGEST = (
    Input("source-dir", becomes="PANAVERSITY_SOURCE_DIR"),
    Input("overwrite", "switch", "--overwrite"),
    Input("max-deletes", becomes="PANAVERSITY_MAX_DELETES"),
    Input("schema", "choice", "PANAVERSITY_SCHEMA", ("strict", "docusaurus")),
    Input("numbering", "choice", "PANAVERSITY_NUMBERING", ("number-name", "name-number")),
)
_SCOPE = Input("scope", "choice", "PANAVERSITY_SCOPE", ("all", "content", "assets"))

INPUTS: Mapping[str, tuple[Input, ...]] = {
    "setup": (Input("python-version"), Input("version")),
    "ingest": (*_COMMON, *_INGEST, Input("dry-run", "switch", "--dry-run")),
    "hydrate": (
        *_COMMON, *_HYDRATE, _SCOPE,
        Input("tree", "choice", "PANAVERSITY_TREE", ("source", "storage")),
        Input("verify", "switch", "--verify"),
        *_CACHE,
    ),
    "build": (
        *_COMMON,
        Input("site-dir", becomes="PANAVERSITY_SITE_DIR"),
        *_HYDRATE,
        Input("ingest", "switch"),
        *_INGEST,
        Input("npm-ci", "choice", choices=("auto", "true", "false")),
        Input("docusaurus-cache", "switch"),
        Input("remote-cache", "switch"),
        Input("time-limit", becomes="PANAVERSITY_SITE_TIME_LIMIT"),
        *_CACHE,
    ),
    "manifest-diff": (
        *_COMMON,
        Input("from"),
        Input("to"),
        Input("source-dir", becomes="PANAVERSITY_SOURCE_DIR"),
        Input("output-dir", becomes="PANAVERSITY_OUTPUT_DIR"),
        _SCOPE,
        Input("fail-on-difference", "switch"),
        Input("comment", "switch"),
        Input("github-token", "secret"),
    ),
}  # fmt: skip
"""Action → its inputs, in the order of its ``action.yml``; a test holds both equal."""


class Given:
    """The inputs of one action as they were given, judged."""

    def __init__(self, action: str, values: Mapping[str, str]) -> None:
        self._values = values
        self._table = {one.name: one for one in INPUTS[action]}

    def text(self, name: str) -> str:
        """What was given, without white space around it; empty if nothing was."""
        return self._values.get(self._table[name].name, "").strip()

    def is_on(self, name: str, default: bool = False) -> bool:
        """Whether a switch is on. Raises ``Refused`` for anything but a boolean: a guess might write."""
        value = self.text(name)
        if value in TRUE or value in FALSE or not value:
            return value in TRUE if value else default
        raise Refused(f"input {name}", f"{shown(value)} is neither true nor false", "Write it as 'true' or 'false'")

    def choice(self, name: str, default: str = "") -> str:
        """The word that was chosen. Raises ``Refused`` for one that is none of the choices."""
        value, choices = self.text(name), self._table[name].choices
        if value and value not in choices:
            raise Refused(f"input {name}", f"{shown(value)} is not one of {', '.join(choices)}", "Choose one of them")
        return value or default

    def variables(self) -> dict[str, str]:
        """The variables the command reads, of every input that has one and was given."""
        found = ((one.becomes, self._judged(one)) for one in self._table.values() if one.kind != "switch")
        return {name: value for name, value in found if name and value}

    def flags(self) -> list[str]:
        """The flags of every switch that is on."""
        return [
            one.becomes for one in self._table.values() if one.kind == "switch" and one.becomes and self.is_on(one.name)
        ]

    def judge(self) -> None:
        """Raise ``Refused`` for the first input that is wrong, before anything is done."""
        for one in self._table.values():
            self._judged(one)

    def _judged(self, one: Input) -> str:
        match one.kind:
            case "switch":
                return str(self.is_on(one.name)).lower()
            case "choice":
                return self.choice(one.name)
        return self.text(one.name)

    def secrets(self) -> Iterator[str]:
        """What must not be seen in a log: every line of it, for the runner masks by the line."""
        for one in self._table.values():
            if one.kind == "secret":
                yield from filter(None, (line.strip() for line in self.text(one.name).splitlines()))


def given(action: str, text: str) -> Given:
    """The inputs of an action from ``toJSON(inputs)``. Raises ``Refused`` for a text that is no such object."""
    try:
        values: Any = json.loads(text or "{}")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise Refused("INPUTS", "is not a JSON object", "This is for action.yml to set")
    known = {one.name for one in INPUTS[action]}
    return Given(action, {name: value for name, value in values.items() if name in known and isinstance(value, str)})


def shown(text: str, most: int = 80) -> str:
    """A caller's text inside a sentence: on one line, quoted, cut."""
    return json.dumps(text if len(text) <= most else text[: most - 1] + "…", ensure_ascii=False)
