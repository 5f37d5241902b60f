"""Variables in a configuration: ``${NAME}``, ``$NAME``, ``${NAME:-default}``, and ``$$`` for a dollar sign.

Only what the configuration itself declares is known: the names of ``build.env``, and the names under ``variables:``,
whose values the process environment may give. Anything else is an error with its line, so that nothing of a machine
gets into an image unseen. Texts that a shell will read are left as they are: their variables are the image's.

In ``build.env`` a variable may name itself (``PATH: /opt/bin:$PATH``): that is the value the base image has.

Pure. Knows texts and names; does not know where values come from.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MOST_CHARACTERS = 1 << 16
"""How long a text may become: names that name names must not fill the memory."""

MOST_DEEP = 50
"""How many names of ``build.env`` may name one another in a row."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^${}]*))?\}|(?P<wrong>))"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a text: what stands there, or (``name``) a reference, with the default it names."""

    text: str = ""
    name: str | None = None
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Around:
    """What stands before and behind the base image's own value of a variable."""

    before: str
    behind: str


def pieces(text: str) -> list[Piece]:
    """A text taken apart. Raises ``ValueError`` for a dollar sign that begins no reference."""
    found, end = [], 0
    for match in _REFERENCE.finditer(text):
        if match["wrong"] is not None:
            raise ValueError("has a $ that begins no variable")
        found.append(Piece(text[end : match.start()]))
        name = match["bare"] or match["name"]
        found.append(Piece("$") if match["dollar"] else Piece(name=name, default=match["default"]))
        end = match.end()
    return [piece for piece in [*found, Piece(text[end:])] if piece.text or piece.name]


def expanded(text: str, look: Callable[[str], str | None]) -> str:
    """The text with every reference exchanged. ``look`` answers None for a name that is declared and has no value.

    Raises ``ValueError`` for a wrong dollar sign, a text that grows too long, and a name that has neither value nor
    default; ``look`` raises it for names that are not declared.
    """
    parts = []
    for piece in pieces(text):
        parts.append(piece.text if piece.name is None else _value(piece, look(piece.name)))
        if sum(map(len, parts)) > MOST_CHARACTERS:
            raise ValueError(f"becomes longer than {MOST_CHARACTERS} characters")
    return "".join(parts)


def _value(piece: Piece, found: str | None) -> str:
    if piece.default is not None and not found:  # as in a shell: also instead of an empty one
        return piece.default
    if found is None:
        raise ValueError(f"uses {piece.name}, which has no value here")
    return found


@dataclass
class Variables:
    """The declared names and their values. ``variables`` holds None where the process environment gives nothing."""

    env: Mapping[str, str]
    variables: Mapping[str, str | None]
    _known: dict[str, str | Around] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def expand(self, text: str) -> str:
        """A text of anywhere but ``build.env``. Raises ``ValueError``."""
        return expanded(text, self._look)

    def value(self, name: str) -> str | Around:
        """The value of a name of ``build.env``. Raises ``ValueError``, also for names that name each other in turn."""
        if name not in self._known:
            if name in self._open:
                raise ValueError(f"names itself by way of {' and '.join(self._open[self._open.index(name) + 1 :])}")
            if len(self._open) >= MOST_DEEP:
                raise ValueError(f"needs a chain of more than {MOST_DEEP} variables")
            self._open.append(name)
            try:
                self._known[name] = self._made(name)
            finally:
                self._open.pop()
        return self._known[name]

    def _made(self, name: str) -> str | Around:
        text = self.env[name]
        own = [piece for piece in pieces(text) if piece.name == name]
        if not own or name in self.variables:
            return expanded(text, lambda other: self.variables[name] if other == name else self._look(other))
        if len(own) > 1 or own[0].default is not None:
            raise ValueError("names the base image's own value twice, or with a default")
        before, behind = _split(text, name)
        return Around(expanded(before, self._look), expanded(behind, self._look))

    def _look(self, name: str) -> str | None:
        if name in self.env:
            found = self.value(name)
            if isinstance(found, Around):
                raise ValueError(f"uses {name}, whose value only the base image knows")
            return found
        if name not in self.variables:
            raise ValueError(f"uses {name}, which is not declared")
        return self.variables[name]


def _split(text: str, name: str) -> tuple[str, str]:
    """What stands before and behind the one reference to this name."""
    for match in _REFERENCE.finditer(text):
        if name in (match["bare"], match["name"]):
            return text[: match.start()], text[match.end() :]
    raise ValueError(f"does not use {name}")
