"""The author's docs folder: every file with its digest, read without following links and without writing anything.

Knows folders, files and the stat cache; does not know books: where a file is kept is ``book.mapping``'s business.
A file that changes while it is read is read again, then refused (F46); links, pipes and devices are refused unread
(F58). Only the stat cache, which lies elsewhere, spares the reading of what has not changed.
"""

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from panaversity_builder.book.ignore import IGNORE_FILE, IgnoreRules
from panaversity_builder.book.mapping import Refusal
from panaversity_builder.book.stat_cache import Mark, StatCache
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import PanaversityError, SourceRefused
from panaversity_fs.core.paths import MAX_LEVELS, shown

READS: Final = 3
"""How often a file that changes under our eyes is read before it is refused."""
PIECE: Final = 1024 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe put in its place must not hang


class SourceChanged(SourceRefused):
    """A file is not what it was when the tree was scanned: scan again."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as scanned: digest and size in bytes."""

    digest: Digest
    size: int


@dataclass(slots=True)
class SourceTree:
    """What a scan found: files by source path, ignored names and refused ones, each with its reason."""

    root: str
    files: dict[str, SourceFile] = field(default_factory=dict)
    ignored: list[Refusal] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    rules: IgnoreRules = field(default_factory=IgnoreRules)
    hashed: int = 0
    """How many files had to be read; the rest was believed to the stat cache."""

    @property
    def digests(self) -> dict[str, Digest]:
        """Source path → digest."""
        return {path: file.digest for path, file in self.files.items()}


def scan(
    root: str,
    cache: StatCache | None = None,
    *,
    progress: Progress = SILENT,
    clock: Callable[[], int] = time.time_ns,
) -> SourceTree:
    """Read the tree below ``root`` and bring ``cache`` up to date.

    ``clock`` answers nanoseconds since 1970. Raises ``SourceRefused`` when the folder is missing, no folder,
    unreadable or holds no file at all; what is wrong with single names is listed in the answer.
    """
    cache = StatCache() if cache is None else cache
    begun = clock()
    walk = _Walk(SourceTree(root), cache, progress)
    folder = _open_root(root)
    progress.start("scan", None, "files")
    try:
        walk.folder(folder, "", 0)
    finally:
        progress.finish()
        os.close(folder)
    if not walk.tree.files and not walk.tree.refused:
        raise SourceRefused(
            "ingest", shown(root), "holds no files", "Check --source-dir; an empty source never empties a book"
        )
    cache.replace(walk.marks, written_ns=begun)
    return walk.tree


def _open_root(root: str) -> int:
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as fault:
        facts = {FileNotFoundError: "does not exist", NotADirectoryError: "is not a folder"}
        fact = facts.get(type(fault), f"cannot be read ({fault.strerror})")
        raise SourceRefused("ingest", shown(root), fact, "Check --source-dir") from fault


def _ignore_text(folder: int, path: str) -> str:
    """What the folder's ``.bookignore`` says. Raises ``SourceRefused`` when it is no plain file of UTF-8 text."""
    where, fix = shown(f"{path}{IGNORE_FILE}"), "Make it a plain file of UTF-8 text"
    try:
        file = os.open(IGNORE_FILE, _FILE, dir_fd=folder)
        try:
            if fault := _kind_fault(os.fstat(file).st_mode):
                raise SourceRefused("ingest", where, fault, fix)
            data = b"".join(iter(lambda: os.read(file, PIECE), b""))
        finally:
            os.close(file)
        return data.decode("utf-8")
    except OSError as fault:
        raise SourceRefused("ingest", where, f"cannot be read ({fault.strerror})", fix) from fault
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise SourceRefused("ingest", f"{where} line {line}", "is not UTF-8 text", fix, line=line) from fault


