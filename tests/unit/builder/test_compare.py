"""Which manifest an operand means, and what differs between two."""

import json

import pytest

from panaversity_builder.book.compare import compare, load, needs_server
from panaversity_fs.core.errors import HashMismatch, InvalidArgument, NotFound
from support.hydrated import BOOK, LESSON, OTHER, Desk


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.hydrate()
    return desk


def lines(desk, a, b):
    return list(compare(load(a, desk.server, BOOK), load(b, desk.server, BOOK)).lines())


def test_a_hydrated_folder_equals_the_book_until_one_of_them_changes(desk):
    local = f"local:{desk.out}"
    assert lines(desk, local, "remote") == []
    assert not compare(load(local), load("remote", desk.server, BOOK))
    desk.put(LESSON, b"changed")
    desk.put("01-Part/01-Chapter/03-three.md", b"new")
    desk.put("01-Part/03-Chapter/02-moved.md", b"# Two")
    desk.remove(OTHER)
    desk.remove("README.md")
    assert lines(desk, local, "remote") == [
        f"M\tcontent/{LESSON}",
        f"R\tcontent/{OTHER}\tcontent/01-Part/03-Chapter/02-moved.md",
        "A\tcontent/01-Part/01-Chapter/03-three.md",
        "D\tcontent/README.md",
    ]


def test_SC_103_every_kind_of_operand_means_the_same_manifest(desk):
    operands = [
        "remote",
        f"local:{desk.out}",
        str(desk.out),
        str(desk.state / "manifest.txt"),
        str(desk.state / "manifest.json"),
        desk.hydrate().manifest_hash,
    ]
    loaded = [load(operand, desk.server, BOOK) for operand in operands]
    assert len({operand.manifest_hash for operand in loaded}) == 1
    assert len({tuple(operand.lines()) for operand in loaded}) == 1
    assert [needs_server(operand) for operand in operands] == [True, False, False, False, False, True]


def test_machine_form_holds_both_hashes_the_counts_and_every_file(desk):
    before = load("remote", desk.server, BOOK)
    desk.put(LESSON, b"changed")
    after = load("remote", desk.server, BOOK)
    comparison = compare(before, after)
    document = comparison.to_json()
    assert (document["modified"], document["added"]) == (1, 0)
    assert document["files"] == [{"status": "M", "path": f"content/{LESSON}"}]
    assert list(comparison.names()) == [f"content/{LESSON}"]
    assert json.dumps(after.to_json())


def test_a_server_operand_without_a_server_says_what_to_set():
    with pytest.raises(InvalidArgument, match="--book-id"):
        load("remote")


@pytest.mark.parametrize("operand", ["nowhere", "local:nowhere", "nul\0byte"])
def test_an_operand_that_is_nowhere_is_not_found(operand, desk):
    with pytest.raises((NotFound, HashMismatch)):
        load(operand)


def test_a_book_nobody_created_is_not_found(desk):
    with pytest.raises(NotFound):
        load("remote", desk.server, "mistyped")


def test_a_folder_without_state_is_not_taken_for_an_empty_book(desk):
    with pytest.raises(NotFound, match="hydrated"):
        load(f"local:{desk.place}")


@pytest.mark.parametrize("damage", [b"", b"{", b"x:y\n", b"\xff\xfe"])
def test_F48_a_damaged_record_is_an_error_and_never_another_manifest(desk, damage):
    for name in ("manifest.txt", "manifest.json"):
        good = (desk.state / name).read_bytes()
        (desk.state / name).write_bytes(damage)
        with pytest.raises(HashMismatch) as caught:
            load(f"local:{desk.out}")
        assert caught.value.exit_status == 13
        (desk.state / name).write_bytes(good)


def test_a_file_that_is_no_manifest_is_refused(desk):
    with pytest.raises(HashMismatch):
        load(str(desk.canary))
