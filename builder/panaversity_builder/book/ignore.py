"""What a source folder does not give to its book: built-in working files, and what ``.bookignore`` files name.

The syntax is that of ``.gitignore`` (gitignore(5)), and so is the order: a file in a deeper folder speaks before one
further up, the last matching line of a file decides, ``!`` takes back, and what lies in an ignored folder cannot be
taken back. Patterns are compiled by ``pathspec``. Knows names and lines; does not read disks (``book.source`` does).
"""

import re
from dataclasses import dataclass
from typing import Final

from panaversity_fs.core.errors import SourceRefused
from panaversity_fs.core.paths import shown

IGNORE_FILE: Final = ".bookignore"
LONGEST_LINE: Final = 500
MOST_STARS: Final = 4
"""Stars in one name of a pattern: each multiplies the time a name of 255 bytes can cost (measured: 1 s at worst)."""
_DEBRIS = frozenset({"node_modules", "Thumbs.db", "desktop.ini"})
_ANY_FOLDER = "(?P<ps_d>/)"
"""What ``pathspec`` makes of ``*/``; it is sought anywhere, so its first find is the outermost folder."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line: takes a path out of the book, or (``!``) back in."""

    pattern: re.Pattern[str]
    ignores: bool
    folders_only: bool
    strictly_below: bool
    """It ends in ``/**``: what lies in that folder is meant, not the folder."""

    def names(self, path: str) -> bool:
        """True when the line means this very path (a folder's ends in a slash), and not only a folder it lies in."""
        if self.folders_only and not path.endswith("/"):
            return False
        if self.strictly_below:
            return self.pattern.search(path[: path.rfind("/", 0, -1) + 1]) is not None
        found = self.pattern.search(path)
        if found is None:
            return False
        if "ps_d" not in self.pattern.groupindex or found["ps_d"] is None or found.end("ps_d") == len(path):
            return True
        return self.pattern.pattern == _ANY_FOLDER and path.endswith("/")


class IgnoreRules:
    """Everything that is ignored below one source folder; ``add`` the ``.bookignore`` of each folder as it is met."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[_Rule, ...]] = {}

    def add(self, folder: str, text: str) -> None:
        """Take in the ``.bookignore`` of ``folder`` (source path, ``""`` for the root).

        Raises ``SourceRefused`` (exit 12) with the line that is no pattern.
        """
        where = f"{folder}/{IGNORE_FILE}" if folder else IGNORE_FILE
        lines = text.removeprefix("\ufeff").split("\n")
        rules = [_rule(line.removesuffix("\r"), where, number) for number, line in enumerate(lines, 1)]
        if found := tuple(rule for rule in reversed(rules) if rule is not None):
            self._files[folder] = found

    def reason(self, path: str, is_folder: bool) -> str | None:
        """Why this path is ignored, or None. Its folders are not judged again: who walks a tree never enters them."""
        name = path.rpartition("/")[2]
        if name.startswith("."):
            return "begins with a dot"
        if name in _DEBRIS or name.endswith(("~", ".swp")):
            return "is a working file"
        return self._named(path, is_folder) if self._files else None

    def reason_along(self, path: str) -> str | None:
        """Why a file at this path would be ignored, its folders included: for paths that no walk led to."""
        end = path.find("/")
        while end != -1:
            if reason := self.reason(path[:end], True):
                return f"lies in {path[:end]}, which {reason}"
            end = path.find("/", end + 1)
        return self.reason(path, False)

    def _named(self, path: str, is_folder: bool) -> str | None:
        folder, judged = path, path + "/" if is_folder else path
        while folder:
            folder = folder.rpartition("/")[0]
            for rule in self._files.get(folder, ()):
                if rule.names(judged[len(folder) + 1 :] if folder else judged):
                    return f"is named in {f'{folder}/' if folder else ''}{IGNORE_FILE}" if rule.ignores else None
        return None


def _rule(line: str, where: str, number: int) -> _Rule | None:
    """One line compiled; None for a blank one and a comment. Raises ``SourceRefused``."""
    if not line.strip(" ") or line.startswith("#"):
        return None
    fault = _fault(line)
    if fault is None:
        from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern  # 30 ms that a tree without the file saves

        try:
            compiled = GitIgnoreSpecPattern(_single_stars(line))
        except (ValueError, re.error):
            fault = "is no pattern"
        else:
            if isinstance(compiled.regex, re.Pattern) and compiled.include is not None:
                return _Rule(compiled.regex, compiled.include, *_reach(line))
            fault = "is no pattern"
    raise SourceRefused(
        "ingest", f"{where} line {number}", f"{shown(line)!r} {fault}", "Write it as in a .gitignore, or remove it",
        line=number,
    )  # fmt: skip


def _reach(line: str) -> tuple[bool, bool]:
    """Whether a pattern means folders only, and whether only what lies strictly below the folder it names."""
    bare = _single_stars(line).rstrip(" ")
    *before, last = bare.removeprefix("!").strip("/").split("/")
    return bare.endswith("/"), last == "**" and any(name != "**" for name in before)


def _fault(line: str) -> str | None:
    if len(line) > LONGEST_LINE:
        return f"has more than {LONGEST_LINE} characters"
    if "[:" in line or "[." in line or "[=" in line:
        return "names a character class, which this file does not know"
    if "//" in line:
        return "holds an empty name"
    names = _single_stars(line).removeprefix("!").split("/")
    if any(name.count("*") > MOST_STARS for name in names):
        return f"has more than {MOST_STARS} stars in one name"
    if names.count("**") > MOST_STARS:
        return f"has more than {MOST_STARS} times **"
    return None


def _single_stars(pattern: str) -> str:
    """The same pattern with runs of stars as git reads them: a name of stars only is ``**``, any other run is one."""
    bang, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    return bang + "/".join(map(_single_stars_of_name, body.split("/")))


def _single_stars_of_name(name: str) -> str:
    bare = name.rstrip(" ")
    return "**" if len(bare) > 1 and set(bare) == {"*"} else re.sub(r"(?<!\\)\*{2,}", "*", name)
