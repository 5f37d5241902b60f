"""The formats of the build state: what is written is read, what is odd is a miss."""

import contextlib
import json

import pytest

from panaversity_builder.book.hydrate.records import (
    Identity,
    Index,
    Owned,
    Pending,
    parse_identity,
    parse_index,
    parse_plan,
    render_identity,
    render_index,
    render_plan,
)
from panaversity_builder.book.sealed import Miss, seal, unseal
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.mapping import Numbering

A, B = digest_of(b"a"), digest_of(b"b")
IDENTITY = Identity("sample", A, "store", 1, Numbering.NAME_NUMBER, "source", "all")
INDEX = Index({"x/ä.md": Owned(A, 1), "y.md": Owned(B, 2, (2, 3, 4, 5))}, {"x"}, {"z.md": Pending(None, A)})


def test_what_is_written_is_read():
    assert parse_identity(render_identity(IDENTITY, "2030-01-01T00:00:00Z", 3, 7)) == IDENTITY
    assert parse_index(render_index(INDEX)) == INDEX
    assert parse_plan(render_plan(IDENTITY, None, INDEX.pending)) == A


@pytest.mark.parametrize("readable", [True, False])
def test_a_sealed_document_is_json_and_every_cut_of_it_is_a_miss(readable):
    data = seal({"a": [1, "ü"], "b": None}, readable=readable)
    assert list(json.loads(data)) == ["a", "b", "checksum"]
    assert unseal(data) == {"a": [1, "ü"], "b": None}
    for end in range(len(data) - 1):
        with pytest.raises(Miss):
            unseal(data[:end])


def test_every_flipped_byte_is_a_miss_or_changes_nothing():
    data = seal({"a": [1, "ü"], "b": None})
    for at in range(len(data)):
        for flip in (1, 0x20, 0x80):
            damaged = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
            try:
                assert unseal(damaged) == {"a": [1, "ü"], "b": None}
            except Miss:
                continue


def honest(text: str) -> bytes:
    """A document whose checksum is right, whatever it holds."""
    body = text.encode()
    return body + f',"checksum":"{digest_of(body)}"}}\n'.encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"format":1,"format":1',
        '{"format":NaN',
        '{"format":Infinity',
        '{"format":' + "[" * 100_000 + "]" * 100_000,
        '\ufeff{"format":1',
        '[{"format":1',
        "{",
        '{"checksum":"x"',
        '{"format":1e999',
    ],
)
def test_F48_an_odd_document_with_a_right_checksum_is_a_miss(text):
    for parse in (parse_index, parse_identity, parse_plan):
        with pytest.raises(Miss):
            parse(honest(text))


@pytest.mark.parametrize(
    "document",
    [
        {"format": 2, "files": [], "folders": [], "pending": []},
        {"format": True, "files": [], "folders": []},
        {"files": [], "folders": [], "pending": []},
        {"format": 1, "files": {}, "folders": []},
        {"format": 1, "files": [[]], "folders": [], "pending": []},
        {"format": 1, "files": [["x", A]], "folders": [], "pending": []},
        {"format": 1, "files": [["x", A, -1]], "folders": [], "pending": []},
        {"format": 1, "files": [["x", A, 1.5]], "folders": [], "pending": []},
        {"format": 1, "files": [["x", A, 1, 2]], "folders": [], "pending": []},
        {"format": 1, "files": [["x", A.upper(), 1]], "folders": [], "pending": []},
        {"format": 1, "files": [["../x", A, 1]], "folders": [], "pending": []},
        {"format": 1, "files": [["/etc/passwd", A, 1]], "folders": [], "pending": []},
        {"format": 1, "files": [[".git/config", A, 1]], "folders": [], "pending": []},
        {"format": 1, "files": [[1, A, 1]], "folders": [], "pending": []},
        {"format": 1, "files": [], "folders": ["../.."], "pending": []},
        {"format": 1, "files": [], "folders": [], "pending": [["../x", A, None]]},
        {"format": 1, "files": [], "folders": [], "pending": [["x", 1, None]]},
        {"format": 1, "files": 7, "folders": 7, "pending": 7},
    ],
)
def test_F48_S32_an_index_that_no_hydrate_writes_is_a_miss(document):
    with pytest.raises(Miss):
        parse_index(seal(document))


@pytest.mark.parametrize("key", ["book_id", "manifest_hash", "store_id", "incarnation", "numbering", "tree", "scope"])
@pytest.mark.parametrize("value", [7.5, [], {}, "?", True])
def test_F48_a_manifest_json_with_a_wrong_type_is_a_miss_or_another_identity(key, value):
    document = unseal(render_identity(IDENTITY, "2030-01-01T00:00:00Z", 3, 7))
    document[key] = value
    with contextlib.suppress(Miss):
        assert parse_identity(seal(document)) != IDENTITY
    del document[key]
    with pytest.raises(Miss):
        parse_identity(seal(document))
