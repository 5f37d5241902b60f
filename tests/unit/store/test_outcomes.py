"""Doing a transaction again: only where nothing was done, not for ever, and never hiding a doubt (F24)."""

import anyio
import pytest

from panaversity_fs.core.errors import Conflict, PanaversityError
from panaversity_fs.store import outcomes
from panaversity_fs.store.outcomes import ATTEMPTS, LONGEST_PAUSE, NothingDone, Undecided, carry_out, pause_after

pytestmark = pytest.mark.anyio

NOTHING = NothingDone("test", "database", "is busy")
DOUBT = Undecided("test", "database", "may have happened")
REFUSED = Conflict("test", "a.md", "changed")


class Step:
    """Ends in these ways, one after the other, then well."""

    def __init__(self, *ends: PanaversityError) -> None:
        self.ends, self.calls = list(ends), 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.ends:
            raise self.ends.pop(0)
        return "done"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "FIRST_PAUSE", 0.0)


async def test_F24_a_step_is_carried_out_again_until_it_is_done() -> None:
    step = Step(*[NOTHING] * (ATTEMPTS - 1))
    assert await carry_out(step, undecided=False) == "done"
    assert step.calls == ATTEMPTS


async def test_F24_not_for_ever() -> None:
    step = Step(*[NOTHING] * 100)
    with pytest.raises(NothingDone):
        await carry_out(step, undecided=False)
    assert step.calls == ATTEMPTS


async def test_nothing_is_begun_after_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "PATIENCE", -1.0)
    step = Step(NOTHING)
    with pytest.raises(NothingDone):
        await carry_out(step, undecided=False)
    assert step.calls == 1


async def test_a_refusal_is_an_answer() -> None:
    step = Step(REFUSED)
    with pytest.raises(Conflict):
        await carry_out(step, undecided=True)
    assert step.calls == 1


async def test_F23_an_unknown_outcome_is_not_done_twice_unless_twice_is_once() -> None:
    step = Step(DOUBT)
    with pytest.raises(Undecided):
        await carry_out(step, undecided=False)
    assert step.calls == 1
    assert await carry_out(Step(DOUBT), undecided=True) == "done"


async def test_F23_a_doubt_is_not_forgotten_because_later_attempts_did_nothing() -> None:
    with pytest.raises(Undecided):
        await carry_out(Step(DOUBT, *[NOTHING] * 100), undecided=True)


async def test_cancellation_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "FIRST_PAUSE", 100.0)
    monkeypatch.setattr(outcomes, "LONGEST_PAUSE", 100.0)
    with anyio.move_on_after(0.01) as scope:
        await carry_out(Step(NOTHING), undecided=False)
    assert scope.cancelled_caught


def test_pauses_grow_differ_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "FIRST_PAUSE", 0.02)
    assert len({pause_after(3) for _ in range(20)}) > 1
    assert all(0.5 * min(LONGEST_PAUSE, 0.02 * 2 ** (n - 1)) <= pause_after(n) <= LONGEST_PAUSE for n in range(1, 30))
