"""Carrying an ingest out: the changesets, the bytes they need, and the key that makes a lost answer harmless.

Knows what to send and when to send it again; what is sent was decided by ``book.ingest_plan``. Every changeset is
noted before it is sent and forgotten once it is answered.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from panaversity_builder.book.ingest_plan import IngestPlan, after
from panaversity_builder.book.ingest_state import IngestState, Pending
from panaversity_builder.book.source import SourceFile, SourceTree, read_chunks
from panaversity_builder.client import LARGE, ChangesetAnswer, Chunks, Server
from panaversity_builder.progress import Progress
from panaversity_fs.core.changes import Changeset, Delete, Operation, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import BlobsMissing, PanaversityError, ServerUnreachable
from panaversity_fs.core.manifest import Entries, changed_paths, render

SENDS: Final = 3
"""How often a changeset is sent when the server misses bytes of it."""


@dataclass
class Sending:
    """One ingest on its way: at most one changeset for a new numbering, and one for the files."""

    server: Server
    book_id: str
    plan: IngestPlan
    tree: SourceTree
    state: IngestState
    progress: Progress
    new_key: Callable[[], str]
    by_tools: bool = False
    """Whoever sends by tools cannot tell the server the last ingest: it is remembered here."""
    _paths: dict[Digest, str] = field(init=False)
    """Where in the source the bytes of a digest can be read."""
    _texts: dict[Digest, bytes] = field(init=False, default_factory=dict)
    """Manifest texts that changesets name."""

    def __post_init__(self) -> None:
        self._paths = {file.digest: path for path, file in self.tree.files.items()}

    def renumber(self) -> ChangesetAnswer | None:
        """A commit of its own that moves the book's paths to where the new numbering keeps them, if any moves."""
        plan = self.plan
        if plan.before is None:
            return None
        changeset = Changeset(
            operations=self._operations(plan.before, plan.book, self._book_sizes()),
            numbering=plan.numbering,
            ingest_manifest=None if plan.last is None else self._named(plan.last),
            operation="ingest",
        )
        unknown_text = plan.last is not None and plan.last != plan.book
        return self._send(changeset, {changeset.ingest_manifest} if unknown_text else ())

    def commit(self) -> ChangesetAnswer | None:
        """One changeset for everything the source changed; None when book and server know it all already."""
        plan = self.plan
        schema = None if plan.plan.schema == plan.schema else plan.schema
        numbering = None if plan.before is not None or plan.plan.numbering == plan.numbering else plan.numbering
        base = plan.base
        known = plan.last is not None and plan.last == base and (self.by_tools or not plan.last_is_ours)
        if known and not (schema or numbering or plan.decision.changes):
            return None
        wanted = {plan.source[path] for path in plan.decision.writes} - set(plan.book.values())
        large = {digest for digest in wanted if self._size(digest) > LARGE}
        for digest in sorted(large):
            self._put(digest)
        changeset = Changeset(
            operations=self._operations(plan.book, after(plan), {d: self._size(d) for d in self._paths}),
            schema=schema,
            numbering=numbering,
            ingest_manifest=self._named(base),
            operation="ingest",
        )
        text = set() if after(plan) == base else {changeset.ingest_manifest}
        return self._send(changeset, {*(wanted - large), *text})

    def settle(self, base: Entries) -> ChangesetAnswer:
        """A changeset of no operations: the book learns what counts as the last ingest from now on."""
        changeset = Changeset(operations=(), ingest_manifest=self._named(base), operation="ingest")
        return self._send(changeset, () if base == self.plan.book else {changeset.ingest_manifest})

    def _operations(self, now: Entries, wanted: Entries, sizes: dict[Digest, int]) -> tuple[Operation, ...]:
        """What leads from one manifest to another, each under the condition that nobody wrote there meanwhile."""
        operations: list[Operation] = []
        for path in changed_paths(now, wanted):
            if digest := wanted.get(path):
                operations.append(Write(path, digest, sizes[digest], now.get(path)))
            else:
                operations.append(Delete(path, now[path]))
        return tuple(operations)

    def _book_sizes(self) -> dict[Digest, int]:
        """Sizes of all the book holds; a pack tells those of files the source lacks (rare, and few)."""
        sizes = {file.digest: file.size for file in self.tree.files.values()}
        unknown = sorted(set(self.plan.book.values()) - sizes.keys())
        if unknown:
            for attempt in self.server.attempts():
                with attempt:
                    pack = self.server.fetch_pack(self.book_id, self.plan.plan.manifest_hash, unknown)
                    sizes |= {digest: size for digest, size, _ in pack}
        return sizes

    def _named(self, entries: Entries) -> Digest:
        text = render(entries)
        self._texts[digest_of(text)] = text
        return digest_of(text)

    def _send(self, changeset: Changeset, digests: Collection[Digest | None]) -> ChangesetAnswer:
        """Send it with these bytes, and again with those the server misses. The key stays the same throughout."""
        wanted = {digest for digest in digests if digest is not None}
        pending = self._pending(changeset)
        self.state.expect_answer(pending)
        try:
            answer = self._sent_until_whole(changeset, wanted, pending.key)
        except PanaversityError as refusal:
            if not isinstance(refusal, ServerUnreachable):  # else the answer is still out: the next run needs the key
                self.state.answered()
            raise
        self.state.answered()
        return answer

    def _sent_until_whole(self, changeset: Changeset, wanted: set[Digest], key: str) -> ChangesetAnswer:
        for left in reversed(range(SENDS)):
            try:
                return self._transmit(changeset, wanted, key)
            except BlobsMissing as missing:
                named = {Digest(str(digest)) for digest in missing.details.get("digests", ())}
                if not left or not named or not self._ours(named, changeset):
                    raise
                for digest in sorted(named & self._paths.keys()):
                    if self._size(digest) > LARGE:
                        self._put(digest)
                        named.remove(digest)
                wanted |= named
        raise AssertionError("the last attempt answers or raises")

    def _ours(self, digests: set[Digest], changeset: Changeset) -> bool:
        """True when all of these are bytes this changeset names and we can read: nothing else is ever sent."""
        named = changeset.digests() & self._paths.keys() | {changeset.ingest_manifest}
        return digests <= named

    def _pending(self, changeset: Changeset) -> Pending:
        """The kept key when this very changeset was sent and its answer lost, else a new one.

        The revision is part of it: once the book moved on, an old answer must never be replayed for a new wish.
        """
        plan = self.plan.plan
        payload = changeset.payload_hash
        held = self.state.pending()
        key = self.new_key()
        fresh = Pending(key, payload, plan.store_id, plan.incarnation, plan.revision)
        if held and held == Pending(held.key, payload, plan.store_id, plan.incarnation, plan.revision):
            return held
        return fresh

    def _transmit(self, changeset: Changeset, wanted: Collection[Digest], key: str) -> ChangesetAnswer:
        def blobs() -> Iterator[tuple[Digest, int, Chunks]]:
            for digest in sorted(wanted):
                yield self._blob(digest)

        with self._shown("upload", sum(self._blob(digest)[1] for digest in wanted)):
            seen = self.state.witness.seen(self.plan.plan.store_id)
            if seen is None:
                answer = self.server.send_changeset(self.book_id, changeset, blobs, key)
            else:
                answer = self.server.send_changeset(self.book_id, changeset, blobs, key, seen)
        self.state.witness.committed(self.plan.plan.store_id, answer)
        return answer

    def _blob(self, digest: Digest) -> tuple[Digest, int, Chunks]:
        text = self._texts.get(digest)
        if text is not None:
            return digest, len(text), lambda: iter([text])
        return digest, self._size(digest), lambda: self._chunks(digest)

    def _put(self, digest: Digest) -> None:
        size = self._size(digest)
        with self._shown(f"upload {self._paths[digest]}", size):
            self.server.put_blob(self.book_id, digest, size, lambda: self._chunks(digest))

    @contextmanager
    def _shown(self, task: str, size: int) -> Iterator[None]:
        """Progress of an upload; none where nothing but a list of operations travels."""
        if not size:
            yield
            return
        self.progress.start(task, size, "bytes")
        try:
            yield
        finally:
            self.progress.finish()

    def _size(self, digest: Digest) -> int:
        return self.tree.files[self._paths[digest]].size

    def _chunks(self, digest: Digest) -> Iterator[bytes]:
        path = self._paths[digest]
        for chunk in read_chunks(self.tree.root, path, SourceFile(digest, self._size(digest))):
            yield chunk
            self.progress.advance(len(chunk))
