"""A server that lies or attacks: its plan is refused whole before the first write (F55, F62, S18)."""

from dataclasses import replace

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashMismatch, InvalidPath, PanaversityError
from support import hostile_paths
from support.hydrated import BOOK, LESSON, OTHER, Desk, everything

EVIL = b"evil"
HOSTILE = sorted({p for v in vars(hostile_paths).values() if isinstance(v, list) for p, *_ in v if isinstance(p, str)})


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.hydrate()
    return desk


def untouched(desk, before):
    """Nothing changed anywhere, but for the lock that names its holder."""
    after = everything(desk.place)
    return {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)} <= {"book/.panaversity/lock"}


@pytest.mark.parametrize("prefix", ["", "content/", "static/img/", "content/01-Part/"])
def test_F55_every_hostile_path_is_refused_before_the_first_write(desk, prefix):
    assert len(HOSTILE) > 100
    desk.server.blobs[digest_of(EVIL)] = EVIL
    before = everything(desk.place)
    for path in HOSTILE:
        desk.book.entries[prefix + path] = digest_of(EVIL)
        try:
            with pytest.raises(PanaversityError) as caught:
                desk.hydrate()
            assert caught.value.exit_status in (12, 13), path
        except UnicodeEncodeError:
            pass  # no server can tell such a name: the simulator's own manifest text has no bytes for it
        finally:
            del desk.book.entries[prefix + path]
    assert untouched(desk, before)


def test_F55_a_hostile_first_plan_leaves_an_empty_folder(tmp_path):
    desk = Desk(tmp_path)
    desk.server.put(BOOK, "content/../../../../evil.md", EVIL)
    with pytest.raises(InvalidPath, match="nothing was written"):
        desk.hydrate()
    assert desk.tree == {}
    assert not (tmp_path / "evil.md").exists()


@pytest.mark.parametrize(
    "paths",
    [
        ["content/a.md", "content/A.md"],
        ["content/x", "content/x/y.md"],
        ["content/Dir/a.md", "content/dir/b.md"],
        ["content/.panaversity/manifest.json"],
        ["content/.git/hooks/pre-commit"],
        ["static/evil/x.png"],
        ["content/01-A/x.png"],
        ["evil.md"],
    ],
)
def test_F45_F55_names_that_meet_or_have_no_place_are_refused(desk, paths):
    for path in paths:
        desk.server.put(BOOK, path, EVIL)
    before = everything(desk.place)
    with pytest.raises(InvalidPath):
        desk.hydrate()
    assert untouched(desk, before)


def test_F55_legal_but_awkward_names_stay_literal(tmp_path):
    desk = Desk(tmp_path, {"-rf/--force.md": b"1", "~/~x.md": b"2", "a b/$.md".replace("$", "#"): b"3", "ä/ö.md": b"4"})
    desk.hydrate()
    assert desk.tree == desk.wanted


def lying(desk, **changed):
    """Let every plan of the server be altered."""
    honest = desk.server.plan_build

    def lie(*arguments):
        plan = honest(*arguments)
        return replace(plan, **{k: v(plan) if callable(v) else v for k, v in changed.items()})

    desk.server.plan_build = lie


@pytest.mark.parametrize(
    "lie",
    [
        {"files": (), "status": "unchanged"},
        {"files": lambda plan: plan.files[1:]},
        {"files": lambda plan: (replace(plan.files[0], current=digest_of(EVIL)), *plan.files[1:])},
        {"files": lambda plan: (replace(plan.files[0], target=digest_of(EVIL)), *plan.files[1:])},
        {"files": lambda plan: (*plan.files, plan.files[0])},
        {"files": lambda plan: (*plan.files, replace(plan.files[0], path=f"content/{OTHER}"))},
        {"manifest_hash": digest_of(EVIL)},
        {"manifest_hash": "../../../evil"},
        {"files": lambda plan: (replace(plan.files[0], size=-5), *plan.files[1:])},
    ],
)
def test_F62_a_plan_that_does_not_lead_to_its_manifest_is_refused(desk, lie):
    desk.put(LESSON, b"changed")
    desk.put("new.md", b"new")
    lying(desk, **lie)
    before = everything(desk.place)
    outcome = desk.attempt()
    if isinstance(outcome, HashMismatch):
        assert outcome.exit_status == 13
        assert untouched(desk, before)
    else:
        assert desk.tree == desk.wanted  # a repeated line says nothing untrue
        assert outcome.mode == "delta"


def test_F62_unchanged_over_a_changed_tree_is_found_by_verify(desk):
    desk.age()
    desk.hydrate()
    assert desk.hydrate(verify=True).mode == "unchanged"


def test_F62_a_size_that_is_a_lie_ends_in_an_error_and_the_old_tree(desk):
    old = desk.tree
    desk.put(LESSON, b"changed")
    lying(desk, files=lambda plan: tuple(replace(f, size=f.size + 1) for f in plan.files))
    with pytest.raises(PanaversityError) as caught:
        desk.hydrate()
    assert caught.value.exit_status == 10
    assert desk.tree == old


def test_F62_a_manifest_text_that_is_another_is_refused(desk, monkeypatch):
    monkeypatch.setattr("support.simulator.TRUNCATE_ABOVE", 0)
    desk.put(LESSON, b"changed")
    desk.server.manifest_text = lambda *_: b"content/x.md:" + b"0" * 64 + b"\n"
    before = everything(desk.place)
    with pytest.raises(HashMismatch):
        desk.hydrate()
    assert untouched(desk, before)
