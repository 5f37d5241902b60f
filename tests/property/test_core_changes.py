"""Changesets survive the wire, and what is judged fine has the effect that was asked for."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.changes import MAX_SIZE, Changeset, Delete, Operation, Write, judge_all, parse_changeset
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema

digests = st.sampled_from([digest_of(bytes([n])) for n in range(3)])
some = st.none() | digests
paths = st.sampled_from("abcde")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


def operations(path: st.SearchStrategy[str]) -> st.SearchStrategy[Operation]:
    return st.builds(Write, path, digests, st.integers(0, MAX_SIZE), some) | st.builds(Delete, path, some)


@given(
    st.lists(operations(texts)),
    st.none() | st.sampled_from(Schema),
    st.none() | st.sampled_from(Numbering),
    some,
)
def test_parsing_undoes_writing(
    listed: list[Operation], schema: Schema | None, numbering: Numbering | None, manifest: Digest | None
) -> None:
    sent = Changeset(tuple(listed), schema=schema, numbering=numbering, ingest_manifest=manifest, operation="ingest")
    assert parse_changeset(sent.to_json()) == sent
    assert parse_changeset(sent.to_json()).payload_hash == sent.payload_hash


@given(st.binary(max_size=40) | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(repr).map(str.encode))
def test_any_bytes_are_a_changeset_or_an_invalid_argument(data: bytes) -> None:
    with contextlib.suppress(InvalidArgument):
        assert isinstance(parse_changeset(data), Changeset)


@given(
    st.lists(operations(paths), unique_by=lambda operation: operation.path).map(tuple),
    st.dictionaries(paths, digests),
)
def test_FR_003_FR_004_R3_SC_003_what_is_judged_fine_meets_its_condition(
    listed: tuple[Operation, ...], current: dict[str, Digest]
) -> None:
    verdicts, refusals = judge_all(listed, current, "ingest")
    fine = {verdict.operation.path for verdict in verdicts}
    assert fine | {refusal.details["path"] for refusal in refusals} == {o.path for o in listed}
    assert len(verdicts) + len(refusals) == len(listed)
    for verdict in verdicts:
        operation, before = verdict.operation, current.get(verdict.operation.path)
        assert verdict.before == before
        if isinstance(operation, Write):
            assert operation.expected == before
            assert verdict.after == operation.sha256
        else:
            assert operation.expected in (None, before) or before is None
            assert verdict.after is None
        assert verdict.changes == (verdict.before != verdict.after)
    assert all(refusal.exit_status == 11 for refusal in refusals)
