"""How inputs are told: short texts as they are, so that a reason can be read; everything else as its digest.

Two different values are never told alike. Pure.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from panaversity_fs.core.digest import digest_of, is_digest

LONGEST = 120
"""How long a text may be to be told as it is."""


def told(text: str) -> str:
    """A text as an input. One that looks like a digest is never told as it is: it could be another text's."""
    if len(text) <= LONGEST and text.isprintable() and not is_digest(text):
        return text
    return digest_of(text.encode())


def told_all(values: Sequence[str]) -> str:
    """A list as an input: its order and its borders count."""
    return told(json.dumps(values, ensure_ascii=False))


def given(inputs: Mapping[str, str | None]) -> dict[str, str]:
    """The inputs that have a value."""
    return {name: value for name, value in inputs.items() if value is not None}


def identities(values: Iterable[str]) -> list[str]:
    """A name for each of these; the second of equal ones is ``2 NAME``. No value may begin with a digit and a space."""
    seen: dict[str, int] = {}
    names = []
    for value in values:
        seen[value] = seen.get(value, 0) + 1
        names.append(value if seen[value] == 1 else f"{seen[value]} {value}")
    return names
