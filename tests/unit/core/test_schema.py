"""Which safe paths have a place in a strict and in a docusaurus book, and what the refusal says."""

import pytest

from panaversity_fs.core.errors import InvalidPath, SchemaViolation
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import ASSET_PATTERN, LESSON_PATTERN, Schema, require_place, schema_fault
from support.hostile_paths import HOSTILE

STRICT = [
    "content/01-Part/01-Chapter/01-lesson.md",
    "content/99-A/00-B/42-c d.md",
    "content/01-Part/01-Chapter/01-lesson.summary.md",
    "content/01-Part/01-Chapter/lesson.summary.md",
    "content/01-é/02-漢/03-ü.md",
    "static/img/x.png",
    "static/img/@/x.png",
    "static/img/01-Part/02-Chapter/d.png",
    "static/slides/01-A/deck.pdf",
    "static/videos/01-A/v.mp4",
    "static/audio/01-A/a.mp3",
    "static/img/01-A/data.csv",
]
ONLY_DOCUSAURUS = [
    "content/README.md",
    "content/index.mdx",
    "content/intro.md",
    "content/01-Part/_category_.json",
    "content/01-Part/README.md",
    "content/01-Part/01-Chapter/lesson.md",
    "content/01-Part/01-Chapter/01-lesson.mdx",
    "content/01-Part/01-Chapter/1-lesson.md",
    "content/01-Part/01-Chapter/001-lesson.md",
    "content/1-Part/01-Chapter/01-lesson.md",
    "content/01-Part/01-Chapter/01-Section/01-lesson.md",
    "content/01-Part/01-lesson.md",
    "content/01-Part/01-Chapter/01-lesson.MD",
    "content/01-Part/01-Chapter/code/main.py",
    "content/٠١-Part/01-Chapter/01-lesson.md",
    "content/01-/01-Chapter/01-lesson.md",
]
NOWHERE = [
    ("lessons/random/file.md", "is neither"),
    ("x.md", "is neither"),
    ("Content/x.md", "is neither"),
    ("static/x.png", "is neither"),
    ("static/images/x.png", "is neither"),
    ("static/img", "is neither"),
    ("content", "is neither"),
    ("content/01-A/x.png", "is kept as static/img/01-A/@/x.png"),
    ("content/01-A/img/x.png", "is kept as static/img/01-A/x.png"),
    ("static/img/01-A/notes.md", "is kept as content/01-A/img/notes.md"),
    ("content/@/x.md", "has a folder named @, which is reserved"),
]


@pytest.mark.parametrize("path", STRICT)
def test_FR_007_FR_008_a_strict_path_has_a_place_in_both_schemas(path: str) -> None:
    assert require_place(path, Schema.STRICT, None, "write") == path
    assert require_place(path, Schema.DOCUSAURUS, None, "write") == path


@pytest.mark.parametrize("path", ONLY_DOCUSAURUS)
def test_FR_007_R1_what_a_real_docs_tree_holds_needs_the_docusaurus_schema(path: str) -> None:
    assert require_place(path, Schema.DOCUSAURUS, None, "write") == path
    with pytest.raises(SchemaViolation) as caught:
        require_place(path, Schema.STRICT, None, "write")
    assert LESSON_PATTERN in str(caught.value)
    assert "--schema docusaurus" in caught.value.hint
    assert caught.value.details == {"path": path, "pattern": LESSON_PATTERN}


@pytest.mark.parametrize("schema", list(Schema))
@pytest.mark.parametrize(("path", "problem"), NOWHERE)
def test_R1_a_path_without_a_place_is_refused_by_both_schemas(path: str, problem: str, schema: Schema) -> None:
    with pytest.raises(SchemaViolation) as caught:
        require_place(path, schema, None, "write")
    assert problem in caught.value.problem
    assert caught.value.details["pattern"] == (ASSET_PATTERN if path.startswith("static/") else LESSON_PATTERN)


def test_the_refusal_names_the_right_path_in_full() -> None:
    fault = schema_fault("content/01-A/x.png", Schema.DOCUSAURUS, None)
    assert fault == ("is kept as static/img/01-A/@/x.png", "Use static/img/01-A/@/x.png")


def test_FR_008_an_asset_refused_by_its_place_is_told_the_asset_pattern() -> None:
    with pytest.raises(SchemaViolation) as caught:
        require_place("static/pictures/x.png", Schema.STRICT, None, "upload")
    assert ASSET_PATTERN in str(caught.value)


@pytest.mark.parametrize("schema", list(Schema))
def test_R1_FR_009_no_schema_lets_a_hostile_path_in(schema: Schema) -> None:
    for path, why in HOSTILE:
        with pytest.raises(InvalidPath, match=r".") as caught:
            require_place(path, schema, None, "write")
        assert why in caught.value.problem


def test_numbering_decides_what_a_book_path_decodes_to_not_whether_it_is_strict() -> None:
    path = "content/01-Part/02-Chapter/03-x.md"
    for numbering in (None, *Numbering):
        assert require_place(path, Schema.STRICT, numbering, "write") == path
