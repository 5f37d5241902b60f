"""Manifests through the real command: two servers side by side, a folder that coreutils checks, a book's revisions."""

import contextlib
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from panaversity_builder.cli import run
from panaversity_builder.client import Client
from panaversity_builder.console import Console
from support.command import Outcome, clean_environ, panaversity
from support.live import LiveServer
from support.stub_server import Answer, stub_server

BOOK, TOKEN = "guide", "a-token-of-the-configured-server"
FILES = {
    "README.md": b"# Guide\n",
    "01-Part/01-Chapter/01-one.md": b"# One\r\nsame\r\n",
    "01-Part/01-Chapter/02-two.md": b"# Two",
    "01-Part/01-Chapter/img/d.png": b"\x89PNG\0one",
    "01-Part/02-Chapter/01-old.md": b"to be moved\n",
}
CHANGED = {
    "01-Part/01-Chapter/01-one.md": b"# One\nsame\r\nmore\n",
    "01-Part/02-Chapter/02-new.md": b"new\n",
}


@dataclass
class Project:
    """A site with a source, a docs folder and a server of its own."""

    place: Path
    url: str

    def put(self, files: dict[str, bytes]) -> None:
        for path, data in files.items():
            file = self.place / "docs" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def run(self, *words: str, process: bool = False, **more: str) -> Outcome:
        """The whole command with its own connections; in a process of its own if that is asked for."""
        setting = {"PANAVERSITY_MCP_URL": self.url, "PANAVERSITY_BOOK_ID": BOOK, "PANAVERSITY_AGENT_ID": "author"}
        environ = clean_environ(**(setting | more))
        if process:
            return panaversity(*words, cwd=self.place, environ=environ)
        out, err = io.StringIO(), io.StringIO()
        with patch.dict(os.environ, environ, clear=True), contextlib.chdir(self.place):
            status = run(words, Console(out, err, environ))
        return Outcome(status, out.getvalue(), err.getvalue())

    def done(self, *words: str) -> str:
        """The output of a command that has to go well."""
        outcome = self.run(*words)
        assert outcome.status == 0, outcome.err
        return outcome.out


def project(place: Path, server: LiveServer, files: dict[str, bytes]) -> Project:
    """A project that was ingested."""
    (place / ".git").mkdir(parents=True)
    (place / "docusaurus.config.js").write_text("")
    made = Project(place, server.url)
    made.put(files)
    made.done("ingest")
    return made


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Project]]:
    """The same book on two servers; the second differs in three files: one changed, one added, one deleted."""
    home = tmp_path_factory.mktemp("two")
    with LiveServer(home / "store-a") as first, LiveServer(home / "store-b") as second:
        other = {path: data for path, data in (FILES | CHANGED).items() if path != "README.md"}
        yield project(home / "a", first, FILES), project(home / "b", second, other)


def test_Show_two_servers_that_differ_in_three_files_name_exactly_these(places: tuple[Project, Project]) -> None:
    a, b = places
    words = ("manifest", "diff", f"{a.url}#{BOOK}", f"{b.url}/mcp#{BOOK}")
    found = a.run(*words, "--name-status", "--exit-code", process=True)
    assert (found.status, found.out) == (
        1,
        "M\tcontent/01-Part/01-Chapter/01-one.md\n"
        "A\tcontent/01-Part/02-Chapter/02-new.md\n"
        "D\tcontent/README.md\n",
    )  # fmt: skip
    quiet = a.run(*words, "--quiet", process=True)
    assert (quiet.status, quiet.out, quiet.err) == (1, "", "")
    same = a.run("manifest", "diff", "remote", f"{a.url}#{BOOK}", "--exit-code")
    assert (same.status, same.out) == (0, "")
    assert a.run("manifest", "diff", "remote", f"{b.url}#nobody").status == 2


