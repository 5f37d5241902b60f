"""What a site is written in: its folder, linked packages, and what its sources name outside of it.

A lockfile says nothing about an npm workspace's own packages, and a configuration may import ``../shared/nav.js``. Both
go into the built site, so both count. What is found by reading alone counts; a path that is put together while the
configuration runs is for the setting ``site_files``, and what a build writes among the sources for ``site_generated``.

Knows files, ``package.json`` and how JavaScript and CSS name other files; does not know keys or what is remembered.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from panaversity_builder.book.trees import Marks, file_digest, tree_marks

TOOL_FOLDERS = frozenset({"node_modules", ".docusaurus", ".panaversity", ".git"})
LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".idea", ".vscode", ".turbo", ".netlify", ".vercel"})
"""What systems, editors and hosts leave behind. A ``.env`` is no litter: many configurations read it."""
LEFT_OUT = TOOL_FOLDERS | LITTER
LITTER_ENDINGS = ("~", ".swp", ".tsbuildinfo")
CODE = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
READ = (*CODE, ".css", ".scss", ".sass", ".less", ".md", ".mdx")
"""Endings of files that are read for the files and variables they name."""
LARGEST_READ = 1 << 20
"""Bytes. A longer file was not written by hand."""
_PATH = re.compile(r"""["'`(]\s*(\.{1,2}/[^"'`()\s*?$]*)""")
_VARIABLE = re.compile(r"""process\.env(?:\?)?(?:\.([A-Za-z_]\w*)|\[\s*["'](\w+)["']\s*\])""")
_UNPACKED = re.compile(r"\{([^{}]*)\}\s*=\s*process\.env\b")
_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


@dataclass(slots=True)
class Sources:
    """What was found: ``marks`` by path relative to the site folder (``../`` for what lies outside), and the names of
    environment ``variables`` the code reads."""

    marks: dict[str, str] = field(default_factory=dict)
    variables: set[str] = field(default_factory=set)


def site_sources(
    folder: str, left_out: Iterable[str], configuration: str, files: Iterable[str] = (), generated: Iterable[str] = ()
) -> Sources:
    """Read the sources of the site in ``folder``.

    ``left_out`` are absolute paths that are no sources (docs, the built folder); ``configuration`` is an input of its
    own, read for what it names. ``files`` and ``generated`` are the settings of these names, relative to the folder.
    Raises ``OSError``.
    """
    root = os.path.abspath(folder)
    written = (os.path.normpath(os.path.join(root, path)) for path in generated)
    gathering = _Gathering(root, frozenset({*map(os.path.abspath, left_out), *written}))
    gathering.add_tree(root, frozenset({configuration}))
    gathering.read(configuration, [root])
    for package in _linked_packages(root):
        gathering.add(package)
    for path in files:
        gathering.add(os.path.normpath(os.path.join(root, path)))
    gathering.follow()
    return gathering.found


class _Gathering:
    """Sources as they are found, and the files outside the site that are still to be read."""

    def __init__(self, root: str, left_out: frozenset[str]) -> None:
        self._root, self._left_out = root, left_out
        self._unread: list[str] = []
        self.found = Sources()

    def add(self, path: str) -> None:
        """Let a file or folder outside the site count, if it is there; the site itself and what holds it do not."""
        if _holds(path, self._root) or _holds(self._root, path):
            return
        if TOOL_FOLDERS & set(os.path.relpath(path, self._root).split(os.sep)):
            return
        if os.path.isdir(path):
            self.add_tree(path)
        elif os.path.isfile(path) and not any(_holds(one, path) for one in self._left_out):
            relative = os.path.relpath(path, self._root)
            if relative not in self.found.marks:
                self.found.marks[relative] = f"file {file_digest(path)}"
                self._unread.append(path)

    def add_tree(self, folder: str, but: frozenset[str] = frozenset()) -> None:
        """Let everything below a folder count."""
        prefix = "" if folder == self._root else os.path.relpath(folder, self._root) + os.sep
        inside = {self._root} if folder != self._root else set()
        marks = tree_marks(folder, LEFT_OUT, self._left_out | but | inside)
        for path, mark in marks.items():
            if not path.endswith(LITTER_ENDINGS) and prefix + path not in self.found.marks:
                self.found.marks[prefix + path] = mark
                if mark.startswith("file "):
                    self._unread.append(os.path.join(folder, path))

    def follow(self) -> None:
        """Read what was found, what that names, and so on."""
        while self._unread:
            path = self._unread.pop()
            beside = os.path.dirname(path)
            self.read(path, {beside, self._root} if beside == self._root else {beside})

    def read(self, path: str, bases: Iterable[str]) -> None:
        """Take up what one file names: files outside the site, relative to any of ``bases``, and variables."""
        text = _text(path)
        self.found.variables |= _variables(text)
        for name in _PATH.findall(text):
            for base in bases:
                if real := _resolved(os.path.normpath(os.path.join(base, name))):
                    self.add(real)


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _text(path: str) -> str:
    """The text of a file worth reading; empty for all others."""
    if not path.endswith(READ) or os.path.getsize(path) > LARGEST_READ:
        return ""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _variables(text: str) -> set[str]:
    named = {first or second for first, second in _VARIABLE.findall(text)}
    for names in _UNPACKED.findall(text):
        named |= {re.split(r"[:=\s]", name.strip(), maxsplit=1)[0] for name in names.split(",")}
    return {name for name in named if name.isidentifier()}


def _resolved(path: str) -> str | None:
    """The file or folder that a name means, endings left out as Node and bundlers do; None when there is none."""
    if os.path.isfile(path):
        return path
    for end in CODE:
        if os.path.isfile(path + end):
            return path + end
    return path if os.path.isdir(path) else None


def _linked_packages(root: str) -> list[str]:
    """The folders of the packages a site depends on, directly or through one another, that are links to sources."""
    found: list[str] = []
    unread = [root]
    while unread:
        package = unread.pop()
        for name in _dependencies(package):
            real = _installed_at(package, name)
            if real and f"{os.sep}node_modules{os.sep}" not in real and real not in (root, *found):
                found.append(real)
                unread.append(real)
    return found


def _dependencies(package: str) -> Iterator[str]:
    with suppress(OSError, ValueError, RecursionError), open(os.path.join(package, "package.json"), "rb") as file:
        body = json.load(file)
        for kind in _DEPENDENCIES if isinstance(body, dict) else ():
            if isinstance(body.get(kind), dict):
                yield from body[kind]


def _installed_at(package: str, name: str) -> str | None:
    """Where Node finds a package from another package's folder; links resolved."""
    here = package
    while True:
        path = os.path.join(here, "node_modules", name)
        if os.path.isdir(path):
            return os.path.realpath(path)
        if (above := os.path.dirname(here)) == here:
            return None
        here = above


def named_changes(before: Marks, after: Marks, most: int = 3) -> str:
    """``M src/css/custom.css, A src/pages/new.js and 2 more``: what leads from one tree to another; empty: nothing."""
    changes = [("D" if after.get(p) is None else "M" if p in before else "A", p) for p in sorted({*before, *after})
               if before.get(p) != after.get(p)]  # fmt: skip
    named = ", ".join(f"{mark} {path}" for mark, path in changes[:most])
    return f"{named} and {len(changes) - most} more" if len(changes) > most else named
