"""How one value of a setting is read: from a text of the environment, of the command line, or a TOML value.

Every reader answers the value or raises ``ValueError`` saying what is wrong. Pure; knows no origin.
"""

import os
from collections.abc import Callable
from typing import Any

from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is not a text")
    return value.strip()


def one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"is not one of {', '.join(words)}")
        return str(value)

    return read


def book_id(value: Any) -> str:
    try:
        return require_book_id(text(value), "configuration")
    except InvalidArgument as error:
        raise ValueError(f"{error.problem}: {error.hint[:1].lower()}{error.hint[1:]}") from error


def server_url(value: Any) -> str:
    """The server's root; the ``/mcp`` of an MCP address is taken off."""
    url = text(value).rstrip("/").removesuffix("/mcp").rstrip("/")
    scheme, colon, rest = url.partition("://")
    if scheme not in ("http", "https") or not colon or not rest or rest.startswith("/"):
        raise ValueError("is not an http:// or https:// address")
    return url


def agent(value: Any) -> str:
    name = text(value)
    if name == "system" or len(name) > 200 or not name.isprintable():
        raise ValueError("is not a name an agent may bear")
    return name


def deletes(value: Any) -> str:
    limit = str(value).strip()
    digits = limit.removesuffix("%")
    if not digits.isascii() or not digits.isdigit() or (limit.endswith("%") and int(digits) > 100):
        raise ValueError("is neither a number of files nor a percentage like 20%")
    return limit


def names(value: Any) -> tuple[str, ...]:
    words = [w.strip() for w in value.split(",")] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(w, str) and w.isidentifier() for w in words):
        raise ValueError("is not a list of variable names")
    return tuple(words)


def paths(value: Any) -> tuple[str, ...]:
    words = [w.strip() for w in value.split(",") if w.strip()] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(w, str) and w and "\0" not in w for w in words):
        raise ValueError("is not a list of paths")
    return tuple(words)


def switch(value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError("is neither true nor false")
    return word in ("true", "1", "yes", "on")


def storage(value: Any) -> str:
    """Where images of environments are kept: an absolute folder, or ``system`` for the program's own place."""
    word = text(value)
    folder = os.path.expanduser(word)
    if word != "system" and not os.path.isabs(folder):
        raise ValueError("is neither an absolute folder nor the word system")
    return word if word == "system" else os.path.normpath(folder)


_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size(value: Any) -> int:
    """Bytes: a number, alone or with K, M, G or T (powers of 1024): ``512M``, ``2 GiB``, 0."""
    words = str(value).strip().lower().removesuffix("b").removesuffix("i")
    number, unit = words.rstrip("kmgt").strip(), words.lstrip("0123456789. ")
    if isinstance(value, bool) or unit not in _UNITS or not number.replace(".", "", 1).isdecimal():
        raise ValueError("is not a size like 512M or 2G")
    return int(float(number) * _UNITS[unit])


def seconds(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("is not a number of seconds") from None
    if not 0 < number < float("inf"):
        raise ValueError("is not a positive number of seconds")
    return number
