"""``POST /books/{b}/changesets``: one streamed pack in, one commit (DESIGN 8, S23).

Knows the order of a changeset body and its bounds; does not know how bytes are stored or conflicts decided.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from panaversity_fs.api import limits
from panaversity_fs.api.arguments import require_key
from panaversity_fs.api.callers import http_caller
from panaversity_fs.api.compression import Decoder
from panaversity_fs.api.members import Member, members
from panaversity_fs.api.service import Service
from panaversity_fs.api.streaming import body_chunks, too_large
from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.changes import MAX_OPERATIONS, Changeset, Write, parse_changeset
from panaversity_fs.core.digest import Digest, is_digest
from panaversity_fs.core.errors import InvalidArgument, PanaversityError
from panaversity_fs.core.pack import CHANGESET_MEMBER, PackReader
from panaversity_fs.core.paths import require_book_id, shown
from panaversity_fs.library import CommitResult, Staging

CHECKPOINT_HEADER = "X-Panaversity-Checkpoint"
_OPERATION = "ingest"
_NUMBER = re.compile(r"[0-9]{1,15}")
_SMALL = 1 * limits.MIB
"""Members up to this size are stored from memory: one call instead of a stream each."""


class ChangesetRoutes:
    """The handler, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def post_changeset(self, request: Request) -> Response:
        """Stage every blob while it streams in, then commit all operations or none."""
        book_id = require_book_id(request.path_params["book_id"], _OPERATION)
        caller = http_caller(self._service, request, _OPERATION, mutating=True)
        key = require_key(request.headers.get("Idempotency-Key"), _OPERATION)
        seen = _seen(request, book_id)
        library = self._service.library
        async with library.staging(book_id, caller) as staging, aclosing(_members(request)) as parts:
            changeset = await _first_member(parts)
            async with library.room(book_id, _OPERATION, _announced(changeset)):
                await _stage(parts, changeset, staging)
                result = await library.commit(
                    book_id, changeset, caller, idempotency_key=key, staging=staging, with_manifest=True
                )
        answer = _answer(result)
        if seen is not None:
            answer["proof"] = await self._proof(book_id, seen, result)
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def _proof(self, book_id: str, seen: Checkpoint, result: CommitResult) -> list[str] | None:
        """That the log this commit made continues the one its sender saw; None where it cannot be shown. The commit
        stands whatever comes out: a log that lost its tree must not look like a lost answer."""
        if result.checkpoint is None:
            return None
        try:
            proof = await self._service.library.consistency(book_id, seen, result.checkpoint)
        except PanaversityError:
            return None
        return None if proof is None else list(proof)


def _seen(request: Request, book_id: str) -> Checkpoint | None:
    """The checkpoint the sender remembers: ``incarnation:size:root`` in a header, for the body is the changeset's."""
    text = request.headers.get(CHECKPOINT_HEADER)
    if text is None:
        return None
    numbers, _, root = text.rpartition(":")
    incarnation, _, size = numbers.partition(":")
    if not (_NUMBER.fullmatch(incarnation) and _NUMBER.fullmatch(size) and is_digest(root)):
        reason = "is not incarnation:size:root"
        raise InvalidArgument(
            _OPERATION, CHECKPOINT_HEADER, reason, "Leave it out, or pass what a plan answered",
            name=CHECKPOINT_HEADER, reason=reason,
        )  # fmt: skip
    return Checkpoint(book_id, int(incarnation), int(size), Digest(root), "")


def _members(request: Request) -> AsyncGenerator[Member]:
    decoder = Decoder(request.headers.get("Content-Encoding", ""), _OPERATION)
    chunks = body_chunks(request, limits.DRAIN * 64, _OPERATION)
    return members(chunks, decoder, PackReader(MAX_OPERATIONS + 2, _OPERATION))


async def _first_member(parts: AsyncIterator[Member]) -> Changeset:
    member = await anext(parts, None)
    if member is None or member.name != CHANGESET_MEMBER:
        raise _unexpected("the first member is not changeset.json")
    if member.size > limits.CHANGESET_JSON:
        raise too_large(_OPERATION, member.size, limits.CHANGESET_JSON)
    return parse_changeset(await member.read(), _OPERATION)


def _announced(changeset: Changeset) -> dict[Digest, int]:
    """What is to come: members are held to these sizes."""
    return {Digest(o.sha256): o.size for o in changeset.operations if isinstance(o, Write)}


async def _stage(parts: AsyncIterator[Member], changeset: Changeset, staging: Staging) -> None:
    """Store every further member. Raises ``InvalidArgument`` for one the changeset does not name at that size."""
    sizes: dict[str, int | None] = {o.sha256: o.size for o in changeset.operations if isinstance(o, Write)}
    if changeset.ingest_manifest is not None:
        sizes.setdefault(changeset.ingest_manifest, None)
    await staging.expect([Digest(name) for name in sizes])
    async for member in parts:
        digest = _expected(member, sizes)
        if member.size <= _SMALL:
            await staging.store_bytes(digest, await member.read())
        else:
            await staging.store(digest, member.size, member.chunks())


def _expected(member: Member, sizes: dict[str, int | None]) -> Digest:
    if not is_digest(member.name) or member.name not in sizes:
        raise _unexpected(f"the member {shown(member.name)!r} is not named by the changeset or comes twice")
    size = sizes.pop(member.name)
    if size is None and member.size > limits.MANIFEST_TEXT:
        raise too_large(_OPERATION, member.size, limits.MANIFEST_TEXT)
    if size is not None and size != member.size:
        raise _unexpected(f"the member {member.name} holds {member.size} bytes where {size} were declared")
    return Digest(member.name)


def _unexpected(problem: str) -> InvalidArgument:
    return InvalidArgument(
        _OPERATION, "pack", problem, "Send changeset.json, then each blob it names once", name="pack", reason=problem
    )


def _answer(result: CommitResult) -> dict[str, object]:
    return {
        "revision": result.revision,
        "manifest_hash": result.manifest_hash,
        "added": result.added,
        "updated": result.updated,
        "deleted": result.deleted,
        "unchanged": result.unchanged,
        "schema": result.schema,
        "numbering": result.numbering,
        "checkpoint": result.checkpoint.to_wire() if result.checkpoint else None,
    }
