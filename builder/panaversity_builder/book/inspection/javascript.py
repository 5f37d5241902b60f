"""Just enough JavaScript to read literals out of a configuration: tokens, matching brackets, entries of an object.

PURE, in linear time, and never runs anything. What is not a literal is not guessed. Knows syntax; does not know
Docusaurus.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?(?:\*/|\Z))+", re.DOTALL)
_NAME = re.compile(r"[\w$]+")
_QUOTED = {quote: re.compile(rf"(?:[^{quote}\\\n]|\\.)*", re.DOTALL) for quote in "'\""}
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*")
_ESCAPE = re.compile(r"\\(u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\r\n|.)", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
_BEFORE_DIVISION = frozenset(")]}")
_OPENING: Final = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token: a string's value, a name (numbers too), a mark (one character), or ``opaque`` text."""

    kind: Literal["string", "name", "mark", "opaque"]
    text: str

    def is_mark(self, *marks: str) -> bool:
        return self.kind == "mark" and self.text in marks


def tokens(text: str) -> list[Token]:
    """The tokens of a source text. Never raises: what is malformed becomes marks."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        token, at = _next(text, at, found)
        found.append(token)
    return found


def _next(text: str, at: int, before: Sequence[Token]) -> tuple[Token, int]:
    character = text[at]
    if character in _QUOTED:
        body = _QUOTED[character].match(text, at + 1)
        assert body is not None
        return Token("string", _unescaped(body.group())), body.end() + 1
    if character == "`":
        return _template(text, at)
    if name := _NAME.match(text, at):
        return Token("name", name.group()), name.end()
    if character == "/" and _begins_regex(before) and (regex := _REGEX.match(text, at)):
        return Token("opaque", regex.group()), regex.end()
    return Token("mark", character), at + 1


def _begins_regex(before: Sequence[Token]) -> bool:
    """A slash divides after a value and begins a regular expression elsewhere."""
    if not before:
        return True
    last = before[-1]
    return (last.kind == "mark" and last.text not in _BEFORE_DIVISION) or last == Token("name", "return")


def _template(text: str, at: int) -> tuple[Token, int]:
    """A template without ``${`` is a string; one with it is opaque, whatever it holds."""
    end, depth, plain = at + 1, 0, True
    while end < len(text):
        if text[end] == "\\":
            end += 1
        elif depth == 0 and text[end] == "`":
            break
        elif text.startswith("${", end):
            depth, plain = depth + 1, False
        elif depth and text[end] == "}":
            depth -= 1
        end += 1
    body = text[at + 1 : end]
    return Token("string" if plain else "opaque", _unescaped(body) if plain else body), end + 1


def _unescaped(body: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] in "ux" and len(code) > 1:
            number = int(code.strip("ux{}"), 16)
            return chr(number) if number <= 0x10FFFF else ""
        return _PLAIN.get(code, code)

    units = _ESCAPE.sub(one, body)  # a character beyond U+FFFF may be written as two escapes, a half one means nothing
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens from ``start`` up to ``end``."""

    start: int
    end: int


class Source:
    """A source text as tokens, with the partner of every bracket."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self._partner = _partners(self.tokens)
        self._constants: dict[str, str] | None = None

    def unwrapped(self, span: Span) -> Span:
        """The span without parentheses around it: ``({…})`` is ``{…}``."""
        start, end = span.start, span.end
        while start < end and self.tokens[start].is_mark("("):
            start, end = start + 1, min(end, self._partner.get(start, end))
        return Span(start, end)

    def entries(self, span: Span) -> dict[str, Span] | None:
        """Key → value of the object literal that the span begins with; None when it is none.

        A shorthand (``title,``) is its own value; methods and spreads are left out.
        """
        span = self.unwrapped(span)
        if span.start >= span.end or not self.tokens[span.start].is_mark("{"):
            return None
        found: dict[str, Span] = {}
        for part in self._parts(span.start):
            key = self.tokens[part.start]
            if key.kind not in ("name", "string"):
                continue
            if part.start + 1 < part.end and self.tokens[part.start + 1].is_mark(":"):
                found[key.text] = Span(part.start + 2, part.end)
            elif part.end == part.start + 1:
                found[key.text] = part
        return found

    def items(self, span: Span) -> list[Span] | None:
        """The elements of the array literal that the span begins with; None when it is none."""
        span = self.unwrapped(span)
        if span.start >= span.end or not self.tokens[span.start].is_mark("["):
            return None
        return self._parts(span.start)

    def literal(self, span: Span) -> str | bool | None:
        """The string or truth value of a span, by way of a ``const`` of this file if need be; None when it is none."""
        span = self.unwrapped(span)
        if span.end != span.start + 1:
            return None
        token = self.tokens[span.start]
        if token.kind == "string":
            return token.text
        if token.kind == "name" and token.text in ("true", "false"):
            return token.text == "true"
        return self.constants.get(token.text) if token.kind == "name" else None

    @property
    def constants(self) -> dict[str, str]:
        """Strings that ``const`` gives a name."""
        if self._constants is None:
            every = self.tokens
            self._constants = {
                every[i + 1].text: every[i + 3].text
                for i in range(len(every) - 3)
                if every[i] == Token("name", "const")
                and every[i + 2].is_mark("=")
                and every[i + 3].kind == "string"
                and (i + 4 == len(every) or not every[i + 4].is_mark("+", "."))
            }
        return self._constants

    def _parts(self, opening: int) -> list[Span]:
        """What stands between the commas of a bracket."""
        end = self._partner.get(opening, len(self.tokens))
        parts, start, at = [], opening + 1, opening + 1
        while at < end:
            if self.tokens[at].is_mark(","):
                parts.append(Span(start, at))
                start = at + 1
            at = max(self._partner.get(at, at), at) + 1
        return [part for part in (*parts, Span(start, end)) if part.start < part.end]


def _partners(every: Sequence[Token]) -> dict[int, int]:
    """Opening bracket → its closing one. What nobody closes, or another kind closes, has no partner."""
    partner: dict[int, int] = {}
    open_ones: list[int] = []
    for at, token in enumerate(every):
        if token.kind != "mark":
            continue
        if token.text in _OPENING:
            open_ones.append(at)
        elif open_ones and token.text == _OPENING[every[open_ones[-1]].text]:
            partner[open_ones.pop()] = at
    return partner
