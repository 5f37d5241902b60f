"""Regular expressions over the lines of one text, by RE2 only: time linear in the text, memory capped (S19).

Knows patterns and bytes; does not know files. A match never spans lines; of a line longer than ``STEP`` bytes only the
first ``STEP`` or more are searched. Line ends are ``\\n`` and ``\\r\\n``. While RE2 works it lets other threads run, so
it belongs into a thread.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import re2  # type: ignore[import-untyped]

from panaversity_fs.core.errors import InvalidArgument

MAX_PATTERN = 512
MAX_MEMORY = 8 << 20
"""Bytes one compiled pattern may use. With less, RE2 throws its states away more often and becomes slow instead."""
_TRIAL_MEMORY = 1 << 19
MAX_PROGRAM = 5_000
"""Instructions of one compiled pattern: the worst case costs this many steps a byte."""
MAX_LINE = 500
"""Characters of a line that are answered."""
STEP = 32 << 10
"""Bytes searched at a time; the next step is taken only while there is time left."""

_NEWLINE = 0x0A

_REASONS = (
    ("invalid perl operator", "uses look-around or a group sign that RE2 lacks", "Match more and look at the lines"),
    ("invalid named capture group", "names a group in a way RE2 lacks", "Leave the name out"),
    ("invalid escape sequence", "uses a back-reference or an escape that RE2 lacks", "Write the text out"),
    ("invalid repetition size", "repeats something more than 1000 times", "Repeat it less, or use * or +"),
    ("bad repetition operator", "repeats a repetition", "Put the inner one into a group"),
    ("no argument for repetition operator", "repeats nothing", "Put \\ before the sign to mean the sign itself"),
    (
        "invalid character class",
        "names a class that RE2 lacks, or holds a range that ends before it begins",
        "List the characters",
    ),
    ("missing ]", "holds a [ without its ]", "Close it, or put \\ before it"),
    ("missing )", "holds a ( without its )", "Close it, or put \\ before it"),
    ("unexpected )", "holds a ) without its (", "Open it, or put \\ before it"),
    ("trailing \\", "ends with a backslash", "Write \\\\ to mean a backslash"),
    ("pattern too large", "needs too much memory", "Repeat less, or use a shorter class than \\p{…}"),
    ("invalid UTF-8", "is not valid Unicode text", "Send UTF-8"),
)  # fmt: skip
"""What RE2 says (its beginning), what we say, what to do."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that matches: its number, from 1, and its text without its end, cut at ``MAX_LINE`` characters."""

    line_number: int
    line: str


class Regex:
    """One compiled pattern; ``size`` counts its instructions.

    Raises ``InvalidArgument`` saying what RE2 does not take and what to do instead.
    """

    def __init__(self, pattern: str, operation: str) -> None:
        if not pattern or len(pattern) > MAX_PATTERN:
            raise _refusal(operation, f"has not 1 to {MAX_PATTERN} characters", "Shorten it")
        try:
            data = b"(?m)" + pattern.encode()
            # First in little memory: a large pattern is refused in a tenth of the time.
            re2.compile(data, _options(_TRIAL_MEMORY))
            self._regex = re2.compile(data, _options(MAX_MEMORY))
        except UnicodeEncodeError:
            raise _refusal(operation, "is not valid Unicode text", "Send UTF-8") from None
        except re2.error as fault:
            raise _explained(fault, operation) from None
        finally:
            re2.purge()  # its cache would keep the memory of the last 128 patterns
        self.size = max(self._regex.programsize, self._regex.reverseprogramsize)
        if self.size > MAX_PROGRAM:
            raise _refusal(operation, *_TOO_LARGE)

    def hits(self, text: bytes, after: int = 0) -> Iterator[Hit | int]:
        """Each matching line of a UTF-8 text in order, from the line behind number ``after`` on.

        After every ``STEP`` bytes comes the number of the last line looked at, so that the caller can look at the
        clock; whoever wants no more just stops asking.
        """
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        start, number, end = _line_start(text, after), after + 1, len(text)
        while start < end:
            stop = _step(text, start, end)
            for place in self._lines(text, start, stop):
                number += text.count(b"\n", start, place)
                start = place
                yield Hit(number, _line(text, place))
            behind = text.find(b"\n", stop - 1) + 1 or end
            number += text.count(b"\n", start, behind) + (
                text[behind - 1] != _NEWLINE
            )  # the last line may lack its end
            start = behind
            yield number - 1

    def _lines(self, text: bytes, start: int, stop: int) -> Iterator[int]:
        """Where the matching lines between two line starts begin."""
        while start < stop:
            found = self._regex.search(text, start, stop)
            if found is None:
                return
            begin = text.rfind(b"\n", start, found.start()) + 1 or start
            if begin >= stop:
                return  # behind the last line end there is no line
            yield begin
            start = text.find(b"\n", begin, stop) + 1 or stop


def _options(memory: int) -> re2.Options:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.never_nl = True
    options.never_capture = True
    return options


def _step(text: bytes, start: int, end: int) -> int:
    """Where a step ends: with a line, so that no match is cut, unless a line is longer than ``STEP``."""
    if end - start <= STEP:
        return end
    return text.find(b"\n", start + STEP - 1, start + 2 * STEP) + 1 or min(start + 2 * STEP, end)


def _line_start(text: bytes, lines: int) -> int:
    """Where the line behind the first ``lines`` begins; the text's length when it has no more."""
    start = 0
    while lines and start < len(text):
        # Whole blocks are counted, and only the one that holds the place is walked.
        counted = text.count(b"\n", start, start + STEP)
        if counted < lines:
            lines -= counted
            start += STEP
            continue
        for _ in range(lines):
            start = text.find(b"\n", start) + 1
        lines = 0
    return min(start, len(text))


def _line(text: bytes, begin: int) -> str:
    # No character is longer than four bytes, so a line of a million characters is not decoded for the first 500.
    cut = text[begin : begin + 4 * MAX_LINE + 4].partition(b"\n")[0]
    return cut.decode("utf-8", "ignore")[:MAX_LINE]


_TOO_LARGE = ("needs too much memory", "Repeat less, or use a shorter class than \\p{…}")


def _explained(fault: Exception, operation: str) -> InvalidArgument:
    said = fault.args[0] if fault.args else ""
    said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    for beginning, reason, hint in _REASONS:
        if said.startswith(beginning):
            return _refusal(operation, reason, hint)
    return _refusal(operation, "is not a regular expression that RE2 understands", "See the RE2 syntax")


def _refusal(operation: str, reason: str, hint: str) -> InvalidArgument:
    return InvalidArgument(operation, "pattern", reason, hint, name="pattern", reason=reason)
