"""A pull's changes to the author's folder: file by file, each entirely or not at all, never over an author's change.

New bytes are written beside their place, flushed and renamed over it right after the file there was read once more
and still held what it was judged to hold (P8, F52). Folders are entered by descriptor, so no link is followed (F56).
Knows files; does not know books or where the bytes came from.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final

from panaversity_builder.book.hydrate.folder import Changed, Folder, signature
from panaversity_builder.book.pull.decide import Drop, Put
from panaversity_builder.durable import write_all
from panaversity_fs.core.digest import Digest

SUFFIX: Final = ".panaversity-pull"
"""Ends the name of a file on its way; it begins with a dot, so that no scan ever takes it for a lesson."""


def beside(source: str) -> str:
    """Where the new bytes of a source path are written first."""
    folder, _, name = source.rpartition("/")
    return f"{folder}/.{name}{SUFFIX}" if folder else f".{name}{SUFFIX}"


def sweep(folder: Folder, paths: Iterable[str]) -> None:
    """Remove what an interrupted pull left beside its places; anything that is not named like that stays."""
    for path in paths:
        name = path.rpartition("/")[2]
        if name.startswith(".") and name.endswith(SUFFIX):
            with contextlib.suppress(OSError):
                folder.remove(path)


def put(folder: Folder, wanted: Put, pieces: Iterator[bytes]) -> None:
    """Carry one put out with these bytes, whose digest the caller vouches for. Raises ``Changed`` and ``OSError``."""
    parent = wanted.source.rpartition("/")[0]
    folder.make_folder(parent)
    held = folder.status(wanted.source)
    if (wanted.old is None) != (held is None):
        raise Changed(wanted.source)
    new = beside(wanted.source)
    folder.remove(new)
    try:
        _write(folder, new, pieces, None if held is None else stat.S_IMODE(held.st_mode) & 0o777)
        if wanted.old is None:
            folder.place_new(new, wanted.source)
        else:
            require(folder, wanted.source, wanted.old)
            folder.place_over(new, wanted.source)
    except BaseException:
        with contextlib.suppress(OSError):
            folder.remove(new)
        raise
    os.fsync(folder.descriptor(parent))


def _write(folder: Folder, path: str, pieces: Iterator[bytes], mode: int | None) -> None:
    file = folder.create(path)
    try:
        for piece in pieces:
            write_all(file, piece)
        if mode is not None:
            os.fchmod(file, mode)
        os.fsync(file)
    finally:
        os.close(file)


def drop(folder: Folder, unwanted: Drop) -> None:
    """Remove one file that still holds what it should, and the folders this empties. Raises as ``put`` does."""
    require(folder, unwanted.source, unwanted.old)
    folder.remove(unwanted.source)
    parent = unwanted.source.rpartition("/")[0]
    while parent and folder.remove_folder(parent):
        parent = parent.rpartition("/")[0]
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.fsync(folder.descriptor(parent))


def require(folder: Folder, source: str, digest: Digest) -> None:
    """Read the file once more, at the last moment. Raises ``Changed`` unless it holds exactly these bytes."""
    found, seen = folder.digest(source)
    now = folder.status(source)
    if found != digest or now is None or signature(now) != seen:
        raise Changed(source)
