"""What a command does when its server cannot be reached, and a build that leaves the book as it is."""

import io
import json
import shutil

import pytest

from panaversity_builder.cli.unavailable import or_offline
from panaversity_builder.client.offline import NoServer
from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_fs.core.errors import Conflict, ServerUnreachable
from support.build_desk import BuildDesk

AWAY = ServerUnreachable("hydrate", "http://books", "cannot be reached", "Try again")


def tried(config: Config, *answers: object, ingesting: bool = False) -> tuple[object, list[bool], str]:
    """What ``or_offline`` answers when the runs answer, or raise, these; which of them were offline; what was said."""
    errors, seen, left = io.StringIO(), [], list(answers)

    def run(config: Config) -> object:
        seen.append(config.offline)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    try:
        found = or_offline(Console(io.StringIO(), errors, {}), config, run, ingesting=ingesting)
    except Exception as error:  # noqa: BLE001 — it is the answer
        found = error
    return found, seen, errors.getvalue()


def test_a_server_that_is_away_fails_unless_told_otherwise():
    assert tried(Config("/x"), AWAY) == (AWAY, [False], "")


def test_use_cache_runs_once_more_offline_with_one_warning():
    found, seen, said = tried(Config("/x", on_unavailable="use-cache"), AWAY, "done")
    assert (found, seen) == ("done", [False, True])
    assert said.startswith("warning: hydrate: http://books: cannot be reached. Going on with what is on this machine")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("config", "answers", "runs"),
    [
        (Config("/x", on_unavailable="use-cache"), (AWAY, AWAY), 2),
        (Config("/x", on_unavailable="use-cache", offline=True), (AWAY,), 1),
        (Config("/x", on_unavailable="use-cache"), (Conflict("ingest", "x", "was changed"),), 1),
    ],
)
def test_nothing_else_is_tried_again(config: Config, answers: tuple[Exception, ...], runs: int):
    found, seen, _ = tried(config, *answers)
    assert found is answers[-1]
    assert len(seen) == runs


def test_an_ingest_never_goes_on_without_its_server_and_the_true_cause_is_told():
    found, seen, said = tried(Config("/x", on_unavailable="use-cache"), AWAY, ingesting=True)
    assert isinstance(found, ServerUnreachable)
    assert (seen, said) == ([False], "")
    assert str(found) == (
        "hydrate: http://books: cannot be reached. Try again; "
        "only with --no-ingest does --on-unavailable use-cache go on with what is here."
    )
    assert tried(Config("/x"), AWAY, ingesting=True)[0] is AWAY


def test_a_build_goes_on_with_what_is_here_only_without_ingest_and_its_report_tells_of_no_failure(tmp_path):
    desk = BuildDesk(tmp_path)
    assert desk.run("build").status == 0
    desk.server = NoServer()
    refused = desk.run("build", "--on-unavailable", "use-cache")
    assert (refused.status, "--no-ingest" in refused.err, "warning" in refused.err) == (10, True, False), refused.err
    assert desk.run("build", "--no-ingest", "--on-unavailable", "use-cache").status == 0
    report = json.loads((tmp_path / ".panaversity" / "report.json").read_bytes())
    assert (report["status"], report["error"]) == ("done", None)
    assert report["build_total_seconds"] == report["seconds"] > 0


def test_a_build_without_ingest_builds_the_book_and_not_the_source(tmp_path):
    desk = BuildDesk(tmp_path)
    assert desk.run("build").status == 0
    before = desk.site.built()
    desk.write("README.md", "# Changed")
    as_it_is = desk.run("build", "--no-ingest")
    assert (as_it_is.status, desk.site.built(), desk.site.runs) == (0, before, 1), as_it_is.err
    assert desk.run("build").status == 0
    assert desk.site.built() != before


def test_no_ingest_has_no_dry_run(tmp_path):
    done = BuildDesk(tmp_path).run("build", "--no-ingest", "--dry-run")
    assert done.status == 2
    assert "panaversity plan" in done.err


def test_an_offline_build_asks_nobody_and_builds_the_book_as_it_was_last_told(tmp_path):
    desk = BuildDesk(tmp_path)
    assert desk.run("build").status == 0
    before, asked = desk.site.built(), desk.server.traffic.requests
    desk.write("README.md", "# Changed")
    shutil.rmtree(tmp_path / "site" / "book")
    offline = desk.run("build", "--offline")
    assert (offline.status, desk.site.built(), desk.server.traffic.requests) == (0, before, asked), offline.err
    assert desk.run("build", "--no-ingest", PANAVERSITY_OFFLINE="1").status == 0
    assert desk.run("build", "--offline", "--dry-run").status == 2


def test_a_full_rebuild_has_every_page_rendered(tmp_path):
    desk = BuildDesk(tmp_path)
    assert desk.run("build").status == 0
    assert "INCREMENTAL_SSG" not in desk.site.seen_environment()
    assert desk.run("build", "--full-rebuild").status == 0
    assert desk.site.seen_environment()["INCREMENTAL_SSG"] == "off"
    assert "unchanged" in desk.run("build").out  # it is no input: what was built is what anybody would build
