"""Glob patterns over paths, matched in steps linear in the path's length (S20).

``*`` and ``?`` stay inside a segment, ``**`` as a whole segment stands for any number of segments (none included) and
elsewhere for ``*``, ``[a-z]`` and ``[!a-z]`` for one character. Case counts. There is no escape sign, since no path
holds one of these signs. No backtracking: a segment's pattern is run as a set of states, all at once, in the bits of
one integer. Pure; knows no list of paths.
"""

from functools import lru_cache

from panaversity_fs.core.errors import InvalidArgument

MAX_LENGTH = 256
MAX_STARS = 8
_CACHED_SEGMENTS = 4096


class Glob:
    """One pattern. Raises ``InvalidArgument`` for one that is too long, too starry, malformed or matches no path."""

    def __init__(self, pattern: str, operation: str) -> None:
        _judge(pattern, operation)
        steps: list[Segment | None] = []  # None is ``**``
        for text in pattern.split("/"):
            if text != "**":
                steps.append(Segment(text, operation))
            elif not steps or steps[-1] is not None:  # a second one in a row says nothing new
                steps.append(None)
        self._steps = steps

    @property
    def segments(self) -> "list[Segment]":
        """The patterns of single segments, in order; each counts its ``steps``."""
        return [step for step in self._steps if step is not None]

    def matches(self, path: str) -> bool:
        """True when the whole path fits. The segments' states are a set, too: nothing is tried twice."""
        steps, last = self._steps, len(self._steps)
        states = self._skip({0})
        for segment in path.split("/"):
            after: set[int] = set()
            for state in states:
                if state == last:
                    continue
                step = steps[state]
                if step is None:
                    after.add(state)
                elif step.matches(segment):
                    after.add(state + 1)
            if not after:
                return False
            states = self._skip(after)
        return last in states

    def _skip(self, states: set[int]) -> set[int]:
        """A ``**`` may stand for nothing."""
        return states | {s + 1 for s in states if s < len(self._steps) and self._steps[s] is None}


class Segment:
    """The pattern of one segment: without signs a name to compare, else a row of signs to run.

    Bit i of ``_takes[c]`` says that sign i takes the character c and the next one is wanted, bit i of ``_stars`` that
    sign i is a star, which takes any character and still is wanted. ``steps`` counts the characters looked at.
    """

    def __init__(self, text: str, operation: str) -> None:
        self.steps = 0
        self._name = text if not set(text) & set("*?[") else None
        self._stars = self._any = 0
        self._sets: list[tuple[int, bool, list[tuple[str, str]]]] = []
        self._letters: dict[str, int] = {}
        self._end = 0 if self._name is not None else self._read(text, operation)
        self._cached = lru_cache(_CACHED_SEGMENTS)(self._run)

    def matches(self, segment: str) -> bool:
        """True when the whole segment fits. Books repeat their folders, so answers are remembered."""
        return self._cached(segment) if self._name is None else segment == self._name

    def _read(self, text: str, operation: str) -> int:
        """Take the signs in; answers the bit that stands for the end."""
        at, bit = 0, 1
        while at < len(text):
            sign = text[at]
            at += 1
            if sign == "*":
                if self._stars & bit >> 1:
                    continue
                self._stars |= bit
                bit <<= 1
                continue
            if sign == "?":
                self._any |= bit
            elif sign == "[":
                at = self._read_set(text, at, bit, operation)
            else:
                self._letters[sign] = self._letters.get(sign, 0) | bit
            bit <<= 1
        return bit

    def _read_set(self, text: str, at: int, bit: int, operation: str) -> int:
        """Take ``[…]`` in, ``at`` being behind its bracket; answers where it ends. A first ``]`` is a member."""
        negated = text[at : at + 1] in ("!", "^")
        at += negated
        close = text.find("]", at + 1)
        if close == -1:
            raise refusal(operation, "holds a [ without its ]", "Close it; a path holds no bracket itself")
        ranges, members = [], text[at:close]
        at = 0
        while at < len(members):
            wide = members[at + 1 : at + 2] == "-" and at + 2 < len(members)
            ranges.append((members[at], members[at + 2] if wide else members[at]))
            at += 3 if wide else 1
        self._sets.append((bit, negated, ranges))
        return close + 1

    def _run(self, segment: str) -> bool:
        """One step a character, whatever the pattern."""
        states = self._closed(1)
        for char in segment:
            self.steps += 1
            takes = self._letters.get(char, 0) | self._any
            for bit, negated, ranges in self._sets:
                if any(low <= char <= high for low, high in ranges) is not negated:
                    takes |= bit
            states = self._closed((states & takes) << 1 | states & self._stars)
            if not states:
                return False
        return bool(states & self._end)

    def _closed(self, states: int) -> int:
        """A star may stand for nothing; two stars never follow each other, so one step is enough."""
        return states | (states & self._stars) << 1


def _judge(pattern: str, operation: str) -> None:
    if not pattern or len(pattern) > MAX_LENGTH:
        raise refusal(operation, f"has not 1 to {MAX_LENGTH} characters", "Shorten it")
    if pattern.count("*") - pattern.count("**") > MAX_STARS:
        raise refusal(operation, f"holds more than {MAX_STARS} stars", "Use ** for any number of folders")
    if set(pattern) & set("{}"):
        raise refusal(operation, "holds braces, which are not understood", "Ask once for each alternative")
    if "\\" in pattern:
        raise refusal(operation, "holds a backslash, which no path does", "Separate folders with /")
    if pattern.startswith("/") or pattern.endswith("/") or "//" in pattern:
        raise refusal(operation, "has an empty segment, which no path has", "Begin with content/, static/ or **/")


def refusal(operation: str, reason: str, hint: str) -> InvalidArgument:
    """Why this pattern is not taken. The pattern itself is not repeated."""
    return InvalidArgument(operation, "pattern", reason, hint, name="pattern", reason=reason)