def test_the_content_of_two_servers_is_compared_line_by_line(places: tuple[Project, Project]) -> None:
    a, b = places
    told = a.done("manifest", "diff", "remote", f"{b.url}#{BOOK}", "--content")
    assert told.splitlines() == [
        "--- a/content/01-Part/01-Chapter/01-one.md",
        "+++ b/content/01-Part/01-Chapter/01-one.md",
        "@@ -1,2 +1,3 @@",
        "-# One^M",
        "+# One",
        " same^M",
        "+more",
        "--- /dev/null",
        "+++ b/content/01-Part/02-Chapter/02-new.md",
        "@@ -0,0 +1 @@",
        "+new",
        "--- a/content/README.md",
        "+++ /dev/null",
        "@@ -1 +0,0 @@",
        "-# Guide",
        "3 files differ: 1 added, 1 modified, 1 deleted; 3 alike; 3 lines added, 2 removed",
    ]
    body = json.loads(a.done("manifest", "diff", "remote", f"{b.url}#{BOOK}", "--content", "--format", "json"))
    assert body["files"][0]["diff"].count("\r\n") == 2
    assert body["files"][0]["content"] == "text"
    stat = a.done("manifest", "diff", "remote", f"{b.url}#{BOOK}", "--stat", "--", "content/01-Part/01-Chapter")
    assert stat.startswith(" content/01-Part/01-Chapter/01-one.md | 3 ++-\n1 file differs")


def test_coreutils_verifies_an_export_and_sees_a_changed_byte(places: tuple[Project, Project], tmp_path: Path) -> None:
    a, _ = places
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("no sha256sum on this machine")

    def checked(folder: Path, sums: str) -> "subprocess.CompletedProcess[str]":
        check = [tool, "--check", "--strict", "--quiet"]
        return subprocess.run(check, cwd=folder, input=sums, capture_output=True, text=True, check=False)

    a.done("hydrate")
    book, lesson = a.place / "book", a.place / "book" / "01-Part/01-Chapter/02-two.md"
    exported = a.done("manifest", "export")
    assert len(exported.splitlines()) == len(FILES)
    assert checked(book, exported).returncode == 0
    assert checked(book, a.done("manifest", "export", "remote")).returncode == 0
    lesson.write_bytes(b"# Twp")
    failed = checked(book, exported)
    assert failed.returncode == 1
    assert "02-two.md: FAILED" in failed.stdout
    lesson.write_bytes(FILES["01-Part/01-Chapter/02-two.md"])

    stored = tmp_path / "stored"
    a.done("hydrate", "--output-dir", str(stored), "--tree", "storage", "--scope", "content")
    a.done("manifest", "export", f"local:{stored}", "--output", str(tmp_path / "SUMS"))
    sums = (tmp_path / "SUMS").read_text()
    assert len(sums.splitlines()) == len(FILES) - 1
    assert checked(stored, sums).returncode == 0
    a.done("manifest", "export", "remote", "--tree", "storage", "--output", str(tmp_path / "ALL"))
    assert a.run("manifest", "diff", str(tmp_path / "ALL"), "remote", "--exit-code").status == 0
    unwritable = a.run("manifest", "export", "--output", str(tmp_path / "no" / "where"))
    assert (unwritable.status, "cannot be written" in unwritable.err) == (2, True)


def test_the_log_tells_every_revision_and_a_hash_that_diff_takes(places: tuple[Project, Project]) -> None:
    _, b = places
    agents = "content/01-Part/01-Chapter/09-agent.md"
    with Client(b.url, "some-agent") as client:
        client.call("write_content", {"book_id": BOOK, "path": agents, "content": "by an agent\n"})
    first, second = json.loads(b.done("manifest", "log", "--format", "json"))["revisions"]
    assert (first["agent"], first["added"], first["bytes_written"], first["operation"]) == (
        "some-agent", 1, 12, "write_content",
    )  # fmt: skip
    assert (second["agent"], second["added"], second["modified"]) == ("author", 5, 0)
    lines = b.done("manifest", "log").splitlines()
    assert lines[0].startswith("2  20")
    newest = b.run("manifest", "log", "--limit", "1")
    assert newest.out.split() == lines[0].split()
    cursor = newest.err.strip().rpartition(" ")[2]
    assert b.done("manifest", "log", "--cursor", cursor).split() == lines[1].split()
    before = lines[1].split()[-1]
    assert b.done("manifest", "diff", before, "remote", "--name-only") == agents + "\n"
    told = b.done("manifest", "status", "--no-output")
    assert told == ".A 01-Part/01-Chapter/09-agent.md\n"
    assert b.run("manifest", "status", "--exit-code").status == 1


