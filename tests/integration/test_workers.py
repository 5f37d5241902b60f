"""Several processes behind one socket are one server: nothing is lost when one dies, and one scrape tells of all."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import postgres
from support.live import clean_environment, serve_command
from support.scraped import scraped
from support.slow_upload import SlowUpload
from support.workers import WorkersServer, gone_within

BOOK = "crowd"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WorkersServer]:
    environment = {"DATABASE_URL": postgres.new_database(), "PANAVERSITY_STORAGE_ROOT": str(tmp_path / "blobs")}
    with WorkersServer(tmp_path, environment) as started:
        yield started


def path(number: int) -> str:
    return f"content/01-Part/{number // 50 + 1:02}-Chapter/{number % 50 + 1:02}-lesson.md"


def write(server: WorkersServer, number: int) -> bool:
    """Whether this write was acknowledged; a process that dies takes its connection with it."""
    try:
        answer = server.call("write_content", book_id=BOOK, path=path(number), content=f"# {number}\n")
    except (OSError, AssertionError):
        return False
    assert not answer.is_error, answer.error
    return True


def test_P1_a_process_that_dies_takes_no_acknowledged_write_with_it_and_is_replaced(server: WorkersServer) -> None:
    before = server.pids
    assert len(before) == 2
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(write, server, number) for number in range(80)]
        running[20].result()
        os.kill(min(before), signal.SIGKILL)
        acknowledged = {number for number, done in enumerate(running) if done.result()}
    assert len(acknowledged) > 40
    server.wait_for(3)
    assert len(server.pids) == 2
    assert min(before) not in server.pids
    plan = server.call("plan_build", book_id=BOOK).structured
    assert {path(number) for number in acknowledged} <= {file["path"] for file in plan["files"]}
    audit = server.call("verify_audit", book_id=BOOK).structured
    assert audit["valid"]
    assert audit["entries"] == plan["total_files"]


def test_a_scrape_of_any_process_tells_of_all_even_of_one_that_is_gone(server: WorkersServer) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(lambda number: write(server, number), range(30)))
    os.kill(min(server.pids), signal.SIGKILL)
    server.wait_for(3)
    told = [scraped(server.request("GET", "/metrics").body.decode()) for _ in range(6)]
    assert {found("write_total", status="success", mode="created") for found in told} == {30}
    assert {found("journal_entries_total", book_id=BOOK) for found in told} == {30}
    assert {found("requests_running") for found in told} == {0}


def test_F38_stopped_with_their_whole_group_all_finish_what_they_answer_and_leave_with_0(
    server: WorkersServer,
) -> None:
    """A terminal signals the watcher and the processes it watches over at once: that is one word, not two."""
    pids = server.pids
    server.call("create_book", book_id=BOOK)
    upload = SlowUpload(server, BOOK)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(write, server, number) for number in range(12)]
        running[4].result()
        server.signal_all(signal.SIGINT)
        acknowledged = sum(done.result() for done in running)
    time.sleep(1.8)  # longer than whoever is told twice is given
    upload.finish()
    assert [answer.status for answer in upload.answers] == [201], server.errors.read_text()
    assert server.process.wait(10) == 0
    assert acknowledged >= 5
    assert gone_within(pids, 1)
    assert "Traceback" not in server.errors.read_text()


def test_none_outlives_a_watcher_that_was_killed(server: WorkersServer) -> None:
    pids = server.pids
    server.end(signal.SIGKILL)
    assert gone_within(pids, 15)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DATABASE_URL": "sqlite+aiosqlite:///x.db"}, "--workers: needs a database that several processes write to"),
        ({"DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/x"}, "127.0.0.1:1/x: cannot be reached"),
    ],
)
def test_what_cannot_start_says_why_and_exits_15(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    command = serve_command("--workers", "2", "--port", "0", "--log-format", "text")
    settings = {**clean_environment(), **environment, "PANAVERSITY_STORAGE_ROOT": str(tmp_path)}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 15, done.stderr
    assert done.stderr.count(said) == 1, "said by one that tried, before any of many was started"
    assert "serving" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("flag", [("--store", "x"), ("--stdio",)])
def test_workers_are_for_a_server_of_many(flag: tuple[str, ...]) -> None:
    done = subprocess.run(serve_command("--workers", "2", *flag), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--workers goes without" in done.stderr
