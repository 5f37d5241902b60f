"""Expressions of GitHub's workflow language, as a runner evaluates them: one parser that computes as it reads.

Written from GitHub's documentation; ``test_action_expressions.py`` compares the results with ``@actions/expressions``.
Values are None, bool, float, str, list and dict. Knows the language; does not know jobs, steps or what contexts mean.
Left out, as no action of ours uses it: the object filter ``*``.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Functions = Mapping[str, Callable[..., Any]]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>[-+]?(?:0x[0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<sign>==|!=|<=|>=|&&|\|\||[][().,!<>]))"
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None, "NaN": math.nan, "Infinity": math.inf}
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))


class BadExpression(Exception):
    """The runner would refuse the workflow."""


def evaluate(text: str, contexts: Mapping[str, Any], functions: Functions | None = None) -> Any:
    """The value of an expression without its ``${{ }}``. Raises ``BadExpression``."""
    reader = _Reader(
        text, {name.lower(): value for name, value in contexts.items()}, {**_FUNCTIONS, **(functions or {})}
    )
    value = reader.level(0)
    if reader.token[0] != "end":
        raise BadExpression(f"{reader.token[1]!r} after the end of {text!r}")
    return value


def interpolate(text: str, contexts: Mapping[str, Any], functions: Functions | None = None) -> Any:
    """A text with its ``${{ }}`` replaced; a text that is one expression keeps that expression's type."""
    pieces = re.split(r"\$\{\{((?:[^'}]|'(?:[^']|'')*'|\}(?!\}))*)\}\}", text)
    if len(pieces) == 3 and not pieces[0] and not pieces[2]:
        return evaluate(pieces[1], contexts, functions)
    if len(pieces) == 1:
        return text
    odd = (as_text(evaluate(one, contexts, functions)) if i % 2 else one for i, one in enumerate(pieces))
    return "".join(odd)


class _Reader:
    """Reads and computes. What ``&&`` and ``||`` skip is computed all the same: nothing here has an effect."""

    def __init__(self, text: str, contexts: Mapping[str, Any], functions: Functions) -> None:
        self._text, self._contexts, self._functions = text, contexts, {k.lower(): f for k, f in functions.items()}
        self._place = 0
        self.token = ("", "")
        self._next()

    def _next(self) -> tuple[str, str]:
        before = self.token
        if not self._text[self._place :].strip():
            self.token = ("end", "")
            return before
        match = _TOKEN.match(self._text, self._place)
        if match is None:
            raise BadExpression(f"cannot be read: {self._text[self._place :]!r}")
        self._place = match.end()
        self.token = (match.lastgroup or "", match[match.lastgroup or 0])
        return before

    def _take(self, sign: str) -> bool:
        if self.token == ("sign", sign):
            self._next()
            return True
        return False

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise BadExpression(f"{sign} is missing in {self._text!r}")

    def level(self, depth: int) -> Any:
        if depth == len(_LEVELS):
            return self._unary()
        value = self.level(depth + 1)
        while self.token[0] == "sign" and self.token[1] in _LEVELS[depth]:
            sign = self._next()[1]
            value = _binary(sign, value, self.level(depth + 1))
        return value

    def _unary(self) -> Any:
        return not truthy(self._unary()) if self._take("!") else self._member(self._primary())

    def _primary(self) -> Any:
        kind, text = self._next()
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(int(text, 16)) if "x" in text else float(text)
        if kind == "name":
            return self._call(text) if self._take("(") else self._word(text)
        if (kind, text) == ("sign", "("):
            value = self.level(0)
            self._need(")")
            return value
        raise BadExpression(f"{text or 'the end'!r} is no value in {self._text!r}")

    def _word(self, text: str) -> Any:
        if text in _WORDS:
            return _WORDS[text]
        if text.lower() not in self._contexts:
            raise BadExpression(f"there is no context {text!r}")
        return self._contexts[text.lower()]

    def _call(self, name: str) -> Any:
        words = []
        while not self._take(")"):
            words.append(self.level(0))
            if self.token != ("sign", ")"):
                self._need(",")
        if name.lower() not in self._functions:
            raise BadExpression(f"there is no function {name!r}")
        return self._functions[name.lower()](*words)

    def _member(self, value: Any) -> Any:
        while True:
            if self._take("."):
                kind, name = self._next()
                if kind != "name":
                    raise BadExpression(f"{name!r} is no member")
                value = _at(value, name)
            elif self._take("["):
                value = _at(value, self.level(0))
                self._need("]")
            else:
                return value


