"""The error tree: every code has an exit status, a row in the drawn tree and a wire form that is pinned.

``PANAVERSITY_GOLDEN_UPDATE=1`` writes the golden file anew; a diff in it is a change of a public format.
"""

import json
import os
import re
from pathlib import Path

import pytest

from panaversity_fs.core import errors
from panaversity_fs.core.errors import (
    Conflict,
    Internal,
    NotFound,
    PanaversityError,
    RemoteError,
    error_types,
    from_wire,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "errors.json"

# DESIGN 10 and EXAMPLES 6, written out by hand: code → (HTTP status or None, exit status, retryable).
PROMISED = {
    "INVALID_ARGUMENT": (400, 2, False),
    "INVALID_PATH": (400, 12, False),
    "SCHEMA_VIOLATION": (400, 12, False),
    "NOT_FOUND": (404, 2, False),
    "BOOK_GONE": (410, 2, False),
    "HASH_REQUIRED": (409, 11, False),
    "CONFLICT": (409, 11, False),
    "TOO_LARGE": (413, 12, False),
    "QUOTA_EXCEEDED": (413, 12, False),
    "AGENT_REQUIRED": (400, 16, False),
    "UNAUTHENTICATED": (401, 16, False),
    "FORBIDDEN": (403, 16, False),
    "HASH_MISMATCH": (400, 13, False),
    "CHAIN_BROKEN": (500, 13, False),
    "UNAVAILABLE": (503, 10, True),
    "BLOBS_MISSING": (409, 10, True),
    "RATE_LIMITED": (429, 10, True),
    "TIMEOUT": (503, 10, True),
    "READ_ONLY": (503, 10, False),
    "STORAGE_FULL": (507, 10, False),
    "DIFFERENCES": (None, 1, False),
    "LOCAL_EDITS": (None, 3, False),
    "NO_SPACE": (None, 4, False),
    "OUTPUT_LOCKED": (None, 5, False),
    "SERVER_UNREACHABLE": (None, 10, False),
    "SOURCE_REFUSED": (None, 12, False),
    "PHASE_UNKNOWN": (None, 2, False),
    "PHASE_FAILED": (None, 14, False),
    "CONFIG_INVALID": (None, 15, False),
    "INTERNAL": (500, 70, False),
}
KINDS = sorted(error_types(), key=lambda kind: kind.code)


def sample(kind: type[PanaversityError]) -> PanaversityError:
    return kind("write", "content/01-A/01-B/01-c.md", "is wrong", "Put it right", path="content/01-A/01-B/01-c.md")


def test_every_promised_code_has_exactly_one_type_and_no_type_has_another_code() -> None:
    assert sorted(kind.code for kind in KINDS) == sorted(PROMISED)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_every_type_has_its_statuses(kind: type[PanaversityError]) -> None:
    http, exit_status, retryable = PROMISED[kind.code]
    if http is not None:
        assert kind.http_status == http
    assert (kind.exit_status, kind.retryable) == (exit_status, retryable)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_every_type_is_drawn_in_the_tree_with_what_it_really_has(kind: type[PanaversityError]) -> None:
    http, exit_status, _ = PROMISED[kind.code]
    row = re.compile(rf"── {kind.__name__} +{kind.code} +{http or '–'} +exit {exit_status}\b")
    assert row.search(errors.__doc__ or "")


def test_the_drawn_tree_has_no_row_without_a_type() -> None:
    drawn = re.findall(r"── \w+ +([A-Z_]+) ", errors.__doc__ or "")
    assert sorted(drawn) == sorted(PROMISED)


def test_the_wire_form_of_every_code_is_the_golden_one() -> None:
    forms = {kind.code: sample(kind).to_wire() for kind in KINDS}
    if os.environ.get("PANAVERSITY_GOLDEN_UPDATE") == "1":
        GOLDEN.write_text(json.dumps(forms, indent=2) + "\n", encoding="utf-8")
    assert forms == json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_an_error_survives_the_wire(kind: type[PanaversityError]) -> None:
    sent = sample(kind)
    got = from_wire(json.loads(json.dumps(sent.to_wire())))
    assert type(got) is kind
    assert (got.operation, got.subject, got.problem, got.hint) == (
        sent.operation,
        sent.subject,
        sent.problem,
        sent.hint,
    )
    assert (got.to_wire(), str(got), got.details) == (sent.to_wire(), str(sent), sent.details)


def test_an_error_reads_operation_subject_fact_next_step() -> None:
    error = Conflict("write", "content/x.md", "changed since it was read", "Read it again")
    assert str(error) == "write: content/x.md: changed since it was read. Read it again."
    assert error.message == "write: content/x.md: changed since it was read."


def test_dots_at_the_end_are_not_doubled_and_a_missing_hint_leaves_no_trace() -> None:
    error = Conflict("write", "content/x.md", "changed.")
    assert str(error) == "write: content/x.md: changed."
    assert "hint" not in error.to_wire()["error"]


def test_details_cannot_replace_the_code_or_the_message() -> None:
    body = Conflict("write", "x", "changed", code="NOT_FOUND", message="fine", retryable=True).to_wire()["error"]
    assert (body["code"], body["message"], body["retryable"]) == ("CONFLICT", "write: x: changed.", False)


def test_an_unknown_code_of_a_newer_server_is_shown_as_it_came() -> None:
    wire = {"error": {"code": "QUOTA", "message": "write: x: over.", "retryable": True, "hint": "Wait.", "left": 0}}
    error = from_wire(wire)
    assert isinstance(error, RemoteError)
    assert (error.code, error.retryable, error.details, error.to_wire()) == ("QUOTA", True, {"left": 0}, wire)
    assert error.exit_status == 70
    assert RemoteError.code == "INTERNAL"
    assert RemoteError.retryable is False


def test_a_known_code_decides_about_retrying_itself() -> None:
    assert not from_wire({"error": {"code": "READ_ONLY", "message": "a: b: c.", "retryable": True}}).retryable


@pytest.mark.parametrize(
    "body",
    [None, [], "x", 5, {}, {"error": None}, {"error": "x"}, {"error": ["x"]}, {"detail": "not found"}],
    ids=repr,
)
def test_the_answer_of_a_stranger_is_an_internal_error_not_a_crash(body: object) -> None:
    assert isinstance(from_wire(body), Internal)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"message": "no colons"},
        {"code": 7, "message": None},
        {"code": "CONFLICT", "self": 1, "cls": 2, "operation": 3, "subject": 4, "problem": 5, "hint": None},
        {"code": "NEWER", "self": 1, "cls": 2, "operation": 3, "subject": 4, "problem": 5},
    ],
    ids=repr,
)
def test_odd_fields_of_an_error_do_not_break_reading_it(fields: dict[str, object]) -> None:
    assert isinstance(from_wire({"error": fields}), PanaversityError)


def test_FR_005_not_found_on_a_conditional_write_exits_like_a_conflict() -> None:
    plain = NotFound("read", "content/x.md", "does not exist")
    conditional = NotFound("write", "content/x.md", "nothing is there", expected_hash="0" * 64)
    assert (plain.exit_status, conditional.exit_status) == (2, 11)
    assert from_wire(conditional.to_wire()).exit_status == 11
