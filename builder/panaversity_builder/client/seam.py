"""The server as the builder sees it: seven calls, the values they answer, and what they cost.

Everything that ingest and hydrate know of a server stands here, so that a simulator can take its place. Does not know
HTTP, MCP or JSON; ``client.http`` does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.merkle import Proof
from panaversity_fs.core.schema import Schema

LARGE = 4 * 1024 * 1024
"""Bytes. A bigger blob travels alone (``put_blob``, ``fetch_blob``), where it can be resumed; the rest share a pack."""

TEXT_WITHIN = 64 * 1024
"""Bytes of changed text that may come with a plan, which spares the round trip of a pack."""

Scope = Literal["all", "content", "assets"]
TOPS: Mapping[str, tuple[str, ...]] = {"all": ("",), "content": ("content/",), "assets": ("static/",)}
"""Beginnings of the book paths that a scope covers."""

Chunks = Callable[[], Iterator[bytes]]
"""Makes the bytes of one blob anew each time it is called, so that an upload can be repeated."""

BlobSource = Callable[[], Iterable[tuple[Digest, int, Chunks]]]
"""Makes the blobs of one changeset anew each time it is called: digest, size in bytes, chunks."""

MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
BOOK_UNKNOWN = "BOOK_UNKNOWN"


@dataclass(frozen=True, slots=True)
class PlanFile:
    """One path that differs: ``current`` is the server's digest (None: deleted), ``target`` the caller's (None: new).

    ``change`` is ``added``, ``modified`` or ``deleted``; ``size`` is the server's, in bytes.
    """

    path: str
    current: Digest | None
    target: Digest | None
    change: str
    size: int


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """What a plan is to tell.

    The changes since the manifest ``known`` (None: since nothing) in ``scope``, whether the book's audit log continues
    ``seen``, and the text of what changed where it has at most ``text_within`` bytes (up to ``TEXT_WITHIN``).
    """

    known: Digest | None = None
    scope: Scope = "all"
    seen: Checkpoint | None = None
    text_within: int = 0


FROM_NOTHING = PlanQuestion()


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What leads from the manifest the caller has to the book's (``plan_build``, FR-025).

    ``manifest_hash`` is always the whole book's. ``truncated`` says that ``files`` holds only the first of
    ``changed_count``: read the manifest text instead. ``warning`` is (code, message). ``checkpoint`` is that of the
    book's audit log (None: an old server, or no such book), ``proof`` that it continues the one sent along. ``texts``
    are bytes that came along, of every file that differs or of none; nobody hashed them yet.
    """

    status: str
    manifest_hash: Digest
    numbering: Numbering | None
    schema: Schema | None
    revision: int
    store_id: str
    incarnation: int
    ingest_manifest: Digest | None
    files: tuple[PlanFile, ...]
    changed_count: int
    total_files: int
    total_bytes: int
    truncated: bool
    warning: tuple[str, str] | None
    checkpoint: Checkpoint | None = None
    proof: Proof | None = None
    texts: Mapping[Digest, bytes] = field(default_factory=dict)

    def warns(self, code: str) -> bool:
        """True when the answer carries this warning."""
        return self.warning is not None and self.warning[0] == code


@dataclass(frozen=True, slots=True)
class ChangesetAnswer:
    """What a commit did: the book's new revision and manifest hash, and how many paths changed how.

    ``checkpoint`` is that of the audit log with this commit in it, ``proof`` that it continues the one sent along.
    """

    revision: int
    manifest_hash: Digest
    added: int
    updated: int
    deleted: int
    unchanged: int
    schema: Schema
    numbering: Numbering | None
    checkpoint: Checkpoint | None = None
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class LastWritten:
    """When a path was last written (UTC, ``2026-11-20T12:00:00.000Z``), and by which agent."""

    at: str
    by: str


@dataclass(slots=True)
class Traffic:
    """What a command has cost so far: requests (every attempt counts) and bytes of bodies as they crossed the wire."""

    requests: int = 0
    received: int = 0
    sent: int = 0

    def since(self, before: "Traffic") -> "Traffic":
        """What was spent after ``before`` was copied from this."""
        return Traffic(self.requests - before.requests, self.received - before.received, self.sent - before.sent)


PackMember = tuple[Digest, int, Iterator[bytes]]
"""One blob of a pack: digest asked for, exact size in bytes, and its bytes, to be read before the next member."""


class Server(Protocol):
    """A server that holds books.

    Every method raises the types of ``core.errors``. Calls are retried inside (three attempts), except the two that
    stream bytes to the caller: who has half of them decides what to ask for again, with ``attempts``.
    """

    traffic: Traffic

    def attempts(self) -> Iterable[AbstractContextManager[object]]:
        """Three attempts with growing, jittered waits: ``for attempt in server.attempts(): with attempt: …``.

        A failure that may pass (transport, unavailable, damaged bytes) is tried again, any other is raised at once;
        the last one leaves as ``ServerUnreachable`` or, when bytes stayed damaged, ``HashMismatch``.
        """

    def plan_build(self, book_id: str, asked: PlanQuestion = FROM_NOTHING) -> BuildPlan:
        """What a book is now, compared with what the asker has. One request. Raises ``BookGone`` for a deleted book."""

    def manifest_text(self, book_id: str, manifest: Digest) -> bytes:
        """The canonical text of a manifest that was told before, verified against its hash. One request."""

    def manifest_metadata(self, book_id: str, manifest: Digest) -> Mapping[str, LastWritten]:
        """Book path → when and by whom it was last written, as of a manifest that was told. One request.

        Raises ``NotFound`` where the server, or the way to it, does not tell it.
        """

    def fetch_pack(self, book_id: str, manifest: Digest, digests: Sequence[Digest]) -> Iterator[PackMember]:
        """Blobs named by ``manifest``, in the order asked; exactly one request and one attempt.

        Lengths are enforced here; the caller hashes what it writes. Raises ``Unavailable`` when cut off and
        ``HashMismatch`` for a malformed pack.
        """

    def fetch_blob(self, book_id: str, manifest: Digest, digest: Digest, start: int, size: int) -> Iterator[bytes]:
        """One blob of ``size`` bytes from offset ``start``; one request, one attempt, length enforced, not hashed."""

    def put_blob(self, book_id: str, digest: Digest, size: int, chunks: Chunks) -> None:
        """Upload one blob ahead of the changeset that names it."""

    def send_changeset(
        self,
        book_id: str,
        changeset: Changeset,
        blobs: BlobSource,
        idempotency_key: str,
        seen: Checkpoint | None = None,
    ) -> ChangesetAnswer:
        """Commit a changeset and the bytes it brings, all or nothing; ``seen`` asks for a proof about the audit log.

        Raises ``Conflict`` (``details["conflicts"]`` lists all) and ``BlobsMissing`` (``details["digests"]``).
        """

    def call(self, tool: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Call any MCP tool; answers its structured content."""
