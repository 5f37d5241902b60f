"""The watch as a whole, over phases that are scripted: single flight, no round for nothing, trouble shown and left."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.watching.loop import Phases, Watch
from panaversity_builder.book.watching.moments import Moment
from panaversity_builder.book.watching.serving import Nothing
from panaversity_fs.core.errors import ConfigInvalid, Conflict, PhaseFailed, ServerUnreachable, SourceRefused

BLIND, QUIET, CHANGE = Moment(blind=True), Moment(), Moment(frozenset({"a.md"}))
AWAY = ServerUnreachable("ingest", "http://x", "cannot be reached")
CONFLICT = Conflict("ingest", "a.md", "was edited by both")


class Done:
    def to_json(self):
        return {"schema_version": 1, "added": 0}


@dataclass
class World:
    """A source as one text, a server that takes it, a clock of our own, and what a watch does with them."""

    tree: str = "one"
    stored: str | None = None
    trouble: list = field(default_factory=list)
    settings: list = field(default_factory=list)
    rounds: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    now: float = 0.0
    connections: int = 0
    pauses: list = field(default_factory=list)

    def __post_init__(self):
        self.open = False
        self.watch = Watch(
            self, Nothing(), self.rounds.append,
            settings_changed=lambda: bool(self.settings) and self.settings.pop(0), clock=lambda: self.now,
            pause=lambda _: self.pauses.pop(0)() if self.pauses else None,
        )  # fmt: skip

    def phases(self):
        if not self.open:
            self.open = True
            self.connections += 1
        return Phases(look=lambda: self.scan(), ingest=self.ingest, hydrate=self.hydrate)

    def drop(self):
        self.open = False

    def scan(self):
        return self.tree

    def ingest(self):
        self.calls.append("ingest")
        if self.trouble and (error := self.trouble.pop(0)):
            raise error
        self.stored = self.tree
        return Done()

    def hydrate(self):
        self.calls.append("hydrate")
        return Done()

    def run(self, *moments):
        """The watch over these: a moment, or a call that does something before a quiet moment."""

        def told():
            for one in moments:
                if isinstance(one, Moment):
                    yield one
                else:
                    one()
                    yield QUIET

        self.watch.run(told())
        return self

    @property
    def causes(self):
        return [one.cause for one in self.rounds]

    def edit(self, text):
        def act():
            self.tree = text

        return act

    def later(self, seconds):
        def act():
            self.now += seconds

        return act


def test_the_first_round_runs_before_anything_is_watched():
    world = World().run()
    assert (world.causes, world.calls, world.stored) == (["start"], ["ingest", "hydrate"], "one")


def test_the_blind_moment_finds_what_changed_during_the_first_round():
    world = World()
    world.run(world.edit("two"), BLIND)
    assert world.causes == ["start", "change"]
    assert world.stored == "two"


def test_nothing_is_sent_for_a_change_that_is_none():
    world = World().run(BLIND, CHANGE, CHANGE, QUIET)
    assert world.causes == ["start"]
    assert world.calls == ["ingest", "hydrate"]


def test_one_connection_serves_every_round():
    world = World()
    world.run(*(act for n in range(5) for act in (world.edit(str(n)), CHANGE)))
    assert len(world.rounds) == 6
    assert world.connections == 1


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30))
def test_single_flight_whatever_is_edited_the_last_text_is_stored_and_rounds_are_edits_at_most(edits):
    world = World()
    world.run(*(act for text in edits for act in ([world.edit(text)] if text else [CHANGE])), CHANGE)
    assert world.stored == world.tree
    assert world.calls == ["ingest", "hydrate"] * len(world.rounds)
    assert len(world.rounds) <= 1 + len([e for e in edits if e])


def test_trouble_of_one_round_is_shown_and_the_next_change_is_tried():
    world = World(trouble=[None, CONFLICT])
    world.run(world.edit("two"), CHANGE, world.edit("three"), CHANGE)
    assert world.causes == ["start", "change", "change"]
    assert [one.error for one in world.rounds] == [None, CONFLICT, None]
    assert world.stored == "three"


def test_saving_again_after_trouble_tries_the_same_tree_again():
    world = World(trouble=[None, CONFLICT])
    world.run(world.edit("two"), CHANGE, CHANGE)
    assert world.stored == "two"


def test_a_first_round_that_fails_is_told_once():
    world = World(trouble=[SourceRefused("ingest", "a.md", "has a bad name")])
    world.run(BLIND, QUIET, QUIET)
    assert len(world.rounds) == 1


def test_a_server_that_was_away_is_tried_again_over_a_new_connection_without_an_edit():
    world = World(trouble=[AWAY, AWAY])
    world.run(BLIND, world.later(0.9), world.later(0.2), world.later(1.9), world.later(0.2), world.later(1000))
    assert world.causes == ["start", "retry", "retry"]
    assert [one.error for one in world.rounds] == [AWAY, AWAY, None]
    assert world.connections == 3
    assert world.stored == "one"


def test_what_nobody_told_of_is_taken_when_two_looks_see_the_same():
    world = World()
    world.pauses = [world.edit("half"), world.edit("whole")]
    world.run(world.edit("ha"), BLIND)
    assert world.stored == "whole"
    assert len(world.rounds) == 2


def test_while_polling_trouble_is_told_once_and_a_server_that_is_away_is_tried_again():
    world = World(trouble=[AWAY])
    world.run(BLIND, BLIND, world.later(3), BLIND, BLIND)
    assert world.causes == ["start", "retry"]
    fault = SourceRefused("ingest", "docs", "holds no files")
    world = World()

    def refuse():
        raise fault

    world.run(lambda: setattr(world, "scan", refuse), BLIND, BLIND, BLIND)
    assert [one.error for one in world.rounds] == [None, fault]


def test_other_settings_connect_anew_and_lead_to_a_round():
    world = World(settings=[False, True, False])
    world.run(QUIET, QUIET)
    assert world.causes == ["start", "settings"]
    assert world.connections == 2


def test_a_first_round_that_no_edit_can_mend_ends_the_watch():
    fault = ConfigInvalid("embedded server", "store", "cannot be made")
    with pytest.raises(ConfigInvalid):
        World(trouble=[fault]).run(QUIET)
    world = World(trouble=[None, fault])
    world.run(world.edit("two"), CHANGE)
    assert world.rounds[-1].error is fault


def test_a_site_server_that_ended_ends_the_watch():
    class Ended(Nothing):
        def look(self):
            raise PhaseFailed("watch", "docusaurus start", "ended with status 1")

    world = World()
    world.watch.beside = Ended()
    with pytest.raises(PhaseFailed):
        world.run(QUIET)


def test_the_machine_format_of_a_round_names_its_parts():
    world = World(trouble=[CONFLICT]).run()
    body = world.rounds[0].to_json()
    assert (body["round"], body["cause"], body["ingest"], body["hydrate"]) == (1, "start", None, None)
    assert body["error"]["code"] == "CONFLICT"
    assert body["error"]["exit_status"] == 11
    good = World().run().rounds[0].to_json()
    assert (good["ingest"], "error" in good) == ({"added": 0}, False)
