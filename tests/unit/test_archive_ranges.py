"""Any range of an archive is a slice of the whole, made without reading what lies before or behind it (FR-014)."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panaversity_fs.archive import Layout
from panaversity_fs.archive.whole import SMALL, member_groups
from panaversity_fs.core.errors import HashMismatch
from support.archives import FakeSource, drained, members_of, whole

sizes = st.one_of(st.integers(0, 40), st.sampled_from([SMALL - 1, SMALL, SMALL + 1, SMALL + 70_000]))


def files_of(lengths: list[int]) -> dict[str, bytes]:
    return {f"content/{n:02}-é.md": bytes([n + 1]) * length for n, length in enumerate(lengths)}


@given(st.lists(sizes, max_size=7), st.data())
@settings(max_examples=80)
def test_FR_014_every_split_into_ranges_joins_to_the_whole(lengths: list[int], data: st.DataObject) -> None:
    files = files_of(lengths)
    members = members_of(files)
    layout = Layout(members)
    edges = [0, *layout.offsets, layout.size]
    near = st.sampled_from(edges).flatmap(lambda e: st.integers(max(0, e - 35), min(layout.size, e + 35)))
    places = data.draw(st.lists(st.one_of(near, st.integers(0, layout.size)), max_size=6))
    cuts = [0, *sorted(places), layout.size]
    source = FakeSource(members, files)
    parts = [drained(layout, source, a, b) for a, b in pairwise(cuts)]
    assert [len(part) for part in parts] == [b - a for a, b in pairwise(cuts)]
    assert b"".join(parts) == whole(files)


def test_every_single_offset_of_a_small_archive_resumes_it() -> None:
    files = files_of([0, 3, 17])
    data, members = whole(files), members_of(files)
    for start in range(len(data) + 1):
        assert drained(Layout(members), FakeSource(members, files), start, len(data)) == data[start:]


def test_members_outside_the_range_are_not_read() -> None:
    files = files_of([SMALL + 1] * 5)
    members = members_of(files)
    layout = Layout(members)
    source = FakeSource(members, files)
    header = layout.offsets[3] - layout.offsets[2] - members[2].size
    drained(layout, source, layout.offsets[2] + header + 1_000, layout.offsets[3] - 7)
    assert source.read == [members[2].name]
    assert source.spans == [(1_000, members[2].size - 7)], "nor what the range leaves out of a large one"
    drained(layout, source, layout.offsets[2], layout.offsets[2] + 10)
    assert source.read == [members[2].name], "a header alone needs no byte of its file"
    drained(layout, source, layout.central_offset, layout.size)
    assert source.read == [members[2].name]


def test_small_members_outside_the_range_are_not_read() -> None:
    files = files_of([100] * 9)
    members = members_of(files)
    layout = Layout(members)
    source = FakeSource(members, files)
    drained(layout, source, layout.offsets[3] + 5, layout.offsets[5])
    assert source.read == [members[3].name, members[4].name]


@pytest.mark.parametrize("length", [10, SMALL + 1])
def test_a_damaged_file_breaks_the_stream_off(length: int) -> None:
    files = files_of([5, length, 5])
    members = members_of(files)
    layout = Layout(members)
    source = FakeSource(members, files, bad={members[1].name})
    with pytest.raises(HashMismatch):
        drained(layout, source, 0, layout.size)
    assert drained(layout, source, layout.central_offset, layout.size)


def test_small_members_are_read_in_groups_of_bounded_size() -> None:
    members = members_of(files_of([200_000] * 12 + [SMALL + 1] + [10] * 50))
    groups = list(member_groups(Layout(members), 0, 1 << 40))
    assert [index for group in groups for index in group] == list(range(len(members)))
    assert max(sum(members[i].size for i in group) for group in groups) <= 1 << 20
    assert [12] in groups
    assert len(groups) == 5
