"""One ``upload_asset`` call, in its three forms: bytes, bytes that were PUT before, or a question where to PUT them.

Knows when an upload is skipped; does not know conflicts (the library judges them) nor base64.
"""

from dataclasses import dataclass

from fastmcp.tools import ToolResult

from panaversity_fs.api.answers import answer, log_fields
from panaversity_fs.api.arguments import expected, require_key
from panaversity_fs.api.media import mime_of
from panaversity_fs.api.service import Service
from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import Digest, digest_of, parse_digest
from panaversity_fs.core.errors import BlobsMissing, BookGone, NotFound
from panaversity_fs.library import Caller, CommitResult

_OPERATION = "upload_asset"


@dataclass(frozen=True, slots=True)
class Upload:
    """Where the asset goes, who sends it, and on what condition; ``base`` is the data plane as the caller sees it."""

    service: Service
    base: str | None
    book_id: str
    path: str
    caller: Caller
    expected_hash: str | None
    idempotency_key: str | None

    async def of_bytes(self, data: bytes) -> ToolResult:
        """Store these bytes. Raises what a write raises."""
        digest = digest_of(data)
        if await self._is_there(digest):
            return self._answer("skipped", digest, len(data))
        result = await self.service.library.write(
            self.book_id, self.path, data, self.caller,
            expected=expected(self.expected_hash, _OPERATION),
            idempotency_key=require_key(self.idempotency_key, _OPERATION),
            operation=_OPERATION,
        )  # fmt: skip
        return self._done(result, digest)

    async def of_digest(self, text: str) -> ToolResult:
        """Name bytes that this caller PUT before. Raises ``BlobsMissing`` where it did not."""
        digest = parse_digest(text, _OPERATION, "sha256")
        size = await self._size(digest)
        if size is None:
            raise BlobsMissing(
                _OPERATION, self.path, "these bytes were not uploaded",
                "PUT them to /books/{book_id}/blobs/{sha256}, then call again", digests=[digest],
            )  # fmt: skip
        if await self._is_there(digest):
            return self._answer("skipped", digest, size)
        write = Write(self.path, digest, size, expected(self.expected_hash, _OPERATION))
        result = await self.service.library.commit(
            self.book_id, Changeset((write,), operation=_OPERATION), self.caller,
            idempotency_key=require_key(self.idempotency_key, _OPERATION),
        )  # fmt: skip
        return self._done(result, digest)

    def url(self) -> ToolResult:
        """Where to PUT the bytes; ``{sha256}`` stands for their digest."""
        target = self.service.blob_url(self.base, self.book_id, "{sha256}")
        fields = {"status": "pending", "path": self.path, "upload_url": target, "method": "PUT"}
        return answer(f"PUT the bytes to {target}, then call upload_asset again with that sha256", fields)

    async def _size(self, digest: Digest) -> int | None:
        """How long these bytes are, if this caller may name them: by a name in the book, or by its own PUT. A book is
        also born by an upload, so it need not be there."""
        try:
            return (await self.service.library.open_blob(self.book_id, digest, self.caller)).size
        except (NotFound, BookGone):
            return await self.service.library.uploaded_size(self.book_id, digest, self.caller)

    async def _is_there(self, digest: Digest) -> bool:
        """True when the path holds these bytes and the caller made no other condition: nothing to do (I2)."""
        if self.expected_hash not in (None, digest):
            return False
        try:
            return (await self.service.library.entry(self.book_id, self.path)).sha256 == digest
        except (NotFound, BookGone):
            return False

    def _done(self, result: CommitResult, digest: Digest) -> ToolResult:
        outcome = result.outcomes[0]
        return self._answer("skipped" if outcome.mode == "unchanged" else "success", digest, outcome.size, result)

    def _answer(self, status: str, digest: Digest, size: int, result: CommitResult | None = None) -> ToolResult:
        fields: dict[str, object] = {
            "status": status,
            "path": self.path,
            "file_hash_sha256": digest,
            "file_size": size,
            "mime_type": mime_of(self.path),
            "cdn_url": self.service.file_url(self.base, self.book_id, self.path),
        }
        if result is not None:
            mode, source = result.outcomes[0].mode, result.source_path(self.path)
            fields |= {"mode": mode, "source_path": source, "revision": result.revision}
            fields |= log_fields(result.checkpoint)
        return answer(f"{self.path}: {status}, {size} bytes, sha256 {digest}", fields)
