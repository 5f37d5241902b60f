"""The truth table of a write and a delete, and the wire form of a changeset."""

import json
import os
from itertools import product
from pathlib import Path

import pytest

from panaversity_fs.core.changes import (
    MAX_OPERATIONS,
    Changeset,
    Delete,
    Operation,
    Verdict,
    Write,
    judge,
    judge_all,
    parse_changeset,
)
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import Conflict, HashRequired, InvalidArgument, NotFound, PanaversityError
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema

GOLDEN = Path(__file__).parents[2] / "golden" / "changeset.json"
PATH = "content/01-A/01-B/01-c.md"
OLD, NEW, OTHER = (digest_of(word) for word in (b"old", b"new", b"other"))

SAMPLE = Changeset(
    operations=(
        Write(PATH, NEW, 3, OLD),
        Write("content/Übung.md", OTHER, 0),
        Delete("static/img/01-A/@/x (1).png", OLD),
        Delete("content/gone.md"),
    ),
    schema=Schema.DOCUSAURUS,
    numbering=Numbering.NAME_NUMBER,
    ingest_manifest=digest_of(b"manifest"),
    operation="ingest",
)


def write(expected: Digest | None) -> Write:
    return Write(PATH, NEW, 3, expected)


# operation, what is there, what is the outcome: a mode or the type of the refusal
TABLE: list[tuple[Operation, Digest | None, str | type[PanaversityError]]] = [
    (write(None), None, "created"),
    (write(None), OLD, HashRequired),
    (write(None), NEW, HashRequired),
    (write(None), OTHER, HashRequired),
    (write(OLD), None, NotFound),
    (write(OLD), OLD, "updated"),
    (write(OLD), OTHER, Conflict),
    (write(OLD), NEW, Conflict),
    (write(NEW), NEW, "unchanged"),
    (write(NEW), None, NotFound),
    (write(NEW), OLD, Conflict),
    (write(NEW), OTHER, Conflict),
    (Delete(PATH), None, "absent"),
    (Delete(PATH), OLD, "deleted"),
    (Delete(PATH, OLD), OLD, "deleted"),
    (Delete(PATH, OLD), OTHER, Conflict),
    (Delete(PATH, OLD), None, "absent"),
]


@pytest.mark.parametrize(("operation", "current", "outcome"), TABLE)
def test_FR_003_FR_004_FR_005_R3_SC_003_the_truth_table_of_conditions(
    operation: Operation, current: Digest | None, outcome: str | type[PanaversityError]
) -> None:
    if isinstance(outcome, str):
        after = operation.sha256 if isinstance(operation, Write) else None
        verdict = judge(operation, current)
        assert verdict == Verdict(operation, outcome, current, after)  # type: ignore[arg-type]
        assert verdict.changes == (verdict.before != verdict.after)
    else:
        with pytest.raises(outcome) as caught:
            judge(operation, current)
        assert type(caught.value) is outcome
        assert caught.value.exit_status == 11
        assert caught.value.details["path"] == PATH


def test_the_table_above_is_complete() -> None:
    written = [(operation.expected, there) for operation, there, _ in TABLE if isinstance(operation, Write)]
    assert sorted(written, key=repr) == sorted(product((None, OLD, NEW), (None, OLD, NEW, OTHER)), key=repr)


def test_FR_003_a_conflict_carries_the_current_hash_in_full() -> None:
    with pytest.raises(Conflict) as caught:
        judge(write(OLD), OTHER, "ingest")
    assert caught.value.details == {"path": PATH, "expected_hash": OLD, "current_hash": OTHER}
    assert str(caught.value) == (
        f"ingest: {PATH}: changed since it was read: expected {OLD[:12]}, the current hash is {OTHER}. "
        "Read it again and repeat with the new expected hash."
    )


def test_FR_004_a_blind_overwrite_is_told_the_current_hash() -> None:
    with pytest.raises(HashRequired) as caught:
        judge(write(None), OLD)
    assert caught.value.details["current_hash"] == OLD
    assert OLD in str(caught.value)


def test_R3_deleting_twice_is_deleting_once() -> None:
    first = judge(Delete(PATH, OLD), OLD)
    assert judge(Delete(PATH, OLD), first.after).mode == "absent"


