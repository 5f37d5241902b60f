"""The run report as a value."""

from panaversity_builder.book.report import Report


def test_figures_of_phases_that_took_no_part_are_null_not_zero(tmp_path):
    report = Report("guide", "2026-11-20T10:00:00+00:00")
    body = report.to_json()
    assert body["ingest_files_changed"] is None
    assert body["hydrate_bytes_transferred"] is None
    assert body["phases"] == []


def test_it_replaces_the_last_report_and_keeps_itself_out_of_the_repository(tmp_path):
    state = tmp_path / ".panaversity"
    for status in ("failed", "done"):
        path = Report("guide", "2026-11-20T10:00:00+00:00", status=status).write(str(state))
    assert '"status": "done"' in open_text(path)
    assert sorted(p.name for p in state.iterdir()) == [".gitignore", "report.json"]


def open_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()
