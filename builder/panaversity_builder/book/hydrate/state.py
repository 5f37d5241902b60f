"""Reading and writing the build state below ``OUTPUT/.panaversity``; anything odd is a miss with its reason.

Knows which files there are and where; their formats are ``records``, their meaning is the caller's.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from panaversity_builder.book.hydrate.folder import STATE, Folder
from panaversity_builder.book.hydrate.records import (
    CHECKPOINTS,
    GLANCE,
    INDEX,
    MANIFEST_JSON,
    MANIFEST_TEXT,
    METADATA,
    PLAN,
    Identity,
    Index,
    parse_identity,
    parse_index,
    parse_plan,
    parse_told,
)
from panaversity_builder.book.sealed import Miss
from panaversity_builder.durable import write_beside
from panaversity_builder.locking import taken_alone
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import HashMismatch, LocalEdits, OutputLocked
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.paths import shown

LOCK = "lock"
LARGEST = {
    MANIFEST_JSON: 1 << 16, MANIFEST_TEXT: 1 << 28, INDEX: 1 << 28, PLAN: 1 << 28, CHECKPOINTS: 1 << 16,
    METADATA: 1 << 28, GLANCE: 1 << 28,
}  # fmt: skip
"""Bytes. A bigger state file is a miss: it is read whole, so its size is bounded first."""

_BESIDE = re.compile(r"\.(?:" + "|".join(map(re.escape, LARGEST)) + r")\.[0-9a-f]{12}")
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class State:
    """What earlier runs left. ``entries`` is the manifest of ``identity``, both or neither; ``misses`` say why not.

    ``revision`` and ``as_of`` are the book's revision and the moment (UTC) when it was written.
    ``unfinished`` is true when a run did not end, ``interrupted`` the manifest it was on its way to if that is known.
    ``raw`` holds the bytes of each file as read, so that an equal one is not written again (of the index, by far the
    largest, ``index_digest`` their digest); ``bad`` the names of
    files that are to be kept aside. ``checkpoints`` is what was remembered of audit logs, unread.
    """

    identity: Identity | None = None
    revision: int = 0
    as_of: str = ""
    entries: Mapping[str, Digest] | None = None
    index: Index | None = None
    index_digest: Digest | None = None
    interrupted: Digest | None = None
    unfinished: bool = False
    misses: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    raw: dict[str, bytes] = field(default_factory=dict)
    checkpoints: bytes | None = None


class StateFiles:
    """The state files of one output folder. ``manifest_file`` is where ``manifest.json`` was moved to, if it was."""

    def __init__(self, folder: Folder, manifest_file: str | None) -> None:
        self._folder = folder
        self._moved = None if manifest_file is None else os.path.abspath(manifest_file)

    # -- reading -------------------------------------------------------------------------------------------------

    def read(self) -> State:
        """Everything that is there and sound. Never raises for what a file holds."""
        state = State()
        with self._judging(state, INDEX):
            if (data := self._load(state, INDEX)) is not None:
                state.index = parse_index(data)
                state.index_digest = digest_of(state.raw.pop(INDEX))
        self._read_plan(state)
        with contextlib.suppress(Miss):  # the witness begins anew then, which changes nothing of the tree
            state.checkpoints = self._load(state, CHECKPOINTS)
        with contextlib.suppress(Miss):  # without it the server is asked again
            self._load(state, METADATA)
        with self._judging(state, MANIFEST_JSON):
            if (data := self._load(state, MANIFEST_JSON)) is not None:
                state.as_of, state.revision = parse_told(data)
                self._read_manifest(state, parse_identity(data))
        return state

    def raw(self, *names: str) -> dict[str, bytes] | None:
        """The bytes of these files, unjudged; None when one of them cannot be had."""
        state = State()
        with contextlib.suppress(Miss):
            for name in names:
                if self._load(state, name) is None:
                    return None
            return state.raw
        return None

    def _read_plan(self, state: State) -> None:
        """A plan that cannot be read is no reason to distrust the rest: it only says that there is something to end."""
        try:
            if (data := self._load(state, PLAN)) is not None:
                state.unfinished = True
                state.interrupted = parse_plan(data)
        except Miss:
            state.unfinished = True
            state.bad.append(PLAN)

    def _read_manifest(self, state: State, identity: Identity) -> None:
        with self._judging(state, MANIFEST_TEXT):
            text = self._load(state, MANIFEST_TEXT)
            if text is None:
                state.misses.append(f"{MANIFEST_TEXT} is not there")
            elif digest_of(text) != identity.manifest_hash and state.unfinished:
                state.misses.append("the last hydrate was interrupted")  # between its last two files: nothing is bad
            elif digest_of(text) != identity.manifest_hash:
                raise Miss("is not the text of the stored manifest hash")
            else:
                state.entries, state.identity = _entries(text, state.index), identity

    @contextlib.contextmanager
    def _judging(self, state: State, name: str) -> Iterator[None]:
        try:
            yield
        except Miss as miss:
            state.misses.append(f"{name} {miss}")
            state.bad.append(name)

    def _load(self, state: State, name: str) -> bytes | None:
        path, at = self._where(name)
        try:
            file = os.open(path, _FILE | (0 if at is None else os.O_NOFOLLOW), dir_fd=at)
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise Miss(f"cannot be read ({fault.strerror})") from fault
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise Miss("is not a regular file")
            if status.st_size > LARGEST[name]:
                raise Miss(f"is larger than {LARGEST[name]} bytes")
            data = state.raw[name] = _read_all(file, LARGEST[name])
        finally:
            os.close(file)
        return data

    def _where(self, name: str) -> tuple[str, int | None]:
        if name == MANIFEST_JSON and self._moved is not None:
            return self._moved, None
        return name, self._folder.descriptor(STATE)

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, name: str, data: bytes, *, flush: bool = True) -> None:
        """Replace one state file, durably unless ``flush`` is False."""
        path, at = self._where(name)
        if at is None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        write_beside(path, data, dir_fd=at, flush=flush)

    def forget(self, name: str) -> None:
        """Remove one state file; not being there is fine."""
        path, at = self._where(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path, dir_fd=at)

    def sweep(self) -> None:
        """Remove what a killed run had begun to write beside a state file."""
        for name in self._folder.names(STATE):
            if _BESIDE.fullmatch(name):
                self._folder.remove(f"{STATE}/{name}")

    def keep_aside(self, name: str) -> None:
        """Rename a file that cannot be used to ``NAME.bad``, for whoever wants to know what happened to it."""
        path, at = self._where(name)
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            os.rename(path, path + ".bad", src_dir_fd=at, dst_dir_fd=at)


def exists(folder: Folder) -> bool:
    """Whether there is a state folder. Raises ``LocalEdits`` when something else has its name."""
    status = folder.status(STATE)
    if status is not None and not stat.S_ISDIR(status.st_mode):
        raise LocalEdits(
            "hydrate", os.path.join(folder.path, STATE), "is not a folder, but hydrate keeps its state there",
            "Remove or rename it", paths=[STATE],
        )  # fmt: skip
    return status is not None


@contextlib.contextmanager
def locked(folder: Folder, holder: str) -> Iterator[int]:
    """Hold the folder's lock; answers the file system's time in nanoseconds when it was taken.

    The lock is the kernel's and dies with its owner, so it is never judged by age (F54). Raises ``OutputLocked``
    naming the holder.
    """
    if not exists(folder):
        folder.make_folder(STATE)
    lock = folder.append(f"{STATE}/{LOCK}")
    try:
        if not taken_alone(lock):
            who = shown(os.read(lock, 200).decode("utf-8", "replace").strip()) or "another process"
            raise OutputLocked(
                "hydrate", folder.path, f"is being hydrated by {who}", "Wait until it ends, then run again", holder=who
            )
        os.ftruncate(lock, 0)
        os.write(lock, holder.encode())
        _keep_out_of_git(folder)
        yield os.fstat(lock).st_mtime_ns
    finally:
        os.close(lock)


def _keep_out_of_git(folder: Folder) -> None:
    """Let the state folder ignore itself, whole or not at all; an interrupted first run may have left it without."""
    ignore = f"{STATE}/.gitignore"
    if folder.status(ignore) is None:
        folder.remove(f"{ignore}.new")
        folder.write(f"{ignore}.new", b"*\n")
        folder.place_over(f"{ignore}.new", ignore)


def _entries(text: bytes, index: Index | None) -> Mapping[str, Digest]:
    """The manifest's entries; digests that the index holds too are the same objects, not equal ones."""
    try:
        entries = parse(text, "hydrate")
    except HashMismatch as fault:
        raise Miss(fault.problem) from fault
    if index is not None:
        held = {owned.digest: owned.digest for owned in index.files.values()}
        for path, digest in entries.items():
            entries[path] = held.get(digest, digest)
    return entries


def _read_all(file: int, limit: int) -> bytes:
    pieces, left = [], limit
    while left and (piece := os.read(file, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