def test_SC_003_every_refusal_is_told_at_once_and_the_rest_is_judged() -> None:
    operations = (Write("a", NEW, 3), Write("b", NEW, 3, OLD), Write("c", NEW, 3), Delete("d", OTHER))
    verdicts, refusals = judge_all(operations, {"a": OLD, "b": OTHER, "d": OLD}, "ingest")
    assert [v.operation.path for v in verdicts] == ["c"]
    assert [(type(r), r.details["path"]) for r in refusals] == [(HashRequired, "a"), (Conflict, "b"), (Conflict, "d")]


def test_one_path_may_be_named_once_only() -> None:
    with pytest.raises(InvalidArgument, match=r"^ingest: a: is named twice"):
        judge_all((Delete("a"), Write("a", NEW, 3)), {}, "ingest")


def test_the_wire_form_is_the_golden_one() -> None:
    if os.environ.get("PANAVERSITY_GOLDEN_UPDATE") == "1":
        GOLDEN.write_bytes(SAMPLE.to_json() + b"\n")
    golden = GOLDEN.read_bytes().removesuffix(b"\n")
    assert SAMPLE.to_json() == golden
    assert parse_changeset(golden) == SAMPLE


def test_the_digests_a_changeset_needs_are_those_of_its_writes() -> None:
    assert SAMPLE.digests() == {NEW, OTHER}


def test_the_payload_hash_tells_apart_whatever_is_asked_differently() -> None:
    variants = [
        SAMPLE,
        Changeset(SAMPLE.operations),
        Changeset(SAMPLE.operations, user_id="reader"),
        Changeset(SAMPLE.operations, operation="ingest"),
        Changeset(SAMPLE.operations, schema=Schema.STRICT),
        Changeset(SAMPLE.operations, numbering=Numbering.NUMBER_NAME),
        Changeset(SAMPLE.operations, ingest_manifest=OLD),
        Changeset(SAMPLE.operations[:-1]),
        Changeset(SAMPLE.operations[::-1]),
        Changeset((Write(PATH, NEW, 4, OLD), *SAMPLE.operations[1:])),
        Changeset((Write(PATH, NEW, 3), *SAMPLE.operations[1:])),
    ]
    assert len({variant.payload_hash for variant in variants}) == len(variants)


def body(**changed: object) -> bytes:
    operation = {"op": "write", "path": PATH, "sha256": NEW, "size": 3, "expected_hash": None}
    return json.dumps({"version": 1, "operations": [{**operation, **changed}]}).encode()


def test_the_smallest_body_is_accepted() -> None:
    assert parse_changeset(body()) == Changeset((write(None),), operation="ingest")
    assert parse_changeset(b'{"version":1,"operations":[]}') == Changeset((), operation="ingest")


MALFORMED = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b"\xff\xfe\xff",
    b"[" * 100_000,
    b'{"version":1}',
    b'{"version":2,"operations":[]}',
    b'{"version":"1","operations":[]}',
    b'{"version":1,"operations":null}',
    b'{"version":1,"operations":{}}',
    b'{"version":1,"operations":"x"}',
    b'{"version":1,"operations":[null]}',
    b'{"version":1,"operations":["x"]}',
    b'{"version":1,"operations":[{}]}',
    b'{"version":1,"operations":[],"schema":"loose"}',
    b'{"version":1,"operations":[],"schema":["strict"]}',
    b'{"version":1,"operations":[],"numbering":"roman"}',
    b'{"version":1,"operations":[],"ingest_manifest":"abc"}',
    b'{"version":1,"operations":[],"ingest_manifest":""}',
    body(op="append"),
    body(op=None),
    body(path=None),
    body(path=["a"]),
    body(path="\ud800.md"),
    body(sha256=NEW.upper()),
    body(sha256=None),
    body(size=-1),
    body(size=2**63),
    body(size=1.0),
    body(size=True),
    body(size="3"),
    body(size=None),
    body(expected_hash="abc"),
    body(expected_hash=0),
    b'{"version":1,"operations":[' + b"0," * MAX_OPERATIONS + b"0]}",
]


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: repr(data[-60:]))
def test_a_malformed_changeset_is_an_invalid_argument_that_says_what_is_wrong(data: bytes) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_changeset(data)
    assert str(caught.value).startswith("ingest: ")
    assert caught.value.details["name"] in ("changeset.json", "sha256", "expected_hash", "ingest_manifest")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"changeset\.json: is malformed: 'operations' is missing"):
        parse_changeset(b'{"version":1}')
