"""Reports through the command: ``--format github|markdown``, ``--metrics-file``, ``report.json``, ``report``."""

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support import github_runner
from support.command import clean_environ, in_process, panaversity
from support.fake_site import FakeSite
from support.simulator import Simulator

BOOK = "guide"
TOKEN = "eyJhbGciOi.very.s3cret"


class Job:
    """A project in a checkout, a simulated server, and the files of one job."""

    def __init__(self, place):
        self.place, self.server = place, Simulator()
        self.site = FakeSite(place)
        self.write("README.md", "# Guide")
        self.write("01-Part/01-Chapter/01-one.md", "# One")
        (place / "book.toml").write_text(f'book_id = "{BOOK}"\nsource_dir = "docs"\nsite_dir = "site"\n')
        self.output, self.summary = place / "step_output", place / "step_summary.md"

    def write(self, path, text):
        return self.site.put(f"docs/{path}", text)

    def run(self, *words, **environ):
        return in_process(self.server, *words, cwd=self.place, environ={**self.site.environ, **environ})

    def step(self, *words, **environ):
        job = {
            "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(self.place), "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }  # fmt: skip
        return self.run(*words, "--format", "github", **{**job, **environ})

    @property
    def outputs(self):
        return github_runner.outputs(self.output.read_text())

    @property
    def report(self):
        return json.loads((self.place / ".panaversity" / "report.json").read_text())


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


def named(outcome, *names):
    """The commands of these names in what the runner would read."""
    return [c for c in github_runner.commands(outcome.err + outcome.out) if c.name in names]


def test_a_step_answers_as_text_and_leaves_outputs_and_a_summary(job):
    outcome = job.step("ingest")
    assert outcome.status == 0
    assert outcome.out == "ingest guide: 2 added; revision 1\n  A 01-Part/01-Chapter/01-one.md\n  A README.md\n"
    assert github_runner.commands(outcome.err) == []
    outputs = job.outputs
    assert outputs["manifest-hash"] == job.report["manifest_hash"]
    assert outputs["previous-manifest-hash"] == job.report["previous_manifest_hash"] != outputs["manifest-hash"]
    assert {name: outputs[name] for name in ("status", "changed", "added", "updated", "deleted", "unchanged")} == {
        "status": "done", "changed": "true", "added": "2", "updated": "0", "deleted": "0", "unchanged": "0",
    }  # fmt: skip
    assert json.loads(outputs["changed-files"]) == ["content/01-Part/01-Chapter/01-one.md", "content/README.md"]
    assert (outputs["changed-files-complete"], outputs["ingest_files_changed"]) == ("true", "2")
    assert outputs["report"] == str(job.place / ".panaversity" / "report.json")
    summary = job.summary.read_text()
    assert summary.startswith("### panaversity ingest: `guide`\n")
    assert "| added | updated | deleted | unchanged |" in summary
    assert "- `A` `README.md`" in summary


def test_a_hydrate_tells_its_mode_bytes_and_figures_and_then_that_nothing_changed(job):
    job.run("ingest")
    job.step("hydrate")
    outputs = job.outputs
    assert (outputs["mode"], outputs["hydrate_files_downloaded"], outputs["changed"]) == ("full", "2", "true")
    assert outputs["bytes-transferred"] == outputs["hydrate_bytes_transferred"] != "0"
    assert "previous-manifest-hash" not in outputs
    assert set(json.loads(outputs["changed-files"])) == {"README.md", "01-Part/01-Chapter/01-one.md"}
    job.step("hydrate")
    again = job.outputs
    assert (again["mode"], again["changed"], again["changed-files"]) == ("unchanged", "false", "[]")
    assert again["previous-manifest-hash"] == again["manifest-hash"] == outputs["manifest-hash"]


