"""The build action with a Docusaurus of a few lines: packages before caches, one more try without, what is saved."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actions.books import write_book, write_lesson
from actions.cache_service import CacheService
from actions.runner import Job
from support.fake_site import DOCUSAURUS, FakeSite
from support.live import LiveServer

Sites = Callable[..., tuple[Job, FakeSite]]
CACHE = "site/node_modules/.cache/rspack"
REMEMBERING = """
os.makedirs("node_modules/.cache/rspack", exist_ok=True)
memory = "node_modules/.cache/rspack/memory"
if os.path.exists(memory) and "poison" in open(memory).read():
    print("the cache is broken", file=sys.stderr)
    sys.exit(1)
print("warm" if os.path.exists(memory) else "cold", file=open("../warmth.txt", "a"))
open(memory, "a").write(open("docusaurus.config.js").read())
"""
NPM = """#!/bin/sh
[ "$1" = ci ] || exit 9
rm -rf node_modules site/node_modules
cp -R packages node_modules
echo "npm$PANAVERSITY_TOKEN" >>order.txt
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("server") / "store") as live:
        yield live


@pytest.fixture
def sites(server: LiveServer, tmp_path: Path) -> Sites:
    """Jobs with a checked-out site; its packages are not installed."""
    cache, made = CacheService(), []

    def checkout(**more: object) -> tuple[Job, FakeSite]:
        made.append(1)
        env = {
            "PANAVERSITY_MCP_URL": server.url,
            "PANAVERSITY_BOOK_ID": tmp_path.name.replace("_", "-")[:40].strip("-"),
        }
        job = Job(tmp_path / str(len(made)), cache, env, run_id=len(made), **more)
        site = FakeSite(job.workspace)
        site.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", DOCUSAURUS + REMEMBERING)
        site.put("bin/npm", NPM).chmod(0o755)
        (job.workspace / "node_modules").rename(job.workspace / "packages")
        job.path.append(str(job.workspace / "bin"))
        write_book(job.workspace, 2)
        return job, site

    return checkout


def built(job: Job, **inputs: str):
    more = {"site_dir": "site", "source_dir": "docs", "ingest": "true", "remote_cache": "false", **inputs}
    done = job.uses("build", **more)
    assert done.outcome == "success", done.log
    return done


def warmth(site: FakeSite) -> str:
    return (site.place / "warmth.txt").read_text().split()[-1]


def test_caches_come_after_npm_ci_and_are_saved_by_main_only(sites: Sites):
    job, site = sites()
    first = built(job)
    assert site.built()["Part-01/Chapter-01/01-lesson.md"].startswith("# Lesson 0")
    assert (first.outputs["cache-hit"], first.outputs["site-cache-key"], warmth(site)) == ("false", "", "cold")
    assert first.outputs["site-dir"] == str(site.folder / "build")
    assert [entry.key.split("-")[0] for entry in job.cache.entries] == ["book", "site"]

    job, site = sites(event="pull_request", ref="refs/pull/1/merge")
    write_lesson(job.workspace, 0, seed=5)
    second = built(job, token="secret-of-the-server")
    assert (site.place / "order.txt").read_text() == "npm\n"
    assert (second.outputs["cache-hit"], warmth(site)) == ("true", "warm")
    assert second.outputs["site-cache-key"].startswith("site-1-Linux-")
    assert len(job.cache.entries) == 2, "a pull request writes no cache"


def test_a_build_that_fails_with_restored_caches_is_tried_once_without(sites: Sites):
    job, site = sites()
    site.put("site/docusaurus.config.js", "export default {poison: 1}")
    built(job)
    job, site = sites()
    site.put("site/docusaurus.config.js", "export default {poison: 1}")
    write_lesson(job.workspace, 1, seed=6)
    done = built(job)
    assert (done.outputs["retried"], done.outputs["status"], warmth(site), site.runs) == ("true", "done", "cold", 2)
    assert "tried once more without them" in done.commands("warning")[-1].data
    assert done.summary.count("### panaversity build") == 1, "the failed try is no news of the summary"


@pytest.mark.full
def test_a_site_that_cannot_be_built_fails_and_saves_its_book(sites: Sites):
    job, site = sites()
    site.put("docs/broken.md", "# Broken\n")
    job_schema = {"schema": "docusaurus"}
    done = job.uses("build", site_dir="site", source_dir="docs", ingest="true", remote_cache="false", **job_schema)
    assert (done.outcome, done.status, done.outputs["error-code"]) == ("failure", 14, "PHASE_FAILED")
    assert [entry.key.split("-")[0] for entry in job.cache.entries] == ["book"]


@pytest.mark.full
def test_the_book_is_built_as_it_is_when_nothing_is_ingested(sites: Sites):
    job, _ = sites()
    assert job.uses("ingest", source_dir="docs").outcome == "success"
    job, site = sites()
    write_lesson(job.workspace, 0, seed=5)
    before = (job.workspace / "docs/Part-01/Chapter-01/01-lesson.md").read_text()
    built(job, ingest="false")
    assert site.built()["Part-01/Chapter-01/01-lesson.md"] != before
