"""Where a value was written, and everything wrong with a configuration told as one error.

Knows places and words; does not know YAML, rules or files' contents.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from panaversity_fs.core.errors import ConfigInvalid

OPERATION = "environment"
Key = tuple[str | int, ...]
"""The way to a value: names of mappings, positions of lists: ``("build", "users", 0, "uid")``."""


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A place in a file. ``line`` and ``column`` count from 1; 0 is the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, at which key, what, and what to do."""

    origin: Origin
    key: Key
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.origin}: {self.sentence}."

    @property
    def sentence(self) -> str:
        """The finding without its place and its last full stop."""
        named = f"{dotted(self.key)}: {self.problem}" if self.key else self.problem
        return f"{named}. {self.hint}" if self.hint else named


class Findings(Exception):
    """What one step found wrong; never leaves this package: ``refusal`` makes the error people see."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(map(str, self.findings)))


def dotted(key: Key) -> str:
    """``users[0].uid``: the key as people write it. The word ``build`` in front says nothing and is left out."""
    words = key[1:] if len(key) > 1 and key[0] == "build" else key
    text = "".join(f"[{word}]" if isinstance(word, int) else f".{word}" for word in words)
    return "".join(c if c.isprintable() else "?" for c in text.removeprefix("."))


def refusal(findings: Sequence[Finding]) -> ConfigInvalid:
    """One error for all findings: the first by its place is the sentence, the others are its particulars."""
    first, *others = sorted(findings, key=lambda finding: finding.origin)
    problem = f"{dotted(first.key)}: {first.problem}" if first.key else first.problem
    also = [{"path": str(other.origin), "reason": f"{other.sentence}."} for other in others]
    details = {"key": dotted(first.key), "origin": str(first.origin), "reason": first.problem}
    more = {"also": also} if also else {}
    return ConfigInvalid(OPERATION, str(first.origin), problem, first.hint, **details, **more)