def _at(value: Any, index: Any) -> Any:
    if isinstance(value, Mapping):
        wanted = as_text(index).lower() if not isinstance(index, list | Mapping) else None
        return next((one for name, one in value.items() if name.lower() == wanted), None)
    if isinstance(value, list):
        place = as_number(index)
        return value[int(place)] if math.isfinite(place) and 0 <= int(place) < len(value) else None
    return None


def truthy(value: Any) -> bool:
    """Everything but null, false, 0, NaN and the empty text."""
    if isinstance(value, float):
        return value != 0 and not math.isnan(value)
    return isinstance(value, list | Mapping) or bool(value)


def as_number(value: Any) -> float:
    """A value where a number is wanted; NaN for what is none."""
    if value is None or isinstance(value, bool | float):
        return float(value or 0)
    if not isinstance(value, str):
        return math.nan
    text = value.strip()
    if not text or _NUMBER.fullmatch(text):
        return float(text or 0)
    if re.fullmatch("0[xX][0-9a-fA-F]+|0[oO][0-7]+", text):
        return float(int(text, 0))
    return {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}.get(text, math.nan)


def as_text(value: Any) -> str:
    """A value where a text is wanted."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else {math.inf: "Infinity"}.get(value, f"{value:.15g}")
    return value if isinstance(value, str) else ("Array" if isinstance(value, list) else "Object")


def _binary(sign: str, one: Any, other: Any) -> Any:
    if sign in ("&&", "||"):
        return other if truthy(one) == (sign == "&&") else one
    equal, less, more = _compared(one, other)
    return {"==": equal, "!=": not equal, "<": less, ">": more, "<=": equal or less, ">=": equal or more}[sign]


def _compared(one: Any, other: Any) -> tuple[bool, bool, bool]:
    """Equal, less, more. Texts are compared without regard to case; values of two kinds as numbers."""
    if isinstance(one, list | Mapping) or isinstance(other, list | Mapping):
        return one is other, False, False
    if isinstance(one, str) and isinstance(other, str):
        a, b = one.upper(), other.upper()
        return a == b, a < b, a > b
    if one is None and other is None:
        return True, False, False
    x, y = as_number(one), as_number(other)
    return x == y, x < y, x > y


def _contains(search: Any, item: Any) -> bool:
    if isinstance(search, list):
        return any(_compared(item, one)[0] for one in search)
    if isinstance(search, Mapping) or isinstance(item, list | Mapping):
        return False
    return as_text(item).lower() in as_text(search).lower()


def _on_texts(judge: Callable[[str, str], bool], one: Any, other: Any) -> bool:
    if isinstance(one, list | Mapping) or isinstance(other, list | Mapping):
        return False
    return judge(as_text(one).upper(), as_text(other).upper())


def _format(form: Any, *values: Any) -> str:
    def put(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None or int(match[1]) >= len(values):
            raise BadExpression(f"format: {form!r}")
        return as_text(values[int(match[1])])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}|[{}]", put, as_text(form))


def to_json(value: Any) -> str:
    """As ``toJSON`` prints it."""

    def plain(one: Any) -> Any:
        if isinstance(one, float) and one.is_integer():
            return int(one)
        if isinstance(one, list):
            return [plain(item) for item in one]
        return {name: plain(item) for name, item in one.items()} if isinstance(one, Mapping) else one

    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def _from_json(text: Any) -> Any:
    try:
        return json.loads(as_text(text), parse_int=float)
    except ValueError as error:
        raise BadExpression(f"fromJSON: {error}") from error


_FUNCTIONS: Functions = {
    "contains": _contains,
    "startsWith": lambda text, start: _on_texts(str.startswith, text, start),
    "endsWith": lambda text, end: _on_texts(str.endswith, text, end),
    "format": _format,
    "join": lambda items, by=",": (
        by.join(map(as_text, items))
        if isinstance(items, list)
        else ""
        if isinstance(items, Mapping)
        else as_text(items)
    ),
    "toJSON": to_json,
    "fromJSON": _from_json,
}
