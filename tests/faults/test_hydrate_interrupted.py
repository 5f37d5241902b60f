"""Hydrate killed at any moment and run again ends where one clean run would have ended (F5, F53, P9, G7).

The twin of every broken run is a clean run of the same book into another folder (H7).
"""

import os
import random
import stat

import pytest

from support.failpoints import Failpoint, in_a_child, interrupt, kill
from support.hydrated import IMAGE, LESSON, OTHER, Desk, folders_of, tree_of

pytestmark = pytest.mark.timeout(3600)  # the exhaustive counts take their time

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
KILLS = 500 if FULL else 14
MINE = {"mine.md": b"author's", "01-Part/01-Chapter/mine.md": b"author's too"}


def prepare(place, scenario):
    """A desk at the moment before the run that will be broken."""
    desk = Desk(place)
    if scenario != "fresh":
        desk.put("01-Part/thing", b"a file")
        desk.put("03-Old/deep/x.md", b"old")
        desk.hydrate()
        change(desk, b"1")
    for path, data in MINE.items():
        (desk.out / path).parent.mkdir(parents=True, exist_ok=True)
        (desk.out / path).write_bytes(data)
    return desk


def change(desk, mark):
    """Add, modify, delete, rename, duplicate; a file becomes a folder."""
    desk.put(LESSON, b"changed " + mark)
    desk.put("04-New/a.md", b"new " + mark)
    desk.put("04-New/b.md", b"new " + mark)
    desk.put("02-Part/moved.md", b"# Two")
    for path in (OTHER, "01-Part/thing", "03-Old/deep/x.md"):
        if path in desk.source_paths():
            desk.remove(path)
    desk.put("01-Part/thing/inside.md", b"inside " + mark)


def equals_a_clean_run(desk, place):
    """The tree, its folders and its modes are those of a clean run, the author's files are whole, nothing is left."""
    twin = Desk.__new__(Desk)
    twin.server, twin.book, twin.out = desk.server, desk.book, place
    twin.hydrate()
    ours = {p: b for p, b in desk.tree.items() if p not in MINE}
    assert ours == tree_of(place) == desk.wanted
    assert {p: desk.tree[p] for p in MINE} == MINE
    assert folders_of(desk.out) == folders_of(place)
    assert {stat.S_IMODE((desk.out / p).stat().st_mode) for p in ours} == {0o644}
    assert (desk.state / "index").read_bytes().count(b"[") == (place / ".panaversity/index").read_bytes().count(b"[")
    assert not list((desk.state / "staging").iterdir())
    assert {p.name for p in desk.state.iterdir()} <= {p.name for p in (place / ".panaversity").iterdir()}
    assert desk.hydrate().mode == "unchanged"


def seeded():
    """Chance whose seed a failing test shows."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


SCENARIOS = ["fresh", "delta", "rebuild"]


def options(scenario):
    return {"full_rebuild": True} if scenario == "rebuild" else {}


def count_of(place, scenario, monkeypatch):
    desk = prepare(place, scenario)
    with monkeypatch.context() as patch:
        point = Failpoint(0, interrupt).install(patch)
        desk.hydrate(**options(scenario))
    return point.count


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("changed", [False, True])
def test_F5_F53_interrupted_at_every_change_of_the_disk(tmp_path, monkeypatch, scenario, changed):
    count = count_of(new_folder(tmp_path, "count"), scenario, monkeypatch)
    assert count > 40
    points = range(1, count + 1) if FULL or not changed else seeded().sample(range(1, count + 1), 12)
    for at in points:
        place = new_folder(tmp_path, f"{at}")
        desk = prepare(place, scenario)
        with monkeypatch.context() as patch:
            Failpoint(at, interrupt).install(patch)
            with pytest.raises(KeyboardInterrupt):
                desk.hydrate(**options(scenario))
        if changed:
            change(desk, b"2")
            desk.remove(IMAGE)
        desk.hydrate()
        equals_a_clean_run(desk, place / "twin")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_F5_F53_killed_at_changes_of_the_disk(tmp_path, monkeypatch, scenario):
    count = count_of(new_folder(tmp_path, "count"), scenario, monkeypatch)
    points = range(1, count + 1) if FULL else sorted(seeded().sample(range(1, count + 1), 14))
    for at in points:
        place = new_folder(tmp_path, f"{at}")
        desk = prepare(place, scenario)

        def die(at=at, desk=desk):
            with monkeypatch.context() as patch:
                Failpoint(at, kill).install(patch)
                desk.hydrate(**options(scenario))

        assert in_a_child(die) == -9
        desk.hydrate()
        equals_a_clean_run(desk, place / "twin")


def test_F53_killed_again_and_again_at_random_moments_with_the_book_changing(tmp_path):
    rng = seeded()
    killed, number, desk = 0, 0, prepare(tmp_path, "delta")
    while killed < KILLS:
        number += 1
        assert number < 20 * KILLS
        desk.put(f"05-Many/{rng.randrange(30):02d}.md", rng.randbytes(rng.randrange(20_000)))
        if number % 3 == 0:
            change(desk, b"%d" % number)
        killed += in_a_child(desk.hydrate, kill_after=rng.uniform(0.0, 0.04)) == -9
    print(f"{killed} of {number} runs were killed")
    desk.hydrate()
    equals_a_clean_run(desk, tmp_path / "twin")


def new_folder(base, name):
    place = base / name
    place.mkdir()
    return place
