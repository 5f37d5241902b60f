"""A change to a book as a value: operations with their conditions, and the verdict on each (FR-003..005, SC-003).

Knows the rules of conflict; does not know where the current digests come from or what is done with the verdict.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from panaversity_fs.core.digest import Digest, parse_digest, short
from panaversity_fs.core.errors import Conflict, HashRequired, InvalidArgument, NotFound, PanaversityError
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import BASE, shown
from panaversity_fs.core.schema import Schema

MAX_OPERATIONS = 200_000
MAX_SIZE = 2**63 - 1
"""Bytes; what the journal's column can hold."""

Mode = Literal["created", "updated", "unchanged", "deleted", "absent"]


@dataclass(frozen=True, slots=True)
class Write:
    """Let ``path`` hold the bytes ``sha256`` of ``size`` bytes, if it holds ``expected`` now (None: nothing)."""

    path: str
    sha256: Digest
    size: int
    expected: Digest | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Let ``path`` hold nothing, if it holds ``expected`` now (None: whatever it holds)."""

    path: str
    expected: Digest | None = None


Operation = Write | Delete


@dataclass(frozen=True, slots=True)
class Changeset:
    """Operations that take effect together or not at all, on distinct paths of one namespace.

    ``schema`` widens (or, if every path conforms, narrows) the book; ``numbering`` sets or changes how folders are
    named; ``ingest_manifest`` is the manifest of the source tree this change brings the book to (DESIGN 6).
    ``operation`` is the word the audit log keeps.
    """

    operations: tuple[Operation, ...]
    user_id: str = BASE
    schema: Schema | None = None
    numbering: Numbering | None = None
    ingest_manifest: Digest | None = None
    operation: str = "write_content"
    asked: Digest | None = None
    """Identity of the request, where the operations follow from it and from what was there (an edit)."""

    def to_json(self) -> bytes:
        """The wire form of ``changeset.json``: compact, keys in a fixed order.

        Put together operation by operation: as one value, a hundred thousand of them weigh four times their text.
        """
        head: dict[str, Any] = {
            "version": 1,
            "schema": self.schema,
            "numbering": self.numbering,
            "ingest_manifest": self.ingest_manifest,
            "operations": [],
        }
        text = bytearray(_compact(head)[:-2])
        for number, operation in enumerate(self.operations):
            text += b"," * bool(number) + _compact(_operation_to_json(operation))
        text += b"]}"
        return bytes(text)

    @property
    def payload_hash(self) -> Digest:
        """Identity of what is asked, for idempotency keys: the same key with another payload is refused."""
        what = self.to_json() if self.asked is None else self.asked.encode()
        hasher = hashlib.sha256(f"{self.operation}\n{self.user_id}\n".encode())
        hasher.update(what)
        return Digest(hasher.hexdigest())

    def digests(self) -> set[Digest]:
        """Every digest the changeset needs bytes for."""
        return {o.sha256 for o in self.operations if isinstance(o, Write)}


def _compact(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _operation_to_json(operation: Operation) -> dict[str, Any]:
    if isinstance(operation, Write):
        return {
            "op": "write",
            "path": operation.path,
            "sha256": operation.sha256,
            "size": operation.size,
            "expected_hash": operation.expected,
        }
    return {"op": "delete", "path": operation.path, "expected_hash": operation.expected}


def parse_changeset(data: bytes, operation: str = "ingest") -> Changeset:
    """Read ``changeset.json`` from outside. Raises ``InvalidArgument`` naming what is malformed."""
    try:
        body = json.loads(data)
        if body["version"] != 1:
            raise ValueError(f"version {body['version']!r}")
        operations = body["operations"]
        if not isinstance(operations, list):
            raise TypeError("operations is not a list")
        if len(operations) > MAX_OPERATIONS:
            raise ValueError(f"{len(operations)} operations")
        return Changeset(
            operations=tuple(_operation_from_json(o, operation) for o in operations),
            schema=Schema(body["schema"]) if body.get("schema") else None,
            numbering=Numbering(body["numbering"]) if body.get("numbering") else None,
            ingest_manifest=_optional(body.get("ingest_manifest"), operation, "ingest_manifest"),
            operation=operation,
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as fault:
        reason = f"{fault} is missing" if isinstance(fault, KeyError) else shown(str(fault))
        raise InvalidArgument(operation, "changeset.json", f"is malformed: {reason}", name="changeset.json") from fault


def _optional(value: object, operation: str, name: str) -> Digest | None:
    return None if value is None else parse_digest(value, operation, name)


def _operation_from_json(body: dict[str, Any], operation: str) -> Operation:
    path, expected = body["path"], _optional(body.get("expected_hash"), operation, "expected_hash")
    if not isinstance(path, str):
        raise TypeError("path is not text")
    path.encode()  # a lone surrogate is JSON, but no text: refused here, before anything hashes the changeset
    if body["op"] == "delete":
        return Delete(path, expected)
    if body["op"] != "write":
        raise ValueError(f"operation {body['op']!r}")
    size = body["size"]
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE:
        raise TypeError("size is not a number of bytes")
    return Write(path, parse_digest(body["sha256"], operation, "sha256"), size, expected)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one operation does: its mode, the digest before and the digest after (None: nothing there)."""

    operation: Operation
    mode: Mode
    before: Digest | None
    after: Digest | None

    @property
    def changes(self) -> bool:
        return self.mode in ("created", "updated", "deleted")


def judge(operation: Operation, current: Digest | None, verb: str = "write") -> Verdict:
    """Decide one operation against the digest that is there now.

    Raises ``HashRequired``, ``Conflict`` (both carry ``current_hash``) or ``NotFound``; deleting nothing is fine (R3).
    """
    path, expected = operation.path, operation.expected
    if isinstance(operation, Delete):
        if current is None:
            return Verdict(operation, "absent", None, None)
        if expected is not None and expected != current:
            raise _conflict(path, expected, current, verb)
        return Verdict(operation, "deleted", current, None)
    if current is None:
        if expected is not None:
            raise NotFound(
                verb, path, "an expected hash was given but nothing is there",
                "Leave out expected_hash to create it", kind="path", path=path, expected_hash=expected,
            )  # fmt: skip
        return Verdict(operation, "created", None, operation.sha256)
    if expected is None:
        raise HashRequired(
            verb, path, f"exists with hash {current} and no expected hash was given",
            "Read it, then repeat with expected_hash set to the current hash", path=path, current_hash=current,
        )  # fmt: skip
    if expected != current:
        raise _conflict(path, expected, current, verb)
    mode: Mode = "unchanged" if current == operation.sha256 else "updated"
    return Verdict(operation, mode, current, operation.sha256)


def _conflict(path: str, expected: Digest, current: Digest, verb: str) -> Conflict:
    return Conflict(
        verb, path, f"changed since it was read: expected {short(expected)}, the current hash is {current}",
        "Read it again and repeat with the new expected hash", path=path, expected_hash=expected, current_hash=current,
    )  # fmt: skip


def judge_all(
    operations: tuple[Operation, ...], current: Mapping[str, Digest], verb: str
) -> tuple[list[Verdict], list[PanaversityError]]:
    """Decide every operation; answer the verdicts and all refusals, so that a caller sees the whole list at once.

    Raises ``InvalidArgument`` when two operations name one path: their order would matter.
    """
    verdicts: list[Verdict] = []
    refusals: list[PanaversityError] = []
    seen: set[str] = set()
    for operation in operations:
        if operation.path in seen:
            raise InvalidArgument(verb, operation.path, "is named twice in one changeset", "Send one operation a path")
        seen.add(operation.path)
        try:
            verdicts.append(judge(operation, current.get(operation.path), verb))
        except PanaversityError as refusal:
            refusals.append(refusal)
    return verdicts, refusals
