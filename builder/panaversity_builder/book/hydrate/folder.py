"""The output folder through its descriptor: every look at it and every change of it passes here.

Paths are relative to the folder and are walked name by name without following symbolic links, so nothing outside can
be reached whatever is planted inside (P8, F56). Knows files, folders and names; does not know books, plans or who
owns what.
"""

import contextlib
import errno
import hashlib
import marshal
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Self

from panaversity_builder.durable import write_all
from panaversity_fs.core.digest import Digest

STATE = ".panaversity"
STAGING = "staging"
CHUNK = 1 << 20
_SIGHTS = 10_000
_KIND = 0o170000  # the bits of ``stat.S_IFMT``
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a planted fifo must not make us wait
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Signature = tuple[int, int, int, int]
"""Size in bytes, mtime and ctime in nanoseconds, inode: what changes when a file does."""

Sight = tuple[int, Signature]
"""What a name stands for (``stat.S_IFMT``) and its signature; a folder's is not looked at."""
_A_FOLDER: Sight = stat.S_IFDIR, (0, 0, 0, 0)


class Changed(Exception):
    """Something at ``path`` is no longer what it was judged to be; nothing was done to it.

    Told from step to step; who asked for the work turns it into an error.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def signature(status: os.stat_result) -> Signature:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class Folder:
    """One output folder, held by descriptor. ``close`` it, or use it in a ``with``."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._root = descriptor
        self._last: tuple[str, int] = ("", descriptor)
        self._source: tuple[str, int] = ("", descriptor)

    @classmethod
    def open(cls, path: str) -> Self:
        """Open a folder that exists. A symbolic link that the caller names is the caller's choice."""
        return cls(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        self._forget_source()
        os.close(self._root)

    # -- looking -------------------------------------------------------------------------------------------------

    def status(self, path: str) -> os.stat_result | None:
        """What lies at ``path`` itself; None when nothing does, or when a link or file stands in the way to it."""
        folder, name = _split(path)
        try:
            return os.stat(name, dir_fd=self._at(folder), follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as fault:
            if fault.errno == errno.ELOOP:
                return None
            raise

    def scan(self, folders: Collection[str]) -> dict[str, Sight]:
        """Everything that lies directly in the named folders, those that exist. ``""`` is the output folder itself."""
        wanted = frozenset(folders)
        found: dict[str, Sight] = {}
        if "" in wanted:
            self._scan(self._root, "", wanted, found)
            found.pop(STATE, None)
        return found

    def _scan(self, folder: int, prefix: str, wanted: frozenset[str], found: dict[str, Sight]) -> None:
        below = []
        with os.scandir(folder) as names:
            for entry in names:
                path = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    found[path] = _A_FOLDER
                    if path in wanted:
                        below.append((entry.name, path))
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                # As ``signature``, without the call; the status itself weighs ten times that.
                seen = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
                found[path] = status.st_mode & _KIND, seen
        for name, path in below:
            try:
                child = os.open(name, _FOLDER, dir_fd=folder)
            except OSError as fault:
                if fault.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise Changed(path) from fault
                raise
            try:
                self._scan(child, path + "/", wanted, found)
            finally:
                os.close(child)

    @contextlib.contextmanager
    def reading(self, path: str) -> Iterator[int]:
        """The descriptor of the regular file at ``path``. Raises ``Changed`` when there is none."""
        folder, name = _split(path)
        try:
            file = os.open(name, _FILE, dir_fd=self._at(folder))
        except OSError as fault:
            if fault.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
                raise Changed(path) from fault
            raise
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise Changed(path)
            yield file
        finally:
            os.close(file)

    def digest(self, path: str) -> tuple[Digest, Signature]:
        """The digest of a regular file and its signature from before it was read. Raises ``Changed``."""
        with self.reading(path) as file:
            before = signature(os.fstat(file))
            digest = hash_rest(file)
        return digest, before

    # -- changing ------------------------------------------------------------------------------------------------

    def make_folder(self, path: str) -> None:
        """Let a folder be there, its parents too. Raises ``Changed`` when something else is."""
        if not path or self._is_folder(path):
            return
        folder, name = _split(path)
        self.make_folder(folder)
        try:
            os.mkdir(name, 0o755, dir_fd=self._at(folder))
        except FileExistsError:
            if not self._is_folder(path):  # it is one when another run was quicker
                raise Changed(path) from None

    def _is_folder(self, path: str) -> bool:
        status = self.status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def create(self, path: str) -> int:
        """A descriptor to write a new file, mode 0644 less the umask. Raises ``FileExistsError``."""
        folder, name = _split(path)
        return os.open(name, _NEW, 0o644, dir_fd=self._at(folder))

    def write(self, path: str, data: bytes) -> None:
        """Write one new small file."""
        file = self.create(path)
        try:
            write_all(file, data)
        finally:
            os.close(file)

    def append(self, path: str) -> int:
        """A descriptor to read and write the file at ``path`` from its beginning, made if it is not there."""
        folder, name = _split(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o644, dir_fd=self._at(folder))

    def place_new(self, source: str, path: str) -> None:
        """Give the file ``source`` the name ``path``, where nothing may be. Raises ``Changed`` when something is."""
        from_folder, from_name = _split(source)
        with self._two(from_folder, path) as (source_at, target_at, name):
            try:
                os.link(from_name, name, src_dir_fd=source_at, dst_dir_fd=target_at, follow_symlinks=False)
                os.unlink(from_name, dir_fd=source_at)
            except FileExistsError:
                raise Changed(path) from None
            except OSError as fault:
                if fault.errno not in _NO_LINKS:
                    raise
                _rename_into_nothing(from_name, source_at, name, target_at, path)

    def place_over(self, source: str, path: str) -> None:
        """Let the file ``source`` take the place of what is at ``path`` (never written in place: F57)."""
        from_folder, from_name = _split(source)
        with self._two(from_folder, path) as (source_at, target_at, name):
            os.rename(from_name, name, src_dir_fd=source_at, dst_dir_fd=target_at)

    def remove(self, path: str) -> None:
        """Remove one name that is not a folder; nothing there is fine."""
        folder, name = _split(path)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(name, dir_fd=self._at(folder))

    def remove_folder(self, path: str) -> bool:
        """Remove a folder if it is empty; True when it is gone. A link of that name stays."""
        folder, name = _split(path)
        self._forget()
        self._forget_source()
        try:
            os.rmdir(name, dir_fd=self._at(folder))
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as fault:
            if fault.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ELOOP, errno.EBUSY):
                return False
            raise
        return True

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; none when it is not there."""
        try:
            return sorted(os.listdir(self._at(path)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def descriptor(self, path: str) -> int:
        """A descriptor of a folder, valid until the next call on another one."""
        return self._at(path)

    def free_bytes(self) -> int:
        """Bytes that we may still write to this file system."""
        space = os.fstatvfs(self._root)
        return space.f_bavail * space.f_frsize

    # -- walking -------------------------------------------------------------------------------------------------

    def _at(self, folder: str) -> int:
        """The descriptor of a folder; the last one is kept, for work comes sorted by folder."""
        if self._last[0] == folder:
            return self._last[1]
        self._forget()
        if folder:
            self._last = (folder, self._walk(folder))
        return self._last[1]

    def _walk(self, folder: str) -> int:
        here = self._root
        for name in folder.split("/"):
            try:
                below = os.open(name, _FOLDER, dir_fd=here)
            finally:
                if here != self._root:
                    os.close(here)
            here = below
        return here

    def _from(self, folder: str) -> int:
        """The descriptor of a folder that files are taken from: they nearly all come from one, staging."""
        if self._source[0] != folder:
            self._forget_source()
            if folder:
                self._source = (folder, self._walk(folder))
        return self._source[1]

    def _forget(self) -> None:
        if self._last[1] != self._root:
            os.close(self._last[1])
        self._last = ("", self._root)

    def _forget_source(self) -> None:
        if self._source[1] != self._root:
            os.close(self._source[1])
        self._source = ("", self._root)

    @contextlib.contextmanager
    def _two(self, source_folder: str, path: str) -> Iterator[tuple[int, int, str]]:
        folder, name = _split(path)
        try:
            yield self._from(source_folder), self._at(folder), name
        except NotADirectoryError as fault:
            raise Changed(path) from fault


def sight_digest(listing: Mapping[str, Sight]) -> Digest:
    """One digest over names, kinds and the signatures of everything that is not a folder.

    Of the bytes this Python writes for them, which takes half the time of text. Were another's other bytes, the digest
    would be another, and the folder would be looked at more closely.
    """
    hasher, left = hashlib.sha256(), iter(listing.items())
    while some := list(islice(left, _SIGHTS)):
        hasher.update(marshal.dumps(some, 2))  # 2: without references, which depend on more than the values
    return Digest(hasher.hexdigest())


def hash_rest(file: int, hasher: "hashlib._Hash | None" = None) -> Digest:
    """The digest of what is left to read of a descriptor, on top of what ``hasher`` has seen."""
    hasher = hasher or hashlib.sha256()
    while chunk := os.read(file, CHUNK):
        hasher.update(chunk)
    return Digest(hasher.hexdigest())


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _rename_into_nothing(source: str, source_at: int, name: str, target_at: int, path: str) -> None:
    """Where hard links do not exist: claim the name with an empty file of our own, then rename over that."""
    try:
        os.close(os.open(name, _NEW, 0o644, dir_fd=target_at))
    except FileExistsError:
        raise Changed(path) from None
    os.rename(source, name, src_dir_fd=source_at, dst_dir_fd=target_at)