class _Walk:
    """One walk: folder by folder through descriptors, so that no name is looked up through a link."""

    def __init__(self, tree: SourceTree, cache: StatCache, progress: Progress) -> None:
        self.tree = tree
        self.marks: dict[str, Mark] = {}
        self._cache = cache
        self._progress = progress

    def folder(self, descriptor: int, prefix: str, depth: int) -> None:
        with os.scandir(descriptor) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        if any(entry.name == IGNORE_FILE for entry in found):
            self.tree.rules.add(prefix[:-1], _ignore_text(descriptor, prefix))
        for entry in found:
            path = prefix + entry.name
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
                if reason := self.tree.rules.reason(path, is_folder):
                    self.tree.ignored.append(Refusal(path, reason))
                elif is_folder:
                    self._enter(descriptor, entry.name, path, depth + 1)
                else:
                    self._file(descriptor, entry, path)
            except OSError as fault:
                self.tree.refused.append(Refusal(path, f"cannot be read ({fault.strerror})"))

    def _enter(self, parent: int, name: str, path: str, depth: int) -> None:
        if depth >= MAX_LEVELS:
            self.tree.refused.append(Refusal(path, f"lies deeper than {MAX_LEVELS} levels"))
            return
        folder = os.open(name, _FOLDER, dir_fd=parent)
        try:
            self.folder(folder, path + "/", depth)
        finally:
            os.close(folder)

    def _file(self, parent: int, entry: "os.DirEntry[str]", path: str) -> None:
        status = entry.stat(follow_symlinks=False)
        if fault := _kind_fault(status.st_mode):
            self.tree.refused.append(Refusal(path, fault))
            return
        mark = self._cache.believed(path, status)
        if mark is None:
            mark = _hashed(parent, entry.name)
            self.tree.hashed += 1
            if mark is None:
                self.tree.refused.append(Refusal(path, f"changed while it was read, {READS} times"))
                return
        self.marks[path] = mark
        self.tree.files[path] = SourceFile(mark.digest, mark.size)
        self._progress.advance(1)


def _kind_fault(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return "is a symbolic link, which is never followed"
    return "is not a regular file"


def _hashed(folder: int, name: str) -> Mark | None:
    """Read one file whole: stat, read, stat, until both agree; None when they never do."""
    file = os.open(name, _FILE, dir_fd=folder)
    try:
        for _ in range(READS):
            before = os.fstat(file)
            if not stat.S_ISREG(before.st_mode):
                return None
            os.lseek(file, 0, os.SEEK_SET)
            digest, count = _digest(file, before.st_size)
            mark = Mark.of(before, digest)
            if count == before.st_size and mark == Mark.of(os.fstat(file), digest):
                return mark
        return None
    finally:
        os.close(file)


def _digest(file: int, size: int) -> tuple[Digest, int]:
    """Digest and length of what is read, at most one byte more than ``size``, which is enough to see it grew."""
    state, count = hashlib.sha256(), 0
    while count <= size and (piece := os.read(file, min(PIECE, size + 1 - count))):
        state.update(piece)
        count += len(piece)
    return Digest(state.hexdigest()), count


def read_chunks(root: str, path: str, expected: SourceFile) -> Iterator[bytes]:
    """The bytes of a scanned file, for sending. Raises ``SourceChanged`` before the last of them when they differ.

    The last piece is held back until the digest is known, so nobody ever receives a whole file that is not the one
    that was scanned.
    """
    with _opened(root, path) as file:
        state, left, held = hashlib.sha256(), expected.size, b""
        while left and (piece := os.read(file, min(PIECE, left))):
            if held:
                yield held
            state.update(piece)
            left -= len(piece)
            held = piece
        if left or os.read(file, 1) or state.hexdigest() != expected.digest:
            raise _changed(path)
        if held:
            yield held


@contextlib.contextmanager
def _opened(root: str, path: str) -> Iterator[int]:
    """A regular file below root, reached step by step without following a link."""
    with contextlib.ExitStack() as open_files:
        try:
            at = _open_root(root)
            open_files.callback(os.close, at)
            *folders, name = path.split("/")
            for step in folders:
                at = os.open(step, _FOLDER, dir_fd=at)
                open_files.callback(os.close, at)
            at = os.open(name, _FILE, dir_fd=at)
            open_files.callback(os.close, at)
            if not stat.S_ISREG(os.fstat(at).st_mode):
                raise _changed(path)
        except OSError as fault:
            raise _changed(path) from fault
        yield at


def _changed(path: str) -> PanaversityError:
    return SourceChanged("ingest", shown(path), "changed while it was read", "Run it again when nothing writes there")
