"""The identity of a file or folder that is copied into an image: contents, modes, links, and which folders there are.

Owners and times do not count: a copy says whose it is. Knows files; does not know images or configurations.
"""

import hashlib
import os
import stat
from collections.abc import Iterator

from panaversity_fs.core.digest import Digest, digest_of


def source_digest(path: str) -> tuple[bool, Digest]:
    """Whether a path leads to a folder, and its digest.

    A symbolic link that is named itself is followed; below it links count by where they point. Raises ``OSError`` for
    what cannot be read, ``ValueError`` for what is neither a file, a folder nor a link, naming it.
    """
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        lines = [_line(".", path, status), *_below(path, "")]
        return True, digest_of(b"".join(lines))
    return False, digest_of(_line("", path, status))


def _below(folder: str, inside: str) -> Iterator[bytes]:
    """A line for everything in a folder, in the order of its names' bytes."""
    with os.scandir(os.path.join(folder, inside)) as found:
        entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        name = os.path.join(inside, entry.name)
        status = entry.stat(follow_symlinks=False)
        yield _line(name, entry.path, status)
        if stat.S_ISDIR(status.st_mode):
            yield from _below(folder, name)


def _line(name: str, path: str, status: os.stat_result) -> bytes:
    """``name NUL kind mode contents LF``; no name and no target of a link holds a NUL."""
    bits = f"{stat.S_IMODE(status.st_mode):04o}"
    if stat.S_ISDIR(status.st_mode):
        told = f"folder {bits}".encode()
    elif stat.S_ISLNK(status.st_mode):
        told = b"link " + os.fsencode(os.readlink(path)) + b"\0"
    elif stat.S_ISREG(status.st_mode):
        told = f"file {bits} {_contents(path)}".encode()
    else:
        raise ValueError(f"{path} is neither a file, a folder nor a link")
    return os.fsencode(name) + b"\0" + told + b"\n"


def _contents(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
