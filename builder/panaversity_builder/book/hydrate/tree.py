"""The tree on disk, judged: what lies at every path that matters, and the digest of every file that does.

A file is read only if its signature (size, mtime, ctime, inode) differs from the remembered one (D6). A signature is
remembered only if it was older than two seconds when the run began, because a file changed within the same tick of
the file system's clock keeps it. Knows files; does not know what should be there.
"""

import stat
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from panaversity_builder.book.hydrate.folder import Folder, Signature, sight_digest
from panaversity_builder.book.hydrate.reconcile import Found, Kind
from panaversity_builder.book.hydrate.records import Owned
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import EMPTY, Digest

TICK_NS = 2_000_000_000
"""Nanoseconds a file must have rested before its signature is believed."""


@dataclass(frozen=True, slots=True)
class TreeOnDisk:
    """What was found, by path, and the signatures of the regular files among it; ``seen`` is a digest over the names,
    kinds and signatures of everything in these folders before any file was read."""

    found: dict[str, Found]
    signatures: dict[str, Signature]
    seen: Digest = EMPTY


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
    folder: Folder, paths: Set[str], remembered: Mapping[str, Owned], verify: bool, progress: Progress
) -> TreeOnDisk:
    """Look at the folders in which ``paths`` lie and read those of the files whose digest is not remembered.

    ``verify`` reads all of them. Raises ``folder.Changed`` when the tree changes under our eyes.
    """
    listing = folder.scan(parents(paths))
    seen_digest = sight_digest(listing)
    found: dict[str, Found] = {}
    signatures: dict[str, Signature] = {}
    unread: list[str] = []
    while listing:
        path, (mode, seen) = listing.popitem()
        kind = _kind(mode)
        if kind != "file" or path not in paths:
            found[path] = Found(kind)
            continue
        owned = remembered.get(path)
        if owned is not None and owned.signature == seen:
            seen = owned.signature  # one of two equal ones is enough for a hundred thousand files
        signatures[path] = seen
        if verify or owned is None or owned.signature != seen:
            unread.append(path)
        else:
            found[path] = Found("file", owned.digest)
    _read(folder, sorted(unread), found, signatures, progress)
    return TreeOnDisk(found, signatures, seen_digest)


def _read(
    folder: Folder, paths: list[str], found: dict[str, Found], signatures: dict[str, Signature], progress: Progress
) -> None:
    if not paths:
        return
    progress.start("checking files", len(paths), "files")
    try:
        for path in paths:
            digest, seen = folder.digest(path)
            if signatures[path] != seen:
                signatures[path] = seen
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
