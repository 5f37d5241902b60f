"""``--metrics-file``: the text a collector of node_exporter reads, checked with another parser."""

import math
import os

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from panaversity_builder.book.metrics_file import render, write
from panaversity_builder.book.report import METRICS, Report

BUILD = {
    "book_id": "guide", "status": "done", "started_at": "2026-11-20T10:00:00+00:00", "seconds": 2.5,
    "seconds_saved": 9.25, "added": 1, "updated": 0, "deleted": 2, "unchanged": 40, "hydrate_files_downloaded": 1,
    "hydrate_bytes_transferred": 1234, "ingest_files_changed": 3, "build_total_seconds": 2.5,
}  # fmt: skip


def samples(text):
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation and family.type == "gauge" for family in families)
    return {sample.name: (sample.labels, sample.value) for family in families for sample in family.samples}


def test_every_figure_is_a_gauge_of_its_book_and_the_four_keep_their_names():
    found = samples(render(BUILD))
    assert {name: found[name][1] for name in METRICS} == {name: BUILD[name] for name in METRICS}
    assert found["panaversity_run_success"] == ({"book": "guide"}, 1)
    assert found["panaversity_run_saved_seconds"] == ({"book": "guide"}, 9.25)
    assert found["panaversity_run_start_timestamp_seconds"][1] == 1795168800
    assert all(labels == {"book": "guide"} for labels, _ in found.values())


def test_names_outside_the_four_begin_with_ours_and_end_with_a_base_unit():
    for name in samples(render(BUILD)).keys() - {*METRICS, "panaversity_run_success"}:
        assert name.startswith("panaversity_run_")
        assert name.endswith(("_seconds", "_files"))


def test_what_took_no_part_has_no_sample():
    found = samples(render(Report("guide", "2026-11-20T10:00:00+00:00", "hydrate").to_json()))
    assert set(found) == {"panaversity_run_success", "panaversity_run_start_timestamp_seconds"}
    assert found["panaversity_run_success"][1] == 0


@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats(allow_nan=False), st.integers(0))
def test_any_book_and_any_figure_is_read_back(book, seconds, files):
    found = samples(render({**BUILD, "book_id": book, "seconds": seconds, "hydrate_files_downloaded": files}))
    assert found["panaversity_run_duration_seconds"] == ({"book": book}, seconds)
    assert math.isclose(found["hydrate_files_downloaded"][1], files)


def test_the_file_is_replaced_whole_and_nothing_else_is_left_in_the_folder(tmp_path):
    path = tmp_path / "panaversity.prom"
    path.write_text("the last run's")
    before = os.stat(path).st_ino
    write(str(path), BUILD)
    assert path.read_text() == render(BUILD)
    assert os.stat(path).st_ino != before
    assert os.listdir(tmp_path) == [path.name]