def test_a_plan_and_a_difference_leave_outputs_too_and_no_report(job):
    job.run("ingest")
    outcome = job.step("plan", "--check")
    assert (outcome.status, job.outputs["changed"], job.outputs["added"]) == (1, "true", "2")
    assert not (job.place / ".panaversity" / "report.previous.json").exists()
    job.run("hydrate")
    job.server.put(BOOK, "content/new.md", b"new")
    job.output.unlink()
    outcome = job.step("manifest", "diff", "--exit-code")
    outputs = job.outputs
    assert (outcome.status, outputs["changed"], outputs["added"], outputs["updated"]) == (1, "true", "1", "0")
    assert json.loads(outputs["changed-files"]) == ["content/new.md"]
    assert outputs["previous-manifest-hash"] == job.report["manifest_hash"] != outputs["manifest-hash"]


def test_a_build_folds_each_phase_and_summarises_all_of_them(job):
    outcome = job.step("build")
    assert outcome.status == 0, outcome.err
    opened = named(outcome, "group", "endgroup")
    assert [c.name for c in opened] == ["group", "endgroup"] * 5
    assert [c.data.partition(":")[0] for c in opened[::2]] == [
        "author",
        "ingest",
        "plan_build",
        "hydrate",
        "docusaurus",
    ]
    outputs = job.outputs
    assert float(outputs["build_total_seconds"]) > 0
    assert (outputs["ingest_files_changed"], outputs["hydrate_files_downloaded"]) == ("2", "2")
    assert "| `docusaurus` | `ran` |" in job.summary.read_text()
    job.step("build")
    assert (job.outputs["changed"], job.report["phases"][4]["state"]) == ("false", "cached")
    assert job.report["seconds_saved"] > 0


def test_a_failed_step_says_so_in_annotation_outputs_summary_and_report(job):
    job.write("broken.md", "{")
    outcome = job.step("build")
    assert outcome.status == 14
    kinds = [c.name for c in github_runner.commands(outcome.err)]
    assert kinds == ["group", "endgroup"] * 5 + ["error"]
    (error,) = named(outcome, "error")
    assert error.properties["title"] == "PHASE_FAILED"
    assert error.data.startswith("build: docusaurus: ended with status 1.")
    assert "  | broken.md: MDX compilation failed" in outcome.err.splitlines()
    outputs = job.outputs
    assert (outputs["status"], outputs["error-code"], outputs["exit-status"]) == ("failed", "PHASE_FAILED", "14")
    assert (outputs["added"], outputs["report"]) == ("3", str(job.place / ".panaversity" / "report.json"))
    summary = job.summary.read_text()
    assert summary.startswith("### panaversity build: `guide`: failed\n")
    assert "| `docusaurus` | `failed` |" in summary
    assert "- `broken.md: MDX compilation failed`" in summary
    assert (job.report["status"], job.report["error"]["code"]) == ("failed", "PHASE_FAILED")
    assert job.report["phases"][-1]["state"] == "failed"


def test_S33_hostile_names_become_at_most_nine_annotations_of_their_files_and_nothing_else(job):
    for number in range(30):
        (job.place / "docs" / f"::add-mask::{number:02}%0A\n::error::x##[error]y`<b>,a=b.md").write_text("x")
    outcome = job.step("ingest", GITHUB_TOKEN="x")
    assert outcome.status == 12
    read = github_runner.commands(outcome.err + outcome.out)
    assert {c.name for c in read} == {"error", "notice"}
    errors = named(outcome, "error")
    assert len(errors) == 9
    assert {c.properties["title"] for c in errors} == {"SOURCE_REFUSED"}
    assert [c.properties["file"][:21] for c in errors[1:]] == [f"docs/::add-mask::{n:02}%0" for n in range(8)]
    assert [c.data for c in named(outcome, "notice")] == ["22 more errors, see the log and the job summary"]
    assert job.outputs["error-code"] == "SOURCE_REFUSED"
    page = job.summary.read_text()
    assert page.count("::add-mask::") >= 30
    assert "\n::" not in page


def test_an_agents_edits_that_were_left_alone_are_notices(job):
    job.run("ingest")
    job.server.put(BOOK, "content/README.md", b"an agent's")
    outcome = job.step("ingest")
    assert outcome.status == 0
    assert [c.data for c in named(outcome, "notice")] == ["content/README.md"]


def test_a_token_is_masked_in_a_job_and_never_said_elsewhere(job):
    inside = job.step("ingest", PANAVERSITY_TOKEN=TOKEN)
    assert [c.data for c in named(inside, "add-mask")] == [TOKEN]
    assert inside.err.startswith("::add-mask::")
    assert inside.err.count(TOKEN) == 1
    outside = job.step("ingest", PANAVERSITY_TOKEN=TOKEN, GITHUB_ACTIONS="")
    for told in (
        outside.err,
        outside.out,
        inside.out,
        job.output.read_text(),
        job.summary.read_text(),
        str(job.report),
    ):
        assert TOKEN not in told


def test_what_stands_in_the_files_already_stays_even_without_a_line_end(job):
    job.output.write_text("earlier=1\nunfinished=2")
    job.summary.write_text("of another tool")
    job.step("ingest")
    assert (job.outputs["earlier"], job.outputs["unfinished"], job.outputs["added"]) == ("1", "2", "2")
    assert job.summary.read_text().startswith("of another tool\n### panaversity ingest")


@pytest.mark.parametrize(("room", "grows"), [(0, False), (10, False), (600, True), (3000, True)])
def test_a_summary_never_grows_beyond_what_the_runner_takes(job, room, grows):
    limit = github_runner.SUMMARY_LIMIT
    job.summary.write_bytes(b"x" * (limit - room - 1) + b"\n")
    outcome = job.step("ingest")
    assert outcome.status == 0
    assert limit - room <= job.summary.stat().st_size <= limit
    assert (job.summary.stat().st_size > limit - room) == grows
    warnings = [c.data for c in named(outcome, "warning")]
    assert [("is full" in w) for w in warnings] == ([] if grows else [True])


def test_files_that_cannot_be_written_are_warnings(job):
    job.summary.mkdir()
    outcome = job.step("ingest", GITHUB_OUTPUT=str(job.place / "nowhere" / "output"))
    assert outcome.status == 0
    said = [c.data for c in named(outcome, "warning")]
    assert [text.partition(":")[0] for text in said] == ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"]


def test_without_a_job_the_format_is_text_and_annotations(job):
    outcome = job.run("ingest", "--format", "github")
    assert (outcome.status, outcome.out.splitlines()[0]) == (0, "ingest guide: 2 added; revision 1")
    missing = job.run("hydrate", "--book-id", "mistyped", "--format", "github")
    assert missing.status == 2
    assert [c.name for c in github_runner.commands(missing.err)] == ["error"]


def test_quiet_leaves_the_outputs_and_says_nothing(job):
    outcome = job.step("build", "-q")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    assert job.outputs["status"] == "done"
    assert job.summary.exists()


def test_markdown_is_one_page_on_stdout_for_results_and_failures(job):
    job.run("ingest")
    outcome = job.run("hydrate", "--format", "markdown")
    assert outcome.out.startswith("### panaversity hydrate: `guide`\n\n| added | updated |")
    assert "#### files (2)\n\n- `A` `01-Part/01-Chapter/01-one.md`\n" in outcome.out
    assert outcome.err == ""
    refused = job.run("hydrate", "--book-id", "mistyped", "--format=markdown")
    assert refused.status == 2
    assert refused.out.startswith("### panaversity hydrate: `mistyped`: failed\n")
    assert refused.err.startswith("error NOT_FOUND: ")


@pytest.mark.parametrize(("format", "first"), [("github", "::error title=INVALID_ARGUMENT::"), ("markdown", "error ")])
def test_a_wrong_command_line_obeys_the_format_in_a_process_of_its_own(tmp_path, format, first):
    for words in (["--format", format], [f"--format={format}"]):
        outcome = panaversity("ingest", "--frobnicate", *words, cwd=tmp_path)
        assert outcome.status == 2
        assert outcome.err.startswith(first)
        assert outcome.out.partition("\n")[0] in ("", "### panaversity ingest: failed")


