"""The digest of a folder tree as found: every file's relative path and content, whoever put it there.

Knows files and links; does not know books, manifests or ownership. Empty folders, times and modes do not count.
"""

import hashlib
import os
import stat
from collections.abc import Iterator

from panaversity_fs.core.digest import Digest, digest_of

_NOTHING: frozenset[str] = frozenset()
_BUILD_STATE = frozenset({".panaversity"})


def tree_digest(folder: str, names: frozenset[str] = _NOTHING, paths: frozenset[str] = _NOTHING) -> Digest:
    """SHA-256 over ``path NUL kind digest`` of every file, sorted by path.

    Left out: folders and files that bear one of ``names`` at any depth, and those whose own path is one of
    ``paths`` (absolute). A symbolic link counts by where it points and is not followed; sockets, devices and fifos
    do not count. Raises ``OSError`` for what cannot be read: a digest is made of what was read, or not at all.
    """
    root = os.path.abspath(folder)
    lines = sorted(f"{path[len(root) + 1 :]}\0{mark}\n" for path, mark in _marks(root, names, paths))
    return digest_of("".join(lines).encode("utf-8", "surrogateescape"))


def _marks(folder: str, names: frozenset[str], paths: frozenset[str]) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as found:
        entries = [e for e in found if e.name not in names and e.path not in paths]
    for entry in entries:
        if entry.is_symlink():
            yield entry.path, f"link {os.readlink(entry.path)}"
        elif entry.is_dir(follow_symlinks=False):
            yield from _marks(entry.path, names, paths)
        elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            yield entry.path, f"file {file_digest(entry.path)}"


def docs_digest(docs: str) -> Digest:
    """The digest of a docs folder without its build state; a folder that is not there is an empty one."""
    return tree_digest(docs, _BUILD_STATE) if os.path.isdir(docs) else digest_of(b"")


def file_digest(path: str) -> Digest:
    """The digest of one file's bytes, read in pieces."""
    with open(path, "rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())
