"""What is decided about each path, without a disk."""

import pytest

from panaversity_builder.book.hydrate.reconcile import Drop, Found, Put, reconcile, settle
from panaversity_fs.core.digest import digest_of

OLD, NEW, ELSE = digest_of(b"old"), digest_of(b"new"), digest_of(b"else")


def decide(target=(), ours=(), found=(), made=()):
    on_disk = {p: Found("file", f) if len(f) == 64 else Found(f) for p, f in dict(found).items()}
    return reconcile(dict(target), {p: (d,) for p, d in dict(ours).items()}, on_disk, set(made))


@pytest.mark.parametrize(
    ("ours", "found", "expected"),
    [
        (None, None, "create"),
        (OLD, None, "create"),
        (OLD, OLD, "replace"),
        (OLD, NEW, "keep"),
        (None, NEW, "keep"),
        (OLD, ELSE, "edited"),
        (None, ELSE, "foreign"),
        (None, "link", "foreign"),
        (None, "folder", "foreign"),
        (None, "other", "foreign"),
        (OLD, "link", "edited"),
        (OLD, "folder", "edited"),
    ],
)
def test_a_path_of_the_target(ours, found, expected):
    decisions = decide({"a": NEW}, {"a": ours} if ours else {}, {"a": found} if found else {})
    assert {
        "create": decisions.puts == (Put("a", None, NEW),),
        "replace": decisions.puts == (Put("a", OLD, NEW),),
        "keep": decisions.keep == ("a",),
        "edited": [o.path for o in decisions.edited] == ["a"],
        "foreign": [o.path for o in decisions.foreign] == ["a"],
    }[expected]
    assert len(decisions.puts + decisions.keep + decisions.edited + decisions.foreign) == 1


@pytest.mark.parametrize(
    ("found", "expected"), [(None, "forget"), (OLD, "drop"), (ELSE, "edited"), ("link", "edited"), ("folder", "forget")]
)
def test_a_path_of_ours_that_left_the_book(found, expected):
    decisions = decide({}, {"a": OLD}, {"a": found} if found else {})
    assert decisions.drops == ((Drop("a", OLD),) if expected == "drop" else ())
    assert bool(decisions.edited) == (expected == "edited")


def test_what_was_never_ours_and_is_not_in_the_way_is_not_mentioned():
    decisions = decide({"a": NEW}, {}, {"mine.txt": ELSE, "notes": "folder", "link": "link"})
    assert decisions.puts == (Put("a", None, NEW),)
    assert not decisions.foreign


@pytest.mark.parametrize("kind", ["link", "other", ELSE])
def test_F56_something_else_where_a_folder_has_to_be_is_listed_once_and_nothing_is_put_below_it(kind):
    decisions = decide({"a/b/x": NEW, "a/y": NEW, "z": NEW}, {}, {"a": kind})
    assert [o.path for o in decisions.foreign] == ["a"]
    assert [p.path for p in decisions.puts] == ["z"]


def test_F59_a_file_of_ours_makes_way_for_a_folder_and_a_folder_of_ours_for_a_file():
    decisions = decide(
        {"a/x": NEW, "f": NEW},
        {"a": OLD, "f/g/y": OLD},
        {"a": OLD, "f": "folder", "f/g": "folder", "f/g/y": OLD},
        {"f", "f/g"},
    )
    assert decisions.drops == (Drop("a", OLD), Drop("f/g/y", OLD))
    assert decisions.folders == ("f",)
    assert [p.path for p in decisions.puts] == ["a/x", "f"]


@pytest.mark.parametrize("extra", ["f/mine", "f/g/mine"])
def test_F59_a_folder_that_holds_an_authors_file_makes_no_way(extra):
    found = {"f": "folder", "f/g": "folder", "f/g/y": OLD, extra: ELSE}
    decisions = decide({"f": NEW}, {"f/g/y": OLD}, found, {"f", "f/g"})
    assert [o.path for o in decisions.foreign] == ["f"]


def test_F53_half_a_change_from_file_to_folder_is_not_taken_for_an_edit():
    decisions = decide({}, {"a": OLD, "a/x": NEW}, {"a": "folder", "a/x": NEW})
    assert decisions.drops == (Drop("a/x", NEW),)
    assert not decisions.edited


def test_F53_a_change_that_may_have_happened_is_ours_either_way():
    for here in (OLD, NEW):
        decisions = reconcile({"a": ELSE}, {"a": (OLD, NEW)}, {"a": Found("file", here)}, ())
        assert decisions.puts == (Put("a", here, ELSE),)


class TestEditPolicies:
    """F51: stop is the default; backup and overwrite only when asked for."""

    target = {"a": NEW}  # noqa: RUF012

    def settled(self, here, on_edit, target=None):
        target = self.target if target is None else target
        found = {"a": here}
        return settle(reconcile(target, {"a": (OLD,)}, found, ()), found, target, on_edit)

    def test_F51_backup_moves_an_edited_file_aside_and_puts_the_new_one(self):
        decisions = self.settled(Found("file", ELSE), "backup")
        assert (decisions.aside, decisions.puts, decisions.edited) == (("a",), (Put("a", None, NEW),), ())

    def test_F51_overwrite_replaces_an_edited_file_that_still_is_what_was_judged(self):
        decisions = self.settled(Found("file", ELSE), "overwrite")
        assert (decisions.aside, decisions.puts) == ((), (Put("a", ELSE, NEW),))

    def test_F51_overwrite_removes_an_edited_file_that_left_the_book(self):
        decisions = self.settled(Found("file", ELSE), "overwrite", target={})
        assert decisions.drops == (Drop("a", ELSE),)

    def test_F51_no_policy_moves_a_folder_away(self):
        for on_edit in ("backup", "overwrite"):
            assert [o.path for o in self.settled(Found("folder"), on_edit).edited] == ["a"]

    def test_F52_no_policy_touches_what_was_never_ours(self):
        found = {"a": Found("file", ELSE)}
        for on_edit in ("stop", "backup", "overwrite"):
            decisions = settle(reconcile(self.target, {}, found, ()), found, self.target, on_edit)
            assert [o.path for o in decisions.foreign] == ["a"]

    def test_F51_what_lies_below_an_edited_file_is_put_once_that_is_aside(self):
        target = {"a/x": NEW}
        for on_edit in ("backup", "overwrite"):
            decisions = self.settled(Found("file", ELSE), on_edit, target=target)
            assert decisions.puts == (Put("a/x", None, NEW),)
