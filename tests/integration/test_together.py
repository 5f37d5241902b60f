"""An author with a folder and an agent over MCP at one book, through the real command and a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import Outcome, clean_environ, in_process, panaversity
from support.live import LiveServer
from support.together import BOOK, FILES, LESSON, SECOND, Desk, tree_of, write_tree

LESSON_PATH = "content/01-Part/01-Chapter/01-a.md"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("together") / "store") as server:
        yield server


def test_F31_an_agent_and_an_author_end_with_both_edits_everywhere(tmp_path: Path, live: LiveServer) -> None:
    """Issue 4: an agent edits one lesson over MCP while the author edits another: status, pull, ingest, hydrate."""
    docs = tmp_path / "docs"
    write_tree(docs, FILES)
    environ = clean_environ(PANAVERSITY_MCP_URL=live.url, PANAVERSITY_BOOK_ID="both", PANAVERSITY_SOURCE_DIR="docs")

    def run(*words: str) -> Outcome:
        return panaversity(*words, cwd=tmp_path, environ=environ)

    assert run("ingest").status == 0
    read = live.call("read_content", book_id="both", path=LESSON_PATH).structured
    live.call(
        "write_content", book_id="both", path=LESSON_PATH, content="agent\r\n", expected_hash=read["file_hash_sha256"]
    )
    live.call("write_content", book_id="both", path="content/01-Part/09-new.md", content="by an agent")
    write_tree(docs, {SECOND: b"author"})

    status = json.loads(run("manifest", "status", "--format", "json").out)
    sides = {one["source"]: one["side"] for one in status["files"]}
    assert sides == {LESSON: "theirs", "Part-01/09-new.md": "theirs", SECOND: "mine"}

    pulled = run("pull")
    assert pulled.status == 0, pulled.err
    assert pulled.out.splitlines() == [
        "pull both: 1 added, 1 updated; as of revision 3",
        "  A Part-01/09-new.md",
        f"  M {LESSON}",
        "of your own, for the next ingest: 1 file",
    ]
    assert run("ingest").status == 0
    both = {**FILES, LESSON: b"agent\r\n", "Part-01/09-new.md": b"by an agent", SECOND: b"author"}
    assert tree_of(docs) == both
    assert run("hydrate", "--output-dir", "out").status == 0
    assert {p: d for p, d in tree_of(tmp_path / "out").items() if not p.startswith(".panaversity")} == both
    assert json.loads(run("manifest", "status", "--format", "json").out)["files"] == []
    assert "nothing to pull" in run("pull").out
    assert "nothing changed" in run("ingest").out


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    (tmp_path / "book.toml").write_text(f'book_id = "{BOOK}"\nsource_dir = "docs"\n')
    desk.ingest()
    return desk


def run(desk: Desk, *words: str, cwd: Path | None = None) -> Outcome:
    return in_process(desk.sim, *words, cwd=cwd or desk.folder)


def changed(outcome: Outcome) -> set[str]:
    body = json.loads(outcome.out)
    assert "error" not in body, body
    return {one["source"] or one["path"] for one in body["files"]}


def test_files_are_named_once_more_or_in_a_row(desk: Desk) -> None:
    write_tree(desk.docs, {LESSON: b"1", SECOND: b"2", "a, b.md": b"3", "-x.md": b"4", "rest.md": b"5"})
    json_ = ("--format", "json", "--dry-run")
    assert changed(run(desk, "ingest", *json_, "--files", f"docs/{LESSON}", SECOND)) == {LESSON, SECOND}
    assert changed(run(desk, "ingest", *json_, "--files", "a, b.md", "--files", SECOND)) == {"a, b.md", SECOND}
    assert changed(run(desk, "ingest", *json_, "--", "-x.md")) == {"-x.md"}
    assert changed(run(desk, "ingest", *json_, "docs/Part-01")) == {LESSON, SECOND}
    assert changed(run(desk, "ingest", *json_, "01-a.md", cwd=desk.docs / "Part-01/Chapter-01")) == {LESSON}
    assert len(changed(run(desk, "ingest", *json_))) == 5


@pytest.mark.parametrize(
    ("data", "null"),
    [("a, b.md\r\ndocs/x y.md\n", False), ("a, b.md\0docs/x y.md\0", True), ("a, b.md\ndocs/x y.md", False)],
)
def test_names_come_from_a_list(desk: Desk, data: str, null: bool) -> None:
    write_tree(desk.docs, {"a, b.md": b"1", "x y.md": b"2", "rest.md": b"3"})
    (desk.folder / "list").write_text(data, newline="")
    words = ("ingest", "--dry-run", "--format", "json", "--files-from", "list", *(["-z"] if null else []))
    assert changed(run(desk, *words)) == {"a, b.md", "x y.md"}


def test_an_empty_list_means_no_file_and_a_missing_one_is_a_usage_error(desk: Desk) -> None:
    write_tree(desk.docs, {"rest.md": b"3"})
    (desk.folder / "list").write_text("")
    done = run(desk, "ingest", "--files-from", "list")
    assert done.status == 0, done.err
    assert "rest.md" not in desk.book
    assert run(desk, "ingest", "--files-from", "nowhere").status == 2


@pytest.mark.parametrize("command", ["ingest", "pull"])
@pytest.mark.parametrize("word", ["../outside.md", "/etc/passwd", "typo.md"])
def test_names_outside_the_source_or_of_nothing_leave_with_2(desk: Desk, command: str, word: str) -> None:
    done = run(desk, command, "--files", word)
    assert (done.status, done.err.startswith(f"error INVALID_ARGUMENT: {command}: --files: ")) == (2, True)


def test_pull_conflicts_leave_with_11_and_are_listed_with_their_reasons(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    write_tree(desk.docs, {LESSON: b"author"})
    done = run(desk, "pull")
    assert done.status == 11
    assert f"  {LESSON}: was changed here and changed in the book" in done.err.splitlines()
    assert "ingest --overwrite --files FILE" in done.err
    body = json.loads(run(desk, "pull", "--format", "json").out)
    assert body["error"]["conflicts"][0]["current_hash"]


def test_pull_says_what_it_would_do_what_is_ignored_and_nothing_when_quiet(desk: Desk) -> None:
    desk.agent(LESSON, b"agent")
    desk.agent("drafts/x.md", b"agent")
    write_tree(desk.docs, {".bookignore": b"drafts/\n"})
    assert run(desk, "pull", "--dry-run").out.splitlines() == [
        f"pull {BOOK}: would be 1 updated; dry run, nothing was written",
        f"  M {LESSON}",
        "in the book under names this source ignores: 1 file (-v names them)",
    ]
    assert "  - drafts/x.md: lies in drafts, which is named in .bookignore" in run(desk, "pull", "-v").out.splitlines()
    desk.agent(LESSON, b"agent again")
    assert run(desk, "pull", "-q").out == ""


def test_a_broken_bookignore_leaves_with_12_and_its_line(desk: Desk) -> None:
    write_tree(desk.docs, {".bookignore": b"fine\n[broken\n"})
    done = run(desk, "ingest")
    assert done.status == 12
    assert ".bookignore line 2" in done.err
