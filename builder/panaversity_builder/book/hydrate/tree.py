"""The tree on disk, judged: what lies at every path that matters, and the digest of every file that does.

A file is read only if its signature (size, mtime, ctime, inode) differs from the remembered one (D6). A signature is
remembered only if it was older than two seconds when the run began, because a file changed within the same tick of
the file system's clock keeps it. Knows files; does not know what should be there.
"""

import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from panaversity_builder.book.hydrate.folder import Folder, Signature, signature
from panaversity_builder.book.hydrate.reconcile import Found, Kind
from panaversity_builder.book.hydrate.records import Owned
from panaversity_builder.progress import Progress

TICK_NS = 2_000_000_000
"""Nanoseconds a file must have rested before its signature is believed."""


@dataclass(frozen=True, slots=True)
class TreeOnDisk:
    """What was found, by path, and the signatures of the regular files among it."""

    found: dict[str, Found]
    signatures: dict[str, Signature]


def parents(paths: Iterable[str]) -> set[str]:
    """Every folder that a path lies in, with all folders above; ``""`` is the root."""
    folders: set[str] = {""}
    for path in paths:
        end = path.rfind("/")
        while end != -1 and (folder := path[:end]) not in folders:
            folders.add(folder)
            end = path.rfind("/", 0, end)
    return folders


def judge(
    folder: Folder, paths: Collection[str], remembered: Mapping[str, Owned], verify: bool, progress: Progress
) -> TreeOnDisk:
    """Look at the folders in which ``paths`` lie and read those of the files whose digest is not remembered.

    ``verify`` reads all of them. Raises ``folder.Changed`` when the tree changes under our eyes.
    """
    listing = folder.scan(parents(paths))
    wanted = frozenset(paths)
    found: dict[str, Found] = {}
    signatures: dict[str, Signature] = {}
    unread: list[str] = []
    for path, status in listing.items():
        kind = _kind(status.st_mode)
        if kind != "file" or path not in wanted:
            found[path] = Found(kind)
            continue
        seen = signatures[path] = signature(status)
        owned = remembered.get(path)
        if verify or owned is None or owned.signature != seen:
            unread.append(path)
        else:
            found[path] = Found("file", owned.digest)
    _read(folder, sorted(unread), found, signatures, progress)
    return TreeOnDisk(found, signatures)


def _read(
    folder: Folder, paths: list[str], found: dict[str, Found], signatures: dict[str, Signature], progress: Progress
) -> None:
    if not paths:
        return
    progress.start("checking files", len(paths), "files")
    try:
        for path in paths:
            digest, signatures[path] = folder.digest(path)
            found[path] = Found("file", digest)
            progress.advance(1)
    finally:
        progress.finish()


def believable(seen: Signature, began_ns: int) -> bool:
    """True when a file of this signature cannot have changed unseen since the run began at ``began_ns``."""
    return max(seen[1], seen[2]) + TICK_NS < began_ns


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"
