"""What an ingest remembers on this machine: stat cache, manifest texts, audit checkpoints, the changeset whose answer
is still out, and the last ingest where no server could be told of it.

Knows files; does not know servers. Everything here is a cache: a text counts only under its own hash, what is
missing or damaged costs time, or makes a change look like a conflict, and nothing else; a folder that cannot be
written is a warning.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Final

from panaversity_builder.book.checkpoints import Witness
from panaversity_builder.book.stat_cache import StatCache
from panaversity_builder.client import BuildPlan
from panaversity_builder.durable import write_beside
from panaversity_builder.progress import Progress
from panaversity_builder.state_folder import make_state_folder
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import HashMismatch
from panaversity_fs.core.manifest import Entries, parse, render

MARKS: Final = "stat.json"
BOOK: Final = "book.txt"
SOURCE: Final = "source.txt"
PENDING: Final = "pending.json"
CHECKPOINTS: Final = "checkpoints.json"
BASE: Final = "base.json"


@dataclass(frozen=True, slots=True)
class Pending:
    """A changeset that was sent and not answered. Its key is good for exactly this payload on this revision."""

    key: str
    payload: str
    store_id: str
    incarnation: int
    revision: int


def memory_name(book_id: str, source_dir: str) -> str:
    """The name of a folder for what is remembered of one source folder and book."""
    return f"{book_id}-{hashlib.sha256(os.fsencode(os.path.abspath(source_dir))).hexdigest()[:12]}"


def _standing(plan: BuildPlan) -> list[object]:
    """What must be as it was for a base of our own to be the newest: store, life of the book, what the server knows."""
    return [plan.store_id, plan.incarnation, plan.ingest_manifest]


class IngestState:
    """The memory of one source folder for one book, below ``STATE_DIR/ingest/``; of a dry run nothing is kept."""

    def __init__(
        self,
        state_dir: str,
        book_id: str,
        source_dir: str,
        progress: Progress,
        *,
        accept_rollback: bool = False,
        read_only: bool = False,
    ) -> None:
        self._state_dir, self._read_only = state_dir, read_only
        self._progress = progress
        self._folder = os.path.join(state_dir, "ingest", memory_name(book_id, source_dir))
        self.witness = Witness(self._read(CHECKPOINTS), book_id, progress, accept_rollback=accept_rollback)
        self.marks = StatCache.from_bytes(self._read(MARKS) or b"")
        self.book = self._read(BOOK)
        """The book's manifest as it was last told to us; None when nobody did."""
        self._source = self._read(SOURCE)
        self._texts = {digest_of(text): text for text in (self.book, self._source) if text is not None}

    def text(self, manifest: Digest) -> bytes | None:
        """The text of a manifest, if it is one of those remembered."""
        return self._texts.get(manifest)

    def save_marks(self) -> None:
        """Write the stat cache if it learned anything."""
        if self.marks.dirty and self._write(MARKS, self.marks.to_bytes()):
            self.marks.dirty = False

    def save_checkpoints(self) -> None:
        """Keep what was seen of the book's audit log, if that is new."""
        if self.witness.dirty and self._write(CHECKPOINTS, self.witness.to_bytes()):
            self.witness.dirty = False

    def remember(self, book: bytes | None, base: bytes) -> None:
        """Keep the book's manifest, if it is known, and the last ingest's; unchanged files are not written again."""
        if book is not None and book != self.book:
            self._write(BOOK, book)
        if base != (self.book if book is None else book) and base != self._source:
            self._write(SOURCE, base)

    def own_base(self, plan: BuildPlan) -> Entries | None:
        """The last ingest as remembered here, if nobody told the server a newer one since; None when there is none."""
        try:
            body = json.loads(self._read(BASE) or b"")
            text = str(body["text"]).encode()
            if body["of"] == _standing(plan) and body["sha256"] == digest_of(text):
                return parse(text, "ingest")
        except (ValueError, TypeError, KeyError, RecursionError, HashMismatch):
            pass
        return None

    def keep_base(self, plan: BuildPlan, base: Entries) -> None:
        """Remember the last ingest here, as long as the server's own stays what this plan says."""
        text = render(base)
        body = {"of": _standing(plan), "sha256": digest_of(text), "text": text.decode()}
        if (data := json.dumps(body).encode()) != self._read(BASE):
            self._write(BASE, data)

    def forget_marks(self) -> None:
        """Believe no file any more: something in the cache was not true."""
        self.marks = StatCache()

    def pending(self) -> Pending | None:
        """The changeset whose answer is still out."""
        try:
            return Pending(**json.loads(self._read(PENDING) or b""))
        except (ValueError, TypeError, RecursionError):
            return None

    def expect_answer(self, pending: Pending) -> None:
        """Note a changeset before it is sent."""
        self._write(PENDING, json.dumps(asdict(pending)).encode())

    def answered(self) -> None:
        """The answer came, good or bad."""
        try:
            os.unlink(os.path.join(self._folder, PENDING))
        except FileNotFoundError:
            pass
        except OSError as fault:
            self._warn(PENDING, fault)

    def _read(self, name: str) -> bytes | None:
        try:
            with open(os.path.join(self._folder, name), "rb") as file:
                return file.read()
        except OSError:
            return None

    def _write(self, name: str, data: bytes) -> bool:
        if self._read_only:
            return False
        try:
            make_state_folder(self._state_dir)
            os.makedirs(self._folder, exist_ok=True)
            write_beside(os.path.join(self._folder, name), data)
        except OSError as fault:
            self._warn(name, fault)
            return False
        return True

    def _warn(self, name: str, fault: OSError) -> None:
        self._progress.warn(f"ingest: {name}: cannot be written ({fault.strerror}); the next run will be slower")
