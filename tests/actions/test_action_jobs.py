"""The actions on a small runner against a real server: consecutive jobs, their cache, and trouble on the way."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actions.action_file import action
from actions.books import LESSONS, tree, write_book, write_lesson
from actions.cache_service import CacheService
from actions.runner import Job
from support.live import LiveServer

Jobs = Callable[..., Job]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the book ``demo``, ingested by the action itself."""
    folder = tmp_path_factory.mktemp("server")
    with LiveServer(folder / "store") as live:
        job = Job(folder / "author", env={"PANAVERSITY_MCP_URL": live.url})
        write_book(job.workspace)
        done = job.uses("ingest", book_id="demo", source_dir="docs")
        assert done.outcome == "success", done.log
        assert (done.outputs["added"], done.outputs["changed"]) == (str(LESSONS), "true")
        yield live


@pytest.fixture(scope="module")
def warm(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The job that hydrated the book and saved it."""
    env = {"PANAVERSITY_MCP_URL": server.url, "PANAVERSITY_BOOK_ID": "demo"}
    job = Job(tmp_path_factory.mktemp("warm") / "job", env=env)
    hydrated(job)
    return job


@pytest.fixture
def jobs(server: LiveServer, warm: Job, tmp_path: Path) -> Jobs:
    """New jobs of one repository: machines of their own, one cache that already has the book."""
    cache, made = CacheService(list(warm.cache.entries)), [warm]

    def job(**more: object) -> Job:
        made.append(warm)
        environment = {"PANAVERSITY_MCP_URL": server.url, "PANAVERSITY_BOOK_ID": "demo"} | dict(more.pop("env", {}))
        number = len(made)
        return Job(tmp_path / f"job{number}", env=environment, run_id=number, **{"cache": cache, **more})

    return job


def full(*cases: tuple) -> list:
    """Cases for ``make test-full`` only."""
    return [pytest.param(*case, marks=pytest.mark.full) for case in cases]


def hydrated(job: Job, **inputs: str):
    done = job.uses("hydrate", output_dir="book", **inputs)
    assert done.outcome == "success", done.log
    return done


def test_FR_303_SC_101_a_second_job_transfers_only_what_changed(server: LiveServer, tmp_path: Path):
    cache, env = CacheService(), {"PANAVERSITY_MCP_URL": server.url, "PANAVERSITY_BOOK_ID": "moved"}
    first = Job(tmp_path / "1", cache, env)
    write_book(first.workspace)
    assert first.uses("ingest", source_dir="docs").outcome == "success"
    cold = hydrated(first)
    assert (cold.outputs["mode"], cold.outputs["cache-hit"], cold.outputs["added"]) == ("full", "false", str(LESSONS))
    assert tree(first.workspace / "book") == tree(first.workspace / "docs")
    assert len(cache.entries) == 1

    for number in range(5):
        write_lesson(first.workspace, number, seed=100 + number)
    assert first.uses("ingest", source_dir="docs").outputs["updated"] == "5"

    second = Job(tmp_path / "2", cache, env, run_id=2)
    delta = hydrated(second)
    assert (delta.outputs["mode"], delta.outputs["cache-hit"], delta.outputs["updated"]) == ("delta", "true", "5")
    assert 0 < int(delta.outputs["bytes-transferred"]) <= 60_000
    assert len(json.loads(delta.outputs["changed-files"])) == 5
    assert tree(second.workspace / "book") == tree(first.workspace / "docs")
    assert delta.summary.startswith("### panaversity hydrate: `moved`")

    third = hydrated(Job(tmp_path / "3", cache, env, run_id=3))
    assert (third.outputs["mode"], third.outputs["changed"]) == ("unchanged", "false")
    assert third.outputs["manifest-hash"] == delta.outputs["manifest-hash"]
    assert third.outputs["cache-key"] == cache.entries[-1].key
    assert len(cache.entries) == 2, "an unchanged book is not saved again"


def test_F48_F50_a_manifest_without_its_tree_is_repaired(jobs: Jobs, warm: Job):
    job = jobs()
    state = job.workspace / "book" / ".panaversity"
    shutil.copytree(warm.workspace / "book" / ".panaversity", state)
    done = hydrated(job, enable_cache="false")
    assert done.outputs["added"] == str(LESSONS)
    assert len(tree(job.workspace / "book")) == LESSONS
    assert done.step("Restore the book").outcome == "skipped"


def test_pull_requests_read_the_cache_and_never_write_it(jobs: Jobs):
    job = jobs(event="pull_request", ref="refs/pull/7/merge")
    cached = list(job.cache.entries)
    (job.workspace / "book").mkdir()
    done = hydrated(job)
    assert (done.outputs["mode"], done.outputs["cache-hit"]) == ("unchanged", "true")
    for lesson in (job.workspace / "book").rglob("01-lesson.md"):
        lesson.unlink()
    repaired = hydrated(job, restore_cache="false")
    assert (repaired.outputs["changed"], repaired.step("Save the book").outcome) == ("true", "skipped")
    assert job.cache.entries == cached


def test_a_cache_service_that_is_down_is_a_warning(jobs: Jobs):
    done = hydrated(jobs(cache=CacheService(is_down=True)))
    assert (done.outputs["cache-hit"], done.outputs["changed"]) == ("false", "true")
    assert "Failed to restore" in done.log
    assert "Failed to save" in done.log


def test_without_a_server_a_job_fails_or_goes_on_with_what_was_restored(server: LiveServer, tmp_path: Path):
    cache = CacheService()
    with LiveServer(tmp_path / "store") as away:
        env = {"PANAVERSITY_MCP_URL": away.url, "PANAVERSITY_BOOK_ID": "demo"}
        first = Job(tmp_path / "1", cache, env)
        write_book(first.workspace, 3)
        first.uses("ingest", source_dir="docs")
        hydrated(first)
    second = Job(tmp_path / "2", cache, env, run_id=2)
    done = hydrated(second, on_unavailable="use-cache")
    assert (done.outputs["mode"], done.outputs["cache-hit"], done.outputs["status"]) == ("offline", "true", "done")
    assert tree(second.workspace / "book") == tree(first.workspace / "docs")
    assert (len(done.commands("warning")), done.commands("error")) == (1, [])

    failed = Job(tmp_path / "3", CacheService(), env, run_id=3).uses("hydrate", output_dir="book")
    assert (failed.outcome, failed.status, failed.outputs["error-code"]) == ("failure", 10, "SERVER_UNREACHABLE")
    assert len(failed.commands("error")) == 1
    assert failed.step("Save the book").outcome == "skipped"


@pytest.mark.full
def test_fallback_fail_refuses_to_download_everything(jobs: Jobs):
    done = jobs().uses("hydrate", output_dir="elsewhere", fallback="fail")
    assert (done.outcome, done.status) == ("failure", 1)
    assert "nothing usable was restored" in done.commands("error")[0].data
    assert hydrated(jobs(), fallback="fail").outputs["mode"] == "unchanged"


def test_a_dry_run_and_a_comparison_write_nothing(jobs: Jobs, warm: Job):
    job = jobs(event="pull_request", ref="refs/pull/7/merge")
    write_book(job.workspace)
    lesson = write_lesson(job.workspace, 3, seed=77)
    before = json.loads((warm.workspace / "book" / ".panaversity" / "manifest.json").read_text())["manifest_hash"]
    planned = job.uses("ingest", source_dir="docs", dry_run="true")
    assert (planned.outcome, planned.outputs["changed"], planned.outputs["updated"]) == ("success", "true", "1")
    compared = job.uses("manifest-diff", source_dir="docs")
    assert json.loads(compared.outputs["changed-files"]) == ["content/01-Part/01-Chapter/04-lesson.md"]
    assert lesson.relative_to(job.workspace / "docs").as_posix() in compared.summary
    same = job.uses("manifest-diff", **{"from": "remote", "to": before})
    assert (same.outcome, same.outputs["changed"], same.outputs["manifest-hash"]) == ("success", "false", before)


@pytest.mark.full
def test_a_difference_fails_only_if_that_is_asked_for(jobs: Jobs):
    words = {"from": "empty", "to": "remote"}
    told = jobs().uses("manifest-diff", **words)
    assert (told.outcome, told.outputs["added"]) == ("success", str(LESSONS))
    failed = jobs().uses("manifest-diff", **words, fail_on_difference="true", summary="false")
    assert (failed.outcome, failed.status, failed.summary) == ("failure", 1, "")


@pytest.mark.parametrize(
    ("action", "inputs", "said"),
    [
        ("ingest", {"dry_run": "yes"}, 'input dry-run: "yes" is neither true nor false'),
        *full(
            ("ingest", {"working_directory": "no/where"}, 'input working-directory: "no/where" cannot be entered'),
            ("hydrate", {"fallback": "maybe"}, 'input fallback: "maybe" is not one of full, fail'),
            ("manifest-diff", {"from": "local", "to": "source"}, "input from: only remote can be compared"),
        ),
    ],
)
def test_a_wrong_input_is_one_clear_annotation_and_status_2(jobs: Jobs, action: str, inputs: dict, said: str):
    done = jobs().uses(action, **inputs)
    assert (done.outcome, done.status) == ("failure", 2)
    [error] = done.commands("error")
    assert said in error.data
    assert "Traceback" not in done.log


@pytest.mark.full
def test_empty_inputs_are_not_given(jobs: Jobs):
    job = jobs(cache=CacheService())
    done = job.run(action("hydrate"), {**dict.fromkeys(action("hydrate").inputs, ""), "output-dir": "book"})
    assert (done.outcome, done.outputs["added"]) == ("success", str(LESSONS)), done.log


def test_a_job_without_a_book_or_a_server_is_told_so(tmp_path: Path):
    lost = Job(tmp_path / "1", env={"PANAVERSITY_MCP_URL": "http://127.0.0.1:9"}).uses("hydrate")
    assert (lost.outcome, lost.status) == ("failure", 15)
    assert "book_id: is not set" in lost.commands("error")[0].data
    alone = Job(tmp_path / "2").uses("hydrate", book_id="demo")
    assert (alone.outcome, alone.status) == ("failure", 2)
    assert "input server-url: is not set" in alone.commands("error")[0].data
