"""The tools about whole books: ``list_books``, ``create_book`` and ``plan_build`` (FR-025..027).

Know field names and caps; what changed is computed by the library.
"""

from typing import Annotated, Any, Literal

from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import Field

from panaversity_fs.api import limits
from panaversity_fs.api.answers import answer, book_fields, log_fields, tree
from panaversity_fs.api.arguments import BookId, IdempotencyKey, require_key
from panaversity_fs.api.callers import may_read, mcp_caller
from panaversity_fs.api.hints import CREATES, READS
from panaversity_fs.api.service import Service
from panaversity_fs.api.tools_audit import SeenArgument
from panaversity_fs.core.audit import Checkpoint, continues
from panaversity_fs.core.digest import parse_digest, short
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import require_book_id
from panaversity_fs.core.schema import Schema
from panaversity_fs.library import Caller, Plan

Structure = Literal["none", "content", "assets", "all"]
_FOLDERS = {"none": (), "content": ("content/",), "assets": ("static/",), "all": ("content/", "static/")}


def register_books(mcp: FastMCP, service: Service) -> None:
    """Add the tools about whole books."""
    _register_list(mcp, service)
    _register_create(mcp, service)
    _register_plan(mcp, service)


def _register_list(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def list_books(
        ctx: Context,
        book_id: Annotated[str | None, Field(description="One book only.", max_length=63)] = None,
        include_structure: Annotated[Structure, Field(description="Answer the tree of files as well.")] = "none",
    ) -> ToolResult:
        """The books, with their revision and size, and on demand the tree of their files."""
        operation = "list_books"
        if book_id is not None:
            require_book_id(book_id, operation)
        mcp_caller(service, ctx, operation, mutating=False)
        books: list[dict[str, Any]] = []
        room, truncated = limits.STRUCTURE, False
        for book in await service.library.list_books(book_id):
            if not may_read(ctx, book.book_id):
                continue
            fields = book_fields(book)
            if include_structure != "none":
                entries = [
                    e for f in _FOLDERS[include_structure] for e in await service.library.entries(book.book_id, f)
                ]
                fields["structure"] = tree(entries[:room])
                truncated = truncated or len(entries) > room
                room -= min(room, len(entries))
            books.append(fields)
        names = ", ".join(f"{b['book_id']} (revision {b['revision']}, {b['file_count']} files)" for b in books[:20])
        text = f"{len(books)} books: {names}" if books else "no books"
        return answer(text, {"books": books, "count": len(books), "truncated": truncated})


def _register_create(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=CREATES, output_schema=None)
    async def create_book(
        ctx: Context,
        book_id: BookId,
        schema: Annotated[
            Literal["strict", "docusaurus"] | None, Field(description="Which paths are legal; default strict.")
        ] = None,
        numbering: Annotated[
            Literal["number-name", "name-number"] | None, Field(description="How folders are named in the source.")
        ] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ToolResult:
        """Create an empty book. A book is also born by its first write. CONFLICT: it exists."""
        operation = "create_book"
        require_book_id(book_id, operation)
        caller = mcp_caller(service, ctx, operation, mutating=True)
        book = await service.library.create_book(
            book_id, caller,
            schema=Schema(schema) if schema else None,
            numbering=Numbering(numbering) if numbering else None,
            idempotency_key=require_key(idempotency_key, operation),
        )  # fmt: skip
        told = log_fields(await service.library.checkpoint(book_id))
        return answer(f"{book_id}: created, schema {book.schema}", {"status": "success", **book_fields(book), **told})


def _register_plan(mcp: FastMCP, service: Service) -> None:
    @mcp.tool(annotations=READS, output_schema=None)
    async def plan_build(
        ctx: Context,
        book_id: BookId,
        target_manifest_hash: Annotated[
            str | None, Field(description="Hash of the manifest you have; left out: you have nothing.", max_length=64)
        ] = None,
        scope: Annotated[Literal["all", "content", "assets"], Field(description="Which files to list.")] = "all",
        checkpoint: SeenArgument = None,
        text_within: Annotated[
            int,
            Field(
                description="Send the text of the changed files along, by hash, if all of it is at most so many bytes.",
                ge=0,
                le=limits.PLAN_TEXTS,
            ),
        ] = 0,
        accept_rollback: Annotated[
            bool,
            Field(description="Write into the audit log that you go on although it does not continue your checkpoint."),
        ] = False,
    ) -> ToolResult:
        """What changed between the manifest you have and the book, and the manifest hash that stands for its state."""
        operation = "plan_build"
        require_book_id(book_id, operation)
        caller = mcp_caller(service, ctx, operation, mutating=accept_rollback)
        known = None
        if target_manifest_hash is not None:
            known = parse_digest(target_manifest_hash, operation, "target_manifest_hash")
        seen = checkpoint.checked(book_id, operation) if checkpoint else None
        accepted = await _accepted(service, book_id, seen, caller) if accept_rollback else None
        plan = await service.library.plan(book_id, known, scope, seen)
        fields = plan_fields(plan)
        if seen is not None:
            fields["proof"] = None if plan.proof is None else list(plan.proof)
        if accepted is not None:
            fields["rollback_accepted"] = accepted
        if text_within and (texts := await service.library.texts(book_id, plan, text_within)):
            fields["texts"] = texts
        return answer(_summary(book_id, plan) + _alarm(plan, seen), fields)


async def _accepted(service: Service, book_id: str, seen: Checkpoint | None, caller: Caller) -> bool:
    """True when the acceptance was written down; there has to be something to accept."""
    if seen is None:
        reason = "is given without checkpoint"
        raise InvalidArgument(
            "plan_build",
            "accept_rollback",
            reason,
            "Pass the checkpoint you saw",
            name="accept_rollback",
            reason=reason,
        )
    return await service.library.accept_rollback(book_id, seen, caller)


def plan_fields(plan: Plan) -> dict[str, Any]:
    """The plan as builders read it; ``warning`` and ``checkpoint`` are left out where there is none."""
    fields: dict[str, Any] = {
        "status": plan.status,
        "manifest_hash": plan.manifest_hash,
        "numbering": plan.numbering,
        "schema": plan.schema,
        "revision": plan.revision,
        "store_id": plan.store_id,
        "incarnation": plan.incarnation,
        "ingest_manifest": plan.ingest_manifest,
        "files": [
            {
                "path": f.path,
                "current_hash": f.current_hash,
                "target_hash": f.target_hash,
                "change_type": f.change_type,
                "size": f.size,
            }
            for f in plan.files
        ],
        "changed_count": plan.changed_count,
        "total_files": plan.total_files,
        "total_bytes": plan.total_bytes,
        "truncated": plan.truncated,
        "persisted": plan.persisted,
    }
    if plan.warning:
        fields["warning"] = {"code": plan.warning[0], "message": plan.warning[1]}
    if plan.checkpoint:
        fields["checkpoint"] = plan.checkpoint.to_wire()
    return fields


def _alarm(plan: Plan, seen: Checkpoint | None) -> str:
    """What a person should know about the log; programs judge the proof themselves."""
    if seen is None or plan.checkpoint is None:
        return ""
    fault = continues(seen, plan.checkpoint, plan.proof)
    return f"\nthe audit log does not continue your checkpoint: {fault}" if fault else ""


def _summary(book_id: str, plan: Plan) -> str:
    warning = f"; {plan.warning[0]}: {plan.warning[1]}" if plan.warning else ""
    head = f"{book_id}: {plan.status}, {plan.changed_count} of {plan.total_files} files, manifest {plan.manifest_hash}"
    names = [f"{f.change_type} {f.path} {short(f.current_hash or '')}".rstrip() for f in plan.files[: limits.PLAN_TEXT]]
    more = [f"and {plan.changed_count - len(names)} more"] if plan.changed_count > len(names) else []
    return "\n".join([head + warning, *names, *more])
