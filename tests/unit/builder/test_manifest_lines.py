"""How comparisons, states and revisions look to people; nothing a terminal obeys gets through."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.compare import compare
from panaversity_builder.book.compare.differences import FileDifference, file_difference
from panaversity_builder.book.compare.operands import operand_of
from panaversity_builder.console.diff_lines import (
    content_lines,
    diff_markdown,
    diff_notes,
    diff_pieces,
    name_lines,
    stat_lines,
    visible,
)
from panaversity_builder.console.manifest_lines import log_lines, status_lines, status_notes
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.mapping import Numbering

A, B, C = (digest_of(word) for word in (b"a", b"b", b"c"))


def body_of(a, b, **more):
    return compare(operand_of("one", a), operand_of("two", b), **more).to_json()


BODY = body_of(
    {"content/gone.md": A, "content/m.md": A, "content/old.md": C, "content/same.md": B},
    {"content/m.md": B, "content/new.md": C, "content/same.md": B, "content/z.md": B},
)


def printed(view, files=None):
    return [line for piece in diff_pieces(BODY, BODY["files"] if files is None else files, view) for line in piece]


def test_the_list_is_one_line_a_file_and_a_total():
    assert printed("list") == [
        "D\tcontent/gone.md",
        "M\tcontent/m.md",
        "R100\tcontent/old.md\tcontent/new.md",
        "A\tcontent/z.md",
        "4 files differ: 1 added, 1 modified, 1 deleted, 1 renamed; 1 alike",
    ]


def test_names_alone_have_no_total_and_may_end_in_nul():
    assert list(name_lines(BODY, "name_only", "\n")) == [
        "content/gone.md", "content/m.md", "content/new.md", "content/z.md",
    ]  # fmt: skip
    assert list(name_lines(BODY, "name_status", "\0"))[2] == "R100\0content/old.md\0content/new.md"


def with_content(*differences):
    return [file | found.to_json() for file, found in zip(BODY["files"], differences, strict=True)]


def test_stat_draws_a_bar_a_file_scaled_to_the_largest():
    files = with_content(
        FileDifference("binary"),
        file_difference(b"a\n" * 100, b"b\n" * 300, "x", "x"),
        FileDifference("same"),
        file_difference(None, b"a\n", None, "x"),
    )
    lines = printed("stat", files)
    assert lines[0] == " content/gone.md                  | Bin"
    assert lines[1] == f" content/m.md                     | 400 {'+' * 30}{'-' * 10}"
    assert lines[2] == " content/old.md => content/new.md | renamed"
    assert lines[3] == " content/z.md                     |   1 +"
    assert lines[4].endswith("; 301 lines added, 100 removed")
    assert list(stat_lines([])) == []


def test_content_says_of_every_file_what_there_is_to_say():
    files = with_content(
        FileDifference("missing"),
        file_difference(b"a\r\n", b"a\n", "content/m.md", "content/m.md"),
        FileDifference("same"),
        file_difference(None, b"", None, "content/z.md"),
    )
    assert printed("content", files)[:-1] == [
        "deleted content/gone.md: its bytes are not at hand",
        "--- a/content/m.md",
        "+++ b/content/m.md",
        "@@ -1 +1 @@",
        "-a^M",
        "+a",
        "(content/m.md: only line ends differ; ^M is a carriage return)",
        "rename from content/old.md",
        "rename to content/new.md",
        "added content/z.md, an empty file",
    ]
    assert list(content_lines(BODY["files"][0] | FileDifference("binary").to_json())) == [
        "Binary files a/content/gone.md and /dev/null differ"
    ]
    assert "too large" in next(content_lines(BODY["files"][1] | FileDifference("large").to_json()))


def test_a_cut_difference_says_so():
    found = file_difference(b"", b"x" * 100 + b"\n" + b"y\n" * 300_000, "x", "x").to_json()
    assert list(content_lines(BODY["files"][1] | found))[-1].endswith("the rest of 300001 changed lines is left out)")


def test_notes_explain_why_nothing_is_listed():
    same, other = {"content/a.md": A}, {"content/b.md": A}
    assert list(diff_notes(body_of(same, same), verbose=False)) == ["manifest diff: no differences"]
    narrowed = body_of(same, other, patterns=["static"])
    assert list(diff_notes(narrowed, verbose=False)) == [
        "manifest diff: no differences among what was asked for; they differ elsewhere, first at content/a.md"
    ]
    assert list(diff_notes(BODY, verbose=False)) == []
    assert list(diff_notes(BODY, verbose=True)) == [
        f"manifest diff: {side['name']}: {side['manifest_hash']} (4 files)" for side in (BODY["a"], BODY["b"])
    ]


def test_equal_manifests_that_are_numbered_differently_are_not_passed_over():
    sides = [operand_of(n, {"content/01-A/x.md": A}, None, n) for n in (Numbering.NUMBER_NAME, Numbering.NAME_NUMBER)]
    (first, second) = diff_notes(compare(*sides).to_json(), verbose=False)
    assert first == "manifest diff: no differences"
    assert second.endswith("named differently: number-name, name-number")


def test_markdown_is_a_table_in_which_no_name_means_anything():
    page = diff_markdown(
        body_of({"content/a.md": A}, {"content/`b` | @someone #1.md".replace("`", "'").replace("|", "+"): B}), 65_000
    ).splitlines()
    assert page[0].startswith("### ")
    assert "**2 files differ: 1 added, 1 deleted; 0 alike**" in page
    rows = [line for line in page if line.startswith(("| A", "| D"))]
    assert rows == [
        f"| A | `content/'b' + @someone #1.md` |  |  | `{B[:12]}` |",
        f"| D | `content/a.md` |  | `{A[:12]}` |  |",
    ]
    assert "No differences." in diff_markdown(body_of({}, {}), 65_000)


def test_markdown_fits_a_comment_however_many_files_there_are():
    many = {f"content/{n:05}-{'x' * 60}.md": A for n in range(2000)}
    page = diff_markdown(body_of({}, many), 65_000).rstrip("\n")
    assert len(page.encode()) <= 65_000
    assert page.endswith("2000 files in all; the table is cut")


@given(st.text())
def test_what_is_printed_of_a_text_can_only_be_read(text):
    seen = visible(text)
    assert not [c for c in seen if unicodedata.category(c) == "Cc" and c not in "\t\n"]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f]", seen)
    if text.isprintable():
        assert visible(text) == text


def test_known_tricks_are_written_out_and_plain_letters_are_not():
    assert visible("a\x1b[31m\r\x07\x7f") == "a^[[31m^M^G^?"
    assert visible("\u202eevil \x9b\ufeff") == "\\u202eevil \\u009b\\ufeff"
    assert visible("é 中 👩\u200d🚀\tx\n") == "é 中 👩\u200d🚀\tx\n"


# --- status ------------------------------------------------------------------------------------------------------


def status_body(**changed):
    body = {
        "book_id": "guide", "revision": 7, "changed": True, "mine": 0, "theirs": 0, "conflicts": 0, "unchanged": 3,
        "renumbers": False, "numbering": "number-name", "output": None, "files": [],
    }  # fmt: skip
    return {**body, **changed}


def test_status_is_two_letters_and_a_path():
    files = [
        {"source": "a.md", "mine": "M", "theirs": None},
        {"source": "b.md", "mine": None, "theirs": "D"},
        {"source": "c.md", "mine": "A", "theirs": "A"},
    ]
    assert list(status_lines(status_body(files=files))) == ["M. a.md", ".D b.md", "AA c.md"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"changed": False}, "everything is alike (3 files, revision 7)"),
        ({"mine": 2}, "2 files of yours to ingest: panaversity ingest"),
        ({"theirs": 1}, "1 file changed in the book by others: panaversity pull"),
        ({"conflicts": 1}, "1 file changed on both sides: merge"),
        ({"renumbers": True}, "named number-name"),
        ({"output": {"state": "behind", "files": 4}}, "differs from the book in 4 files: panaversity hydrate"),
        ({"output": {"state": "absent", "files": 0}}, "never hydrated"),
        ({"output": {"state": "damaged", "files": 0}}, "cannot be read"),
    ],
)
def test_status_says_what_to_do_about_each_thing(changed, said):
    (note,) = status_notes(status_body(**changed))
    assert said in note


# --- log ---------------------------------------------------------------------------------------------------------


def revision(**changed):
    one = {
        "revision": 12, "when": "2030-01-31T13:00:05.123456+01:00", "agent": "ann", "operation": "ingest", "added": 3,
        "modified": 1, "deleted": 0, "settings_changed": False, "bytes_written": 1500, "bytes_replaced": 500,
        "manifest_hash": A, "complete": True,
    }  # fmt: skip
    return {**one, **changed}


def test_the_log_is_one_line_a_revision_in_columns():
    body = {"book_id": "guide", "revisions": [
        revision(),
        revision(revision=9, agent="a-long-name", settings_changed=True, bytes_replaced=2000, manifest_hash=None),
        revision(revision=8, operation="set_book", settings_changed=True, bytes_written=None, when="yesterday"),
    ]}  # fmt: skip
    assert list(log_lines(body)) == [
        f"12  2030-01-31 12:00:05Z  ann          ingest               +3 ~1 -0  1.5 KB (+1.0 KB)  {A}",
        "9   2030-01-31 12:00:05Z  a-long-name  ingest and settings  +3 ~1 -0  1.5 KB (-500 B)   -",
        f"8   yesterday             ann          set_book             +3 ~1 -0  ?                 {A}",
    ]
    (pruned,) = log_lines({"book_id": "guide", "revisions": [revision(complete=False)]})
    assert "+3 ~1 -0 or more" in pruned
    assert list(log_lines({"book_id": "guide", "revisions": []})) == ["manifest log: guide: no revisions yet"]


def test_an_agent_cannot_paint_on_the_terminal():
    (line,) = log_lines({"book_id": "b", "revisions": [revision(agent="\x1b[2Jx", operation="\u202e", when="\x07")]})
    assert line.isprintable()
