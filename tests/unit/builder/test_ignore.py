"""What a source does not give to its book: working files and ``.bookignore``, as gitignore(5) reads it."""

import os
import time
from pathlib import Path

import pytest

from panaversity_builder.book.ignore import IGNORE_FILE, IgnoreRules
from panaversity_builder.book.source import scan
from panaversity_fs.core.errors import SourceRefused
from support.together import LESSON, Desk, write_tree


def rules(text: str, **nested: str) -> IgnoreRules:
    found = IgnoreRules()
    found.add("", text)
    for folder, more in nested.items():
        found.add(folder, more)
    return found


@pytest.mark.parametrize(
    ("path", "is_folder", "ignored"),
    [
        (".git", True, True),
        ("a/.DS_Store", False, True),
        ("a/node_modules", True, True),
        ("Thumbs.db", False, True),
        ("a/desktop.ini", False, True),
        ("x.md~", False, True),
        ("x.swp", False, True),
        ("_category_.json", False, False),
        ("_draft.md", False, False),
        ("thumbs.md", False, False),
    ],
)
def test_working_files_are_ignored_and_lessons_are_not(path: str, is_folder: bool, ignored: bool) -> None:
    assert (IgnoreRules().reason(path, is_folder) is not None) is ignored


@pytest.mark.parametrize(
    ("text", "path", "is_folder", "ignored"),
    [
        ("*.tmp", "a/b.tmp", False, True),
        ("drafts/", "a/drafts", True, True),
        ("drafts/", "a/drafts", False, False),
        ("/only-top.md", "only-top.md", False, True),
        ("/only-top.md", "a/only-top.md", False, False),
        ("a/*.md", "a/x.md", False, True),
        ("a/*.md", "a/b/x.md", False, False),
        ("a/**/x.md", "a/x.md", False, True),
        ("a/**/x.md", "a/b/c/x.md", False, True),
        ("**/old", "p/q/old", True, True),
        ("a/**", "a", True, False),
        ("a/**", "a/b", False, True),
        ("x/**/", "x/y", False, False),
        ("x/**/", "x/y", True, True),
        ("# note\n\n   \n", "note", False, False),
        ("x[12].md", "x2.md", False, True),
        ("x[!12].md", "x2.md", False, False),
        ("*.md\n!keep.md", "keep.md", False, False),
        ("*.md\n!keep.md\nkeep.md", "keep.md", False, True),
        ("*\n!*/\n!*.md", "a/b.md", False, False),
        ("*\n!*/\n!*.md", "a/b.txt", False, True),
        ("*.tmp\r\n!b.tmp\r\n", "b.tmp", False, False),
        ("\ufeff*.tmp", "b.tmp", False, True),
        ("\\#notes", "#notes", False, True),
        ("\\!x", "!x", False, True),
        ("a b", "a b", False, True),
        ("x\\ ", "x ", False, True),
        ("x   ", "x", False, True),
        ("a**b", "axyb", False, True),
        ("یادداشت*", "یادداشت-1.md", False, True),
        ("!.git", ".git", True, True),
    ],
)
def test_bookignore_reads_like_gitignore(text: str, path: str, is_folder: bool, ignored: bool) -> None:
    assert (rules(text).reason(path, is_folder) is not None) is ignored


def test_a_deeper_file_speaks_before_one_further_up() -> None:
    found = rules("*.txt\n/a/top.md", a="!keep.txt\n/own.md\n")
    assert found.reason("a/keep.txt", False) is None
    assert found.reason("b/keep.txt", False) == "is named in .bookignore"
    assert found.reason("a/own.md", False) == "is named in a/.bookignore"
    assert found.reason("a/top.md", False) == "is named in .bookignore"
    assert found.reason("a/b/own.md", False) is None


def test_what_lies_in_an_ignored_folder_cannot_be_taken_back() -> None:
    found = rules("drafts/\n!drafts/keep.md")
    assert found.reason_along("drafts/keep.md") == "lies in drafts, which is named in .bookignore"


