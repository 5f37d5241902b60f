"""Blobs kept on this machine under their digests, shared by all its checkouts, users and processes.

    FOLDER/blobs/DIGEST   one blob, the bytes of its digest, never changed once it has its name
    FOLDER/notes/NAME     a few small texts of whoever keeps blobs here; its time says when it was last confirmed
    FOLDER/added          how many bytes came since the size was last counted, a line a run

A cache is never trusted and never fatal: bytes count only when they hash to their name, damage is removed and is a
miss, a folder that cannot be written is one warning. There is no lock: names appear by rename, and two who keep the
same blob keep the same bytes. Copies, not links: a file that its reader edits must not change here (measured: 40 µs a
file of 20 KB, links 8 µs). One folder, not 256: ext4 spreads new folders over the disk, which doubles the cost. Knows
digests and files; does not know books, servers or paths of a tree.
"""

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from panaversity_builder.durable import write_all
from panaversity_builder.progress import SILENT
from panaversity_fs.core.digest import Digest, is_digest

DEFAULT_BYTES: Final = 2 << 30
"""How large the cache may grow when nobody says otherwise."""
SPARE_BYTES: Final = 256 << 20
"""What keeping a blob leaves free on the disk: a cache must not take the last room from the work itself."""
LOOK_AGAIN_BYTES: Final = 16 << 20
"""How much is written before the disk is asked again how much room it has."""
FULL_SHARE: Final = 0.9
"""Pruning goes down to this share of the limit, so that it is rare."""
TEMPORARY_SECONDS: Final = 3600.0
"""A temporary file older than this belongs to a process that died."""
TOUCH_SECONDS: Final = 3600.0
"""A blob's time of use is refreshed at most this often."""
NOTE_SECONDS: Final = 180 * 86400.0
"""A note that nobody confirmed for so long is pruned."""
NOTE_BYTES: Final = 1 << 16
LEDGER_BYTES: Final = 1 << 16

_CHUNK = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a planted link or fifo is a miss, never a trap
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NOTE = re.compile(r"[0-9a-z-]{1,100}")


