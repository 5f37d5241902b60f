"""A server in memory behind the builder's seam: real semantics, counted requests and bytes, and misbehaviour on demand.

Knows plans, packs, changesets and their refusals as the wire contract states them; does not know HTTP, databases,
audit or retention: every manifest it ever told stays known.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from panaversity_builder.client import (
    FROM_NOTHING,
    NO_WAITS,
    BlobSource,
    BuildPlan,
    ChangesetAnswer,
    Chunks,
    LastWritten,
    PackMember,
    PlanFile,
    PlanQuestion,
    Scope,
    Traffic,
    attempts,
)
from panaversity_fs.core import pack
from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.changes import Changeset, Delete, judge_all
from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.errors import (
    BlobsMissing,
    BookGone,
    Conflict,
    HashMismatch,
    InvalidArgument,
    NotFound,
    PanaversityError,
    Unavailable,
)
from panaversity_fs.core.manifest import changed_paths, parse, render
from panaversity_fs.core.mapping import Numbering, decode
from panaversity_fs.core.paths import NameIndex
from panaversity_fs.core.schema import Schema, require_place

TRUNCATE_ABOVE = 5000
CHUNK = 64 * 1024


@dataclass
class SimBook:
    """One book: living paths, every manifest told so far, and what the last ingest said of its source."""

    entries: dict[str, Digest] = field(default_factory=dict)
    told: dict[Digest, bytes] = field(default_factory=dict)
    schema: Schema = Schema.DOCUSAURUS
    numbering: Numbering | None = None
    revision: int = 0
    incarnation: int = 1
    ingest_manifest: Digest | None = None
    gone: bool = False
    written: dict[str, LastWritten] = field(default_factory=dict)
    answered: dict[str, tuple[Digest, ChangesetAnswer]] = field(default_factory=dict)

    def tell(self) -> Digest:
        """The current manifest hash, told from now on."""
        text = render(self.entries)
        self.told[digest_of(text)] = text
        return digest_of(text)


@dataclass
class Trouble:
    """What goes wrong next. Counts are used up; a digest in a set stays bad.

    ``unavailable`` requests fail before anything happens; ``lost_answers`` changesets are committed and then fail;
    a pack ends after ``cut_pack_after`` bytes of blob data; ``wrong``, ``short`` and ``long`` blobs arrive altered,
    at most ``alterations`` times (None: always).
    """

    unavailable: int = 0
    lost_answers: int = 0
    cut_pack_after: int | None = None
    cuts: int = 1
    wrong: set[Digest] = field(default_factory=set)
    short: set[Digest] = field(default_factory=set)
    long: set[Digest] = field(default_factory=set)
    alterations: int | None = None
    no_metadata: bool = False
    lie_in_plan: dict[str, Digest] = field(default_factory=dict)


class Simulator:
    """The seam ``Server`` in memory. Edit books with ``put`` and ``remove``, or directly through ``books``."""

    def __init__(self, store_id: str = "sim-store") -> None:
        self.traffic = Traffic()
        self.store_id = store_id
        self.books: dict[str, SimBook] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.calls: list[str] = []
        self.changesets: list[Changeset] = []
        self.keys: list[str] = []
        self.trouble = Trouble()
        self.texts = False
        """Whether small changes come along with a plan; without, every test of packs sees its pack."""

    # --- what a test does to a book, as an agent or an administrator would ---

    def create(self, book_id: str, schema: Schema = Schema.DOCUSAURUS, numbering: Numbering | None = None) -> SimBook:
        """A new, empty book."""
        self.books[book_id] = SimBook(schema=schema, numbering=numbering)
        return self.books[book_id]

    def put(self, book_id: str, path: str, data: bytes) -> Digest:
        """Let the path hold these bytes, as an agent's write would."""
        book = self.books.get(book_id) or self.create(book_id)
        digest = digest_of(data)
        self.blobs[digest] = data
        book.entries[path] = digest
        book.revision += 1
        return digest

    def remove(self, book_id: str, path: str) -> None:
        """Delete the path, as an agent would."""
        book = self.books[book_id]
        del book.entries[path]
        book.revision += 1

    def read(self, book_id: str, path: str) -> bytes:
        """The bytes the book holds there now."""
        return self.blobs[self.books[book_id].entries[path]]

    def tree(self, book_id: str) -> dict[str, bytes]:
        """The whole book as its author sees it: source path → bytes."""
        book = self.books[book_id]
        found = {decode(path, book.numbering): self.blobs[digest] for path, digest in book.entries.items()}
        return {path: data for path, data in found.items() if path is not None}

    # --- the seam ---

    def attempts(self) -> Iterable[AbstractContextManager[object]]:
        return attempts("http://simulator", NO_WAITS)

    def plan_build(self, book_id: str, asked: PlanQuestion = FROM_NOTHING) -> BuildPlan:
        for attempt in self.attempts():
            with attempt:
                self._request("plan_build")
                plan = self._plan(book_id, asked.known, asked.scope)
                return replace(plan, texts=self._along(plan, asked.text_within)) if self.texts else plan
        raise AssertionError("unreachable")

    def manifest_text(self, book_id: str, manifest: Digest) -> bytes:
        for attempt in self.attempts():
            with attempt:
                self._request("manifest_text")
                text = self._told(book_id, manifest)
                self.traffic.received += len(text)
                return text
        raise AssertionError("unreachable")

    def manifest_metadata(self, book_id: str, manifest: Digest) -> Mapping[str, LastWritten]:
        for attempt in self.attempts():
            with attempt:
                self._request("manifest_metadata")
                entries = parse(self._told(book_id, manifest))
                if self.trouble.no_metadata:
                    raise NotFound("metadata", book_id, "this server has no such route")
                written = self.books[book_id].written
                return {path: written.get(path, LastWritten("2026-01-01T00:00:00.000Z", "sim")) for path in entries}
        raise AssertionError("unreachable")

    def fetch_pack(self, book_id: str, manifest: Digest, digests: Sequence[Digest]) -> Iterator[PackMember]:
        self._request("fetch_pack")
        self._authorise(book_id, manifest, digests)
        return self._pack(digests)

    def fetch_blob(self, book_id: str, manifest: Digest, digest: Digest, start: int, size: int) -> Iterator[bytes]:
        self._request("fetch_blob")
        self._authorise(book_id, manifest, [digest])
        data = self._altered(digest)
        if len(data) > size:
            raise HashMismatch("download", digest, f"holds more than {size} bytes", "Try again")
        return self._pieces(data[start:], short=len(data) < size)

    def put_blob(self, book_id: str, digest: Digest, size: int, chunks: Chunks) -> None:
        for attempt in self.attempts():
            with attempt:
                self._request("put_blob")
                data = b"".join(chunks())
                self.traffic.sent += len(data)
                self._accept(digest, size, data)

    def send_changeset(
        self,
        book_id: str,
        changeset: Changeset,
        blobs: BlobSource,
        idempotency_key: str,
        seen: Checkpoint | None = None,
    ) -> ChangesetAnswer:
        for attempt in self.attempts():
            with attempt:
                self._request("send_changeset")
                self.changesets.append(changeset)
                self.keys.append(idempotency_key)
                answer = self._commit(book_id, changeset, self._receive(changeset, blobs), idempotency_key)
                if self.trouble.lost_answers:
                    self.trouble.lost_answers -= 1
                    raise Unavailable("ingest", "http://simulator", "closed the connection before it answered")
                return answer
        raise AssertionError("unreachable")

    def call(self, tool: str, arguments: Mapping[str, object]) -> dict[str, object]:
        self._request(tool)
        raise NotFound("call", tool, "the simulator has no such tool")

    # --- inside ---

    def _request(self, name: str) -> None:
        self.traffic.requests += 1
        self.calls.append(name)
        if self.trouble.unavailable:
            self.trouble.unavailable -= 1
            raise Unavailable(name, "http://simulator", "is not there")

    def _book(self, book_id: str) -> SimBook | None:
        book = self.books.get(book_id)
        if book is not None and book.gone:
            raise BookGone("plan", book_id, "was deleted")
        return book

    def _plan(self, book_id: str, known: Digest | None, scope: Scope) -> BuildPlan:
        book = self._book(book_id)
        if book is None:
            warning = ("BOOK_UNKNOWN", f"nobody created {book_id}")
            nothing = BuildPlan(
                "changed", EMPTY, None, None, 0, self.store_id, 0, None, (), 0, 0, 0, False, warning
            )  # fmt: skip
            return nothing if known != EMPTY else replace(nothing, status="unchanged")
        current = book.tell()
        base = parse(book.told[known]) if known in book.told else {}
        unknown = known is not None and known not in book.told
        changed = [
            self._change(path, book.entries.get(path), base.get(path)) for path in changed_paths(base, book.entries)
        ]
        changed = [c for c in changed if scope == "all" or c.path.startswith("content/") == (scope == "content")]
        plan = BuildPlan(
            status="unchanged" if known == current else "changed",
            manifest_hash=current,
            numbering=book.numbering,
            schema=book.schema,
            revision=book.revision,
            store_id=self.store_id,
            incarnation=book.incarnation,
            ingest_manifest=book.ingest_manifest,
            files=tuple(changed[:TRUNCATE_ABOVE]),
            changed_count=len(changed),
            total_files=len(book.entries),
            total_bytes=sum(len(self.blobs[d]) for d in book.entries.values()),
            truncated=len(changed) > TRUNCATE_ABOVE,
            warning=("MANIFEST_UNKNOWN", "nobody was told this manifest; everything is listed") if unknown else None,
        )
        self.traffic.received += 300 + sum(len(c.path) + 200 for c in plan.files)
        return plan

    def _along(self, plan: BuildPlan, within: int) -> dict[Digest, bytes]:
        sizes = {file.current: file.size for file in plan.files if file.current}
        if plan.truncated or sum(sizes.values()) > within:
            return {}
        return {digest: self._altered(digest) for digest in sizes}

    def _change(self, path: str, current: Digest | None, target: Digest | None) -> PlanFile:
        current = self.trouble.lie_in_plan.get(path, current)
        kind = "added" if target is None else "deleted" if current is None else "modified"
        return PlanFile(path, current, target, kind, len(self.blobs.get(current, b"")) if current else 0)

    def _told(self, book_id: str, manifest: Digest) -> bytes:
        book = self._book(book_id)
        if book is None or manifest not in book.told:
            raise NotFound("manifest", manifest, "was not told by this book", kind="manifest")
        return book.told[manifest]

    def _authorise(self, book_id: str, manifest: Digest, digests: Iterable[Digest]) -> None:
        named = set(parse(self._told(book_id, manifest)).values())
        for digest in digests:
            if digest not in named:
                raise NotFound("download", digest, "is not named by that manifest", kind="blob")

    def _altered(self, digest: Digest) -> bytes:
        data, trouble = self.blobs[digest], self.trouble
        if trouble.alterations == 0 or not {digest} & (trouble.wrong | trouble.short | trouble.long):
            return data
        if trouble.alterations is not None:
            trouble.alterations -= 1
        if digest in trouble.wrong:
            return bytes(255 - byte for byte in data)
        return data[:-1] if digest in trouble.short else data + b"!"

    def _pack(self, digests: Sequence[Digest]) -> Iterator[PackMember]:
        self._allowance = self.trouble.cut_pack_after if self.trouble.cuts else None
        for digest in digests:
            data = self._altered(digest)
            self.traffic.received += len(pack.header(digest, len(data))) + len(pack.padding(len(data)))
            yield digest, len(data), self._pieces(data, in_pack=True)
        self.traffic.received += len(pack.END)

    def _pieces(self, data: bytes, short: bool = False, in_pack: bool = False) -> Iterator[bytes]:
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            if in_pack and self._allowance is not None:
                piece, self._allowance = piece[: self._allowance], self._allowance - len(piece)
            self.traffic.received += len(piece)
            if piece:
                yield piece
            if in_pack and self._allowance is not None and self._allowance < 0:
                self.trouble.cuts -= 1
                raise Unavailable("download", "http://simulator", "closed the connection in the middle of a pack")
        if short:
            raise Unavailable("download", "http://simulator", "ended early")

    def _accept(self, digest: Digest, size: int, data: bytes) -> None:
        if len(data) != size or digest_of(data) != digest:
            raise HashMismatch("upload", digest, "the bytes have another digest or length")
        self.blobs[digest] = data

    def _receive(self, changeset: Changeset, blobs: BlobSource) -> dict[Digest, bytes]:
        body = changeset.to_json()
        self.traffic.sent += len(body)
        brought: dict[Digest, bytes] = {}
        for digest, size, chunks in blobs():
            data = b"".join(chunks())
            self.traffic.sent += pack.BLOCK + len(data)
            if len(data) != size or digest_of(data) != digest:
                raise HashMismatch("upload", digest, "the bytes have another digest or length")
            brought[digest] = data
        return brought

    def _commit(self, book_id: str, changeset: Changeset, brought: dict[Digest, bytes], key: str) -> ChangesetAnswer:
        book = self._book(book_id) or SimBook(schema=changeset.schema or Schema.DOCUSAURUS)
        if key in book.answered:
            asked, answer = book.answered[key]
            if asked != changeset.payload_hash:
                raise InvalidArgument("ingest", "idempotency_key", "was used for another changeset")
            return answer
        schema, numbering = changeset.schema or book.schema, changeset.numbering or book.numbering
        verdicts, refusals = judge_all(changeset.operations, book.entries, "ingest")
        if refusals:
            raise self._conflict(book_id, refusals)
        after = dict(book.entries)
        for verdict in verdicts:
            after.pop(verdict.operation.path, None)
        for verdict in verdicts:
            if verdict.after:
                path = require_place(verdict.operation.path, schema, numbering, "ingest")
                after[path] = verdict.after
        self._require_names(after, numbering)
        self._require_bytes(changeset, book, brought, after)
        self.blobs.update(brought)
        book.entries, book.schema, book.numbering = after, schema, numbering
        book.revision += 1
        book.ingest_manifest = changeset.ingest_manifest or book.ingest_manifest
        if changeset.ingest_manifest in brought:
            book.told[changeset.ingest_manifest] = brought[changeset.ingest_manifest]
        self.books[book_id] = book
        modes = [verdict.mode for verdict in verdicts]
        answer = ChangesetAnswer(
            book.revision, book.tell(), modes.count("created"), modes.count("updated"), modes.count("deleted"),
            modes.count("unchanged"), schema, numbering,
        )  # fmt: skip
        book.answered[key] = (changeset.payload_hash, answer)
        return answer

    @staticmethod
    def _conflict(book_id: str, refusals: list[PanaversityError]) -> Conflict:
        details = [
            {
                "path": refusal.details["path"],
                "code": refusal.code,
                "expected_hash": refusal.details.get("expected_hash"),
                "current_hash": refusal.details.get("current_hash"),
            }
            for refusal in refusals
        ]
        return Conflict("ingest", book_id, f"{len(details)} paths changed since they were read", conflicts=details)

    @staticmethod
    def _require_names(after: dict[str, Digest], numbering: Numbering | None) -> None:
        names = NameIndex()
        for path in after:
            if reason := names.add(decode(path, numbering) or path):
                raise InvalidArgument("ingest", path, reason)

    def _require_bytes(
        self, changeset: Changeset, book: SimBook, brought: dict[Digest, bytes], after: dict[str, Digest]
    ) -> None:
        missing = {d for d in changeset.digests() if d not in brought and d not in self.blobs}
        for write in changeset.operations:
            held = None if isinstance(write, Delete) else brought.get(write.sha256, self.blobs.get(write.sha256))
            if held is not None and len(held) != getattr(write, "size", None):
                raise InvalidArgument("ingest", write.path, "declares another size than its blob has")
        told = changeset.ingest_manifest
        if told and told not in book.told and told not in brought and told != digest_of(render(after)):
            missing.add(told)
        if missing:
            raise BlobsMissing("ingest", "blobs", f"{len(missing)} are not stored", digests=sorted(missing))
