"""A build that is stopped in the middle, politely or not: the next one goes on at its phase. Real processes."""

import json
import os
import signal
import subprocess
import time

import pytest

from support.command import COMMAND, clean_environ, panaversity
from support.fake_site import DOCUSAURUS, FakeSite

SLOW = """
import os, time
os.makedirs("build", exist_ok=True)
open("build/half.html", "w").write("half")
open("../begun.txt", "w").write(str(os.getpid()))
while not os.path.exists("../go.txt"):
    time.sleep(0.02)
"""
"""A Docusaurus that stops half-way until it may go on."""


class Project:
    """A source, a site whose Docusaurus takes its time, and the embedded server."""

    def __init__(self, place):
        self.place, self.site = place, FakeSite(place)
        self.site.put("docs/README.md", "# Guide")
        self.site.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", SLOW + DOCUSAURUS)
        (place / "book.toml").write_text('book_id = "guide"\nsource_dir = "docs"\nsite_dir = "site"\n')
        self.environ = clean_environ(**self.site.environ, XDG_CACHE_HOME=str(place / "cache"))

    def start(self):
        """A build that has come to Docusaurus, and Docusaurus' process id."""
        build = subprocess.Popen(
            [*COMMAND, "build"], cwd=self.place, env=self.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        begun = self.place / "begun.txt"
        wait_until(lambda: begun.exists() and begun.read_text())
        return build, int(begun.read_text())

    def release(self):
        (self.place / "go.txt").write_text("")

    def build(self):
        outcome = panaversity("build", "--format", "json", cwd=self.place, environ=self.environ)
        return outcome.status, json.loads(outcome.out)


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def resumed(project):
    """The next build does what was left, and nothing twice."""
    project.release()
    status, body = project.build()
    assert status == 0, body
    assert (body["ingest_files_changed"], body["hydrate_files_downloaded"]) == (0, 0)
    assert [p["reason"] for p in body["phases"]] == ["always runs"] * 4 + ["never built"]
    assert set(project.site.built()) == {"README.md", "index.html"}, "nothing of the half site is left"


@pytest.mark.full
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_build_leaves_with_130_ends_docusaurus_and_resumes_at_its_phase(project, signum):
    build, docusaurus = project.start()
    build.send_signal(signum)
    _, said = build.communicate(timeout=30)
    assert build.returncode == 130
    assert "interrupted; run the same command again to go on" in said
    with pytest.raises(ProcessLookupError):
        os.kill(docusaurus, 0)
    report = json.loads((project.place / ".panaversity/report.json").read_text())
    assert (report["status"], report["phases"][-1]["state"]) == ("failed", "failed")
    resumed(project)


def test_F5_a_killed_build_keeps_the_site_locked_until_its_docusaurus_ends_then_resumes(project):
    build, docusaurus = project.start()
    build.kill()
    build.communicate(timeout=30)
    status, body = project.build()
    assert (status, body["error"]["code"]) == (5, "OUTPUT_LOCKED")
    os.kill(docusaurus, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{docusaurus}") or "Z" in state_of(docusaurus))
    resumed(project)


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


@pytest.mark.full
def test_of_two_builds_at_once_the_second_leaves_with_5_and_disturbs_nothing(project):
    build, _ = project.start()
    status, body = project.build()
    assert (status, body["error"]["code"]) == (5, "OUTPUT_LOCKED")
    project.release()
    out, _ = build.communicate(timeout=30)
    assert build.returncode == 0
    assert "site built" in out
    assert project.site.runs == 1
