"""Markdown of a bounded size in which no stored text means anything (FEATURES 1, S33).

Everything that we did not write ourselves stands in a code span: there is no HTML, link or mention in one. Pure; does
not know commands, streams or files.
"""

import re
from collections.abc import Iterator, Sequence

_TICKS = re.compile("`+")


def code(text: str) -> str:
    """``text`` as a code span that holds exactly it; characters that cannot be seen are written as their number."""
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    if not text.strip():
        return "`''`" if not text else f"`'{text}'`"
    fence = "`" * (max((len(run) for run in _TICKS.findall(text)), default=0) + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(text: str) -> str:
    """``text`` as a code span for a table, where a bar ends the cell even in a code span."""
    return code(text.replace("|", "\\u007c"))


class Page:
    """Lines of Markdown up to a number of bytes (UTF-8, line ends included)."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self._lines: list[str] = []

    def add(self, *lines: str) -> bool:
        """Add the lines if all of them fit, and say so."""
        cost = sum(_bytes(line) for line in lines)
        if cost > self.left:
            return False
        self.left -= cost
        self._lines += lines
        return True

    def text(self) -> str:
        """The page; it ends with a line end, or is empty."""
        return "".join(line + "\n" for line in self._lines)


def _bytes(line: str) -> int:
    return len(line.encode("utf-8", "backslashreplace")) + 1


def table(page: Page, heading: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    """A table of finished cells, as many rows as fit."""
    lines = ["", _row(heading), _row(["---"] * len(heading))]
    for row in rows:
        if not page.add(*lines, _row(row)):
            return
        lines = []


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def listing(page: Page, title: str, items: Sequence[str], top: int, allowance: int) -> None:
    """A heading with the number of items, the first ``top`` of them, the rest folded away.

    At most ``allowance`` bytes; what does not fit is a number.
    """
    page.left, kept = min(page.left, allowance), page.left - min(page.left, allowance)
    if page.add("", f"#### {title} ({len(items)})", ""):
        done = _items(page, items[:top], len(items))
        if done == top < len(items):
            _folded(page, items[top:])
    page.left += kept


def _folded(page: Page, items: Sequence[str]) -> None:
    end = ["", "</details>"]
    reserve = sum(map(_bytes, end))
    page.left -= reserve
    opened = page.left > 0 and page.add("", f"<details><summary>{len(items)} more</summary>", "")
    if opened:
        _items(page, items, len(items))
    page.left += reserve
    if opened:
        page.add(*end)
    else:
        page.add(_rest(len(items)))


def _items(page: Page, items: Sequence[str], number: int) -> int:
    """Add items as long as the line that tells of the others fits behind them. Answers how many there are now."""
    reserve = _bytes(_rest(number))
    page.left -= reserve
    done = 0
    for item in items:
        if page.left <= 0 or not page.add(f"- {item}"):
            break
        done += 1
    page.left += reserve
    if done < len(items):
        page.add(_rest(number - done))
    return done


def _rest(number: int) -> str:
    return f"- and {number} more, not shown here"
