"""How the console speaks: colour, bars and agents; what a runner may read; pages of any body."""

import io

import pytest

from panaversity_builder.console import AGENTS, Console
from panaversity_builder.console.bars import Bars, Lines
from panaversity_builder.console.github import outputs
from panaversity_builder.console.job import MOST_ANNOTATIONS
from panaversity_builder.console.summary import summary
from panaversity_fs.core.errors import LocalEdits
from support import github_runner
from support.command import clean_environ, panaversity


class Terminal(io.StringIO):
    def isatty(self):
        return True


def console(environ=None, stderr=None, format="text"):
    one = Console(io.StringIO(), stderr or io.StringIO(), environ or {})
    one.manner.format = format
    one.manner.command = "ingest"
    return one


def out(one):
    return one._out.getvalue()


def err(one):
    return one._err.getvalue()


@pytest.mark.parametrize("variable", [*AGENTS, "CI"])
def test_an_agent_that_reads_along_gets_lines_instead_of_bars(variable):
    one = console({variable: "1"}, Terminal())
    assert not one.lively
    assert type(one.progress) is Lines
    assert console({variable: ""}, Terminal()).lively


def test_a_person_at_a_terminal_gets_bars_and_colour():
    one = console({}, Terminal())
    assert (one.lively, one.coloured) == (True, True)
    assert isinstance(one.progress, Bars)


def test_a_job_has_no_bars_even_on_a_terminal():
    assert not console({}, Terminal(), "github").lively


