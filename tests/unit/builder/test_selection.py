"""What names on a command line mean: source paths, seen from here or from the source."""

from pathlib import Path

import pytest

from panaversity_builder.book.selection import EVERYTHING, Selection, resolve
from panaversity_fs.core.errors import InvalidArgument


def chosen(*words: str, cwd: Path, source: Path) -> set[str]:
    return set(resolve(words, str(cwd), str(source), "ingest").paths)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    (docs / "Part-01").mkdir(parents=True)
    (docs / "Part-01" / "a.md").touch()
    return docs


@pytest.mark.parametrize("word", ["docs/Part-01/a.md", "Part-01/a.md", "./docs/../docs/Part-01/a.md"])
def test_a_name_is_read_from_here_and_then_from_the_source(source: Path, word: str) -> None:
    assert chosen(word, cwd=source.parent, source=source) == {"Part-01/a.md"}


def test_an_absolute_name_and_the_source_itself_are_names_too(source: Path) -> None:
    assert chosen(str(source / "Part-01"), "docs", cwd=source.parent, source=source) == {"Part-01", ""}


def test_of_two_meanings_the_one_that_exists_counts(source: Path) -> None:
    inside = source / "Part-01"
    assert chosen("a.md", "Part-01/a.md", cwd=inside, source=source) == {"Part-01/a.md"}
    (inside / "Part-01").mkdir()
    (inside / "Part-01" / "a.md").touch()
    assert chosen("Part-01/a.md", cwd=inside, source=source) == {"Part-01/Part-01/a.md"}


@pytest.mark.parametrize("word", ["docs/Part-01/gone.md", "Part-01/gone.md"])
def test_a_file_that_is_gone_is_named_like_any_other(source: Path, word: str) -> None:
    assert chosen(word, cwd=source.parent, source=source) == {"Part-01/gone.md"}


@pytest.mark.parametrize("name", ["a, b.md", "a b.md", "*.md", "-x.md", "a;b.md"])
def test_a_name_is_never_split_nor_globbed(source: Path, name: str) -> None:
    assert chosen(f"docs/{name}", cwd=source.parent, source=source) == {name}


@pytest.mark.parametrize("word", ["../other.md", "/etc/passwd", "../../x", "", "a\0b", "docs/../../x.md"])
def test_what_lies_outside_is_a_usage_error(source: Path, word: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve([word], str(source.parent), str(source), "ingest")
    assert caught.value.exit_status == 2


def test_a_sibling_whose_name_begins_alike_lies_outside(source: Path) -> None:
    (source.parent / "docs-old").mkdir()
    with pytest.raises(InvalidArgument):
        resolve([str(source.parent / "docs-old" / "a.md")], str(source), str(source), "ingest")


def test_a_source_reached_through_a_link_is_the_same_source(source: Path) -> None:
    link = source.parent / "link"
    link.symlink_to(source)
    assert chosen(str(source / "Part-01/a.md"), cwd=source.parent, source=link) == {"Part-01/a.md"}
    assert chosen(str(link / "Part-01/a.md"), cwd=source.parent, source=source) == {"Part-01/a.md"}


def test_a_folder_holds_what_lies_below_it_and_nothing_beside() -> None:
    some = Selection(frozenset({"Part-01", "x/y.md"}))
    assert all(path in some for path in ("Part-01", "Part-01/a.md", "Part-01/b/c.md", "x/y.md"))
    assert not any(path in some for path in ("Part-010/a.md", "x", "x/y.md2", "README.md"))
    assert some.touches("x")
    assert not some.touches("z")
    assert not some.whole


def test_everything_holds_everything() -> None:
    assert "any/where.md" in EVERYTHING
    assert EVERYTHING.whole
    assert EVERYTHING.touches("any")


def test_names_that_mean_nothing_are_told() -> None:
    some = Selection(frozenset({"Part-01", "gone.md", "typo.md", ""}))
    assert some.of_nothing(["Part-01/a/b.md", "gone.md"]) == ["typo.md"]
