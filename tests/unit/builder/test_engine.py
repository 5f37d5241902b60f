"""The engine: what runs, what is believed, and what a watcher hears. Phases are dictionaries of functions here."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from panaversity_builder.engine import Clock, PhaseEvent, Presence, Step, run_lifecycle
from panaversity_builder.lifecycle import Lifecycle, Phase
from panaversity_fs.core.errors import PhaseFailed, PhaseUnknown, ServerUnreachable
from support.records import MemoryRecords

LINE = Lifecycle(
    "line",
    1,
    (Phase("1", "look", "look outside", volatile=True), Phase("2", "make", "make it"), Phase("3", "wrap", "wrap it")),
)


class Workshop:
    """A small world: ``seen`` is outside, ``paper`` an input of wrap; outputs are things that can go missing."""

    def __init__(self) -> None:
        self.seen, self.tool, self.paper = "a", "saw", "red"
        self.records = MemoryRecords()
        self.things: set[str] = set()
        self.ran: list[str] = []
        self.heard: list[PhaseEvent] = []
        self.trouble: BaseException | None = None

    def run(self, **more):
        self.ran, self.heard = [], []
        ticks = iter(range(1000))
        clock = Clock(lambda: datetime(2026, 11, 20, tzinfo=UTC), lambda: float(next(ticks)))
        return run_lifecycle(LINE, self.steps(), self.records, listen=self.heard.append, clock=clock, **more)

    def steps(self):
        look, make, wrap = LINE.phases
        return [
            Step(look, lambda: self.did("look", self.seen)),
            Step(make, lambda: self.did("make", f"{self.seen.lower()}-{self.tool}"), self.make_inputs, self.there),
            Step(
                wrap, lambda: self.did("wrap", f"{self.seen}-{self.paper}"), lambda: {"paper": self.paper}, self.there
            ),
        ]

    def make_inputs(self):
        return {"tool": self.tool}

    def did(self, name, output):
        self.ran.append(name)
        if self.trouble and name == "wrap":
            raise self.trouble
        self.things.add(output)
        return output

    def there(self, record):
        return Presence(record.output in self.things, "as it was" if record.output in self.things else "it was moved")

    def notes(self):
        return [f"{e.kind} {e.phase.name}: {e.note}" for e in self.heard]


def test_the_first_run_runs_everything_and_says_why():
    shop = Workshop()
    results = shop.run()
    assert shop.ran == ["look", "make", "wrap"]
    assert [(r.phase.name, r.state, r.note) for r in results] == [
        ("look", "ran", "always runs"),
        ("make", "ran", "never built"),
        ("wrap", "ran", "never built"),
    ]
    assert [r.seconds for r in results] == [1.0, 1.0, 1.0]


def test_a_second_run_runs_only_what_always_runs():
    shop = Workshop()
    shop.run()
    results = shop.run()
    assert shop.ran == ["look"]
    assert [(r.state, r.note) for r in results] == [
        ("ran", "always runs"),
        ("cached", "unchanged"),
        ("cached", "as it was"),
    ]
    assert shop.notes() == [
        "start look: always runs", "done look: always runs", "cached make: unchanged", "cached wrap: as it was",
    ]  # fmt: skip


def test_an_output_that_stays_the_same_leaves_later_phases_alone():
    shop = Workshop()
    shop.run()
    shop.seen = "A"  # another sight, but make answers the same
    assert [r.state for r in shop.run()] == ["ran", "ran", "cached"]
    assert shop.ran == ["look", "make"]


def test_a_changed_input_runs_its_phase_and_what_follows_from_it():
    shop = Workshop()
    shop.run()
    shop.tool = "axe"
    shop.run()
    assert shop.notes()[2:] == [
        "start make: changed: tool (saw → axe)",
        "done make: changed: tool (saw → axe)",
        "start wrap: previous phase changed (a-saw → a-axe)",
        "done wrap: previous phase changed (a-saw → a-axe)",
    ]


def test_going_back_to_an_earlier_state_is_believed_not_run():
    shop = Workshop()
    shop.run()
    shop.paper = "blue"
    shop.run()
    shop.paper = "red"
    shop.run()
    assert shop.ran == ["look"]
    shop.paper = "blue"
    shop.tool = "axe"
    shop.run()
    assert "start wrap: changed: paper (red → blue)" in shop.notes(), "compared with what was used last"


def test_a_forced_phase_runs_and_the_others_do_not():
    shop = Workshop()
    shop.run()
    shop.run(rebuild=["make"])
    assert shop.ran == ["look", "make"]
    assert "start make: rebuild requested" in shop.notes()


def test_until_stops_after_the_named_phase():
    shop = Workshop()
    assert [r.phase.name for r in shop.run(until="2")] == ["look", "make"]
    assert shop.ran == ["look", "make"]


@pytest.mark.parametrize("words", [{"rebuild": ["paint"]}, {"until": "paint"}])
def test_an_unknown_phase_is_refused_before_anything_runs(words):
    shop = Workshop()
    with pytest.raises(PhaseUnknown, match="2 make"):
        shop.run(**words)
    assert shop.ran == []
    assert shop.heard == []


def test_a_failure_keeps_what_was_remembered_and_the_next_run_resumes():
    shop = Workshop()
    shop.trouble = PhaseFailed("build", "wrap", "tears", phase="3")
    with pytest.raises(PhaseFailed, match="tears"):
        shop.run()
    assert shop.notes()[-1] == "failed wrap: build: wrap: tears."
    shop.trouble = None
    assert [r.note for r in shop.run()] == ["always runs", "unchanged", "never built"]
    assert shop.ran == ["look", "wrap"]


def test_an_error_of_ours_keeps_its_own_exit_status():
    shop = Workshop()
    shop.trouble = ServerUnreachable("ingest", "http://x", "does not answer")
    with pytest.raises(ServerUnreachable) as caught:
        shop.run()
    assert caught.value.exit_status == 10


def test_what_the_system_refuses_is_a_failed_phase_with_status_14():
    shop = Workshop()
    shop.trouble = PermissionError(13, "Permission denied")
    with pytest.raises(PhaseFailed, match=r"wrap: cannot be finished .*Permission denied") as caught:
        shop.run()
    assert caught.value.exit_status == 14


def test_inputs_that_cannot_be_read_fail_their_phase():
    shop = Workshop()

    def unreadable():
        raise FileNotFoundError(2, "No such file", "package.json")

    shop.make_inputs = unreadable
    with pytest.raises(PhaseFailed, match="make"):
        shop.run()


def test_a_bug_is_not_dressed_up_as_a_failed_phase():
    shop = Workshop()
    shop.trouble = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        shop.run()


def test_a_last_output_that_is_gone_is_made_again():
    shop = Workshop()
    shop.run()
    shop.things.clear()
    shop.run()
    assert "start wrap: snapshot gone (it was moved)" in shop.notes()
    assert shop.ran == ["look", "make", "wrap"], "its parent was gone too and is made first"


def test_a_middle_output_that_is_gone_is_harmless_until_something_must_run_on_it():
    shop = Workshop()
    shop.run()
    shop.things.discard("a-saw")
    shop.run()
    assert shop.ran == ["look"]
    shop.paper = "blue"
    results = shop.run()
    assert shop.ran == ["look", "make", "wrap"]
    assert [(r.phase.name, r.note) for r in results] == [
        ("look", "always runs"),
        ("make", "snapshot gone (it was moved)"),
        ("wrap", "changed: paper (red → blue)"),
    ]


def test_a_phase_without_an_output_of_its_own_answers_its_key():
    phases = Lifecycle("layers", 1, (Phase("1", "base", "a layer"),))
    records = MemoryRecords()
    results = run_lifecycle(phases, [Step(phases.phases[0], lambda: None)], records)
    latest = records.latest("1")
    assert latest is not None
    assert results[0].output == latest.document.key


def test_an_output_is_not_remembered_when_its_inputs_moved_meanwhile():
    shop = Workshop()
    seen = iter(["saw", "saw", "axe", "axe", "axe", "axe"])
    shop.make_inputs = lambda: {"tool": next(seen)}
    shop.run(until="make")
    assert shop.records.latest("2") is None


def test_what_moved_meanwhile_is_named_in_the_result():
    shop = Workshop()
    seen = iter(["saw", "saw", "axe", "axe", "axe", "axe"])
    shop.make_inputs = lambda: {"tool": next(seen)}
    made = shop.run(until="make")[-1]
    assert made.note == "never built; not remembered, meanwhile changed: tool (saw → axe)"


def test_a_believed_phase_tells_how_long_it_took_when_it_ran():
    shop = Workshop()
    assert [r.saved_seconds for r in shop.run()] == [0.0, 0.0, 0.0]
    assert [r.saved_seconds for r in shop.run()] == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("where", ["run", "inputs", "check"])
def test_a_failed_phase_is_the_last_result_wherever_it_failed(where):
    shop = Workshop()
    shop.run()
    shop.paper = "blue"
    trouble = PhaseFailed("build", "wrap", "tears", phase="3")

    def fail(*_):
        raise trouble

    if where == "run":
        shop.trouble = trouble
    elif where == "inputs":
        shop.make_inputs = fail
    else:
        shop.paper = "red"
        shop.there = fail
    results = []
    with pytest.raises(PhaseFailed, match="tears"):
        shop.run(results=results)
    assert [(r.phase.name, r.state) for r in results][-1] == ("make" if where == "inputs" else "wrap", "failed")
    assert (results[-1].note, results[-1].output) == ("build: wrap: tears.", "")
    assert shop.heard[-1].kind == "failed"
    assert [e.kind for e in shop.heard].count("failed") == 1


def test_an_interrupt_is_told_as_one():
    shop = Workshop()
    shop.trouble = KeyboardInterrupt()
    results = []
    with pytest.raises(KeyboardInterrupt):
        shop.run(results=results)
    assert (results[-1].state, results[-1].note) == ("failed", "interrupted")


def test_percentages_count_settled_phases_of_those_that_were_asked_for():
    shop = Workshop()
    shop.run()
    shop.tool = "axe"
    shop.run()
    assert [(e.kind, e.percent) for e in shop.heard] == [
        ("start", 0), ("done", 33), ("start", 33), ("done", 66), ("start", 66), ("done", 100),
    ]  # fmt: skip
    shop.run(until="1")
    assert [e.percent for e in shop.heard] == [0, 100]


def test_particulars_stand_in_a_reason_in_the_place_of_the_two_values():
    shop = Workshop()
    shop.run()
    shop.tool = "axe"
    steps = shop.steps()
    steps[1] = replace(steps[1], particulars=lambda name, old, new: f"M {name} of {old} and {new}")
    results = run_lifecycle(LINE, steps, shop.records)
    assert results[1].note == "changed: tool (M tool of saw and axe)"


def test_steps_that_are_not_the_lifecycle_are_a_bug():
    with pytest.raises(ValueError, match="not its phases"):
        run_lifecycle(LINE, [], MemoryRecords())
