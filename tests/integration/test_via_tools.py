"""``--via tools`` through a gateway that passes nothing but MCP, in front of a real server."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.command import Outcome, clean_environ
from support.live import LiveServer
from support.stub_server import Answer, Request, Stub, stub_server
from support.together import tree_of, write_tree

SIX = {"plan_build", "write_content", "upload_asset", "delete_content", "read_content", "get_asset"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
FILES = {
    "README.md": b"# Book\r\nno last line end",
    "Part-01/_category_.json": b'{"label": "One"}\n',
    "Part-01/Chapter-01/01-a.md": b"\xef\xbb\xbfone\r\n",
    "Part-01/Chapter-01/02-b.mdx": "سبق دو\n\n\x0cسطر\n".encode(),
    "Part-01/Chapter-01/03-empty.md": b"",
    "Part-01/Chapter-01/img/d.png": PNG,
    "Part-01/Chapter-01/img/e.svg": b"<svg/>",
    "Part-01/beside.png": PNG + b"2",
    "Part-01/new, name.md": PNG[8:9] + b" x\n",
}
LESSON = "Part-01/Chapter-01/01-a.md"
LESSON_PATH = "content/01-Part/01-Chapter/01-a.md"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("tools") / "store") as server:
        yield server


@contextmanager
def gateway(live: LiveServer) -> Iterator[Stub]:
    """Passes ``POST /mcp`` on and refuses everything else, as gateways do."""

    def script(request: Request) -> Answer:
        if (request.method, request.path) != ("POST", "/mcp"):
            return Answer(403, b"this gateway passes MCP only")
        answer = live.request("POST", "/mcp", request.body, {"Content-Type": "application/json"}, agent=None)
        return Answer(answer.status, answer.body, {"Content-Type": "application/json"})

    with stub_server(script) as stub:
        yield stub


class Desk:
    """An author behind the gateway, with a book of their own that was created for a docusaurus tree."""

    def __init__(self, folder: Path, live: LiveServer, stub: Stub, numbering: str | None = "name-number") -> None:
        self.folder, self.live, self.stub = folder, live, stub
        self.book_id = f"tools-{folder.name.lower().replace('_', '-')[:40].strip('-')}"
        self.docs = folder / "docs"
        self.environ = clean_environ(
            PANAVERSITY_MCP_URL=stub.url, PANAVERSITY_BOOK_ID=self.book_id, PANAVERSITY_SOURCE_DIR=str(self.docs)
        )
        (folder / "book.toml").write_text("")
        if numbering:
            live.call("create_book", book_id=self.book_id, schema="docusaurus", numbering=numbering)

    def run(self, *words: str) -> Outcome:
        """The command itself, in this process, with a client of its own."""
        from contextlib import chdir, redirect_stdout
        from io import StringIO
        from os import environ
        from unittest.mock import patch

        from panaversity_builder.cli import run
        from panaversity_builder.console import Console

        console = Console(StringIO(), StringIO(), {})
        with patch.dict(environ, self.environ, clear=True), chdir(self.folder), redirect_stdout(StringIO()):
            status = run(words, console)
        return Outcome(status, console._out.getvalue(), console._err.getvalue())  # type: ignore[attr-defined]

    def ingest(self, *words: str) -> Outcome:
        return self.run("ingest", "--via", "tools", *words)

    def hydrate(self, *words: str) -> Outcome:
        return self.run("hydrate", "--via", "tools", "--output-dir", "out", *words)

    @property
    def hydrated(self) -> dict[str, bytes]:
        return {p: d for p, d in tree_of(self.folder / "out").items() if not p.startswith(".panaversity")}

    def agent(self, path: str, text: str) -> None:
        held = self.live.call("read_content", book_id=self.book_id, path=path)
        condition = {} if held.is_error else {"expected_hash": held.structured["file_hash_sha256"]}
        written = self.live.call("write_content", book_id=self.book_id, path=path, content=text, **condition)
        assert not written.is_error, written.error

    def tools(self) -> list[str]:
        """The tools that were called, in order, by whoever came through the gateway."""
        return [request.json()["params"]["name"] for request in self.stub.requests]


@pytest.fixture
def desk(tmp_path: Path, live: LiveServer) -> Iterator[Desk]:
    with gateway(live) as stub:
        desk = Desk(tmp_path, live, stub)
        write_tree(desk.docs, FILES)
        yield desk


def test_P4_D8_ingest_and_hydrate_by_tools_alone_keep_every_byte(desk: Desk) -> None:
    done = desk.ingest()
    assert done.status == 0, done.err
    assert "a commit a file" in done.out
    assert desk.hydrate().status == 0
    assert desk.hydrated == FILES
    assert set(desk.tools()) <= SIX
    assert {(request.method, request.path) for request in desk.stub.requests} == {("POST", "/mcp")}


def test_changes_travel_alone_and_nothing_travels_twice(desk: Desk) -> None:
    desk.ingest()
    desk.hydrate()
    desk.stub.requests.clear()
    write_tree(desk.docs, {LESSON: b"changed"})
    (desk.docs / "Part-01/beside.png").unlink()
    (desk.docs / "README.md").rename(desk.docs / "Readme.md")
    assert desk.ingest().status == 0
    assert sorted(desk.tools()) == sorted(
        ["plan_build", "delete_content", "delete_content", "write_content", "write_content", "plan_build"]
    )
    assert desk.hydrate().status == 0
    assert desk.hydrated == tree_of(desk.docs)
    desk.stub.requests.clear()
    assert (desk.ingest().status, desk.hydrate().status) == (0, 0)
    assert desk.tools() == ["plan_build", "plan_build"]


def test_F31_agents_edits_are_protected_although_the_book_cannot_be_told_the_last_ingest(desk: Desk) -> None:
    desk.ingest()
    desk.agent(LESSON_PATH, "agent")
    write_tree(desk.docs, {"README.md": b"author"})
    assert f"! {LESSON}" in desk.ingest().out
    write_tree(desk.docs, {LESSON: b"author"})
    assert desk.ingest().status == 11
    desk.run("ingest", "--via", "tools", "--overwrite", "--files", LESSON)
    assert desk.hydrate().status == 0
    assert desk.hydrated == {**FILES, "README.md": b"author", LESSON: b"author"}


def test_pull_goes_by_tools_too(desk: Desk) -> None:
    desk.ingest()
    desk.agent(LESSON_PATH, "agent\r\n")
    assert desk.run("pull", "--via", "tools").status == 0
    assert (desk.docs / LESSON).read_bytes() == b"agent\r\n"
    assert "nothing changed" in desk.ingest().out
    assert set(desk.tools()) <= SIX


def test_a_bulk_ingest_later_tells_the_book_what_tools_could_not(desk: Desk) -> None:
    desk.ingest()
    write_tree(desk.docs, {LESSON: b"second"})
    desk.ingest()
    desk.environ["PANAVERSITY_MCP_URL"] = desk.live.url
    write_tree(desk.docs, {LESSON: b"third"})
    assert desk.run("ingest").status == 0
    plan = desk.live.call("plan_build", book_id=desk.book_id).structured
    assert plan["ingest_manifest"] == plan["manifest_hash"]


def test_what_fits_no_tool_is_refused_by_name_before_anything_is_written(desk: Desk) -> None:
    noise = random.Random(1).randbytes(5_000_000)
    write_tree(
        desk.docs,
        {
            "bad.md": b"\xff\xfe",
            "big.png": noise[:4_000_000],
            "huge.png": noise,
            "long.md": b"x" * 4_200_000,
            "ok.md": b"",
        },
    )
    done = desk.ingest("--format", "json")
    assert done.status == 12
    error = json.loads(done.out)["error"]
    assert {one["path"] for one in error["refused"]} == {
        "content/bad.md", "static/img/@/big.png", "static/img/@/huge.png", "content/long.md",
    }  # fmt: skip
    assert set(desk.tools()) == {"plan_build"}


def test_what_no_tool_hands_out_stops_a_hydrate_before_the_folder_changes(desk: Desk) -> None:
    write_tree(desk.docs, {"a.pdf": b"%PDF\xff", "b.zip": b"PK\xff"})
    desk.environ["PANAVERSITY_MCP_URL"] = desk.live.url
    assert desk.run("ingest").status == 0
    desk.environ["PANAVERSITY_MCP_URL"] = desk.stub.url
    done = desk.hydrate()
    assert done.status == 12
    assert "static/slides/@/a.pdf" in done.err
    assert "content/b.zip" in done.err
    assert "hands out. Leave out --via tools.\n" in done.err
    assert desk.hydrated == {}


def test_a_long_text_comes_in_windows_and_whole(desk: Desk) -> None:
    lines = "".join(f"line {number} \r\n" for number in range(150_000)).encode() + b"end"
    write_tree(desk.docs, {"long.md": lines, "one-line.md": b"y" * 1_500_000})
    assert desk.ingest().status == 0
    assert desk.hydrate().status == 0
    assert desk.hydrated == tree_of(desk.docs)


def test_P9_an_interrupted_ingest_is_gone_on_with(desk: Desk) -> None:
    """The gateway goes away after some files; the next run sends the rest only."""
    real, left = desk.stub.script, [5]

    def failing(request: Request) -> Answer:
        left[0] -= 1
        return real(request) if left[0] >= 0 else Answer(200, b"", reset=True, length=10)

    desk.stub.script = failing
    done = desk.ingest()
    assert done.status == 10
    assert "4 of 9 files are in the book" in done.err
    desk.stub.script = real
    desk.stub.requests.clear()
    assert desk.ingest().status == 0
    assert sum(tool in ("write_content", "upload_asset") for tool in desk.tools()) == 5
    assert desk.hydrate().status == 0
    assert desk.hydrated == FILES


@pytest.mark.full
def test_P6_a_lost_answer_of_a_tool_has_one_effect(desk: Desk) -> None:
    real, lost = desk.stub.script, [1]

    def losing(request: Request) -> Answer:
        answer = real(request)
        if request.json()["params"]["name"] == "write_content" and lost:
            lost.pop()
            return Answer(200, b"", reset=True, length=10)
        return answer

    desk.stub.script = losing
    assert desk.ingest().status == 0
    history = desk.live.call("query_audit_log", book_id=desk.book_id, operation="write_content").structured["entries"]
    assert len({entry["path"] for entry in history}) == len(history)


def test_P5_an_agent_who_is_quicker_stops_it_with_11_and_keeps_the_edit(desk: Desk) -> None:
    desk.ingest()
    write_tree(desk.docs, {LESSON: b"author", "README.md": b"author"})
    real = desk.stub.script

    def overtaken(request: Request) -> Answer:
        if request.json()["params"]["name"] == "write_content":
            desk.stub.script = real
            desk.agent(LESSON_PATH, "agent")
        return real(request)

    desk.stub.script = overtaken
    done = desk.ingest()
    assert done.status == 11, done.err
    read = desk.live.call("read_content", book_id=desk.book_id, path=LESSON_PATH).structured
    assert read["content"] == "agent"


def test_a_book_that_moves_on_under_a_hydrate_ends_with_11_and_the_old_tree(desk: Desk) -> None:
    desk.ingest()
    real = desk.stub.script

    def overtaken(request: Request) -> Answer:
        if request.json()["params"]["name"] == "read_content":
            desk.stub.script = real
            desk.agent(LESSON_PATH, "agent")
        return real(request)

    desk.stub.script = overtaken
    assert desk.hydrate().status == 11
    assert desk.hydrated == {}
    assert desk.hydrate().status == 0
    assert desk.hydrated == {**FILES, LESSON: b"agent"}


@pytest.mark.full
def test_a_book_that_nobody_created_says_how_to(tmp_path: Path, live: LiveServer) -> None:
    with gateway(live) as stub:
        desk = Desk(tmp_path, live, stub, numbering=None)
        write_tree(desk.docs, FILES)
        done = desk.ingest()
        assert done.status == 12
        assert "create_book" in done.err
        assert set(desk.tools()) == {"plan_build"}


def test_a_strict_tree_needs_no_created_book(tmp_path: Path, live: LiveServer) -> None:
    strict = {"01-Part/01-Chapter/01-a.md": b"one", "01-Part/01-Chapter/img/d.png": PNG}
    with gateway(live) as stub:
        desk = Desk(tmp_path, live, stub, numbering=None)
        write_tree(desk.docs, strict)
        done = desk.ingest()
        assert done.status == 0, done.err
        assert desk.hydrate().status == 0
        assert desk.hydrated == strict


@pytest.mark.full
def test_a_change_of_numbering_is_refused(desk: Desk) -> None:
    desk.ingest()
    done = desk.ingest("--numbering", "number-name")
    assert done.status == 12
    assert "numbering number-name" in done.err


@pytest.mark.full
def test_scopes_and_manifests_work_without_the_data_plane(desk: Desk) -> None:
    desk.ingest()
    assert desk.hydrate("--scope", "assets").status == 0
    assert set(desk.hydrated) == {path for path in FILES if path.endswith((".png", ".svg"))}
    assert set(desk.tools()) <= SIX


def test_the_environment_can_say_it_for_every_command(desk: Desk) -> None:
    desk.environ["PANAVERSITY_VIA"] = "tools"
    assert desk.run("ingest").status == 0
    assert desk.run("hydrate", "--output-dir", "out").status == 0
    assert desk.run("plan", "--output-dir", "out", "--check").status == 0
    assert {request.path for request in desk.stub.requests} == {"/mcp"}
