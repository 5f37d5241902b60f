"""The server through MCP tools only, for gateways that pass nothing else (``--via tools``, DESIGN 10).

The same seam as over HTTP, made of ``plan_build``, ``write_content``, ``upload_asset``, ``delete_content``,
``read_content`` and ``get_asset``: no other route is asked, ever. What that costs: a request a file, every file a
commit of its own, and the book cannot be told its last ingest, schema or numbering. Knows tools; does not know source
folders.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from panaversity_builder.client import answers
from panaversity_builder.client.http import Client
from panaversity_builder.client.seam import (
    FROM_NOTHING,
    BlobSource,
    BuildPlan,
    ChangesetAnswer,
    Chunks,
    LastWritten,
    PackMember,
    PlanQuestion,
)
from panaversity_builder.client.tools import forms
from panaversity_builder.client.tools.manifests import Manifests
from panaversity_builder.client.tools.writing import Writing, require_settings
from panaversity_builder.client.transport import Response
from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import Digest, digest_of, short
from panaversity_fs.core.errors import ConfigInvalid, Conflict, NotFound, Unavailable
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.paths import shown
from panaversity_fs.core.schema import Schema


class ToolServer(Client):
    """The seam ``Server`` by MCP tools. Made and closed like a ``Client``."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._manifests = Manifests(self.plan_build)
        self._plans: dict[str, BuildPlan] = {}
        self._sizes: dict[Digest, int] = {}
        self._large: dict[Digest, int] = {}

    @contextmanager
    def _stream(
        self, operation: str, method: str, path: str, headers: Mapping[str, str] | None = None, *rest: Any, **more: Any
    ) -> Iterator[Response]:
        """The one door of all requests: nothing but MCP passes."""
        if path != "/mcp":
            raise ConfigInvalid(
                operation,
                "--via tools",
                "this needs a route beside MCP, which was ruled out",
                "Leave it out",
                key="via",
            )
        with super()._stream(operation, method, path, headers, *rest, **more) as response:
            yield response

    def plan_build(self, book_id: str, asked: PlanQuestion = FROM_NOTHING) -> BuildPlan:
        """See ``Server.plan_build``."""
        plan = super().plan_build(book_id, asked)
        self._plans[book_id] = plan
        self._sizes |= {file.current: file.size for file in plan.files if file.current}
        return plan

    def manifest_text(self, book_id: str, manifest: Digest) -> bytes:
        """See ``Server.manifest_text``; put together from plans. Raises ``TooLarge`` for a very large book."""
        return self._repeated(lambda: self._manifests.text(book_id, manifest))

    def manifest_metadata(self, book_id: str, manifest: Digest) -> Mapping[str, LastWritten]:  # noqa: ARG002 — the seam's signature
        """See ``Server.manifest_metadata``. No tool tells it of a whole book: always raises ``NotFound``."""
        raise NotFound("metadata", book_id, "no MCP tool tells it of a whole book", "Leave out --via tools")

    # -- reading ---------------------------------------------------------------------------------------------------

    def fetch_pack(self, book_id: str, manifest: Digest, digests: Sequence[Digest]) -> Iterator[PackMember]:
        """See ``Server.fetch_pack``; a request a file.

        Raises ``TooLarge`` naming every file that no tool hands out: before the first comes for those that are too
        large, after the last for those that are neither text nor image. ``Conflict`` when the book has moved on.
        """
        paths = self._paths(book_id, manifest, digests)
        faults = {path: forms.too_large_to_come(path, self._sizes.get(digest, 0)) for digest, path in paths.items()}
        if refused := {path: fault for path, fault in faults.items() if fault}:
            raise forms.refusal("download", book_id, refused, "Leave out --via tools")
        for digest in digests:
            data = self._read(book_id, paths[digest], digest)
            if data is None:
                refused[paths[digest]] = "is neither UTF-8 text nor an image that a tool hands out"
                continue
            yield digest, len(data), iter([data])
        if refused:
            raise forms.refusal("download", book_id, refused, "Leave out --via tools")

    def fetch_blob(self, book_id: str, manifest: Digest, digest: Digest, start: int, size: int) -> Iterator[bytes]:
        """See ``Server.fetch_blob``; the whole file comes, however much of it is asked for."""
        for _, length, pieces in self.fetch_pack(book_id, manifest, [digest]):
            if length != size:
                raise Unavailable("download", short(digest), f"has {length} bytes, not {size}", "Try again")
            yield b"".join(pieces)[start:]

    def _paths(self, book_id: str, manifest: Digest, digests: Sequence[Digest]) -> dict[Digest, str]:
        """Where the book keeps these bytes; of several places one that can be handed out."""
        wanted, found = set(digests), dict[Digest, str]()
        for path, digest in parse(self.manifest_text(book_id, manifest), "download").items():
            if digest in wanted and (digest not in found or forms.comes_as_image(path)):
                found[digest] = path
        for digest in digests:
            if digest not in found:
                raise NotFound("download", short(digest), "is not named by that manifest", "Plan again", kind="blob")
        return found

    def _read(self, book_id: str, path: str, digest: Digest) -> bytes | None:
        """The bytes of a path that still holds them; None for what no tool hands out."""
        data = self._image(book_id, path, digest) if forms.comes_as_image(path) else None
        data = self._text(book_id, path, digest) if data is None else data
        if data is not None and digest_of(data) != digest:
            raise Unavailable("download", shown(path), "arrived with other bytes than its digest promises", "Try again")
        return data

    def _image(self, book_id: str, path: str, digest: Digest) -> bytes | None:
        arguments = {**forms.asset(book_id, path), "include_binary": True}
        body = self._repeated(lambda: self._answered("get_asset", arguments))
        fields, data = answers.tool_image("get_asset", self.address, body)
        _require_same(fields, path, digest)
        return data

    def _text(self, book_id: str, path: str, digest: Digest) -> bytes | None:
        """A text in windows of lines, which joined give it back byte for byte."""
        pieces: list[str] = []
        line: int | None = 1
        while line is not None:
            fields = self.call("read_content", {"book_id": book_id, "path": path, "start_line": line})
            _require_same(fields, path, digest)
            if fields.get("content") is None:
                return None
            pieces.append(str(fields["content"]))
            following = fields.get("next_start_line")
            line = following if isinstance(following, int) and following > line else None
        return "".join(pieces).encode("utf-8", "surrogatepass")

    # -- writing ---------------------------------------------------------------------------------------------------

    def put_blob(self, book_id: str, digest: Digest, size: int, chunks: Chunks) -> None:
        """Nothing travels ahead here (``chunks`` is not read): a blob this large is named when its changeset comes."""
        del book_id, chunks
        self._large[digest] = size

    def send_changeset(
        self,
        book_id: str,
        changeset: Changeset,
        blobs: BlobSource,
        idempotency_key: str,
        seen: Checkpoint | None = None,
    ) -> ChangesetAnswer:
        """See ``Server.send_changeset``, but not all or nothing: see ``tools.writing``. ``ingest_manifest`` is not
        told, and a changeset without operations costs nothing.
        """
        before = self._plans.get(book_id) or self.plan_build(book_id)
        require_settings(book_id, before, changeset)
        given = {digest: chunks for digest, _, chunks in blobs()}
        writing = Writing(book_id, self.call, given, self._large)
        writing.require_passable(changeset.operations, lambda *call: len(self._request_body(*call)))
        writing.run(changeset.operations, idempotency_key)
        after = (
            self.plan_build(book_id, PlanQuestion(before.manifest_hash, seen=seen)) if changeset.operations else before
        )
        done = writing.done
        return ChangesetAnswer(
            after.revision, after.manifest_hash, done["created"], done["updated"], done["deleted"], done["unchanged"],
            after.schema or Schema.STRICT, after.numbering, after.checkpoint, after.proof,
        )  # fmt: skip


def _require_same(fields: Mapping[str, object], path: str, digest: Digest) -> None:
    if fields.get("file_hash_sha256") != digest:
        raise Conflict("download", shown(path), "changed in the book while it was fetched", "Run it again")
