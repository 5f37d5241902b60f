"""Windows of lines over a text, cut so that joining the windows gives the text back, byte for byte (D8).

Pure. A line ends after ``\\n`` and nowhere else: CRLF and form feeds belong to their line.
"""

from dataclasses import dataclass
from io import StringIO
from itertools import islice


@dataclass(frozen=True, slots=True)
class Window:
    """Lines ``start`` (counted from 1) up to and without ``next_line`` (None: the end) of ``total`` lines."""

    text: str
    start: int
    next_line: int | None
    total: int


def window(text: str, start: int, limit: int | None, max_bytes: int) -> Window:
    """At most ``limit`` lines from ``start`` on, and no more than ``max_bytes`` unless the first alone is longer.

    Lines are walked, not listed: a file of nothing but line ends must not become a list of millions.
    """
    total = text.count("\n") + (not text.endswith("\n") and text != "")
    taken: list[str] = []
    room = max_bytes
    for line in islice(StringIO(text, newline="\n"), start - 1, None if limit is None else start - 1 + limit):
        room -= len(line.encode())
        if taken and room < 0:
            break
        taken.append(line)
    end = start + len(taken)
    return Window("".join(taken), start, end if end <= total else None, total)
