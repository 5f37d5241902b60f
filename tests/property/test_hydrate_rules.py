"""Hydrate's pure rules, over generated trees."""

from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.hydrate.reconcile import Found, reconcile, settle
from panaversity_builder.book.hydrate.records import Index, Owned, Pending, parse_index, render_index
from panaversity_builder.book.hydrate.tree import parents
from panaversity_builder.book.sealed import Miss, seal, unseal
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.paths import NameIndex, clearly_distinct

names = st.sampled_from(["a", "b", "A", "ä", "Ä", "ﬁ", "fi", "x.md", "X.md", "ß", "ss"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
digests = st.sampled_from([digest_of(bytes([n])) for n in range(4)])
plain_paths = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)


@given(st.lists(paths, unique=True, max_size=8))
def test_F45_the_quick_look_at_names_never_says_yes_where_the_index_of_names_says_no(names):
    index = NameIndex()
    collide = any(index.add(path) for path in names)
    assert clearly_distinct(names) == (not collide)


@st.composite
def situations(draw):
    """A target without collisions, what is ours, and a folder that could exist."""
    free = draw(st.dictionaries(plain_paths, digests, max_size=6))
    target = {p: d for p, d in free.items() if not any(q.startswith(p + "/") for q in free)}
    ours = {p: (d,) for p, d in draw(st.dictionaries(plain_paths, digests, max_size=6)).items()}
    files = draw(st.dictionaries(plain_paths, st.one_of(digests, st.sampled_from(["link", "other"])), max_size=6))
    files = {p: f for p, f in files.items() if not any(q.startswith(p + "/") for q in files)}
    found = {p: Found("file", f) if len(f) == 64 else Found(f) for p, f in files.items()}
    folders = parents(found) - {""}
    found.update({folder: Found("folder") for folder in folders})
    return target, ours, found, draw(st.sets(st.sampled_from(sorted(folders)))) if folders else set()


def applied(decisions, found):
    """What the folder holds when everything decided is done, checking that each step is possible."""
    disk = {p: f.digest or f.kind for p, f in found.items() if f.kind != "folder"}
    for path in decisions.aside:
        disk = {p: d for p, d in disk.items() if p != path and not p.startswith(path + "/")}
    for drop in decisions.drops:
        assert disk.pop(drop.path) == drop.digest
    for put in decisions.puts:
        assert disk.get(put.path) == put.old
        assert not any(put.path.startswith(p + "/") for p in disk)
        assert not any(p.startswith(put.path + "/") for p in disk)
        disk[put.path] = put.new
    return disk


@given(situations(), st.sampled_from(["stop", "backup", "overwrite"]))
def test_P7_P8_what_is_decided_makes_the_target_and_touches_only_what_is_ours(situation, on_edit):
    target, ours, found, made = situation
    decisions = settle(reconcile(target, ours, found, made), found, target, on_edit)
    touched = {p.path for p in decisions.puts if p.old} | {d.path for d in decisions.drops} | set(decisions.aside)
    assert touched <= ours.keys()
    if decisions.edited or decisions.foreign:
        return  # the run stops: nothing is done
    disk = applied(decisions, found)
    assert {p: d for p, d in disk.items() if p in target} == target
    for path, thing in found.items():
        if path not in ours and path not in target and thing.kind != "folder":
            assert disk[path] == (thing.digest or thing.kind)
    if on_edit == "stop":
        for path in touched:
            assert found[path].digest in ours[path]


@given(situations())
def test_a_second_reconcile_has_nothing_to_do(situation):
    target, ours, found, made = situation
    decisions = reconcile(target, ours, found, made)
    if decisions.edited or decisions.foreign:
        return
    disk = {p: Found("file", d) if len(d) == 64 else Found(d) for p, d in applied(decisions, found).items()}
    disk.update({folder: Found("folder") for folder in parents(disk) - {""}})
    again = reconcile(target, {p: (d,) for p, d in target.items()}, disk, ())
    assert set(again.keep) == target.keys()
    assert (again.puts, again.drops, again.edited, again.foreign) == ((), (), (), ())


indexes = st.builds(
    Index,
    st.dictionaries(plain_paths, st.builds(Owned, digests, st.integers(0, 1 << 40), st.none())),
    st.sets(plain_paths),
    st.dictionaries(plain_paths, st.builds(Pending, st.none() | digests, st.none() | digests)),
)


@given(indexes)
def test_an_index_is_read_as_it_was_written(index):
    assert parse_index(render_index(index)) == index


@given(st.binary(max_size=200))
def test_F48_no_bytes_at_all_make_reading_fail_otherwise_than_by_a_miss(data):
    try:
        unseal(data)
        parse_index(data)
    except Miss:
        return


@given(indexes, st.data())
def test_F48_changed_bytes_are_a_miss_or_the_same_index(index, data):
    text = bytearray(render_index(index))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    try:
        assert parse_index(bytes(text)) == index
    except Miss:
        return


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none()), st.booleans())
def test_a_sealed_document_is_unsealed_as_it_was(document, readable):
    document.pop("checksum", None)
    if not document:
        return
    assert unseal(seal(document, readable=readable)) == document
