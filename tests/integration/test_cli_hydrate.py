"""``panaversity hydrate`` and ``plan`` as their user meets them: words in; status, stdout, stderr and a folder out.

Options of FR-102 to FR-107, the edit policies (F51), two at once (F54), the cache and ``--offline``. The commands run
in this process over a simulated server; the last test runs them as processes over a real one.
"""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from panaversity_builder.client.offline import NoServer
from panaversity_fs.core.digest import digest_of
from support.command import COMMAND, Outcome, clean_environ, in_process, panaversity
from support.hydrated import tree_of
from support.live import LiveServer
from support.simulator import Simulator

LESSON, IMAGE, STORED = (
    "01-Part/01-Chapter/01-one.md",
    "01-Part/01-Chapter/img/d.png",
    "content/01-Part/01-Chapter/01-one.md",
)
FILES = {
    LESSON: b"# One\r\n",
    "01-Part/01-Chapter/02-two.md": b"# Two\n",
    IMAGE: b"\x89PNG",
    "README.md": b"# Sample\n",
}


class Project:
    """A folder with an author's docs, a book on a server, and the words of the command."""

    def __init__(self, place: Path) -> None:
        self.place, self.out, self.source = place, place / "book", place / "docs"
        self.server = Simulator()
        self.environ = clean_environ(
            PANAVERSITY_MCP_URL="http://127.0.0.1:9", PANAVERSITY_BOOK_ID="sample", PANAVERSITY_SOURCE_DIR="docs",
            PANAVERSITY_OUTPUT_DIR="book", PANAVERSITY_CACHE_DIR="cache", PANAVERSITY_CACHE_SIZE="10M",
        )  # fmt: skip
        (place / ".git").mkdir(parents=True)
        for path, data in FILES.items():
            (self.source / path).parent.mkdir(parents=True, exist_ok=True)
            (self.source / path).write_bytes(data)

    def run(self, *words: str, **environ: str) -> Outcome:
        away = "--offline" in words or "PANAVERSITY_OFFLINE" in environ
        server = NoServer() if away else self.server
        return in_process(server, *words, cwd=self.place, environ={**self.environ, **environ})

    def json(self, *words: str, **environ: str) -> dict[str, object]:
        outcome = self.run(*words, "--format", "json", **environ)
        answer = json.loads(outcome.out)
        assert next(iter(answer)) == "schema_version"
        return dict(answer)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    assert project.run("ingest").status == 0
    assert project.run("hydrate").status == 0
    return project


def test_FR_107_scope_tree_and_verify_each_make_the_folder_they_name(project: Project) -> None:
    assert tree_of(project.out) == FILES
    assert project.json("hydrate", "--scope", "content")["deleted"] == 1
    assert IMAGE not in tree_of(project.out)
    assert project.json("plan", "--scope", "assets")["reason"] == "the folder holds scope content, assets was asked for"
    assert project.run("hydrate", "--scope", "assets").status == 0
    assert set(tree_of(project.out)) == {IMAGE}
    assert project.json("hydrate", "--tree", "storage")["mode"] == "full"
    assert tree_of(project.out)[STORED] == FILES[LESSON]
    plan = project.run("plan", "--check")
    assert plan.status == 1
    assert f"D {STORED}" in plan.out
    answer = project.json("hydrate")
    assert answer["reason"] == "the folder is laid out as storage tree, source was asked for"
    assert (answer["hydrate_files_downloaded"], answer["as_of"]) == (0, None)
    assert tree_of(project.out) == FILES
    assert project.json("hydrate", "--verify")["mode"] == "unchanged"
    assert project.run("plan", "--check").status == 0
    for words in (("hydrate", "--scope", "some"), ("hydrate", "--tree", "none"), ("hydrate", "--on-edit", "guess")):
        assert project.run(*words).status == 2


def test_F51_the_edit_policies_and_backups_that_are_never_ingested(project: Project) -> None:
    (project.out / LESSON).write_bytes(b"edited in the output")
    stopped = project.run("hydrate")
    assert stopped.status == 3
    assert f"{LESSON} was edited" in stopped.err
    assert project.run("plan", "--check").status == 1
    done = project.run("hydrate", "--on-edit", "backup", "--format", "json")
    assert json.loads(done.out)["unchanged"] == 3
    assert (
        f"1 edited file is kept in {project.out}/.panaversity/edits: 0-01-Part~01-Chapter~01-one.md.edited" in done.err
    )
    [kept] = (project.out / ".panaversity" / "edits").iterdir()
    assert kept.name == "0-01-Part~01-Chapter~01-one.md.edited"
    assert kept.read_bytes() == b"edited in the output"
    assert tree_of(project.out) == FILES
    (project.out / "notes.md").write_bytes(b"the author's own")
    answer = project.json("ingest", "--source-dir", "book", "--dry-run", PANAVERSITY_OUTPUT_DIR="elsewhere")
    assert [file["path"] for file in answer["files"]] == ["content/notes.md"]  # type: ignore[attr-defined]
    assert "edits" not in json.dumps(answer["files"])
    (project.out / LESSON).write_bytes(b"edited again")
    assert project.run("hydrate", PANAVERSITY_ON_EDIT="overwrite").status == 0
    assert tree_of(project.out) == {**FILES, "notes.md": b"the author's own"}


