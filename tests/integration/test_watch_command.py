"""``panaversity watch`` as an author meets it: a process of its own over a real server, files saved under its eyes."""

import json
import os
import signal
import subprocess
import threading
import time
from queue import Empty, Queue

import pytest

from support.command import COMMAND, clean_environ, panaversity
from support.fake_site import FakeSite
from support.live import LiveServer

STAYS = "import sys, time; print('[SUCCESS] up at port', sys.argv[5], *sys.argv[6:], flush=True); time.sleep(60)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("served") / "store") as server:
        yield server


class Author:
    """A project folder with a running watch; ``rounds`` are what it prints in the machine format."""

    def __init__(self, folder, server, *words):
        self.folder, self.docs, self.out = folder, folder / "docs", folder / "site" / "book"
        environ = clean_environ(PANAVERSITY_MCP_URL=server.url, PATH=f"{folder / 'bin'}:{os.environ['PATH']}")
        with (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [*COMMAND, "watch", "--format", "json", *words],
                cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=err, text=True,
            )  # fmt: skip
        self._lines = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(json.loads(line))

    def round(self, seconds=20):
        try:
            return self._lines.get(timeout=seconds)
        except Empty:
            raise AssertionError(self.said) from None

    def no_round(self, seconds=0.6):
        with pytest.raises(Empty):
            self._lines.get(timeout=seconds)

    def until_quiet(self):
        """Rounds until none comes for a while."""
        while True:
            try:
                yield self._lines.get(timeout=0.6)
            except Empty:
                return

    @property
    def said(self):
        return (self.folder / "err").read_text()

    def await_words(self, words):
        deadline = time.monotonic() + 20
        while words not in self.said:
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def save(self, name, text):
        (self.docs / name).parent.mkdir(parents=True, exist_ok=True)
        (self.docs / name).write_text(text)

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        return self.wait()

    def wait(self):
        status = self.process.wait(20)
        self._reader.join(20)
        self.process.stdout.close()
        return status


def project(tmp_path, book_id):
    fake = FakeSite(tmp_path)
    fake.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", STAYS)
    fake.put("docs/README.md", "# Guide\n")
    for n in range(12):
        fake.put(f"docs/Part-01/{n:02}-lesson.md", f"# {n}\n")
    fake.put("book.toml", f'book_id = "{book_id}"\nsource_dir = "docs"\noutput_dir = "site/book"\nsite_dir = "site"\n')
    return tmp_path


@pytest.fixture(scope="module")
def begin():
    """Starts a watch; none is left running, whatever became of its test."""
    begun = []

    def begin(folder, server, *words):
        begun.append(Author(folder, server, *words))
        return begun[-1]

    yield begin
    for author in begun:
        if author.process.poll() is None:
            author.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def author(tmp_path_factory, server, begin):
    author = begin(project(tmp_path_factory.mktemp("author"), "watched"), server)
    first = author.round()
    assert (first["cause"], first["ingest"]["added"], first["hydrate"]["mode"]) == ("start", 13, "full")
    yield author
    assert author.end() == 130
    assert author.said.rstrip().endswith("watch: ended")


def test_a_saved_lesson_is_in_the_docs_folder_after_one_round(author):
    author.save("README.md", "# Changed\n")
    body = author.round()
    assert (body["cause"], body["ingest"]["updated"], body["hydrate"]["hydrate_files_downloaded"]) == ("change", 1, 1)
    assert (author.out / "README.md").read_text() == "# Changed\n"
    print(f"a round took {body['seconds']} s")


def test_saving_without_a_change_and_working_files_send_nothing(author):
    (author.docs / "README.md").touch()
    author.save("README.md", (author.docs / "README.md").read_text())
    author.save(".README.md.swp", "x")
    author.save("README.md~", "x")
    author.no_round()


def test_bookignore_takes_a_lesson_out_and_gives_it_back(author):
    author.save(".bookignore", "00-lesson.md\n")
    assert author.round()["ingest"]["deleted"] == 1
    assert not (author.out / "Part-01" / "00-lesson.md").exists()
    (author.docs / ".bookignore").unlink()
    assert author.round()["ingest"]["added"] == 1


def test_a_mass_deletion_is_refused_and_the_tree_that_comes_back_is_no_change(author):
    lessons = {path: path.read_bytes() for path in (author.docs / "Part-01").iterdir()}
    for path in lessons:
        path.unlink()
    body = author.round()
    assert body["error"]["exit_status"] == 12
    assert len(list((author.out / "Part-01").iterdir())) == 12
    for path, data in lessons.items():
        path.write_bytes(data)
    body = author.round()
    assert "error" not in body
    assert [body["ingest"][word] for word in ("added", "updated", "deleted")] == [0, 0, 0]


