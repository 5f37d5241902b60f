"""Characters nobody sees and that change what is read: the ones S7 wants reported.

Knows code points; neither removes anything nor repeats any text.
"""

import re
from collections import Counter
from dataclasses import dataclass

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
"""Zero width and direction marks, embeddings and overrides, isolates, tags (S7)."""


@dataclass(frozen=True, slots=True)
class Invisible:
    """``count`` of them, the first in ``line`` (from 1), of these ``kinds`` (U+XXXX, sorted)."""

    count: int
    line: int
    kinds: tuple[str, ...]


def invisible_in(text: str) -> Invisible | None:
    """What there is of invisible and direction-changing characters in a text, or None."""
    first = _INVISIBLE.search(text)
    if first is None:
        return None
    found = Counter(_INVISIBLE.findall(text))
    kinds = tuple(sorted(f"U+{ord(char):04X}" for char in found))
    return Invisible(found.total(), text.count("\n", 0, first.start()) + 1, kinds)