def test_a_token_goes_to_the_configured_server_only(places: tuple[Project, Project]) -> None:
    a, _ = places
    with stub_server(Answer(403)) as stub:
        words = ("manifest", "diff", "empty")
        for login in ("", "me:other@"):
            foreign = stub.url.replace("//", f"//{login}")
            outcome = a.run(*words, f"{foreign}#{BOOK}", PANAVERSITY_TOKEN=TOKEN)
            assert (outcome.status, TOKEN in outcome.out + outcome.err, "other" in outcome.err) == (16, False, False)
        assert TOKEN not in str([request.headers for request in stub.requests])
        stub.requests.clear()
        settings = {"PANAVERSITY_TOKEN": TOKEN, "PANAVERSITY_MCP_URL": stub.url}
        for operand in ("remote", f"{stub.url}/mcp#{BOOK}", f"{stub.url.replace('//', '//me:other@')}#{BOOK}"):
            outcome = a.run(*words, operand, **settings)
            assert (outcome.status, TOKEN in outcome.out + outcome.err) == (16, False)
        sent = [request.headers["authorization"].split()[0] for request in stub.requests]
        assert sent == ["Bearer", "Bearer", "Basic"]


def test_every_form_of_answer_and_every_wrong_word(places: tuple[Project, Project]) -> None:
    a, b = places
    words = ("manifest", "diff", "remote", f"{b.url}#{BOOK}")
    page = a.done(*words, "--format", "markdown")
    job = a.run(*words, "--format", "github", GITHUB_STEP_SUMMARY=str(a.place / "summary.md"))
    assert (job.status, (a.place / "summary.md").read_text()) == (0, page)
    assert "| M | `content/01-Part/01-Chapter/01-one.md` |" in page
    assert a.done(*words, "--name-only", "-z").split("\0")[0] == "content/01-Part/01-Chapter/01-one.md"
    unknown = a.run("manifest", "diff", "f" * 64, "remote")
    assert unknown.status == 2
    assert "Operands: remote" in unknown.err
    for odd in (["--stat", "--content"], ["-z"], ["-z", "--stat"]):
        assert a.run("manifest", "diff", "empty", "empty", *odd).status == 2


def test_every_option_of_the_manifest_commands_does_what_its_help_says(
    places: tuple[Project, Project], tmp_path: Path
) -> None:
    a, b = places
    out = tmp_path / "out"
    moved = tmp_path / "moved.json"
    where = ("--output-dir", str(out), "--manifest-file", str(moved))
    a.done("hydrate", *where)
    other = f"{b.url}#{BOOK}"
    assert a.done("manifest", "diff", *where, "--name-only") == ""
    assert a.done("manifest", "diff", "remote", other, "--scope", "assets", "--name-only") == ""
    assert a.run("manifest", "diff", "remote", other, "--scope", "assets").err.endswith(
        "among what was asked for; they differ elsewhere, first at content/01-Part/01-Chapter/01-one.md\n"
    )
    assert a.done("manifest", "diff", "empty", "remote", "--scope", "assets").startswith("A\tstatic/img/")
    assert "manifest diff: remote: " in a.run("manifest", "diff", "empty", "remote", "-v").err

    listed = tmp_path / "SUMS"
    a.done("manifest", "export", "remote", "--numbering", "name-number", "--output", str(listed))
    assert "Part-01/Chapter-01/01-one.md" in listed.read_text()
    words = ("manifest", "diff", str(listed), "remote", "--numbering", "name-number", "--tree", "source")
    assert a.run(*words, "--exit-code").status == 0

    shown = a.done("manifest", "show", "local", *where)
    assert shown == a.done("manifest", "show", "remote", "--server-url", a.url, "--book-id", BOOK)
    body = json.loads(a.done("manifest", "show", "--format", "json"))
    assert [f"{file['path']}:{file['sha256']}" for file in body["files"]] == shown.splitlines()
    body = json.loads(a.done("manifest", "export", "remote", "--scope", "content", "--format", "json"))
    assert (body["file_count"], len(body["files"])) == (len(FILES) - 1, len(FILES) - 1)

    status = json.loads(a.done("manifest", "status", *where, "--exit-code", "--format", "json"))
    assert (status["changed"], status["output"]["state"], status["unchanged"]) == (False, "current", len(FILES))
    settings = ("--schema", "docusaurus", "--numbering", "name-number", "--source-dir", "docs", "--accept-rollback")
    renamed = a.run("manifest", "status", "--no-output", *settings, "--exit-code")
    assert (renamed.status, "are to be named name-number" in renamed.err) == (1, True)
    assert (
        a.run("manifest", "status", *where).err
        == f"manifest status: {BOOK}: everything is alike (5 files, revision 1)\n"
    )
    assert a.run("manifest", "log", "--limit", "0").status == 2
