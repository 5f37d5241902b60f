"""When a watch runs a round, and which changes are worth one: pure rules over names, counts and seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.watching.rhythm import (
    HOPELESS,
    LAST_RETRY_SECONDS,
    PASSING,
    Rhythm,
    concerning,
    concerns,
    retry_seconds,
)


@pytest.mark.parametrize("path", ["a.md", "Part-01/b.mdx", "4913", "Part-01/img/x.png", "#a.md#", "a.md.tmp.12"])
def test_a_change_of_what_may_be_a_lesson_concerns_the_book(path):
    assert concerns(path)


@pytest.mark.parametrize(
    "path",
    [".", ".git/index", "Part-01/.a.md.swp", "a.md~", "b.swp", "node_modules/x/a.md", ".idea/x/y.md", "Thumbs.db"],
)
def test_working_files_of_editors_and_tools_concern_nobody(path):
    assert not concerns(path)


def test_bookignore_files_concern_the_book_though_they_begin_with_a_dot():
    assert concerns(".bookignore")
    assert concerns("Part-01/.bookignore")
    assert not concerns(".git/.bookignore")


@given(st.lists(st.sampled_from(["a.md", ".git/x", "b/c.md", "b/c.md~", ".bookignore"])))
def test_of_a_batch_exactly_the_concerning_paths_are_left(paths):
    assert concerning(paths) == {path for path in paths if path in ("a.md", "b/c.md", ".bookignore")}


@given(st.integers(1, 10_000))
def test_retries_become_rarer_up_to_a_minute_and_never_stop(failures):
    seconds = retry_seconds(failures)
    assert 1 <= seconds <= LAST_RETRY_SECONDS
    assert seconds <= retry_seconds(failures + 1)


def test_the_first_round_needs_no_reason():
    assert Rhythm().due(0.0, changed=False, blind=False, settings=False) == "start"


@given(changed=st.booleans(), settings=st.booleans(), now=st.floats(0, 1e9))
def test_after_a_good_round_only_a_change_leads_to_another(changed, settings, now):
    rhythm = Rhythm()
    rhythm.ended_well()
    due = rhythm.due(now, changed=changed, blind=False, settings=settings)
    assert due == ("settings" if settings else "change" if changed else None)


@given(st.sampled_from(sorted(PASSING)), st.integers(1, 8))
def test_a_failure_that_may_pass_is_tried_again_when_its_time_has_come(status, failures):
    rhythm = Rhythm()
    for _ in range(failures):
        assert not rhythm.failed(status, now=100.0)
    wait = retry_seconds(failures)
    assert rhythm.due(100.0 + wait - 0.01, changed=False, blind=False, settings=False) is None
    assert rhythm.due(100.0 + wait, changed=False, blind=False, settings=False) == "retry"
    rhythm.ended_well()
    assert rhythm.due(1e6, changed=False, blind=False, settings=False) is None


def test_what_may_have_changed_unseen_is_looked_at_after_what_is_owed():
    rhythm = Rhythm()
    rhythm.failed(10, now=0.0)
    assert rhythm.due(0.5, changed=False, blind=True, settings=False) == "change"
    assert rhythm.due(60.0, changed=False, blind=True, settings=False) == "retry"


@given(st.integers(1, 130).filter(lambda status: status not in PASSING))
def test_any_other_failure_waits_for_a_change(status):
    rhythm = Rhythm()
    rhythm.failed(status, now=0.0)
    assert rhythm.due(1e9, changed=False, blind=False, settings=False) is None
    assert rhythm.due(1e9, changed=True, blind=False, settings=False) == "change"


@given(st.integers(1, 130), st.integers(0, 3))
def test_a_watch_ends_only_with_a_first_round_that_no_edit_can_mend(status, before):
    rhythm = Rhythm()
    for _ in range(before):
        rhythm.ended_well()
    assert rhythm.failed(status, now=0.0) == (before == 0 and status in HOPELESS)