def test_a_refused_name_and_a_conflict_are_shown_and_watching_goes_on(author, server):
    author.save("README.md", "# Mine\n")
    author.round()
    told = server.call("read_content", book_id="watched", path="content/README.md").structured
    answer = server.call(
        "write_content", agent="agent", book_id="watched", path="content/README.md", content="# Theirs\n",
        expected_hash=told["file_hash_sha256"],
    )  # fmt: skip
    assert not answer.is_error
    author.save("README.md", "# Mine again\n")
    assert author.round()["error"]["code"] == "CONFLICT"
    author.save("README.md", "# Mine\n")
    body = author.round()
    assert body["ingest"]["diverged"] == 1
    assert (author.out / "README.md").read_text() == "# Theirs\n"
    os.symlink("README.md", author.docs / "link.md")
    assert author.round()["error"]["exit_status"] == 12
    (author.docs / "link.md").unlink()
    assert "error" not in author.round()


def test_other_settings_are_taken_without_a_new_start(author):
    file = author.folder / "book.toml"
    before = file.read_text()
    file.write_text(before + 'max_deletes = "nonsense"\n')
    assert author.round()["error"]["code"] == "CONFIG_INVALID"
    file.write_text(before + 'max_deletes = "50%"\n')
    assert author.round()["cause"] == "settings"


def test_changes_during_a_round_lead_to_exactly_one_more(author):
    for n in range(30):
        author.save("busy.md", f"# {n}\n")
        time.sleep(0.005)
    bodies = [author.round(), *author.until_quiet()]
    assert (author.out / "busy.md").read_text() == "# 29\n"
    # A file that changes while it is read, again and again, is refused for once, and the next round comes.
    assert {body["error"]["code"] for body in bodies if "error" in body} <= {"SOURCE_REFUSED"}
    assert len(bodies) < 30


def test_serve_runs_docusaurus_start_beside_it_and_takes_it_along(tmp_path, server, begin):
    author = begin(project(tmp_path, "served"), server, "--serve", "--port", "0", "--open", "--poll")
    author.round()
    author.await_words("docusaurus | [SUCCESS] up at port")
    assert "--poll" in author.said
    assert "--no-open" not in author.said
    (node,) = children(author.process.pid)
    author.save("README.md", "# Polled\n")
    assert author.round()["ingest"]["updated"] == 1
    assert author.end(signal.SIGTERM) == 130
    assert not os.path.exists(f"/proc/{node}")


def test_a_site_server_that_dies_ends_the_watch_with_status_14(tmp_path, server, begin):
    author = begin(project(tmp_path, "mortal"), server, "--serve")
    author.round()
    author.await_words("[SUCCESS]")
    (node,) = children(author.process.pid)
    os.kill(node, signal.SIGKILL)
    body = author.round()
    assert body["error"]["exit_status"] == 14
    assert "was ended by signal 9" in body["error"]["message"]
    assert author.wait() == 14


@pytest.mark.full
def test_a_terminal_that_is_closed_takes_everything_along(tmp_path, server, begin):
    author = begin(project(tmp_path, "closed"), server, "--serve")
    author.round()
    author.await_words("[SUCCESS]")
    (node,) = children(author.process.pid)
    assert author.end(signal.SIGHUP) == 130
    assert not os.path.exists(f"/proc/{node}")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(one) for one in file.read().split()]


@pytest.mark.full
def test_a_server_that_comes_back_is_found_without_an_edit(tmp_path, begin):
    with LiveServer(tmp_path / "store") as server:
        address = server.url
    author = begin(project(tmp_path / "p", "away"), server)
    assert author.round()["error"]["exit_status"] == 10
    with LiveServer(tmp_path / "store", arguments=["--port", address.rpartition(":")[2]]):
        while "error" in (body := author.round()):  # the retry met a server that was only just starting
            assert body["error"]["exit_status"] == 10
        assert (body["cause"], body["ingest"]["added"]) == ("retry", 13)
        assert author.end() == 130


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--port", "3000"], 2, "--port and --open go with --serve"),
        (["--source-dir", "nowhere", "--book-id", "b2"], 12, "is no folder"),
        ([], 15, "book_id: is not set"),
        (["--book-id", "b2", "--source-dir", ".", "--serve"], 15, "holds no docusaurus.config file"),
    ],
)
def test_what_cannot_be_watched_ends_at_once_with_a_sentence(tmp_path, words, status, said):
    outcome = panaversity("watch", *words, cwd=tmp_path, timeout=90)
    assert (outcome.status, said in outcome.err) == (status, True), outcome.err