@pytest.mark.parametrize(
    ("environ", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"AI_AGENT": "x"}, True, False),
        ({"AI_AGENT": "x", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_colour_is_for_terminals_unless_somebody_says_otherwise(environ, terminal, coloured):
    assert console(environ, Terminal() if terminal else io.StringIO()).coloured is coloured


@pytest.mark.parametrize(
    ("environ", "escapes"), [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)]
)
def test_a_pipe_gets_no_escape_sequence_unless_it_is_asked_for(tmp_path, environ, escapes):
    outcome = panaversity("hydrate", cwd=tmp_path, environ=clean_environ(**environ))
    assert outcome.status == 15
    assert ("\x1b" in outcome.err) is escapes
    assert "\x1b" not in outcome.out


def test_S33_no_line_of_data_or_news_is_a_command_in_a_job():
    one = console(format="github")
    one.data(["::error::x", "ok\n::add-mask::y", " ::stop-commands::z"])
    one.say("##[error]x")
    one.result(["::warning::w"], {})
    one.progress.note("::error::n")
    assert github_runner.commands(out(one) + err(one)) == []
    assert out(one).startswith("\\u003a:error::x\n")
    plain = console()
    plain.data(["::error::x"])
    assert out(plain) == "::error::x\n"


def test_nine_warnings_are_annotations_and_the_others_lines_and_a_number():
    one = console(format="github")
    for number in range(12):
        one.progress.warn(f"odd file {number}")
    one.close()
    commands = github_runner.commands(err(one))
    assert [c.data for c in commands if c.name == "warning"] == [f"odd file {n}" for n in range(MOST_ANNOTATIONS)]
    assert [c.data for c in commands if c.name == "notice"] == ["3 more warnings, see the log and the job summary"]
    assert "warning: odd file 11" in err(one).splitlines()


def test_exactly_nine_leave_no_remark():
    one = console(format="github")
    for number in range(MOST_ANNOTATIONS):
        one.warn(str(number))
    one.close()
    assert {c.name for c in github_runner.commands(err(one))} == {"warning"}


def test_local_edits_are_annotated_where_they_are():
    one = console({"GITHUB_WORKSPACE": "/repo"}, format="github")
    assert one.job is not None
    one.job.places = {"output": "/repo/site/book", "source": "/elsewhere"}
    edited = [{"path": "a.md", "reason": "was edited", "line": 7}]
    one.error(LocalEdits("hydrate", "book", "holds 1 thing", paths=edited, source=[{"source": "b.md"}]))
    properties = [c.properties for c in github_runner.commands(err(one))]
    assert properties == [
        {"title": "LOCAL_EDITS"},
        {"file": "site/book/a.md", "line": "7", "title": "LOCAL_EDITS"},
        {"file": "/elsewhere/b.md", "title": "LOCAL_EDITS"},
    ]


def test_outputs_say_only_what_the_body_tells():
    assert outputs({}) == {}
    assert outputs({"requests": 3, "mode": None}) == {}
    assert outputs({"added": 0, "deleted": 0}) == {"added": "0", "deleted": "0", "changed": "false"}
    assert outputs({"changed": True, "added": 0})["changed"] == "true"


def test_outputs_of_a_plan_count_its_files():
    body = {"files": [{"path": "a", "status": "A"}, {"path": "b", "status": "A"}, {"path": "c", "status": "D"}]}
    assert outputs(body) == {
        "added": "2", "updated": "0", "deleted": "1", "changed": "true", "changed-files": '["a", "b", "c"]',
        "changed-files-complete": "true",
    }  # fmt: skip


def test_outputs_of_a_difference_name_both_manifests_and_the_new_path_of_a_rename():
    body = {
        "a": {"name": "local", "manifest_hash": "1" * 64}, "b": {"name": "remote", "manifest_hash": "2" * 64},
        "added": 0, "modified": 1, "deleted": 0, "renamed": 1,
        "files": [{"status": "M", "path": "m"}, {"status": "R", "from": "old", "path": "new"}],
    }  # fmt: skip
    found = outputs(body)
    assert (found["previous-manifest-hash"], found["manifest-hash"]) == ("1" * 64, "2" * 64)
    assert (found["updated"], found["renamed"], found["changed"]) == ("1", "1", "true")
    assert found["changed-files"] == '["m", "new"]'


def test_a_page_has_figures_first_then_the_rest_then_phases_and_lists():
    body = {
        "schema_version": 1, "book_id": "guide", "mode": "delta", "added": 1, "hydrate_bytes_transferred": 1234,
        "dry_run": False, "reason": "", "b": {"manifest_hash": "2" * 64},
        "phases": [{"name": "docusaurus", "state": "ran", "seconds": 2.25, "reason": "changed: a|b"}],
        "files": [{"path": "a.md", "status": "A"}, {"status": "R", "from": "x", "path": "y"}],
        "refused": [{"source": "`.md", "reason": "is odd"}, "plain"],
    }  # fmt: skip
    assert summary("build", body, 10_000).splitlines() == [
        "### panaversity build: `guide`",
        "",
        "| added | hydrate bytes transferred |",
        "| --- | --- |",
        "| 1 | 1.2 KB |",
        "",
        "|  |  |",
        "| --- | --- |",
        "| mode | `delta` |",
        "| dry run | no |",
        f"| b manifest hash | `{'2' * 64}` |",
        "",
        "| phase | state | seconds | reason |",
        "| --- | --- | --- | --- |",
        "| `docusaurus` | `ran` | 2.2 | `changed: a\\u007cb` |",
        "",
        "#### files (2)",
        "",
        "- `A` `a.md`",
        "- `R` `x` → `y`",
        "",
        "#### refused (2)",
        "",
        "- `` `.md ``: `is odd`",
        "- `plain`",
    ]


def test_twenty_are_shown_the_rest_is_folded_and_what_does_not_fit_is_a_number():
    body = {"files": [{"path": f"{n:03}.md", "status": "A"} for n in range(100)]}
    whole = summary("ingest", body, 100_000).splitlines()
    assert whole.index("<details><summary>80 more</summary>") == whole.index("- `A` `019.md`") + 2
    assert whole[-3:] == ["- `A` `099.md`", "", "</details>"]
    short = summary("ingest", body, 1000)
    assert len(short.encode()) <= 1000
    assert short.rstrip().endswith("</details>")
    shown = short.count("- `A`")
    assert 20 < shown < 100
    assert f"- and {100 - shown} more, not shown here" in short.splitlines()


def test_a_long_list_leaves_room_for_the_others():
    body = {"files": [f"{n:06}" for n in range(50_000)], "diverged_files": ["theirs.md"]}
    page = summary("ingest", body, 20_000)
    assert "- `theirs.md`" in page.splitlines()
