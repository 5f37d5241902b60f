"""A changeset carried out file by file: deletes, then writes, each a tool call under its expected hash.

What can be judged is judged before the first call; a refusal later leaves the earlier files written and says how many.
Knows tools and their limits; does not know connections.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from panaversity_builder.client.seam import BuildPlan, Chunks
from panaversity_builder.client.tools import forms
from panaversity_fs.core.changes import Changeset, Delete, Operation, Write
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import BlobsMissing, HashMismatch, PanaversityError, SchemaViolation
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import shown
from panaversity_fs.core.schema import Schema, schema_fault

_HINT = "Nothing was written. Do it without --via tools once, or leave them out"

Call = Callable[[str, Mapping[str, object]], dict[str, object]]
Weigh = Callable[[str, Mapping[str, object]], int]
"""Bytes of the request that a call makes."""


def require_settings(book_id: str, before: BuildPlan, changeset: Changeset) -> None:
    """No tool of ours sets what a book is: it has to be so already, or to be born so by its first write.

    A book that is born by a write is strict and without numbering, which maps paths as number-name does. Raises
    ``SchemaViolation``.
    """
    wrong = []
    if changeset.numbering and not (changeset.numbering is Numbering.NUMBER_NAME and before.numbering is None):
        wrong.append(f"numbering {changeset.numbering}")
    paths = [operation.path for operation in changeset.operations if isinstance(operation, Write)]
    strict = not any(schema_fault(path, Schema.STRICT, None) for path in paths)
    if changeset.schema and not (before.schema is None and strict):
        wrong.append(f"schema {changeset.schema}")
    if wrong:
        raise SchemaViolation(
            "ingest", book_id, f"the book needs {' and '.join(wrong)}, which none of the tools of --via tools can set",
            "Call create_book with that once, or ingest once without --via tools",
        )  # fmt: skip


class Writing:
    """One changeset on its way. ``given`` makes the bytes of digests, ``large`` holds those that were too big to give,
    with their sizes. ``done`` counts operations by what they did: created, updated, deleted, unchanged."""

    def __init__(self, book_id: str, call: Call, given: Mapping[Digest, Chunks], large: Mapping[Digest, int]) -> None:
        self._book_id, self._call = book_id, call
        self._given, self._large = given, large
        self.done: Counter[str] = Counter()

    def require_passable(self, operations: Collection[Operation], weigh: Weigh) -> None:
        """Judge every write before the first is sent. Raises ``BlobsMissing`` for bytes that were not given, and
        ``TooLarge`` naming every file that fits no tool."""
        writes = [operation for operation in operations if isinstance(operation, Write)]
        if missing := {write.sha256 for write in writes} - self._given.keys() - self._large.keys():
            raise BlobsMissing("ingest", self._book_id, "bytes of these are needed", digests=sorted(missing))
        faults = ((write.path, self._fault(write, weigh)) for write in writes)
        if refused := {path: fault for path, fault in faults if fault}:
            raise forms.refusal("ingest", self._book_id, refused, _HINT)

    def _fault(self, write: Write, weigh: Weigh) -> str | None:
        too_much = f"has {write.size} bytes, more than one MCP request carries"
        if write.sha256 in self._large:
            return too_much
        call = forms.write_call(self._book_id, write.path, self._bytes(write))
        if isinstance(call, str):
            return call
        return too_much if weigh(*call) > forms.LONGEST_BODY else None

    def run(self, operations: Collection[Operation], key: str) -> None:
        """Carry it out. Deletes go first, so that a name may change its case; the ``key`` with a number makes every
        call repeatable. Raises what a tool refuses, with ``done`` and ``of`` among its details."""
        ordered = sorted(operations, key=lambda operation: (isinstance(operation, Write), operation.path))
        for number, operation in enumerate(ordered):
            with self._telling_how_far(number, len(ordered)):
                self.done[self._carry_out(operation, f"{key}-{number}")] += 1

    def _carry_out(self, operation: Operation, key: str) -> str:
        conditions: dict[str, object] = {"idempotency_key": key}
        if operation.expected:
            conditions["expected_hash"] = operation.expected
        if isinstance(operation, Delete):
            where = {"book_id": self._book_id, "path": operation.path}
            return "deleted" if self._call("delete_content", where | conditions).get("existed") else "unchanged"
        call = forms.write_call(self._book_id, operation.path, self._bytes(operation))
        assert not isinstance(call, str), "judged before"
        tool, arguments = call
        answer = self._call(tool, {**arguments, **conditions})
        if operation.sha256 not in (answer.get("file_hash"), answer.get("file_hash_sha256")):
            raise HashMismatch("ingest", shown(operation.path), "was stored with other bytes than were sent", "")
        return str(answer.get("mode", "unchanged"))

    def _bytes(self, write: Write) -> bytes:
        return b"".join(self._given[write.sha256]())

    @contextmanager
    def _telling_how_far(self, count: int, total: int) -> Iterator[None]:
        try:
            yield
        except PanaversityError as error:
            error.details |= {"done": count, "of": total}
            told = f"{count} of {total} files are in the book; run it again to go on" if count else "Nothing was sent"
            error.hint = f"{error.hint}. {told}" if error.hint else told
            raise
