"""The tests of the tests: bugs planted in a child must be caught by the crash runner or by the order of calls
(RELIABILITY 8; planted bugs 1, 2, 3, 4, 5 and 8).

Each mutant is first shown to change nothing that an undisturbed run could see; then it is caught.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.crash import CrashRunner, Point, broken_promise, fast_folder
from support.crash_mutants import MUTANTS
from support.crash_order import out_of_order
from support.crash_shim import built_shim

KILLED = ["commit before the blob's link", "answer before commit"]
"""Caught by killing the process: the others need the disk's memory to be lost, and show in the order of calls."""
ORDERED = [name for name in MUTANTS if name not in ("hash check skipped", "collect without checking again")]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashRunner]:
    place = fast_folder(tmp_path_factory.mktemp("mutants"))
    with CrashRunner(place) as runner:
        yield runner
    shutil.rmtree(place, ignore_errors=True)


def caught_by_killing(runner: CrashRunner, operation: str, mutant: str | None) -> tuple[int, str | None]:
    """Kill at every change, those nearest to the answer first; (points tried, what the first that showed it said)."""
    whole = runner.undisturbed(operation, mutant)
    kinds = [line[1] for line in whole["trace"]]
    answered = kinds.index("mark") if "mark" in kinds else 0
    for tried, at in enumerate(sorted(range(1, whole["calls"] + 1), key=lambda at: abs(at - answered)), start=1):
        point = Point(operation, "kill", at, mutant=mutant)
        if wrong := broken_promise(point, runner.strike(point), runner.judge(point), None):
            return tried, wrong
    return whole["calls"], None


@pytest.mark.parametrize("mutant", KILLED)
def test_planted_bugs_4_5_killing_the_process_catches(runner: CrashRunner, mutant: str) -> None:
    tried, wrong = caught_by_killing(runner, "create", mutant)
    print(f"{runner.arm}, {mutant}: caught at point {tried}: {wrong}")
    assert wrong is not None
    assert "lost" in wrong or "not there" in wrong or "nobody names" in wrong


@pytest.mark.parametrize("operation", ["create", "create large", "changeset"])
@pytest.mark.parametrize("mutant", ORDERED)
def test_planted_bugs_1_to_5_the_order_of_calls_catches(runner: CrashRunner, mutant: str, operation: str) -> None:
    if built_shim() is None:
        pytest.skip("not run: no C compiler here, so libc cannot be watched")
    answer = runner.undisturbed(operation, mutant)
    assert answer.get("acknowledged"), "the mutant does not even work undisturbed"
    assert runner.judge(Point(operation, "count", 0))["state"] == "after"
    found = out_of_order(answer["trace"])
    print(f"{mutant}, {operation}: {len(found)} findings, the first: {found[:1]}")
    assert found
    assert out_of_order(runner.undisturbed(operation)["trace"]) == []


def test_planted_bug_8_a_store_that_believes_digests_is_caught(runner: CrashRunner) -> None:
    innocent = Point("forged", "count", 0)
    assert runner.undisturbed("forged").get("acknowledged")
    assert runner.judge(innocent).get("wrong") is None
    runner.undisturbed("forged", "hash check skipped")
    found = runner.judge(innocent)
    print(f"hash check skipped: {found}")
    assert "holds other bytes" in found["wrong"]


def test_planted_bug_5_killing_catches_it_without_a_compiler_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANAVERSITY_TEST_NO_SHIM", "1")
    with CrashRunner(tmp_path / "stores") as runner:
        for mutant in KILLED:
            # Between two failpoints the answer and the commit race: one pass may miss what the next one sees.
            passes = (caught_by_killing(runner, "create", mutant) for _ in range(3))
            tried, wrong = next((found for found in passes if found[1]), (0, None))
            print(f"{runner.arm}, {mutant}: caught at point {tried}: {wrong}")
            assert wrong is not None
