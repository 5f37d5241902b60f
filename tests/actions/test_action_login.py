"""A job that logs in as itself: main writes, a pull request reads, nobody else gets anything (DESIGN 9)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actions.books import write_book, write_lesson
from actions.cache_service import CacheService
from actions.oidc import TokenService, server_environment, token_service
from actions.runner import Job
from support.live import LiveServer

AUDIENCE = "https://books.example"
MAIN, REQUEST = "refs/heads/main", "refs/pull/7/merge"


@pytest.fixture(scope="module")
def github() -> Iterator[TokenService]:
    with token_service() as service:
        yield service


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that believes the tokens of GitHub for one repository."""
    folder = tmp_path_factory.mktemp("guarded")
    with LiveServer(folder / "store", environment=server_environment(folder, AUDIENCE)) as live:
        yield live


def job_for(server: LiveServer, github: TokenService, folder: Path, ref: str, **more: object) -> Job:
    env = {"PANAVERSITY_MCP_URL": server.url, "PANAVERSITY_BOOK_ID": "demo"}
    event = "pull_request" if ref == REQUEST else "push"
    return Job(folder, env=env | github.environment(ref), ref=ref, event=event, **more)


def test_main_writes_and_a_pull_request_reads(guarded: LiveServer, github: TokenService, tmp_path: Path):
    cache = CacheService()
    main = job_for(guarded, github, tmp_path / "main", MAIN, cache=cache)
    write_book(main.workspace, 3)
    written = main.uses("ingest", source_dir="docs", audience=AUDIENCE)
    assert (written.outcome, written.outputs["added"]) == ("success", "3"), written.log
    assert github.audiences[-1] == AUDIENCE
    assert any(mask.count(".") == 2 for mask in main.masks), "the runner was not told to mask the token"

    request = job_for(guarded, github, tmp_path / "request", REQUEST, cache=cache)
    write_book(request.workspace, 3)
    write_lesson(request.workspace, 1, seed=9)
    planned = request.uses("manifest-diff", source_dir="docs", audience=AUDIENCE)
    assert (planned.outcome, planned.outputs["updated"]) == ("success", "1"), planned.log
    refused = request.uses("ingest", source_dir="docs", audience=AUDIENCE)
    assert (refused.outcome, refused.status) == ("failure", 16), refused.log
    assert refused.outputs["status"] == "failed"


def test_a_job_that_may_not_log_in_is_told_what_it_lacks(guarded: LiveServer, github: TokenService, tmp_path: Path):
    job = job_for(guarded, github, tmp_path / "fork", REQUEST)
    job.env = {name: value for name, value in job.env.items() if not name.startswith("ACTIONS_")}
    done = job.uses("ingest", login="github", source_dir="docs")
    assert (done.outcome, done.status) == ("failure", 16)
    assert "id-token: write" in done.commands("error")[0].data


@pytest.mark.full
def test_no_token_is_asked_for_where_it_would_be_read_on_the_way(github: TokenService, tmp_path: Path):
    env = {"PANAVERSITY_MCP_URL": "http://books.example", **github.environment(MAIN)}
    asked = len(github.audiences)
    done = Job(tmp_path / "job", env=env).uses("ingest", book_id="demo", login="github")
    assert (done.status, len(github.audiences)) == (16, asked)
    assert "in the clear" in done.commands("error")[0].data


@pytest.mark.full
def test_a_token_service_that_refuses_is_told(guarded: LiveServer, tmp_path: Path):
    with token_service() as service:
        service.is_down = True
        done = job_for(guarded, service, tmp_path / "job", MAIN).uses("ingest", login="github")
    assert (done.status, len(service.audiences)) == (16, 3)
    assert "GitHub gave no token" in done.commands("error")[0].data
