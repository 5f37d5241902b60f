"""The run report as a value, as a file, and beside another."""

import json
from pathlib import Path

import pytest

from panaversity_builder.book.report import COUNTS, METRICS, PhaseLog, Report, run_of
from panaversity_builder.book.runs import compare_runs, last_run, read_run, run_before
from panaversity_builder.console.report_lines import report_lines, run_difference_lines
from panaversity_builder.engine import PhaseEvent, PhaseResult
from panaversity_builder.lifecycle import Phase
from panaversity_fs.core.errors import Conflict, InvalidArgument, NotFound

GOLDEN = Path(__file__).parents[2] / "golden" / "report.json"
BEGUN = "2026-11-20T10:00:00+00:00"
LOOK, MAKE = Phase("1", "look", "look", volatile=True), Phase("2", "docusaurus", "make it")
INGESTED = {"manifest_hash": "a" * 64, "previous_manifest_hash": "b" * 64, "added": 1, "updated": 2, "deleted": 0,
            "unchanged": 40, "files": [{"path": "content/a.md", "change": "added"}]}  # fmt: skip
HYDRATED = {**INGESTED, "mode": "delta", "reason": "", "previous_manifest_hash": "c" * 64, "deleted": 3,
            "hydrate_files_downloaded": 3, "hydrate_bytes_transferred": 1234,
            "files": [{"path": "a.md", "status": "A"}]}  # fmt: skip


def clock(*times):
    return iter(times).__next__


def heard(*events):
    log = PhaseLog()
    for kind, phase, position, note, seconds in events:
        log.hear(PhaseEvent(kind, phase, position, 2, note, seconds))
    return log


def full_report():
    report = Report("guide", BEGUN, "build", versions={"panaversity": "0.1.0", "python": "3.11.7", "node": "v22.0.0"})
    with run_of(report, clock(10.0, 12.3456)):
        report.ingested(INGESTED)
        report.hydrated(HYDRATED)
        log = heard(
            ("start", LOOK, 1, "always runs", None),
            ("done", LOOK, 1, "always runs", 0.25),
            ("cached", MAKE, 2, "unchanged", None),
        )
        results = [
            PhaseResult(LOOK, "ran", "always runs", "d" * 64, 0.25),
            PhaseResult(MAKE, "cached", "unchanged", "e" * 64, 0.0, 9.87654),
        ]
        report.settled(log.rows(results))
    return report


def test_its_form_is_the_golden_one():
    text = json.dumps(full_report().to_json(), ensure_ascii=False, indent=2) + "\n"
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_figures_of_phases_that_took_no_part_are_null_not_zero():
    body = Report("guide", BEGUN).to_json()
    assert {body[name] for name in (*METRICS, *COUNTS, "seconds_saved", "changed", "mode")} == {None}
    assert body["phases"] == []


def test_counts_and_hashes_are_the_folders_where_a_hydrate_took_part():
    body = full_report().to_json()
    assert (body["deleted"], body["previous_manifest_hash"]) == (3, "c" * 64)
    assert body["ingest_files_changed"] == 3
    alone = Report("guide", BEGUN, "ingest")
    alone.ingested(INGESTED)
    assert (alone.to_json()["deleted"], alone.to_json()["previous_manifest_hash"]) == (0, "b" * 64)


def test_changed_says_whether_a_later_step_has_anything_to_do():
    nothing = {**HYDRATED, "added": 0, "updated": 0, "deleted": 0, "mode": "unchanged"}
    report = Report("guide", BEGUN)
    report.hydrated(nothing)
    assert report.changed is False
    report.settled(heard(("start", MAKE, 2, "changed: lockfile", None), ("done", MAKE, 2, "", 1.0)).rows())
    assert report.changed is True


def test_a_dry_run_changed_no_file():
    report = Report("guide", BEGUN, "ingest")
    report.ingested({**INGESTED, "dry_run": True})
    assert report.ingest_files_changed == 0


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (Conflict("ingest", "guide", "changed on both sides", conflicts=["a"] * 1000), "CONFLICT", 11),
        (KeyboardInterrupt(), "INTERRUPTED", 130),
        (ZeroDivisionError("secret"), "INTERNAL", 70),
    ],
)
def test_a_run_that_fails_says_with_what_and_how_long_it_took(error, code, status):
    report = Report("guide", BEGUN, "ingest")
    with pytest.raises(type(error)), run_of(report, clock(1.0, 3.0)):
        raise error
    body = report.to_json()
    assert (body["status"], body["seconds"], body["build_total_seconds"]) == ("failed", 2.0, None)
    assert (body["error"]["code"], body["error"]["exit_status"]) == (code, status)
    assert len(json.dumps(body)) < 1500
    assert "secret" not in json.dumps(body)