def test_a_job_of_its_own_process_reads_a_server_that_is_away(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("a")
    environ = clean_environ(
        PANAVERSITY_MCP_URL="http://127.0.0.1:9", PANAVERSITY_BOOK_ID=BOOK, FORCE_COLOR="1",
        GITHUB_OUTPUT=str(tmp_path / "o"), GITHUB_STEP_SUMMARY=str(tmp_path / "s"),
    )  # fmt: skip
    outcome = panaversity("ingest", "--source-dir", "docs", "--format", "github", cwd=tmp_path, environ=environ)
    assert outcome.status == 10
    (error,) = github_runner.commands(outcome.err)
    assert (error.name, error.properties) == ("error", {"title": "SERVER_UNREACHABLE"})
    outputs = github_runner.outputs((tmp_path / "o").read_text())
    assert (outputs["status"], outputs["exit-status"]) == ("failed", "10")
    assert json.loads((tmp_path / ".panaversity" / "report.json").read_text())["error"]["exit_status"] == 10


def figures(path):
    families = text_string_to_metric_families(path.read_text())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_metrics_files_hold_the_figures_of_each_command(job):
    for command in ("ingest", "hydrate", "build"):
        assert job.run(command, "--metrics-file", f"{command}.prom").status == 0
    ingest, hydrate, build = (figures(job.place / f"{c}.prom") for c in ("ingest", "hydrate", "build"))
    assert (ingest["ingest_files_changed"], "build_total_seconds" in ingest) == (2, False)
    assert (hydrate["hydrate_files_downloaded"], "ingest_files_changed" in hydrate) == (2, False)
    assert (build["hydrate_files_downloaded"], build["build_total_seconds"] > 0) == (0, True)
    assert build["panaversity_run_success"] == 1


def test_the_metrics_file_of_a_failed_run_says_that_it_failed(job):
    path = job.place / "hydrate.prom"
    assert job.run("hydrate", PANAVERSITY_METRICS_FILE="hydrate.prom").status == 2
    assert figures(path)["panaversity_run_success"] == 0
    assert "hydrate_files_downloaded" not in figures(path)


@pytest.mark.parametrize("path", ["nowhere/x.prom", "docs", "book.toml/x.prom"])
def test_a_metrics_file_that_cannot_be_written_is_a_warning(job, path):
    outcome = job.run("ingest", "--metrics-file", path)
    assert outcome.status == 0
    assert outcome.err.startswith("warning: --metrics-file: nothing could be written (")


def test_each_command_leaves_its_report_and_a_dry_run_leaves_none(job):
    job.run("ingest", "--dry-run")
    assert not (job.place / ".panaversity" / "report.json").exists()
    job.run("ingest")
    assert (job.report["command"], job.report["status"], job.report["ingest_files_changed"]) == ("ingest", "done", 2)
    job.run("hydrate")
    assert (job.report["command"], job.report["mode"], job.report["unchanged"]) == ("hydrate", "full", 0)
    _, build = (job.run("build"), job.report)
    assert (build["command"], len(build["phases"]), build["changed"]) == ("build", 5, True)
    assert build["versions"].keys() == {"python", "panaversity", "node"}


def test_a_report_that_cannot_be_written_is_a_warning(job):
    (job.place / ".panaversity" / "report.json").mkdir(parents=True)
    outcome = job.run("ingest")
    assert (outcome.status, outcome.out.splitlines()[0]) == (0, "ingest guide: 2 added; revision 1")
    assert outcome.err.startswith("warning: run report: nothing could be written (")


def test_report_show_and_diff_tell_of_the_last_run_and_the_one_before(job):
    assert job.run("report", "show").status == 2
    job.run("build")
    shown = job.run("report", "show")
    assert re.match(r"build guide: done after [\d.]+ s, begun ", shown.out)
    assert re.search(r"^  docusaurus   ran +[\d.]+ s  never built$", shown.out, re.M)
    (job.place / ".panaversity" / "report.json").rename(job.place / "monday.json")
    job.write("README.md", "# Other")
    job.run("build")
    difference = job.run("report", "diff", "monday.json", "--exit-code")
    assert difference.status == 1
    assert "hydrate_files_downloaded: 2 → 1 (-1)" in difference.out.splitlines()
    job.run("build")
    latest = json.loads(job.run("report", "diff", "--format", "json").out)
    assert {"field": "docusaurus state", "old": "ran", "new": "cached"} in latest["differences"]
    same = job.run("report", "diff", "monday.json", "monday.json", "--exit-code")
    assert (same.status, same.out) == (0, "report diff: no differences\n")
