"""Manifests: text ↔ entries, and a difference that really leads from one to the other."""

from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import HashMismatch
from panaversity_fs.core.manifest import Entries, changed_paths, diff, manifest_hash, parse, render

paths = st.one_of(
    st.sampled_from(["content/a.md", "content/a/b.md", "content/a:b", "static/img/@/x.png", "é", "\U00020000"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1, max_size=12),
)
digests = st.sampled_from([digest_of(bytes([n])) for n in range(4)])
entries = st.dictionaries(paths, digests, max_size=8)


@given(entries)
def test_SC_103_parsing_undoes_rendering(book: dict[str, Digest]) -> None:
    assert parse(render(book)) == book


@given(entries, entries)
def test_SC_103_two_books_hash_alike_exactly_when_they_are_equal(a: Entries, b: Entries) -> None:
    assert (manifest_hash(a) == manifest_hash(b)) == (a == b)


@given(entries, st.integers(0), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_parses_to_what_it_says(book: Entries, at: int, value: int) -> None:
    text = bytearray(render(book))
    if text:
        text[at % len(text)] = value
    try:
        assert render(parse(bytes(text))) == text
    except HashMismatch:
        assert bytes(text) != render(book)


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_refused_or_canonical(text: bytes) -> None:
    try:
        assert render(parse(text)) == text
    except HashMismatch:
        assert text


@given(entries, entries)
def test_FR_027_SC_007_applying_the_difference_of_a_and_b_to_a_gives_b(a: Entries, b: Entries) -> None:
    difference, result = diff(a, b), dict(a)
    for old, new in difference.renamed:
        assert a[old] == b[new]
        result[new] = result.pop(old)
    for path in difference.deleted:
        del result[path]
    for path in (*difference.added, *difference.modified):
        result[path] = b[path]
    assert result == b


@given(entries, entries)
def test_SC_007_SC_103_a_difference_names_every_changed_path_once_and_nothing_else(a: Entries, b: Entries) -> None:
    difference = diff(a, b)
    named = [*difference.added, *difference.modified, *difference.deleted]
    named += [path for pair in difference.renamed for path in pair]
    assert sorted(named) == changed_paths(a, b) == sorted(p for p in {*a, *b} if a.get(p) != b.get(p))
    assert bool(difference) == (a != b)
    assert not {a[p] for p in difference.deleted} & {b[p] for p in difference.added}


@given(entries, entries)
def test_the_difference_back_is_the_mirror_image(a: Entries, b: Entries) -> None:
    there, back = diff(a, b), diff(b, a)
    assert there.modified == back.modified
    assert len(there) == len(back)