def default_folder() -> str:
    """This user's cache folder for the program (``~/.cache/panaversity`` on Linux, unless ``XDG_CACHE_HOME``)."""
    from platformdirs import user_cache_dir  # late: a run that is told where its cache lies never needs it

    return user_cache_dir("panaversity", appauthor=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """One blob in the cache: where, how many bytes, when it was last used (seconds since 1970)."""

    path: str
    size: int
    used: float


class BlobCache:
    """The cache in one folder, which is made when the first blob is kept, not before. With ``max_bytes`` 0 it is none.

    ``warn`` hears, once, that the folder cannot be used.
    """

    def __init__(self, folder: str, max_bytes: int = DEFAULT_BYTES, warn: Callable[[str], None] = SILENT.warn) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._warn = warn
        self._writable = max_bytes > 0
        self._added = 0
        self._mode: int | None = None
        self._made = False
        self._here: set[str] = set()
        self._room = 0
        self._run, self._count = secrets.token_hex(6), 0

    # -- reading -------------------------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """True when nothing was ever kept here."""
        return not os.path.isdir(os.path.join(self.folder, "blobs"))

    def size(self, digest: Digest) -> int | None:
        """Bytes of a blob that seems to be here, not verified; None when it is not."""
        try:
            status = os.lstat(self._path(digest))
        except OSError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) and self.max_bytes else None

    @contextlib.contextmanager
    def opened(self, digest: Digest) -> Iterator[int | None]:
        """A descriptor to read a blob from, None when it is not here. The reader hashes, and ``discard``s damage."""
        file = self._open(digest)
        try:
            yield file
        finally:
            if file is not None:
                os.close(file)

    def _open(self, digest: Digest) -> int | None:
        if not self.max_bytes:
            return None
        try:
            file = os.open(self._path(digest), _READ)
        except OSError:
            return None
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            os.close(file)
            return None
        if time.time() - status.st_mtime > TOUCH_SECONDS:
            with contextlib.suppress(OSError):  # somebody else's blob in a shared folder
                os.utime(file)
        return file

    def discard(self, digest: Digest) -> None:
        """Remove a damaged blob; where that is not allowed, its next reader finds it damaged again."""
        with contextlib.suppress(OSError):
            os.unlink(self._path(digest))

    # -- keeping -------------------------------------------------------------------------------------------------

    def put_open(self, digest: Digest, file: int) -> bool:
        """Keep a copy of an open file, read from its beginning, whose bytes the caller has verified; True when it is
        here now."""
        try:
            os.lseek(file, 0, os.SEEK_SET)
            return self._put(digest, os.fstat(file).st_size, iter(lambda: os.read(file, _CHUNK), b""))
        except OSError as fault:
            return self._given_up(fault)

    def put_bytes(self, digest: Digest, data: bytes) -> bool:
        """Keep bytes that are at hand."""
        try:
            return self._put(digest, len(data), iter([data]))
        except OSError as fault:
            return self._given_up(fault)

    def _put(self, digest: Digest, size: int, chunks: Iterator[bytes]) -> bool:
        if self.size(digest) == size:
            return True
        if not self._worth(digest, size):
            return False
        self._write(self._path(digest), chunks)
        self._added += size
        return True

    def settle(self) -> None:
        """Account for what was kept since the last call, and prune when the limit is passed. Called once a run."""
        if not self._added:
            return
        try:
            total = self._accounted(self._added)
        except OSError as fault:
            self._given_up(fault)
            return
        self._added = 0
        if total is None:
            self.prune(self.max_bytes)
        elif total > self.max_bytes:
            self.prune(int(self.max_bytes * FULL_SHARE))

    def _worth(self, digest: Digest, size: int) -> bool:
        """Whether to write: not more in one run than may stay, and the disk has room to spare."""
        if not self._writable or self._added + size > self.max_bytes:
            return False
        folder = self._ready(os.path.dirname(self._path(digest)))
        if self._room < size:
            place = os.statvfs(folder)
            free = place.f_bavail * place.f_frsize - SPARE_BYTES
            self._room = min(free, max(size, LOOK_AGAIN_BYTES))
        self._room -= size
        return self._room >= 0

    def _accounted(self, added: int) -> int | None:
        """The cache's size by its ledger after this line; None when the ledger has to be made anew."""
        ledger = os.path.join(self.folder, "added")
        file = os.open(ledger, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, self._rights(0o666))
        try:
            known = self._made or os.fstat(file).st_size > 0
            os.write(file, b"%d\n" % added)  # one short append: whole, whoever writes beside us
            lines = os.pread(file, LEDGER_BYTES, 0)
        finally:
            os.close(file)
        if not known or len(lines) >= LEDGER_BYTES or not re.fullmatch(rb"(\d{1,18}\n)+", lines):
            return None
        return sum(map(int, lines.split()))

    # -- notes ---------------------------------------------------------------------------------------------------

    def note(self, name: str, data: bytes) -> None:
        """Keep a small text under a name, or confirm the one that is there."""
        path = self._note_path(name)
        if not self._writable:
            return
        try:
            if (found := self.noted(name)) is not None and found[0] == data:
                os.utime(path)
            else:
                self._ready(os.path.dirname(path))
                self._write(path, iter([data]))
        except OSError as fault:
            self._given_up(fault)

    def noted(self, name: str) -> tuple[bytes, float] | None:
        """A note and when it was last confirmed (seconds since 1970); its reader judges what it says."""
        if not self.max_bytes:
            return None
        try:
            file = os.open(self._note_path(name), _READ)
        except OSError:
            return None
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_size > NOTE_BYTES:
                return None
            return os.read(file, NOTE_BYTES), status.st_mtime
        except OSError:
            return None
        finally:
            os.close(file)

    # -- care ----------------------------------------------------------------------------------------------------

    def usage(self) -> tuple[int, int]:
        """How many blobs are kept, and their bytes."""
        kept = list(self._all())
        return len(kept), sum(blob.size for blob in kept)

    def prune(self, max_bytes: int) -> tuple[int, int]:
        """Remove the blobs used longest ago until at most ``max_bytes`` stay; answers how many went, and their bytes.

        What dead processes left goes too. A blob that cannot be removed is left.
        """
        kept = sorted(self._all(clean=True), key=lambda blob: (blob.used, blob.path))
        total = sum(blob.size for blob in kept)
        gone = freed = 0
        for blob in kept:
            if total - freed <= max_bytes:
                break
            with contextlib.suppress(OSError):
                os.unlink(blob.path)
                gone, freed = gone + 1, freed + blob.size
        self._forget_old_notes()
        with contextlib.suppress(OSError):  # the next run counts again
            if kept:
                self._write(os.path.join(self.folder, "added"), iter([b"%d\n" % (total - freed)]))
        return gone, freed

    def _all(self, clean: bool = False) -> Iterator[Kept]:
        """Every blob; with ``clean`` what is neither blob nor young temporary file is removed on the way."""
        now = time.time()
        for blob in _entries(os.path.join(self.folder, "blobs")):
            with contextlib.suppress(OSError):
                status = blob.stat(follow_symlinks=False)
                if is_digest(blob.name) and stat.S_ISREG(status.st_mode):
                    yield Kept(blob.path, status.st_size, status.st_mtime)
                elif clean and now - status.st_mtime > TEMPORARY_SECONDS:
                    os.unlink(blob.path)

    def _forget_old_notes(self) -> None:
        now = time.time()
        for entry in _entries(os.path.join(self.folder, "notes")):
            with contextlib.suppress(OSError):
                if now - entry.stat(follow_symlinks=False).st_mtime > NOTE_SECONDS:
                    os.unlink(entry.path)

    # -- files ---------------------------------------------------------------------------------------------------

    def _path(self, digest: Digest) -> str:
        if not is_digest(digest):
            raise ValueError("a blob is named by a digest")
        return os.path.join(self.folder, "blobs", digest)

    def _note_path(self, name: str) -> str:
        if not _NOTE.fullmatch(name):
            raise ValueError("a note has a plain name")
        return os.path.join(self.folder, "notes", name)

    def _write(self, path: str, chunks: Iterator[bytes]) -> None:
        """Whole or not at all under ``path``; not flushed, for what a power cut leaves is read as damage."""
        self._count += 1
        beside = f"{path}.{self._run}.{self._count}"
        file = os.open(beside, _NEW, self._rights(0o644))
        try:
            try:
                for chunk in chunks:
                    write_all(file, chunk)
            finally:
                os.close(file)
            os.rename(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise

    def _ready(self, folder: str) -> str:
        """Let a folder of the cache be there. One that we make ourselves is this user's alone (books may be private);
        in one that an administrator shared, what we make is shared alike."""
        if folder in self._here:
            return folder
        if not os.path.isdir(folder):
            if not os.path.isdir(self.folder):
                os.makedirs(os.path.dirname(self.folder) or ".", exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self.folder, 0o700)
                    self._made = True
            for name in (os.path.dirname(folder), folder):
                if name.startswith(self.folder + os.sep):
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o700)
                        os.chmod(name, self._rights(0o777))
        self._here.add(folder)
        return folder

    def _rights(self, wanted: int) -> int:
        """Permission bits of the cache folder, as far as they mean something here."""
        if self._mode is None:
            self._mode = stat.S_IMODE(os.stat(self.folder).st_mode) & 0o777
        return self._mode & wanted

    def _given_up(self, fault: OSError) -> Literal[False]:
        """What goes wrong while keeping is one warning, and nothing more is kept in this run."""
        if self._writable:
            self._warn(
                f"cache: {fault.filename or self.folder}: cannot be written ({fault.strerror}); "
                "what is downloaded is not kept for offline work and other checkouts"
            )
        self._writable = False
        return False


def _entries(folder: str) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []
