"""Checkpoints as they come in, and verdicts on a log as they leave: for the tool and for the command alike.

Knows wire forms and sentences; verifies nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.digest import Digest, is_digest
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.library.auditing import AuditReport

_FAULTS = {
    "unreadable": "is no audit entry",
    "sequence": "does not follow the one before it",
    "chain": "does not have the hash it should have",
    "link": "does not begin where the last change of its path ended",
    "head": "is the last one, and the book counts another log",
    "pruned": "is gone, or stands where others are gone, and no pruning owns up to it",
    "tree": "is the last one, and the book's tree is of another log",
}


def verdict(report: AuditReport) -> str:
    """The report as one line."""
    if report.found is not None:
        return f"the audit log is broken: entry {report.found.seq} {_FAULTS[report.found.fault]}"
    if report.rollback:
        return f"the audit log was rolled back or rewritten: {report.rollback}"
    return f"the audit log is intact, {report.entries} entries, root {report.checkpoint.root}"


def report_fields(report: AuditReport) -> dict[str, Any]:
    """The report as programs read it; ``first_broken`` and ``rollback`` are null where nothing is wrong."""
    found = report.found
    return {
        "valid": report.valid,
        "entries": report.entries,
        "checkpoint": report.checkpoint.to_wire(),
        "first_broken": None if found is None else asdict(found),
        "rollback": report.rollback or None,
    }


def checkpoint_from(text: str, book_id: str, operation: str) -> Checkpoint:
    """A checkpoint out of JSON: the object itself, or any answer that holds one as ``checkpoint``.

    Raises ``InvalidArgument``, also for a checkpoint of another book.
    """
    try:
        body = json.loads(text)
        body = body.get("checkpoint", body)
        known = _checkpoint(body, book_id)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InvalidArgument(
            operation, "checkpoint", "is not JSON with incarnation, size and root", "Give what a plan answered",
            name="checkpoint", reason="is malformed",
        ) from None  # fmt: skip
    if known.book_id != book_id:
        raise InvalidArgument(
            operation, "checkpoint", "was taken of another book", "Give one of this book",
            name="checkpoint", reason="was taken of another book",
        )  # fmt: skip
    return known


def _checkpoint(body: Mapping[str, Any], book_id: str) -> Checkpoint:
    numbers = body["incarnation"], body["size"]
    if any(type(number) is not int or number < 0 for number in numbers) or not is_digest(body["root"]):
        raise ValueError
    return Checkpoint(str(body.get("book_id", book_id)), *numbers, Digest(body["root"]), "")
