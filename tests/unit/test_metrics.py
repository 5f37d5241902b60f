"""The figures themselves: exact names and labels, zero before the first event, nothing that grows without bound."""

import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from panaversity_fs.metrics import MAX_BOOKS, OUTCOMES, Metrics, Scrape
from panaversity_fs.metrics_shared import SHARED_FOLDER, AllProcesses, forget_process
from panaversity_fs.metrics_upkeep import UpkeepSeen
from support.scraped import Scraped, scraped

WELL = Scrape(database_up=True, storage_up=True, draining=False, read_only=False, journal_entries={"bk": 3})
REQUIRED = {
    "panaversityfs_write_total": {"status", "mode"},
    "panaversityfs_archive_total": {"scope", "status"},
    "panaversityfs_archive_duration_seconds_bucket": {"scope", "le"},
    "panaversityfs_write_duration_seconds_bucket": {"operation", "le"},
    "panaversityfs_archive_memory_bytes": set(),
    "panaversityfs_journal_entries_total": {"book_id"},
    "panaversityfs_delta_files_count": set(),
    "panaversityfs_full_rebuild_count": set(),
    "panaversityfs_storage_rollback_count": set(),
    "panaversityfs_audit_chain_valid": set(),
}
"""The names the client fixed, as samples, with exactly their labels."""


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3", now=lambda: 1000.0)


def scrape(metrics: Metrics, state: Scrape = WELL) -> Scraped:
    return scraped(metrics.text(state).decode())


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_name_is_there_before_any_event_with_exactly_its_labels(metrics: Metrics, name: str) -> None:
    found = scrape(metrics)
    assert name in found.samples
    assert found.labels(name) == REQUIRED[name]


def test_every_name_bears_the_prefix_and_none_is_a_creation_time(metrics: Metrics) -> None:
    metrics.wrote("write_content", "success", {"created": 1}, 0.1)
    names = set(scrape(metrics).samples)
    assert len(names) > 20
    assert all(name.startswith("panaversityfs_") for name in names)
    assert not [name for name in names if name.endswith("_created")]


def test_label_sets_begin_at_zero(metrics: Metrics) -> None:
    found = scrape(metrics)
    for status in ("success", "conflict", "refused", "error"):
        for mode in ("created", "updated", "deleted", "unchanged", "absent"):
            assert found("write_total", status=status, mode=mode) == 0
    for scope in ("content", "assets", "all"):
        assert found("archive_total", scope=scope, status="success") == 0
        assert found("archive_duration_seconds_count", scope=scope) == 0
    assert found("plans_total", answer="delta") == 0
    assert found("write_duration_seconds_count", operation="ingest") == 0


def test_a_door_told_of_its_names_begins_at_zero_too(metrics: Metrics) -> None:
    metrics.expect("mcp", ["read_content"])
    metrics.expect("http", ["GET /healthz"])
    found = scrape(metrics)
    for outcome in OUTCOMES:
        assert found("requests_total", door="mcp", name="read_content", outcome=outcome) == 0
    assert found("sent_bytes_total", name="GET /healthz") == 0


def test_events_are_counted(metrics: Metrics) -> None:
    metrics.wrote("ingest", "success", {"created": 3, "deleted": 1}, 0.2)
    metrics.wrote("write_content", "conflict", {"updated": 1}, 0.01)
    metrics.took_back(2)
    metrics.planned("full", 7)
    metrics.planned("delta", 5)
    metrics.planned("unchanged", 0)
    metrics.archived("assets", "partial", 1.5, 1 << 20)
    found = scrape(metrics)
    assert found("write_total", status="success", mode="created") == 3
    assert found("write_total", status="conflict") == 1
    assert found("write_duration_seconds_count", operation="ingest") == 1
    assert found("storage_rollback_count") == 2
    assert (found("full_rebuild_count"), found("delta_files_count")) == (1, 5)
    assert found("archive_total", scope="assets", status="partial") == 1
    assert found("archive_duration_seconds_sum", scope="assets") == 1.5
    assert found("archive_memory_bytes") == 1 << 20


def test_SC_004_the_chain_is_unknown_then_valid_until_one_book_is_not(metrics: Metrics) -> None:
    assert math.isnan(scrape(metrics)("audit_chain_valid"))
    assert scrape(metrics)("audit_verified_timestamp_seconds") == 0
    metrics.verified("one", intact=True)
    assert scrape(metrics)("audit_chain_valid") == 1
    assert scrape(metrics)("audit_verified_timestamp_seconds") == 1000
    metrics.verified("two", intact=False)
    metrics.verified("one", intact=True)
    assert scrape(metrics)("audit_chain_valid") == 0, "another book's good log does not hide the broken one"
    metrics.verified("two", intact=True)
    assert scrape(metrics)("audit_chain_valid") == 1


