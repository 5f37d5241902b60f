"""S33: whatever a book, a path or a server holds, a job's runner reads what we meant and obeys nobody else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from panaversity_builder.console.github import (
    MOST_OUTPUT_BYTES,
    MOST_PATHS,
    assignments,
    capped_list,
    escaped,
    inert,
    workflow_command,
)
from panaversity_builder.console.markdown import cell, code
from panaversity_builder.console.summary import COMMENT_BYTES, SUMMARY_BYTES, failure, summary
from panaversity_fs.core.errors import SourceRefused
from support import github_runner

HOSTILE = [
    "::error::x", "::set-output name=a::b", "::stop-commands::t", "##[error]x", "##[add-mask]x", "\n::warning::w",
    "\r::add-mask::m", "%0A::error::", "%25", "%", "a=b", "x<<EOF", "EOF", "\n", "\r\n", "\u2028", "|", "`", "``",
    "<script>alert(1)</script>", "</details>", "<!--", "[a](javascript:b)", "![i](http://e.example/p.png)", "@someone",
    "https://e.example", "www.e.example", "$x$", "&amp;", "\\", "# head", "- item", "1. one", "---", "***", "  ",
    "\u202e", "\u200b", "\udcff", "é", "章", ",", ":", "a b",
]  # fmt: skip
text = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)), max_size=6).map("".join)
line = text.map(lambda value: "".join(value.splitlines()))
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


written = text.map(str.strip).filter(bool)  # the runner takes white space off the end of the last property


@given(text, st.dictionaries(st.sampled_from(["file", "line", "title"]), written, max_size=3))
def test_S33_a_command_is_read_as_it_was_meant_and_as_one(data, properties):
    said = workflow_command("error", data, **properties)
    (read,) = github_runner.commands(said)
    assert (read.name, read.data, read.properties) == ("error", data, properties)
    assert not {"\n", "\r"} & set(said)


@given(text)
def test_S33_escaping_has_one_inverse(value):
    assert github_runner._data(escaped(value)) == value
    assert github_runner._property(escaped(value, inside_property=True)) == value


@given(st.lists(text, max_size=4))
def test_S33_no_line_of_ours_is_a_command(pieces):
    said = inert("".join(pieces))
    assert github_runner.commands(said) == []
    assert github_runner.commands("  " + said) == []
    assert inert(said) == said


@given(st.text(st.characters(exclude_characters=":#[\\"), max_size=30))
def test_what_could_not_be_a_command_is_left_as_it_is(said):
    assert inert(said) == said


@given(st.dictionaries(st.sampled_from(["a", "mode", "changed-files"]), text))
def test_S33_outputs_are_read_back_and_no_value_begins_another(values):
    assert list(github_runner.outputs(assignments(values)).items()) == list(values.items())


def test_S33_a_token_that_a_value_holds_is_not_used():
    tokens = iter(["guessed", "free"])
    said = assignments({"reason": "end-guessed\nmode=full"}, tokens.__next__)
    assert github_runner.outputs(said) == {"reason": "end-guessed\nmode=full"}


@settings(max_examples=settings().max_examples // 3)
@given(st.lists(line, max_size=400))
def test_a_capped_list_is_a_beginning_of_the_list_and_says_whether_it_is_all(paths):
    said, complete = capped_list(paths)
    taken = json.loads(said)
    assert taken == paths[: len(taken)]
    assert complete == (taken == paths)
    assert len(taken) <= MOST_PATHS
    assert len(said.encode()) <= MOST_OUTPUT_BYTES


@pytest.mark.parametrize(
    ("paths", "taken", "complete"),
    [
        (["p"] * MOST_PATHS, MOST_PATHS, True),
        (["p"] * (MOST_PATHS + 1), MOST_PATHS, False),
        (["x" * 1000] * 59, 59, True),
        (["x" * 1000] * 60, 59, False),
        (["\u7ae0" * 1000, "short"], 2, True),
        (["x" * MOST_OUTPUT_BYTES, "short"], 0, False),
    ],
)
def test_a_list_is_capped_by_number_and_by_bytes_and_says_that_it_was(paths, taken, complete):
    said, whole = capped_list(paths)
    assert (len(json.loads(said)), whole) == (taken, complete)


def spans(markdown):
    """Texts of code spans, and the kinds of everything else that is not plain text."""
    found, others = [], []
    for block in MARKDOWN.parse(markdown):
        for token in block.children or []:
            if token.type == "code_inline":
                found.append(token.content)
            elif token.type not in ("text", "softbreak"):
                others.append(token.type)
        if not block.children:
            others.append(block.type)
    return found, others


def visible(value):
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in value)


@given(text.filter(lambda value: visible(value).strip()))
def test_S33_a_code_span_holds_exactly_the_text_and_nothing_else_is_on_the_page(value):
    found, others = spans(f"- {code(value)}")
    assert found == [visible(value)]
    assert {"html_inline", "html_block", "link_open", "image"}.isdisjoint(others)


@given(st.lists(text.filter(lambda value: visible(value).strip()), min_size=2, max_size=2))
def test_S33_a_cell_stays_one_cell(values):
    page = f"| a | b |\n| --- | --- |\n| {cell(values[0])} | {cell(values[1])} |\n"
    found, _ = spans(page)
    assert found == [visible(value.replace("|", "\\u007c")) for value in values]


items = st.one_of(
    text,
    st.fixed_dictionaries({"path": text, "status": st.sampled_from("AMD")}),
    st.fixed_dictionaries({"source": text, "reason": text}),
    st.fixed_dictionaries({"status": st.just("R"), "from": text, "path": text}),
    st.none(),
)
bodies = st.dictionaries(
    st.one_of(st.sampled_from(["book_id", "files", "added", "hydrate_bytes_transferred", "reason", "phases"]), text),
    st.one_of(st.lists(items, max_size=40), st.integers(), st.floats(), st.booleans(), text, st.none()),
    max_size=8,
)


@given(bodies, st.integers(0, 6000))
def test_S33_a_page_has_at_most_its_bytes_and_no_tag_but_ours(body, limit):
    for page in (
        summary("ingest", body, limit),
        failure("ingest", SourceRefused("ingest", "docs", "x", refused=[body.get("reason")]), body, limit),
    ):
        assert len(page.encode("utf-8", "backslashreplace")) <= limit
        assert page == "" or page.startswith("### panaversity ingest")
        tokens = MARKDOWN.parse(page)
        tags = [t.content for b in tokens for t in [b, *(b.children or [])] if t.type in ("html_block", "html_inline")]
        assert all(tag.strip().startswith(("<details><summary>", "</details>")) for tag in tags), tags
        assert page.count("<details><summary>") >= sum("<details>" in tag for tag in tags)
        opened, closed = sum("<details>" in tag for tag in tags), sum("</details>" in tag for tag in tags)
        assert opened == closed
        assert not [b for b in tokens if b.type == "heading_open" and b.tag in ("h1", "h2")]


@settings(max_examples=settings().max_examples // 10)
@given(st.integers(0, 100_000), text, st.sampled_from([COMMENT_BYTES, SUMMARY_BYTES]))
def test_any_number_of_paths_fits_and_every_path_is_shown_or_counted(number, name, limit):
    files = Many(number, {"path": f"content/{name}", "status": "A"})
    page = summary("hydrate", {"book_id": "guide", "added": number, "files": files}, limit)
    assert len(page.encode("utf-8", "backslashreplace")) <= limit
    listed = sum(1 for one in page.splitlines() if one.startswith("- `A`"))
    rest = [int(one.split()[2]) for one in page.splitlines() if one.startswith("- and ")]
    assert listed + sum(rest) == number
    assert files.asked <= listed + 2


class Many(list):
    """The same item many times, without holding it many times; counts how often it was looked at."""

    def __init__(self, number, item):
        super().__init__()
        self.number, self.item, self.asked = number, item, 0

    def __len__(self):
        return self.number

    def __bool__(self):
        return self.number > 0

    def __getitem__(self, index):
        if isinstance(index, slice):
            part = Many(len(range(self.number)[index]), self.item)
            part._count = self._count
            return part
        if not 0 <= index < self.number:
            raise IndexError(index)
        self._count()
        return self.item

    def _count(self):
        self.asked += 1
