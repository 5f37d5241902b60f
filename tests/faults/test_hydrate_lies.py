"""Servers whose packs lie, books that lag, and file systems that fold names (F43, F49, F61, F62, P4)."""

from dataclasses import replace

import pytest

from panaversity_builder.book.hydrate import folder as folder_module
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import PanaversityError
from support.folding import FoldingOs
from support.hydrated import IMAGE, LESSON, OTHER, Desk

ONE, TWO = b"changed " * 100, b"changed too " * 100


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.hydrate()
    desk.put(LESSON, ONE)
    desk.put(OTHER, TWO)
    return desk


def packed(desk, alter, times=99):
    """Let packs be altered so often: ``alter`` maps a list of (digest, data) to another."""
    honest, left = desk.server.fetch_pack, [times]

    def lie(book_id, manifest, digests):
        members = [(digest, b"".join(chunks)) for digest, _, chunks in honest(book_id, manifest, digests)]
        if left[0]:
            left[0] -= 1
            members = alter(members)
        for digest, data in members:
            yield digest, len(data), iter([data])

    desk.server.fetch_pack = lie


LIES = {
    "missing": lambda members: members[1:],
    "none": lambda members: [],
    "extra": lambda members: [*members, (digest_of(b"unasked"), b"unasked")],
    "extra first": lambda members: [(digest_of(b"unasked"), b"unasked"), *members],
    "swapped bytes": lambda members: [(members[0][0], members[1][1]), (members[1][0], members[0][1])],
    "wrong digest": lambda members: [(digest_of(b"?"), data) for _, data in members],
    "shorter": lambda members: [(digest, data[:-1]) for digest, data in members],
    "longer": lambda members: [(digest, data + b"!") for digest, data in members],
    "emptied": lambda members: [(digest, b"") for digest, _ in members],
}


@pytest.mark.parametrize("lie", LIES)
def test_F62_P4_a_pack_that_lies_is_never_believed(desk, lie):
    old = desk.tree
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(desk.server, "fetch_pack", desk.server.fetch_pack)
        packed(desk, LIES[lie])
        outcome = desk.attempt()
    if lie == "extra":  # all that was asked for had come before: the second attempt has nothing to ask
        assert desk.tree == desk.wanted
        return
    assert isinstance(outcome, PanaversityError)
    assert outcome.exit_status == 10
    assert desk.tree == old
    assert digest_of(b"unasked") not in {p.name for p in (desk.state / "staging").iterdir()}
    desk.hydrate()
    assert desk.tree == desk.wanted


@pytest.mark.parametrize("lie", LIES)
def test_F62_P4_a_pack_that_lies_once_is_asked_for_again(desk, lie):
    packed(desk, LIES[lie], times=1)
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_a_pack_that_repeats_a_member_says_nothing_untrue(desk):
    packed(desk, lambda members: [*members, *members])
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_F61_a_server_frozen_at_the_known_manifest_leaves_the_folder_and_verify_reads_it(desk):
    honest, old = desk.server.plan_build, desk.tree
    known = desk.hydrate().manifest_hash
    desk.put(LESSON, b"newer")
    frozen = lambda *a: replace(honest(*a), status="unchanged", manifest_hash=known, files=(), changed_count=0)  # noqa: E731
    desk.server.plan_build = frozen
    assert desk.hydrate().mode == "unchanged"
    (desk.out / IMAGE).unlink()
    result = desk.hydrate(verify=True)
    assert (result.mode, result.reason) == ("delta", "1 files of the folder were missing or altered")
    assert (desk.out / LESSON).read_bytes() == ONE
    assert old != desk.tree


RENAMES = {
    "a file": (
        {"01-Part/Intro.md": b"same", "01-Part/y.md": b"y"},
        {"01-Part/intro.md": b"same", "01-Part/y.md": b"y"},
    ),
    "a folder": ({"01-Part/x.md": b"same", "01-Part/y.md": b"y"}, {"01-part/x.md": b"same", "01-part/y.md": b"y"}),
    "a folder of several": ({"01-Part/A/x.md": b"same", "01-Part/y.md": b"y"}, {"01-Part/a/x.md": b"same"}),
    "a file to a folder": ({"thing": b"same"}, {"Thing/inside.md": b"same"}),
    "a folder to a file": ({"Thing/inside.md": b"same"}, {"thing": b"same"}),
}


@pytest.mark.parametrize("rename", RENAMES)
@pytest.mark.parametrize("folds", [True, False])
def test_F43_a_rename_of_case_only_ends_right_also_where_names_are_folded(tmp_path, monkeypatch, rename, folds):
    if folds:
        monkeypatch.setattr(folder_module, "os", FoldingOs())
    before, after = RENAMES[rename]
    desk = Desk(tmp_path, before)
    desk.hydrate()
    for path in before:
        desk.remove(path)
    for path, data in after.items():
        desk.put(path, data)
    result = desk.hydrate()
    assert desk.tree == desk.wanted == after
    assert result.files_downloaded == 0
    assert desk.hydrate().mode == "unchanged"