def test_S28_names_nobody_announced_count_as_other(metrics: Metrics) -> None:
    before = scrape(metrics).values()
    for number in range(50):
        text = f"secret-{number}"
        metrics.answered("mcp", text, "refused", 0.1)
        metrics.answered("http", text, "ok", 0.1)
        metrics.transferred(text, 10, 20)
        metrics.failed_with(text)
        metrics.wrote(text, "success", {"created": 1}, 0.1)
        metrics.archived(text, text, 0.1, 0)
    found = scrape(metrics)
    assert found.values() == before
    assert found("requests_total", door="mcp", name="other", outcome="refused") == 50
    assert (found("received_bytes_total", name="other"), found("sent_bytes_total", name="other")) == (500, 1000)
    assert found("errors_total", code="other") == 50
    assert found("write_duration_seconds_count", operation="other") == 50
    assert found("archive_total", scope="all", status="error") == 50


def test_the_journal_is_told_for_the_largest_books_and_for_no_book_that_is_gone(metrics: Metrics) -> None:
    many = {f"book-{number}": number for number in range(MAX_BOOKS + 5)}
    series = scrape(metrics, Scrape(True, True, False, False, many)).samples["panaversityfs_journal_entries_total"]
    assert len(series) == MAX_BOOKS
    assert min(series.values()) == 5
    found = scrape(metrics)
    assert {dict(key)["book_id"] for key in found.samples["panaversityfs_journal_entries_total"]} == {"bk"}


def test_runs_beside_the_server_and_the_access_log_are_told(metrics: Metrics) -> None:
    never = scrape(metrics)
    assert (never("gc_timestamp_seconds"), never("fsck_timestamp_seconds", depth="data")) == (0, 0)
    assert never("fsck_findings", depth="quick", kind="corrupt") == 0
    runs: dict[str, tuple[float, dict[str, int]]] = {
        "gc": (5.0, {"objects": 3, "bytes": 70, "left_alone": 1}), "fsck quick": (7.0, {}),
        "fsck data": (6.0, {"missing": 2, "unheard of": 9}),
    }  # fmt: skip
    for notes in ((10, 1, 4), (10, 1, 0), (15, 1, 0)):
        found = scrape(metrics, replace(WELL, upkeep=UpkeepSeen(runs, notes)))
    assert (found("gc_timestamp_seconds"), found("gc_removed_objects"), found("gc_removed_bytes")) == (5, 3, 70)
    assert (found("gc_books_left_alone"), found("fsck_timestamp_seconds", depth="data")) == (1, 6)
    # A quick look that found nothing does not hide what reading the bytes found.
    assert found("fsck_findings", depth="data", kind="missing") == 2
    assert found("fsck_findings", depth="quick", kind="missing") == 0
    assert (found("access_notes_total"), found("access_notes_lost_total"), found("access_notes_waiting")) == (15, 1, 0)


def test_two_apps_of_one_process_do_not_mix_their_figures(metrics: Metrics) -> None:
    other = Metrics("1.2.3")
    metrics.took_back(1)
    assert scrape(other)("storage_rollback_count") == 0


def test_state_and_version_are_told(metrics: Metrics) -> None:
    found = scrape(metrics, Scrape(False, True, True, True, {}))
    assert (found("database_up"), found("storage_up"), found("draining"), found("read_only")) == (0, 1, 1, 1)
    assert found("build_info", version="1.2.3") == 1
    assert found("process_start_time_seconds") <= time.time()


_ASKED = """
import os, sys
from panaversity_fs.metrics import Metrics, Scrape
metrics = Metrics("1")
for word in sys.argv[1:]:
    book, _, how = word.partition("=")
    metrics.verified(book, how == "intact")
print(os.getpid())
print(metrics.text(Scrape(True, True, False, False)).decode())
"""


def test_SC_004_a_broken_log_that_one_of_several_processes_found_is_not_forgotten_for_what_another_found(
    tmp_path: Path,
) -> None:
    def told(*verified: str) -> tuple[int, Scraped]:
        environment = {**os.environ, SHARED_FOLDER: str(tmp_path)}
        command = [sys.executable, "-c", _ASKED, *verified]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        pid, _, text = done.stdout.partition("\n")
        return int(pid), scraped(text)

    assert math.isnan(told()[1]("audit_chain_valid"))
    finder, found = told("one=broken")
    assert found("audit_chain_valid") == 0
    assert told("two=intact")[1]("audit_chain_valid") == 0
    forget_process(finder, str(tmp_path))
    assert told()[1]("audit_chain_valid") == 1


def test_what_several_processes_use_is_told_together(tmp_path: Path) -> None:
    def used(*pids: int) -> dict[str, float]:
        folder = tmp_path / "-".join(map(str, pids))
        folder.mkdir()
        for pid in pids:
            (folder / f"gauge_livesum_{pid}.db").touch()
            (folder / f"gauge_livemin_{pid}.db").touch()
        (folder / "counter_1.db").touch()
        return {metric.name: metric.samples[0].value for metric in AllProcesses("fs", str(folder)).collect()}

    with subprocess.Popen(["sleep", "60"]) as other:
        us, them, both = used(os.getpid()), used(other.pid), used(os.getpid(), other.pid)
        other.kill()
    assert both["fs_process_open_fds"] == us["fs_process_open_fds"] + them["fs_process_open_fds"]
    assert both["fs_process_resident_memory_bytes"] > us["fs_process_resident_memory_bytes"]
    assert both["fs_process_start_time_seconds"] == us["fs_process_start_time_seconds"]
    assert used(2**22 + 1) == {}, "one that has just ended"
