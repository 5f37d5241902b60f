"""Source path ↔ book path: the examples of DESIGN 4, pinned rows, and the paths of a published book."""

from pathlib import Path

import pytest

from panaversity_fs.core.mapping import ASSET_KINDS, KIND_OF_EXTENSION, Numbering, canonical, decode, encode, swap
from panaversity_fs.core.paths import NameIndex
from panaversity_fs.core.schema import Schema, require_place

GOLDEN = Path(__file__).parents[2] / "golden" / "mapping.tsv"
ROWS = [line.split("\t") for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
REAL = Path(__file__).parents[3].parent / "shared" / "real-book-paths.tsv"


def numbering_of(word: str) -> Numbering | None:
    return None if word == "unset" else Numbering(word)


@pytest.mark.parametrize(("word", "source", "book"), ROWS)
def test_FR_202_a_source_path_and_its_book_path_lead_to_each_other(word: str, source: str, book: str) -> None:
    numbering = numbering_of(word)
    assert encode(source, numbering) == book
    assert decode(book, numbering) == source
    assert canonical(book, numbering) == book
    assert require_place(book, Schema.DOCUSAURUS, numbering, "ingest") == book


@pytest.mark.parametrize(
    ("folder", "swapped"),
    [
        ("Part-01", "01-Part"),
        ("A-00", "00-A"),
        ("a b-c-99", "99-a b-c"),
        ("Part-1", "Part-1"),
        ("Part-001", "Part-001"),
        ("001-Part", "001-Part"),
        ("Part01", "Part01"),
        ("-01", "-01"),
        ("01-", "01-"),
        ("01", "01"),
        ("01-02", "01-02"),
        ("01-02-x", "01-02-x"),
        ("x-01-02", "x-01-02"),
        ("01-x-02", "01-x-02"),
        ("Part-٠١", "Part-٠١"),
        ("", ""),
    ],
)
def test_only_a_number_of_two_ascii_digits_beside_a_plain_name_is_swapped(folder: str, swapped: str) -> None:
    assert swap(folder) == swapped
    assert swap(swapped) == folder


@pytest.mark.parametrize(
    "book",
    [
        "x.md",
        "content",
        "lessons/random/file.md",
        "static/x.png",
        "static/img",
        "static/images/x.png",
        "static/IMG/x.png",
        "Content/x.md",
        "../content/x.md",
    ],
)
def test_nothing_outside_content_and_static_kinds_has_a_source_path(book: str) -> None:
    assert decode(book, None) is None
    assert canonical(book, None) is None


def test_the_reserved_folder_cannot_come_from_a_source() -> None:
    assert encode("a/@/x.png", None) is None
    assert encode("@/x.md", None) is None


@pytest.mark.parametrize(
    ("book", "right"),
    [
        ("content/01-A/x.png", "static/img/01-A/@/x.png"),
        ("content/01-A/img/x.png", "static/img/01-A/x.png"),
        ("static/img/01-A/x.md", "content/01-A/img/x.md"),
        ("static/videos/01-A/@/x.png", "static/img/01-A/@/x.png"),
        ("static/img/01-A/@/x.bin", "content/01-A/x.bin"),
        ("static/img/01-A/img/@/x.png", "static/img/01-A/x.png"),
    ],
)
def test_a_second_name_for_one_source_path_is_not_canonical(book: str, right: str) -> None:
    assert canonical(book, None) == right


def test_every_extension_belongs_to_one_asset_kind() -> None:
    assert set(KIND_OF_EXTENSION.values()) == set(ASSET_KINDS)
    assert all(name == name.lower() for name in KIND_OF_EXTENSION)


@pytest.mark.parametrize("numbering", [None, *Numbering])
def test_the_paths_of_a_published_book_all_have_a_place_and_come_back(numbering: Numbering | None) -> None:
    if not REAL.is_file():
        pytest.skip("the list of a published book's paths does not lie beside this checkout (../shared)")
    sources = [line.split("\t")[1] for line in REAL.read_text(encoding="utf-8").splitlines()]
    assert len(sources) == 724
    index = NameIndex()
    books = set()
    for source in sources:
        book = encode(source, numbering)
        assert book is not None
        assert decode(require_place(book, Schema.DOCUSAURUS, numbering, "ingest"), numbering) == source
        assert index.add(source) is None
        books.add(book)
    assert len(books) == 724
