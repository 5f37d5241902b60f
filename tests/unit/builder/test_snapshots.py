"""Records: believed only after a check, never fatal."""

import json
import os

import pytest

from panaversity_builder.lifecycle import KeyDocument
from panaversity_builder.snapshots import KEPT_RECORDS, Record, RecordFiles

FULL = os.environ.get("PANAVERSITY_TEST_FULL") == "1"


def document(phase="5", node="v20"):
    return KeyDocument("book", 1, phase, {"node": node}, "a" * 64)


def record(output="b" * 64, **more):
    return Record(document(**more), output, "2026-11-20T10:00:00+00:00", 1.5)


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "phases"


def files(folder, warnings):
    return RecordFiles(str(folder), warnings.append)


def test_a_record_is_found_again_by_another_process(folder, warnings):
    files(folder, warnings).remember(record())
    again = files(folder, warnings)
    assert again.find(document()) == record()
    assert again.latest("5") == record()
    assert again.find(document(node="v22")) is None
    assert again.latest("4") is None
    assert warnings == []


def test_nothing_is_written_until_something_is_remembered(folder, warnings):
    assert files(folder, warnings).all("5") == []
    assert not folder.exists()


def test_the_record_used_last_comes_first_and_a_key_has_one_record(folder, warnings):
    store = files(folder, warnings)
    for node in ("v20", "v22", "v20"):
        store.remember(record(node=node))
    assert [r.document.inputs["node"] for r in files(folder, warnings).all("5")] == ["v20", "v22"]


def test_believing_the_latest_record_again_writes_nothing(folder, warnings):
    files(folder, warnings).remember(record())
    before = (folder / "5.json").stat()
    store = files(folder, warnings)
    found = store.find(document())
    assert found is not None
    store.remember(found)
    assert (folder / "5.json").stat().st_mtime_ns == before.st_mtime_ns


def test_old_records_go(folder, warnings):
    store = files(folder, warnings)
    for number in range(KEPT_RECORDS + 5):
        store.remember(record(node=f"v{number}"))
    kept = files(folder, warnings).all("5")
    assert len(kept) == KEPT_RECORDS
    assert kept[0].document.inputs["node"] == f"v{KEPT_RECORDS + 4}"


def test_F48_a_record_file_cut_anywhere_is_a_miss_with_a_reason_and_never_a_crash(folder, warnings):
    files(folder, warnings).remember(record())
    path = folder / "5.json"
    whole = path.read_bytes()
    for length in range(len(whole) - 2):
        warnings.clear()
        path.write_bytes(whole[:length])
        assert files(folder, warnings).all("5") == []
        assert len(warnings) == 1
        assert "5.json" in warnings[0]


def test_F48_a_record_file_with_a_flipped_bit_is_never_believed_as_another_record(folder, warnings):
    files(folder, warnings).remember(record())
    path = folder / "5.json"
    whole = path.read_bytes()
    true = record()
    for at in range(0, len(whole), 1 if FULL else 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert files(folder, warnings).all("5") in ([], [true]), "a record is whole or not there"


@pytest.mark.parametrize(
    "text", ["[]", "null", "{}", '{"format": 3, "records": []}', "[" * 100000, '{"format":2,"records":[1]}']
)
def test_F48_odd_json_is_a_miss(folder, warnings, text):
    folder.mkdir()
    (folder / "5.json").write_text(text)
    assert files(folder, warnings).latest("5") is None
    assert len(warnings) == 1


def test_a_folder_that_cannot_be_written_costs_time_and_nothing_else(tmp_path, warnings):
    (tmp_path / "phases").write_text("a file stands in the way")
    store = files(tmp_path / "phases", warnings)
    store.remember(record())
    assert store.find(document()) == record(), "within this run it is known"
    assert any("cannot be written" in w for w in warnings)


def test_records_are_readable_by_people(folder, warnings):
    files(folder, warnings).remember(record())
    body = json.loads((folder / "5.json").read_text())
    assert body["records"][0]["document"]["inputs"] == {"node": "v20"}
    assert body["records"][0]["key"] == document().key
