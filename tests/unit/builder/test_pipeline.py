"""The book's lifecycle over real folders, with doors of a few lines in place of a server."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

import pytest

from panaversity_builder.book.pipeline import BookBuild, BuildOptions, Doors
from panaversity_builder.book.site import Site
from panaversity_builder.book.site_phase import build_lock, site_build_dir
from panaversity_builder.progress import SILENT, Silent
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import Conflict, OutputLocked, PhaseFailed
from panaversity_fs.core.mapping import Numbering
from support.fake_site import FakeSite


@dataclass
class Answer:
    """What ingest, plan and hydrate answer, as far as the pipeline looks."""

    manifest_hash: str
    numbering: Numbering | None = Numbering.NUMBER_NAME
    body: dict = field(default_factory=dict)
    metadata_digest: str | None = None

    def to_json(self):
        return self.body


class Heard(Silent):
    """Keeps the warnings."""

    def __init__(self, warnings):
        self.warnings = warnings

    def warn(self, text):
        self.warnings.append(text)


class Desk:
    """An author's files, a site, and doors that copy the one into the other."""

    def __init__(self, place):
        self.site = FakeSite(place)
        self.files = {"a.md": "one", "b.md": "two"}
        self.numbering, self.metadata = Numbering.NUMBER_NAME, None
        self.events, self.fulls = [], []
        self.refusal = None
        self.progress = SILENT

    def doors(self):
        return Doors(self.scan, self.ingest, lambda: Answer(self.scan()), self.hydrate)

    def scan(self):
        return digest_of(repr(sorted(self.files.items())).encode())

    def ingest(self):
        if self.refusal:
            raise self.refusal
        return Answer(self.scan(), body={"added": 1, "updated": 2, "deleted": 0})

    def hydrate(self, full):
        self.fulls.append(full)
        shutil.rmtree(self.site.docs, ignore_errors=True)
        for name, text in self.files.items():
            self.site.put(f"site/book/{name}", text)
        self.site.put("site/book/.panaversity/manifest.json", "{}")
        body = {"mode": "delta", "reason": "why", "hydrate_files_downloaded": 3, "hydrate_bytes_transferred": 99}
        return Answer(self.scan(), self.numbering, body, self.metadata)

    def build(self, **more):
        self.events = []
        site = Site(str(self.site.folder), str(self.site.docs), self.site.environ)
        options = BuildOptions("guide", site, str(self.site.place / ".panaversity"), "1.0", **more)
        self.run = BookBuild(options, self.doors(), self.progress)
        return self.run.run(self.events.append)

    @property
    def last(self):
        return self.run.results[-1]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_a_build_runs_five_phases_and_a_second_one_leaves_docusaurus_alone(desk):
    desk.build()
    assert [r.phase.name for r in desk.run.results] == ["author", "ingest", "plan_build", "hydrate", "docusaurus"]
    assert (desk.site.runs, desk.last.note) == (1, "never built")
    desk.build()
    assert (desk.site.runs, desk.last.state, desk.last.note) == (1, "cached", "unchanged")


def test_a_changed_lesson_runs_docusaurus_and_says_why(desk):
    desk.build()
    desk.files["a.md"] = "other"
    desk.build()
    assert desk.site.runs == 2
    assert desk.last.note.startswith("previous phase changed (")
    assert desk.site.built()["a.md"] == "other"


def test_a_changed_configuration_runs_only_the_site_and_names_what_changed(desk):
    desk.build()
    desk.site.put("site/docusaurus.config.js", "export default {title: 'x'}")
    desk.build()
    assert desk.site.runs == 2
    assert desk.last.note.startswith("changed: configuration (")


def test_another_node_runs_the_site_again(desk):
    desk.build()
    desk.site.environ["FAKE_NODE_VERSION"] = "v22.0.0"
    desk.build()
    assert desk.last.note == "changed: node (v20.0.0 → v22.0.0)"


def test_an_authors_own_file_in_the_docs_counts_and_build_state_does_not(desk):
    desk.build()
    desk.files["foreign.md"] = "mine"
    desk.build()
    assert desk.site.runs == 2


def test_numbering_is_an_input_of_the_site(desk):
    desk.build()
    desk.numbering = Numbering.NAME_NUMBER
    desk.build()
    assert desk.site.runs == 2


def test_other_last_updated_data_is_another_site_where_it_is_shown(desk):
    desk.build()
    for metadata, runs in (("a" * 64, 2), ("a" * 64, 2), ("b" * 64, 3), (None, 3)):
        desk.metadata = metadata
        desk.build()
        assert desk.site.runs == runs


@pytest.mark.parametrize("harm", ["missing", "altered", "grown"])
def test_a_built_folder_that_was_touched_is_restored_not_built(desk, harm):
    desk.build()
    built = desk.site.built()
    if harm == "missing":
        shutil.rmtree(desk.site.folder / "build")
    else:
        desk.site.put("site/build/" + ("index.html" if harm == "altered" else "stray.html"), "touched")
    desk.build()
    state = "missing" if harm == "missing" else "altered"
    assert (desk.site.runs, desk.last.note) == (1, f"restored: the built folder was {state}")
    assert desk.site.built() == built


def test_going_back_to_what_was_built_before_restores_it(desk):
    desk.build()
    first = desk.site.built()
    desk.files["a.md"] = "other"
    desk.build()
    desk.files["a.md"] = "one"
    desk.build()
    assert (desk.site.runs, desk.last.state) == (2, "cached")
    assert desk.site.built() == first