def test_F54_a_folder_in_use_is_exit_5_with_the_name_of_its_holder(project: Project) -> None:
    with open(project.out / ".panaversity" / "lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("process 4711 on somewhere")
        lock.flush()
        locked = project.run("hydrate")
        assert locked.status == 5
        assert "process 4711 on somewhere" in locked.err
        assert project.run("plan").status == 0  # it only looks


def test_offline_needs_no_server_and_says_as_of_when(project: Project) -> None:
    shutil.rmtree(project.out)
    plan = project.run("plan", "--offline")
    assert plan.status == 0
    assert "4 files would change; 4 from the cache, 0 files not on this machine" in plan.out
    answer = project.json("hydrate", "--offline")
    assert (answer["mode"], answer["added"], answer["requests"], answer["files_from_cache"]) == ("offline", 4, 0, 4)
    assert str(answer["as_of"]).endswith("Z")
    assert tree_of(project.out) == FILES
    again = project.run("hydrate", PANAVERSITY_OFFLINE="1")
    assert again.status == 0
    assert again.out.splitlines()[0].endswith("offline, no file changed (4 files as they were)")
    assert "the server was not asked" in again.out
    assert "unchanged" not in again.out
    refused = project.run("hydrate", "--offline", "--full-rebuild")
    assert (refused.status, "--offline forbids" in refused.err) == (2, True)
    for command in ("ingest", "build"):
        outcome = project.run(command, PANAVERSITY_OFFLINE="1")
        assert outcome.status == 10, outcome.err
        assert "told to work offline" in outcome.err


def test_offline_with_a_missing_blob_exits_10_and_says_how_many_and_what_to_do(project: Project) -> None:
    shutil.rmtree(project.out)
    for path in (LESSON, IMAGE):
        (project.place / "cache" / "blobs" / digest_of(FILES[path])).unlink()
    outcome = project.run("hydrate", "--offline")
    assert outcome.status == 10
    assert "2 blobs are neither in the folder nor in the cache" in outcome.err
    assert "Run it once without --offline" in outcome.err
    assert tree_of(project.out) == {}
    assert project.run("hydrate").status == 0
    assert tree_of(project.out) == FILES
    other = project.run("hydrate", "--offline", PANAVERSITY_BOOK_ID="never-seen", PANAVERSITY_OUTPUT_DIR="other")
    assert other.status == 10
    assert "no manifest of this book is known here" in other.err


def test_a_second_checkout_takes_from_the_cache_and_a_size_of_0_switches_it_off(project: Project) -> None:
    second = project.json("hydrate", "--output-dir", "second")
    assert (second["hydrate_files_downloaded"], second["files_from_cache"]) == (0, 4)
    line = project.run("hydrate", "--output-dir", "third").out.splitlines()[0]
    assert "0 files downloaded, 4 from the cache" in line
    third = project.json("hydrate", "--output-dir", "fourth", PANAVERSITY_CACHE_SIZE="0")
    assert (third["hydrate_files_downloaded"], third["files_from_cache"]) == (4, 0)
    wrong = project.run("hydrate", PANAVERSITY_CACHE_SIZE="much")
    assert (wrong.status, "is not a size like 512M or 2G" in wrong.err) == (15, True)


def test_a_cache_that_cannot_be_written_is_one_warning(project: Project) -> None:
    (project.place / "blocked").write_bytes(b"a file")
    outcome = project.run("hydrate", "--output-dir", "second", PANAVERSITY_CACHE_DIR="blocked")
    assert outcome.status == 0
    assert outcome.err.count("cannot be written") == 1
    assert tree_of(project.place / "second") == FILES


def test_F49_a_folder_of_another_server_is_judged_anew(project: Project) -> None:
    project.server = Simulator("another")
    there = {"PANAVERSITY_MCP_URL": "http://127.0.0.1:10"}
    missing = project.run("hydrate", **there)
    assert missing.status == 2
    assert "no such book on this server" in missing.err
    (project.source / LESSON).write_bytes(b"# One, elsewhere\n")
    assert project.run("ingest", **there).status == 0
    answer = project.json("hydrate", **there)
    assert answer["reason"] == "the folder was hydrated from another store"
    assert answer["updated"] == 1
    assert (project.out / LESSON).read_bytes() == b"# One, elsewhere\n"


def test_F54_processes_at_once_then_offline_when_the_server_is_gone(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    with LiveServer(tmp_path / "store") as live:
        project.environ["PANAVERSITY_MCP_URL"] = live.url
        assert panaversity("ingest", cwd=project.place, environ=project.environ).status == 0
        racing = [
            subprocess.Popen(
                [*COMMAND, "hydrate", "-q"], cwd=project.place, env=project.environ, stderr=subprocess.DEVNULL
            )
            for _ in range(3)
        ]
        ends = [one.wait(60) for one in racing]
        assert 0 in ends
        assert set(ends) <= {0, 5}
        assert tree_of(project.out) == FILES
    shutil.rmtree(project.out)
    outcome = panaversity("hydrate", "--offline", cwd=project.place, environ=project.environ)
    assert (outcome.status, outcome.err) == (0, "")
    assert "offline, 4 added" in outcome.out
    assert tree_of(project.out) == FILES