@pytest.mark.parametrize(
    "line", ["!", "/", "foo\\", "[a", "a//b", "[[:alpha:]]", "*a*b*c*d*e", "**/a/**/a/**/a/**/a/**/b", "x" * 501]
)
def test_a_line_that_is_no_pattern_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        IgnoreRules().add("Part-01", f"# fine\n*.tmp\n{line}\n")
    assert caught.value.exit_status == 12
    assert caught.value.subject == "Part-01/.bookignore line 3"
    assert caught.value.details["line"] == 3


def test_S19_a_hostile_pattern_costs_no_exponential_time() -> None:
    found = rules("\n".join(["**/a/**/a/**/a/**/ab", "*a*a*a*c", "*a*a/*a*a*c"]))
    began = time.monotonic()
    for path in ("/".join(["a"] * 16), "a" * 255, "/".join(["a" * 120] * 8)):
        assert found.reason(path, False) is None
    assert time.monotonic() - began < 3


def test_a_scan_reads_the_file_of_every_folder_it_enters(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            ".bookignore": b"drafts/\n*.psd\n",
            "a.md": b"",
            "a.psd": b"",
            "drafts/.bookignore": b"!*\n",
            "drafts/x.md": b"",
            "Part-01/.bookignore": b"!cover.psd\n/notes.md\n",
            "Part-01/cover.psd": b"",
            "Part-01/notes.md": b"",
            "Part-01/deep/notes.md": b"",
        },
    )
    found = scan(str(tmp_path))
    assert set(found.files) == {"a.md", "Part-01/cover.psd", "Part-01/deep/notes.md"}
    assert {ignored.source: ignored.reason for ignored in found.ignored} == {
        ".bookignore": "begins with a dot",
        "Part-01/.bookignore": "begins with a dot",
        "a.psd": "is named in .bookignore",
        "drafts": "is named in .bookignore",
        "Part-01/notes.md": "is named in Part-01/.bookignore",
    }


def _as_folder(path: Path) -> None:
    path.mkdir()


def _as_link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def _as_pipe(path: Path) -> None:
    os.mkfifo(path)


def _as_latin(path: Path) -> None:
    path.write_bytes(b"fine\n\xe9t\xe9\n")


@pytest.mark.parametrize("make", [_as_folder, _as_link, _as_pipe, _as_latin])
@pytest.mark.parametrize("folder", ["", "Part-01"])
def test_F58_a_bookignore_that_is_no_text_file_is_refused(tmp_path: Path, make: object, folder: str) -> None:
    write_tree(tmp_path, {"a.md": b"", "Part-01/a.md": b""})
    make(tmp_path / folder / IGNORE_FILE)  # type: ignore[operator]
    with pytest.raises(SourceRefused, match="bookignore") as caught:
        scan(str(tmp_path))
    assert caught.value.subject.startswith("Part-01/" if folder else ".bookignore")


def test_F47_a_file_that_becomes_ignored_leaves_the_book_like_a_removed_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ingest()
    write_tree(desk.docs, {".bookignore": b"/Part-01/Chapter-01/01-*\n"})
    result = desk.ingest()
    assert [(file.path, file.change) for file in result.files] == [("content/01-Part/01-Chapter/01-a.md", "deleted")]
    assert {"source": LESSON, "reason": "is named in .bookignore"} in result.to_json()["ignored_files"]
    assert (desk.docs / LESSON).exists()


def test_F47_ignoring_a_whole_book_counts_as_deleting_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    write_tree(desk.docs, {f"Part-03/{n}.md": b"" for n in range(20)})
    desk.ingest()
    write_tree(desk.docs, {".bookignore": b"Part-03/\n"})
    with pytest.raises(SourceRefused, match="20 of 26 files would be deleted"):
        desk.ingest()
