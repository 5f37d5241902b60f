"""Keys, names and reasons of a lifecycle. Golden keys stand in ``tests/golden/phase_keys.json``."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from panaversity_builder.book.pipeline import BOOK
from panaversity_builder.lifecycle import (
    Cause,
    Lifecycle,
    Phase,
    document_of,
    explain,
    parse_document,
    require_phases,
)
from panaversity_fs.core.errors import PhaseUnknown

GOLDEN = Path(__file__).parents[2] / "golden" / "phase_keys.json"
A, B = "a" * 64, "b" * 64
SITE = Phase("5", "docusaurus", "build the site")
AUTHOR = Phase("1", "author", "scan", volatile=True)
INPUTS = {"configuration": A, "node": "v20.1.0"}
NOW = document_of(BOOK, SITE, INPUTS, A)


def test_the_keys_of_a_sample_build_are_the_golden_ones():
    golden = json.loads(GOLDEN.read_text())
    for phase, expected in zip(BOOK.phases, golden["phases"], strict=True):
        document = document_of(BOOK, phase, expected["inputs"], expected["previous"])
        assert (phase.id, phase.name, document.key) == (expected["id"], expected["name"], expected["key"])


def test_the_book_has_its_five_phases_in_order_and_only_the_site_is_remembered():
    assert [(p.id, p.name) for p in BOOK.phases] == [
        ("1", "author"),
        ("2", "ingest"),
        ("3", "plan_build"),
        ("4", "hydrate"),
        ("5", "docusaurus"),
    ]
    assert [p.name for p in BOOK.phases if not p.volatile] == ["docusaurus"]


@pytest.mark.parametrize("given", ["5", "docusaurus"])
def test_a_phase_is_found_by_id_and_by_name(given):
    assert BOOK.find(given).name == "docusaurus"


@pytest.mark.parametrize("given", ["6", "", "Docusaurus", "05", " 5"])
def test_an_unknown_phase_is_an_error_that_lists_the_phases(given):
    with pytest.raises(PhaseUnknown, match=r"1 author, 2 ingest, 3 plan_build, 4 hydrate, 5 docusaurus") as caught:
        require_phases(BOOK, ["4", given])
    assert caught.value.exit_status == 2
    assert caught.value.details["given"] == given


def test_two_phases_cannot_share_a_word():
    with pytest.raises(ValueError, match="share"):
        Lifecycle("odd", 1, (Phase("1", "a", ""), Phase("2", "1", "")))


def test_key_does_not_depend_on_the_order_of_inputs_nor_on_the_description():
    turned = document_of(BOOK, replace(SITE, description="other words"), dict(reversed(INPUTS.items())), A)
    assert turned.key == NOW.key


@pytest.mark.parametrize(
    "other",
    [
        replace(NOW, lifecycle="environment"),
        replace(NOW, version=2),
        replace(NOW, phase="4"),
        replace(NOW, inputs={**INPUTS, "node": "v22.0.0"}),
        replace(NOW, inputs={**INPUTS, "extra": ""}),
        replace(NOW, previous=B),
        replace(NOW, previous=None),
    ],
)
def test_everything_in_the_document_is_in_the_key(other):
    assert other.key != NOW.key


def test_a_document_survives_json():
    assert parse_document(json.loads(json.dumps(NOW.to_json()))) == NOW


@pytest.mark.parametrize(
    "body", [None, [], {}, {**NOW.to_json(), "inputs": {"a": 1}}, {**NOW.to_json(), "more": 1}, {"phase": "5"}]
)
def test_anything_else_is_no_document(body):
    with pytest.raises(ValueError, match="key document"):
        parse_document(body)


def why(current=NOW, remembered=NOW, phase=SITE, **more):
    return str(explain(phase, current, remembered, **more))


def test_the_six_reasons_are_said_in_the_words_of_the_design():
    changed = replace(NOW, inputs={**INPUTS, "node": "v22.0.0"})
    assert why(phase=AUTHOR) == "always runs"
    assert why(forced=True) == "rebuild requested"
    assert why(remembered=None) == "never built"
    assert why(current=changed) == "changed: node (v20.1.0 → v22.0.0)"
    assert why(current=replace(NOW, previous=B)) == "previous phase changed (aaaaaaaaaaaa → bbbbbbbbbbbb)"
    assert why(gone="the built folder is missing, no copy is kept") == (
        "snapshot gone (the built folder is missing, no copy is kept)"
    )


def test_nothing_to_explain_when_the_documents_are_equal_and_the_output_is_there():
    assert explain(SITE, NOW, NOW) is None


def test_several_changes_are_all_named_with_shortened_digests_and_absent_values():
    new = replace(NOW, version=2, inputs={"configuration": B, "variable BASE_URL": "/docs"})
    reason = explain(SITE, new, NOW)
    assert reason is not None
    assert reason.cause is Cause.CHANGED
    assert reason.detail == (
        "lifecycle (book 1 → book 2), configuration (aaaaaaaaaaaa → bbbbbbbbbbbb), node (v20.1.0 → none), "
        "variable BASE_URL (none → /docs)"
    )