def test_without_a_copy_a_missing_built_folder_is_built_again(desk):
    desk.build()
    shutil.rmtree(desk.site.folder / "build")
    shutil.rmtree(desk.run.options.build_dir + "/kept")
    desk.build()
    assert desk.site.runs == 2
    assert desk.last.note == "snapshot gone (the built folder is missing, no copy is kept)"


def test_a_damaged_copy_is_not_restored(desk):
    desk.build()
    shutil.rmtree(desk.site.folder / "build")
    kept = next(p for p in desk.site.place.glob(".panaversity/build/*/kept/*/a.md"))
    kept.write_text("rotten")
    desk.build()
    assert (desk.site.runs, desk.last.note) == (
        2,
        "snapshot gone (the built folder is missing, the kept copy was damaged)",
    )
    assert desk.site.built()["a.md"] == "one"


def test_rebuild_docusaurus_runs_it_whatever_is_kept(desk):
    desk.build()
    desk.build(rebuild=["docusaurus"])
    assert (desk.site.runs, desk.last.note) == (2, "rebuild requested")
    assert desk.fulls == [False, False]


def test_rebuild_hydrate_starts_it_from_nothing_and_cuts_off_before_the_site(desk):
    desk.build()
    desk.build(rebuild=["4"])
    assert desk.fulls == [False, True]
    assert desk.site.runs == 1


def test_until_hydrate_needs_no_site(desk):
    shutil.rmtree(desk.site.folder)
    desk.build(until="hydrate")
    assert [r.phase.id for r in desk.run.results] == ["1", "2", "3", "4"]


def test_a_failing_site_names_the_log_and_the_next_build_resumes(desk):
    desk.build()
    desk.files["broken.md"] = "{"
    with pytest.raises(PhaseFailed, match="status 1") as caught:
        desk.build()
    assert "broken.md: MDX compilation failed" in caught.value.details["log_tail"]
    assert desk.events[-1].kind == "failed"
    assert desk.run.report.phases[-1]["state"] == "failed"
    del desk.files["broken.md"]
    desk.build()
    assert desk.last.note == "restored: the built folder was missing"
    assert desk.site.built()["a.md"] == "one"


def test_a_refused_ingest_keeps_its_status_and_the_site_as_it_was(desk):
    desk.build()
    before = desk.site.built()
    desk.refusal = Conflict("ingest", "guide", "changed on both sides")
    with pytest.raises(Conflict):
        desk.build()
    assert desk.site.built() == before
    assert [e.phase.name for e in desk.events if e.kind == "start"] == ["author", "ingest"]


def test_docs_that_change_while_the_site_is_built_are_not_remembered_as_built(desk):
    desk.site.put(
        "node_modules/@docusaurus/core/bin/docusaurus.mjs",
        "import os\nos.makedirs('build')\nopen('book/a.md', 'w').write('meanwhile')",
    )
    with pytest.raises(PhaseFailed, match="changed while the site was built"):
        desk.build()


def test_two_builds_of_one_site_do_not_run_at_once(desk):
    desk.build()
    with build_lock(desk.run.options.build_dir, "site"), pytest.raises(OutputLocked) as caught:
        desk.build()
    assert caught.value.exit_status == 5
    desk.build()


def test_a_site_stays_locked_while_a_build_whose_owner_was_killed_still_runs(desk):
    desk.build()
    options = desk.run.options
    code = (
        "import fcntl, os, subprocess, sys, time\n"
        "from panaversity_builder.book.site_phase import build_lock\n"
        "with build_lock(sys.argv[1], 'site') as lock:\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], pass_fds=(lock,))\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, options.build_dir], stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        owner.kill()
        owner.wait()
        try:
            with pytest.raises(OutputLocked):
                desk.build()
        finally:
            os.kill(child, signal.SIGKILL)
    end = time.monotonic() + 10
    while True:
        try:
            desk.build()
            break
        except OutputLocked:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_warnings_of_a_site_that_builds_are_pointed_to(desk):
    script = desk.site.place / "node_modules/@docusaurus/core/bin/docusaurus.mjs"
    script.write_text(script.read_text() + "\nprint('[WARNING] broken link in a.md')\n")
    heard = []
    desk.progress = Heard(heard)
    desk.build()
    (said,) = heard
    assert "docusaurus: built with warnings (1); read " in said


def test_the_report_holds_the_metrics_and_every_phase(desk):
    report = desk.build().to_json()
    assert next(iter(report)) == "schema_version"
    assert report["hydrate_files_downloaded"] == 3
    assert report["hydrate_bytes_transferred"] == 99
    assert report["ingest_files_changed"] == 3
    assert (report["mode"], report["reason"]) == ("delta", "why")
    assert [p["name"] for p in report["phases"]] == ["author", "ingest", "plan_build", "hydrate", "docusaurus"]
    assert report["phases"][4]["reason"] == "never built"


def test_sites_of_one_project_have_build_folders_of_their_own(tmp_path):
    state = str(tmp_path / ".panaversity")
    one, two = (site_build_dir(state, str(tmp_path / name / "app")) for name in ("x", "y"))
    assert one != two
    moved = tmp_path / "elsewhere"
    assert site_build_dir(str(moved / ".panaversity"), str(moved / "x" / "app")).endswith(one.rpartition("/")[2])
