"""What is said of a built site on its way: read back as written, and nothing else is read."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core import pack
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.site_meta import META_MEMBER, SiteMeta, parse_site_meta, site_pack_size

GOLDEN = Path(__file__).parents[2] / "golden" / "site.json"
SAMPLE = SiteMeta(
    '{"inputs":{"node":"v20.0.0"},"phase":"5"}', Digest("ab" * 32), 1234, "ci@größe", "2030-01-01T00:00:00+00:00"
)


def test_site_json_is_the_golden_file() -> None:
    """Builders and servers of different versions meet here: a change of the form is a change of this file."""
    assert SAMPLE.to_bytes() + b"\n" == GOLDEN.read_bytes()


@given(st.text(), st.binary(), st.integers(0, 10**11), st.text(), st.text())
def test_what_is_written_is_read_back(document: str, output: bytes, took: int, agent: str, when: str) -> None:
    meta = SiteMeta(document, digest_of(output), took, agent, when)
    assert parse_site_meta(meta.to_bytes(), "test") == meta
    assert meta.key == digest_of(document.encode())


@given(st.integers(0, 10**7))
def test_the_size_of_a_pack_is_known_before_it_is_made(size: int) -> None:
    head = SAMPLE.to_bytes()
    whole = len(pack.member(META_MEMBER, head)) + len(pack.header("x", size)) + size + len(pack.padding(size))
    assert site_pack_size(head, size) == whole + len(pack.END)


GOOD = json.loads(SAMPLE.to_bytes())


@pytest.mark.parametrize(
    "change",
    [
        {"key": "0" * 64}, {"key": None}, {"document": "another"}, {"document": 7}, {"output": "AB" * 32},
        {"output": ""}, {"build_ms": -1}, {"build_ms": True}, {"build_ms": 1.5}, {"build_ms": 10**12},
        {"build_ms": "1"}, {"agent": None}, {"agent": "\ud800"}, {"stored_at": []}, {"stored_at": "\udfff"},
    ],
    ids=str,
)  # fmt: skip
def test_another_form_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match=r"site\.json"):
        parse_site_meta(json.dumps(GOOD | change).encode(), "test")


@pytest.mark.parametrize("name", [name for name in GOOD if name != "schema_version"])
def test_a_missing_field_is_refused(name: str) -> None:
    body = {field: value for field, value in GOOD.items() if field != name}
    with pytest.raises(InvalidArgument, match="lacks a field"):
        parse_site_meta(json.dumps(body).encode(), "test")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'"x"'], ids=repr)
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        parse_site_meta(data, "test")


def test_fields_of_a_later_version_are_no_trouble() -> None:
    assert parse_site_meta(json.dumps(GOOD | {"schema_version": 2, "later": 1}).encode(), "test") == SAMPLE
