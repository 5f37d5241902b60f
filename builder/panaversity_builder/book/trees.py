"""Folder trees as found: what they hold, the digest of that, and true copies of them.

A tree is every file's relative path and content, whoever put it there; empty folders, times and modes do not count.
Knows files and links; does not know books, manifests, ownership or what a copy is for.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping

from panaversity_fs.core.digest import Digest, digest_of

Marks = Mapping[str, str]
"""Relative path → ``file DIGEST`` or ``link TARGET``: all that counts of a tree."""

_NOTHING: frozenset[str] = frozenset()
_BUILD_STATE = frozenset({".panaversity"})
_FICLONE = 0x40049409
"""Linux' ``ioctl`` that lets two files share their blocks until one is written: a copy that costs nothing."""
_STEP = 1 << 20


def tree_digest(folder: str, names: frozenset[str] = _NOTHING, paths: frozenset[str] = _NOTHING) -> Digest:
    """The digest of ``tree_marks``. Raises ``OSError``: a digest is made of what was read, or not at all."""
    return marks_digest(tree_marks(folder, names, paths))


def marks_digest(marks: Marks) -> Digest:
    """SHA-256 over ``path NUL mark LF`` of every file, sorted."""
    lines = sorted(f"{path}\0{mark}\n" for path, mark in marks.items())
    return digest_of("".join(lines).encode("utf-8", "surrogateescape"))


def tree_marks(folder: str, names: frozenset[str] = _NOTHING, paths: frozenset[str] = _NOTHING) -> dict[str, str]:
    """What a folder holds.

    Left out: folders and files that bear one of ``names`` at any depth, and those whose own path is one of
    ``paths`` (absolute). A symbolic link counts by where it points and is not followed; sockets, devices and fifos
    do not count. Raises ``OSError`` for what cannot be read.
    """
    root = os.path.abspath(folder)
    return {entry.path[len(root) + 1 :]: _mark(entry) for entry in _files(root, names, paths)}


def _mark(entry: os.DirEntry[str]) -> str:
    return f"link {os.readlink(entry.path)}" if entry.is_symlink() else f"file {file_digest(entry.path)}"


def _files(
    folder: str, names: frozenset[str] = _NOTHING, paths: frozenset[str] = _NOTHING
) -> Iterator[os.DirEntry[str]]:
    """Every link and regular file below the folder."""
    with os.scandir(folder) as found:
        entries = [e for e in found if e.name not in names and e.path not in paths]
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, names, paths)
        elif entry.is_symlink() or stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            yield entry


def docs_digest(docs: str) -> Digest:
    """The digest of a docs folder without its build state; a folder that is not there is an empty one."""
    return marks_digest(docs_marks(docs))


def docs_marks(docs: str) -> dict[str, str]:
    """What a docs folder holds besides its build state."""
    return tree_marks(docs, _BUILD_STATE) if os.path.isdir(docs) else {}


def file_digest(path: str) -> Digest:
    """The digest of one file's bytes, read in pieces."""
    with open(path, "rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def copy_tree(source: str, target: str, spare: str | None = None) -> Digest:
    """Copy what counts of a folder to a new one and answer the digest of what was read.

    ``spare`` is a folder about to be thrown away: what it holds just so already is taken from there (a second name
    for the same file) instead of being written again. No file of ``source`` ever gets a second name, so nobody who
    writes into the copy reaches the original. Modes and times are kept. Raises ``OSError``; what is half done stays.
    """
    root = os.path.abspath(source)
    os.mkdir(target)
    made, marks = {target}, {}
    for entry in _files(root):
        path = entry.path[len(root) + 1 :]
        copy = os.path.join(target, path)
        if (folder := os.path.dirname(copy)) not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        if entry.is_symlink():
            marks[path] = _mark(entry)
            os.symlink(os.readlink(entry.path), copy)
        else:
            marks[path] = f"file {_copy_file(entry.path, copy, spare and os.path.join(spare, path))}"
    return marks_digest(marks)


def _copy_file(source: str, copy: str, spare: str | None) -> Digest:
    if spare is not None and (digest := _taken(source, copy, spare)):
        return digest
    with open(source, "rb", buffering=0) as reader, open(copy, "xb", buffering=0) as writer:
        found = os.fstat(reader.fileno())
        digest = _cloned(reader.fileno(), writer.fileno()) or _written(reader.fileno(), writer.fileno())
        os.fchmod(writer.fileno(), stat.S_IMODE(found.st_mode))
        os.utime(writer.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        return digest


def _taken(source: str, copy: str, spare: str) -> Digest | None:
    """The digest of the source, when a spare file that equals it could be given the copy's name."""
    with contextlib.suppress(OSError):
        if os.stat(source).st_size == os.lstat(spare).st_size and not os.path.islink(spare):
            digest = file_digest(source)
            if file_digest(spare) == digest:
                os.link(spare, copy)
                return digest
    return None


def _cloned(reader: int, writer: int) -> Digest | None:
    """The digest of the source, when the file system could let both share their blocks."""
    try:
        fcntl.ioctl(writer, _FICLONE, reader)
    except OSError:
        return None
    return _written(reader, None)


def _written(reader: int, writer: int | None) -> Digest:
    """Read everything, write it as it is read, and answer its digest."""
    digest = hashlib.sha256()
    while data := os.read(reader, _STEP):
        digest.update(data)
        view = memoryview(data)
        while view and writer is not None:
            view = view[os.write(writer, view) :]
    return Digest(digest.hexdigest())
