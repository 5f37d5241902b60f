"""Whether a plan is safe and tells the truth."""

from dataclasses import replace

import pytest

from panaversity_builder.book.hydrate.validate import derive, from_text, require_room, require_safe, tree_of
from panaversity_builder.client import BuildPlan, PlanFile
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashMismatch, InvalidPath, NoSpace
from panaversity_fs.core.manifest import manifest_hash, render
from panaversity_fs.core.mapping import Numbering

A, B, C = digest_of(b"a"), digest_of(b"b"), digest_of(b"c")
KNOWN = {"content/01-A/x.md": A, "content/01-A/y.md": B}
AFTER = {"content/01-A/x.md": C, "static/img/01-A/d.png": B}
FILES = (
    PlanFile("content/01-A/x.md", C, A, "modified", 1),
    PlanFile("content/01-A/y.md", None, B, "deleted", 0),
    PlanFile("static/img/01-A/d.png", B, None, "added", 1),
)
PLAN = BuildPlan(
    "changed", manifest_hash(AFTER), None, None, 2, "store", 1, None, FILES, 3, 2, 2, truncated=False, warning=None
)


def test_a_true_plan_leads_to_the_manifest_it_promises():
    manifest = derive(PLAN, KNOWN)
    assert manifest is not None
    assert dict(manifest.entries) == AFTER
    assert manifest.text == render(AFTER)


@pytest.mark.parametrize(
    "plan",
    [
        replace(PLAN, files=FILES[1:]),
        replace(PLAN, files=(*FILES, PlanFile("content/01-A/z.md", A, None, "added", 1))),
        replace(PLAN, files=(replace(FILES[0], current=B), *FILES[1:])),
        replace(PLAN, files=(replace(FILES[0], target=B), *FILES[1:])),
        replace(PLAN, files=(), status="unchanged"),
        replace(PLAN, manifest_hash=manifest_hash(KNOWN)),
    ],
)
def test_F62_a_plan_that_leaves_out_adds_or_swaps_a_file_derives_nothing(plan):
    assert derive(plan, KNOWN) is None


def test_F62_a_list_that_contradicts_the_manifest_text_is_refused():
    text = render(AFTER)
    content = tuple(f for f in FILES if f.path.startswith("content/"))
    assert from_text(replace(PLAN, files=content), text, KNOWN, "content").entries == AFTER
    for files in (
        content[:1],
        (replace(content[0], current=B), content[1]),
        (replace(content[0], target=C), content[1]),
    ):
        with pytest.raises(HashMismatch):
            from_text(replace(PLAN, files=files), text, KNOWN, "content")
    with pytest.raises(HashMismatch):
        from_text(PLAN, render(KNOWN), KNOWN, "all")


def test_a_negative_size_and_a_hash_that_is_none_are_refused():
    with pytest.raises(HashMismatch):
        require_safe(replace(PLAN, files=(replace(FILES[0], size=-1),)))
    with pytest.raises(HashMismatch):
        require_safe(replace(PLAN, manifest_hash="../../x"))


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["content/a.md", "content/A.md"], "collides"),
        (["content/B/a.md", "content/b/c.md"], "collides"),
        (["content/a", "content/a/b.md"], "is a f"),
        (["content/Part-01/x.txt", "static/img/Part-01/x.txt", "content/Part-01/img/x.txt"], "no place"),
        (["content/ﬁ.md", "content/fi.md"], "collides"),
        (["static/img/x.png"], None),
        (["static/img/01-A/@/x.png", "content/01-A/x.md"], None),
        (["content/01-A/x.png"], "no place"),
        (["static/other/x.png"], "no place"),
        (["lessons/x.md"], "no place"),
        (["content/.git/x.md"], "dot"),
        (["content/.panaversity/x.md"], "dot"),
    ],
)
def test_F45_F55_names_that_meet_or_have_no_place_are_refused(paths, words):
    entries = dict.fromkeys(paths, A)
    if words is None:
        assert len(tree_of(entries, None, "source", "all")) == len(paths)
        return
    with pytest.raises(InvalidPath, match=words):
        tree_of(entries, None, "source", "all")


def test_paths_out_of_scope_are_judged_too():
    with pytest.raises(InvalidPath):
        tree_of({"content/x.md": A, "static/img/../x.png": A}, None, "source", "content")


def test_name_number_folders_are_given_back():
    entries = {"content/01-Part/02-Chapter/03-x.md": A, "static/img/01-Part/02-Chapter/d.png": B}
    tree = tree_of(entries, Numbering.NAME_NUMBER, "source", "all")
    assert tree == {"Part-01/Chapter-02/03-x.md": A, "Part-01/Chapter-02/img/d.png": B}


def test_room_means_what_is_needed_and_five_percent():
    require_room(100, 105, "out")
    require_room(0, 0, "out")
    with pytest.raises(NoSpace) as caught:
        require_room(100, 104, "out")
    assert caught.value.exit_status == 4
    assert caught.value.details == {"needed": 105, "free": 104}
