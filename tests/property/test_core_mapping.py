"""The mapping is a bijection, whatever the names (DESIGN 4)."""

from hypothesis import assume, given
from hypothesis import strategies as st

from panaversity_fs.core.mapping import Numbering, canonical, decode, encode, legal_source, swap

numberings = st.sampled_from([None, *Numbering])
PIECES = ["01", "12", "-", "-", "A", "Part", "img", "@", ".", "md", "png", "\u00e9", "1", "x", "\n", "\u0661"]
names = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join),
    st.sampled_from(["img", "slides", "videos", "audio", "@", "Part-01", "01-Part", "01-img", "img-01"]),
    st.text(st.characters(exclude_characters="/"), min_size=1),
)
files = st.one_of(names, st.builds("{}.{}".format, names, st.sampled_from(["md", "MDX", "png", "pdf", "mp3", "zip"])))
sources = st.builds(lambda folders, name: "/".join([*folders, name]), st.lists(names, max_size=5), files)
books = st.one_of(
    st.builds("content/{}".format, sources),
    st.builds("static/{}/{}".format, st.sampled_from(["img", "slides", "videos", "audio"]), sources),
    st.builds("static/img/{}/@/{}".format, sources, files),
)


@given(st.one_of(st.text(), names))
def test_swap_is_an_involution_for_every_text(folder: str) -> None:
    assert swap(swap(folder)) == folder


@given(sources, numberings)
def test_FR_202_decoding_undoes_encoding(source: str, numbering: Numbering | None) -> None:
    assume("@" not in source.split("/")[:-1])
    book = encode(source, numbering)
    assert book is not None
    assert decode(book, numbering) == source
    assert canonical(book, numbering) == book


@given(sources, sources, numberings)
def test_two_sources_never_share_a_book_path(one: str, other: str, numbering: Numbering | None) -> None:
    assume(one != other)
    books = encode(one, numbering), encode(other, numbering)
    assert books[0] is None or books[0] != books[1]


@given(books, numberings)
def test_every_book_path_has_at_most_one_right_form(book: str, numbering: Numbering | None) -> None:
    source, right = decode(book, numbering), canonical(book, numbering)
    assert source is not None
    if right is None:
        assert "@" in source.split("/")[:-1]
    else:
        assert decode(right, numbering) == source
        assert canonical(right, numbering) == right


@given(st.one_of(books, sources, st.builds("content/{}.md".format, sources)), numberings)
def test_the_quick_judgement_of_a_legal_place_is_that_of_decoding_and_encoding(
    book: str, numbering: Numbering | None
) -> None:
    source = decode(book, numbering)
    assert legal_source(book, numbering) == (source if canonical(book, numbering) == book else None)
