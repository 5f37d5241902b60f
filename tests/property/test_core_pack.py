"""A pack is the same however the network cuts it, and never crashes its reader."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashMismatch
from panaversity_fs.core.pack import END, Begin, Event, Finish, PackReader, member

bodies = st.lists(st.one_of(st.binary(max_size=20), st.integers(500, 1600).map(lambda n: b"b" * n)), max_size=5)


def packed(contents: list[bytes]) -> bytes:
    return b"".join(member(digest_of(body), body) for body in contents) + END


def unpacked(chunks: list[bytes]) -> list[tuple[str, int, bytes]]:
    reader, found = PackReader(10), []
    name, size, pieces = "", 0, b""
    for chunk in chunks:
        event: Event
        for event in reader.feed(chunk):
            if isinstance(event, Begin):
                name, size, pieces = event.name, event.size, b""
            elif isinstance(event, Finish):
                found.append((name, size, pieces))
            else:
                pieces += event
    reader.close()
    return found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(bodies, st.lists(st.integers(0, 10_000)))
def test_any_split_into_chunks_gives_the_same_members(contents: list[bytes], places: list[int]) -> None:
    assert unpacked(cut(packed(contents), places)) == [(digest_of(b), len(b), b) for b in contents]


@given(bodies, st.integers(0, 10_000), st.lists(st.integers(0, 10_000)))
def test_a_truncated_pack_is_refused_however_it_arrives(contents: list[bytes], end: int, places: list[int]) -> None:
    whole = packed(contents)
    with pytest.raises(HashMismatch, match="ends early"):
        unpacked(cut(whole[: end % len(whole)], places))


@given(bodies, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_is_refused_or_changes_bytes_but_never_crashes(
    contents: list[bytes], damage: list[tuple[int, int]]
) -> None:
    data = bytearray(packed(contents))
    for at, value in damage:
        data[at % len(data)] = value
    try:
        found = unpacked([bytes(data)])
    except HashMismatch:
        return
    assert all(len(body) == size for _, size, body in found)


@given(st.lists(st.binary(max_size=1024)))
def test_arbitrary_bytes_never_crash_the_reader(chunks: list[bytes]) -> None:
    try:
        unpacked(chunks)
    except HashMismatch:
        return
    assert any(chunks)