def test_a_phase_that_fails_is_in_the_report_with_the_reason_why_it_ran():
    rows = heard(
        ("start", LOOK, 1, "always runs", None),
        ("done", LOOK, 1, "always runs", 0.1),
        ("start", MAKE, 2, "never built", None),
        ("failed", MAKE, 2, "ended with status 1", 4.0),
    ).rows()
    assert [(row["name"], row["state"], row["reason"], row["seconds"]) for row in rows] == [
        ("look", "ran", "always runs", 0.1), ("docusaurus", "failed", "never built", 4.0),
    ]  # fmt: skip


def test_a_phase_made_again_on_the_way_back_stands_once_and_in_its_place():
    rows = heard(
        ("cached", LOOK, 1, "unchanged", None),
        ("start", LOOK, 1, "snapshot gone", None),
        ("done", LOOK, 1, "snapshot gone", 0.5),
        ("start", MAKE, 2, "changed: x", None),
        ("done", MAKE, 2, "changed: x", 1.0),
    ).rows()
    assert [(row["id"], row["state"], row["reason"]) for row in rows] == [
        ("1", "ran", "snapshot gone"), ("2", "ran", "changed: x"),
    ]  # fmt: skip


def test_it_becomes_the_previous_report_and_keeps_itself_out_of_the_repository(tmp_path):
    state = str(tmp_path / ".panaversity")
    for status in ("first", "second", "third"):
        path = Report("guide", BEGUN, status=status).write(state)
    assert sorted(p.name for p in Path(state).iterdir()) == [".gitignore", "report.json", "report.previous.json"]
    assert path == last_run(state)
    assert (read_run(last_run(state))["status"], read_run(run_before(state))["status"]) == ("third", "second")


def test_two_runs_differ_in_what_they_took_and_decided_and_in_nothing_else():
    old = full_report().to_json()
    new = json.loads(json.dumps(old)) | {"seconds": 1.0, "build_total_seconds": 1.0, "mode": "unchanged"}
    new["phases"][1] |= {"state": "ran", "seconds": 7.5}
    assert compare_runs(old, old) == []
    assert list(run_difference_lines(compare_runs(old, new))) == [
        "mode: delta → unchanged",
        "build_total_seconds: 2.346 → 1.0 (-1.346)",
        "seconds: 2.346 → 1.0 (-1.346)",
        "docusaurus state: cached → ran",
        "docusaurus seconds: 0.0 → 7.5 (+7.5)",
    ]


def test_runs_of_different_commands_can_be_compared():
    rows = compare_runs(Report("guide", BEGUN, "ingest").to_json(), full_report().to_json())
    assert {"field": "command", "old": "ingest", "new": "build"} in rows
    assert {"field": "look state", "old": None, "new": "ran"} in rows


def test_a_report_is_shown_with_its_phases_and_the_time_they_saved():
    assert list(report_lines(full_report().to_json())) == [
        f"build guide: done after 2.3 s, begun {BEGUN}",
        "  1 added, 2 updated, 3 deleted, 40 unchanged; 3 files downloaded, 1.2 KB transferred",
        "  delta",
        "  look         ran        0.2 s  always runs",
        "  docusaurus   cached     0.0 s  unchanged; saved 9.9 s",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"schema_version": "1", "status": "done"}',
        '{"schema_version": 1}',
        "\x00",
        "[" * 100_000,
        '"\ud83d"',
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path, text):
    path = tmp_path / "report.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidArgument) as caught:
        read_run(str(path))
    assert caught.value.exit_status == 2


def test_a_report_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="no run left a report here"):
        read_run(str(tmp_path / "report.json"))


@pytest.mark.parametrize("phases", [None, 3, "x", [1, None, []], [{}], [{"seconds": "x", "reason": 3}], {"a": 1}])
def test_a_report_that_somebody_edited_is_shown_as_far_as_it_goes(phases):
    body = {**full_report().to_json(), "phases": phases, "error": phases, "hydrate_bytes_transferred": "x"}
    assert next(report_lines(body)).startswith("build guide: ")
    assert list(report_lines(body))
    assert isinstance(compare_runs(body, full_report().to_json()), list)
