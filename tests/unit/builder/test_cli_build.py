"""``panaversity build`` as a caller meets it: reasons, forecasts, phases, trouble. The server is simulated."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from panaversity_builder.book import trees
from panaversity_builder.client import LastWritten
from support.build_desk import BOOK, BuildDesk

FULL = os.environ.get("PANAVERSITY_TEST_FULL") == "1"
PHASES = ["author", "ingest", "plan_build", "hydrate", "docusaurus"]


@pytest.fixture
def desk(tmp_path):
    return BuildDesk(tmp_path)


def everything(folder):
    return {p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def times(folder):
    return {p: p.lstat().st_mtime_ns for p in Path(folder).rglob("*")}


def test_build_says_unchanged_in_one_line_and_leaves_docusaurus_alone(desk):
    first = desk.run("build")
    assert first.status == 0, first.err
    assert re.fullmatch(r"build guide: site built in [\d.]+ s: .*/site/build\n", first.out)
    assert "[80%] docusaurus: never built" in first.err
    again = desk.run("build")
    assert re.fullmatch(r"build guide: unchanged; the site is up to date \([\d.]+ s\): .*\n", again.out)
    assert again.err == ""
    assert desk.site.runs == 1


def test_progress_lines_tell_percentage_phase_news_and_seconds(desk):
    desk.run("build")
    desk.write("README.md", "# Changed")
    said = [re.sub(r"\d+\.\d (s|KB)|\d+ B", r"n \1", line) for line in desk.run("build").err.splitlines()]
    assert said[0] == "[40%] ingest: 1 updated, 1 unchanged; revision 2 (n s)"
    assert said[1] == "  M README.md"
    assert re.fullmatch(r"\[80%\] hydrate: 1 updated; 1 file downloaded, n .*transferred \(n s\)", said[2])
    assert re.fullmatch(r"\[80%\] docusaurus: previous phase changed \(\w{12} → \w{12}\)", said[3])
    assert said[4:] == ["[100%] docusaurus: done (n s)"]


def test_build_explain_gives_a_reason_for_every_phase(desk):
    desk.run("build")
    said = re.sub(r"\d+\.\d s", "n s", desk.run("build", "--explain").err)
    assert said.splitlines() == [
        "[20%] author: always runs (n s)",
        "[40%] ingest: always runs (n s)",
        "[60%] plan_build: always runs (n s)",
        "[80%] hydrate: always runs (n s)",
        "[100%] docusaurus: cached, unchanged (n s)",
    ]


def test_after_a_lesson_a_css_file_the_lockfile_and_nothing_four_different_true_reasons(desk):
    desk.run("build")
    desk.write("README.md", "# Changed")
    reasons = [desk.why()]
    desk.site.put("site/src/css/custom.css", "p { color: teal }")
    reasons.append(desk.why())
    desk.site.put("package-lock.json", '{"lockfileVersion": 3}')
    reasons.append(desk.why())
    reasons.append(desk.why())
    assert re.fullmatch(r"previous phase changed \(\w{12} → \w{12}\)", reasons[0])
    assert reasons[1] == "changed: site sources (M src/css/custom.css)"
    assert re.fullmatch(r"changed: lockfile \(\w{12} → \w{12}\)", reasons[2])
    assert reasons[3] == "unchanged"
    assert desk.site.runs == 4


def test_files_that_came_went_and_changed_are_named_three_at_most(desk):
    desk.run("build")
    (desk.site.folder / "src/css/custom.css").unlink()
    for name in ("a", "b", "c"):
        desk.site.put(f"site/src/pages/{name}.js", "")
    assert desk.why() == ("changed: site sources (D src/css/custom.css, A src/pages/a.js, A src/pages/b.js and 1 more)")


def test_without_the_remembered_listing_the_digests_are_told(desk):
    desk.run("build")
    shutil.rmtree(desk.build_dir / "sources")
    desk.site.put("site/src/css/custom.css", "p { }")
    assert re.fullmatch(r"changed: site sources \(\w{12} → \w{12}\)", desk.why())


def test_an_edit_travels_through_the_loop_alone(desk):
    desk.run("build")
    desk.write("README.md", "# Changed")
    status, body = desk.json("build")
    assert (status, body["ingest_files_changed"], body["hydrate_files_downloaded"]) == (0, 1, 1)
    assert desk.site.built()["README.md"] == "# Changed"


def test_rebuild_until_and_full_rebuild(desk):
    desk.run("build")
    desk.run("build", "--rebuild", "docusaurus")
    assert desk.site.runs == 2
    outcome = desk.run("build", "--until", "hydrate")
    assert outcome.out.startswith("build guide: done up to hydrate (")
    assert desk.site.runs == 2
    _, body = desk.json("build", "--full-rebuild")
    assert (body["mode"], desk.site.runs) == ("full", 3)


@pytest.mark.parametrize("look", [[], ["--dry-run"], ["--show-phases"]])
@pytest.mark.parametrize("words", [["--rebuild", "paint"], ["--until", "7"], ["--rebuild", "4", "--rebuild", "paint"]])
def test_an_unknown_phase_is_an_error_with_the_list_before_anything_runs(desk, words, look):
    outcome = desk.run("build", *look, *words)
    assert outcome.status == 2
    assert "1 author, 2 ingest, 3 plan_build, 4 hydrate, 5 docusaurus" in outcome.err
    assert desk.server.traffic.requests == 0


def test_a_failing_site_leaves_with_14_and_shows_the_end_of_its_log(desk):
    desk.write("broken.md", "{")
    outcome = desk.run("build")
    assert outcome.status == 14
    assert "error PHASE_FAILED: build: docusaurus: ended with status 1. Its whole output is in " in outcome.err
    assert "  | broken.md: MDX compilation failed" in outcome.err.splitlines()
    assert re.search(r"^\[80%\] docusaurus: failed \(\d+\.\d s\)$", outcome.err, re.M)
    assert "Traceback" not in outcome.err


def test_a_failed_build_resumes_at_its_phase_and_the_phases_before_find_nothing_to_do(desk):
    desk.write("broken.md", "{")
    desk.run("build")
    desk.site.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", "import os; os.makedirs('build', exist_ok=True)")
    status, body = desk.json("build")
    assert status == 0
    assert [(p["name"], p["state"]) for p in body["phases"]] == [(name, "ran") for name in PHASES]
    assert (body["ingest_files_changed"], body["hydrate_files_downloaded"]) == (0, 0)
    assert body["phases"][-1]["reason"] == "never built"


def test_the_time_that_was_saved_is_what_the_remembered_run_took(desk):
    _, first = desk.json("build")
    _, again = desk.json("build")
    assert first["phases"][-1]["seconds_saved"] == 0
    assert again["phases"][-1]["seconds_saved"] == pytest.approx(first["phases"][-1]["seconds"], abs=0.002)


def test_sources_that_change_while_the_site_is_built_are_not_remembered_and_named(desk):
    script = desk.site.place / "node_modules/@docusaurus/core/bin/docusaurus.mjs"
    script.write_text(script.read_text() + "\nopen('src/generated.js', 'a').write('x')\n")
    said = desk.run("build").err
    assert "not remembered, meanwhile changed: site sources (A src/generated.js)" in said
    assert "meanwhile changed: site sources (M src/generated.js)" in desk.run("build").err
    with (desk.place / "book.toml").open("a") as settings:
        settings.write('site_generated = ["src/generated.js"]\n')
    assert "meanwhile" not in desk.run("build").err
    assert desk.why() == "unchanged"


# -- looking ahead -------------------------------------------------------------------------------------------------


def forecast(desk, *words):
    status, body = desk.json("build", "--dry-run", *words)
    assert status == 0
    return {p["name"]: p for p in body["phases"]}


def test_a_dry_run_says_what_every_phase_would_do_and_writes_nothing(desk):
    desk.run("build")
    desk.write("README.md", "# Changed")
    desk.write("01-Part/01-Chapter/02-two.md", "# Two")
    before, when, built = everything(desk.place), times(desk.place), desk.site.runs
    outcome = desk.run("build", "--dry-run")
    assert outcome.status == 0
    *lines, last = outcome.out.splitlines()
    assert lines == [
        "build guide: dry run, nothing was run or written",
        "[20%] author: 3 files",
        "[40%] ingest: would be 1 added, 1 updated",
        "[60%] plan_build: unchanged",
        "[80%] hydrate: 2 files would change (A 01-Part/01-Chapter/02-two.md, M README.md)",
    ]
    assert re.fullmatch(r"\[100%\] docusaurus: would run: previous phase changed \(\w{12} → \w{12}\)", last)
    assert (everything(desk.place), times(desk.place), desk.site.runs) == (before, when, built)
    assert desk.server.books[BOOK].revision == 1


def test_a_dry_run_foresees_exactly_what_the_build_then_finds(desk):
    desk.run("build")
    desk.write("README.md", "# Changed")
    (desk.place / "docs/01-Part/01-Chapter/01-one.md").unlink()
    foreseen = forecast(desk)["docusaurus"]["reason"]
    assert desk.json("build", "--max-deletes", "5")[1]["phases"][-1]["reason"] == foreseen


def test_a_dry_run_foresees_that_an_earlier_site_would_be_put_back(desk):
    desk.run("build")
    desk.write("README.md", "# Changed")
    desk.run("build")
    desk.write("README.md", "# Guide")
    seen = forecast(desk)["docusaurus"]
    assert (seen["state"], seen["reason"]) == (
        "would be restored", "a kept copy would be put back: the built folder is that of other inputs",
    )  # fmt: skip
    assert desk.why() == "restored: the same inputs were built before"


def test_a_dry_run_of_an_unchanged_book_says_so(desk):
    desk.run("build")
    seen = forecast(desk)
    assert [seen[name]["note"] for name in PHASES] == [
        "2 files", "nothing would change", "unchanged", "nothing would change", "",
    ]  # fmt: skip
    assert (seen["docusaurus"]["state"], seen["docusaurus"]["reason"]) == ("cached", "unchanged")
    assert forecast(desk, "--rebuild", "5")["docusaurus"]["reason"] == "rebuild requested"
    assert list(forecast(desk, "--until", "3")) == PHASES[:3]


def test_a_dry_run_does_not_claim_to_know_what_an_agent_wrote(desk):
    desk.run("build")
    desk.server.put(BOOK, "content/README.md", b"# An agent's")
    seen = forecast(desk)
    assert seen["hydrate"]["note"] == "1 file would change (M README.md)"
    assert (seen["docusaurus"]["state"], seen["docusaurus"]["reason"]) == ("would run", "previous phase changed")


def test_a_dry_run_stops_where_the_build_would_with_the_same_status(desk):
    desk.run("build")
    (desk.site.docs / "README.md").write_text("edited here")
    foreseen = desk.run("build", "--dry-run")
    assert foreseen.status == desk.run("build").status == 3
    assert "README.md" in foreseen.err


def test_a_dry_run_of_a_project_without_a_store_starts_no_server_and_makes_none(desk):
    before = everything(desk.place)
    del desk.environ["PANAVERSITY_MCP_URL"]
    outcome = desk.run("build", "--dry-run")
    assert outcome.status == 0
    assert "ingest: 2 files would be added; the book is not there yet" in outcome.out
    assert "docusaurus: would run: never built" in outcome.out
    assert everything(desk.place) == before
    assert not (desk.place / ".panaversity").exists()


# -- --show-phases -------------------------------------------------------------------------------------------------


def shown(desk):
    status, body = desk.json("build", "--show-phases")
    assert status == 0
    assert [p["name"] for p in body["phases"]] == PHASES
    return body["phases"]


def test_show_phases_lists_them_with_state_age_size_and_last_duration(desk):
    desk.run("build")
    lines = desk.run("build", "--show-phases").out.splitlines()
    assert lines[0].split() == ["id", "name", "description", "state", "age", "size", "last"]
    assert re.match(
        r"4   hydrate     make the docs folder equal the manifest +always runs +\d+ s +- +\d\.\d s", lines[4]
    )
    assert re.match(r"5   docusaurus  build the site from the docs folder +cached +\d+ s +\d+ B +\d\.\d s", lines[5])
    assert lines[6:] == ["docusaurus cached: unchanged"]
    size = sum(p.stat().st_size for p in desk.kept[0].rglob("*") if p.is_file())
    assert shown(desk)[4]["size_bytes"] == size


def test_show_phases_tells_the_state_as_it_is_now_and_touches_nothing(desk):
    states = {shown(desk)[4]["reason"]}
    desk.run("build")
    requests, before = desk.server.traffic.requests, everything(desk.place)
    steps = {
        "unchanged": lambda: None,
        "changed: site sources (M src/css/custom.css)": lambda: desk.site.put("site/src/css/custom.css", "b {}"),
    }
    for reason, step in steps.items():
        step()
        assert shown(desk)[4]["reason"] == reason
    desk.site.put("site/src/css/custom.css", "p {}")
    shutil.rmtree(desk.site.folder / "build")
    phase = shown(desk)[4]
    assert (phase["state"], phase["reason"]) == (
        "would be restored", "a kept copy would be put back: the built folder is missing",
    )  # fmt: skip
    assert not (desk.site.folder / "build").exists()
    shutil.rmtree(desk.kept[0])
    assert shown(desk)[4]["reason"] == "snapshot gone (the built folder is missing, no copy is kept)"
    (desk.site.docs / "own.md").write_text("mine")
    assert shown(desk)[4]["reason"].startswith("previous phase changed (")
    assert states == {"never built"}
    assert desk.server.traffic.requests == requests
    assert set(everything(desk.place)) <= {*before, Path("site/book/own.md")}


def test_show_phases_of_a_folder_that_cannot_be_built_says_what_would_fail(desk):
    (desk.site.folder / "docusaurus.config.js").unlink()
    desk.run("build", "--until", "hydrate")
    phase = shown(desk)[4]
    assert phase["state"] == "would fail"
    assert "holds no docusaurus.config file" in phase["reason"]


# -- trouble -------------------------------------------------------------------------------------------------------


def record_of(desk):
    return desk.build_dir / "phases" / "book" / "5.json"


def test_F48_a_damaged_record_is_a_warning_and_a_build_never_a_wrong_site(desk):
    desk.run("build")
    path, clean = record_of(desk), desk.site.built()
    whole = path.read_bytes()
    cuts = range(0, len(whole) - 1, 40 if FULL else len(whole) // 2)
    flips = range(7, len(whole) - 1, 40 if FULL else len(whole) // 3)
    damaged = [whole[:at] for at in cuts]
    damaged += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in flips]
    for data in [*damaged, b'{"format": 99}']:
        path.write_bytes(data)
        outcome = desk.run("build")
        assert outcome.status == 0, (data, outcome.err)
        assert desk.site.built() == clean
        assert path.read_bytes() != data or "unchanged" in outcome.out
        assert "5.json is not believed" in outcome.err or "unchanged" in outcome.out, data


@pytest.mark.parametrize("state", ["a file", "a link to nowhere"])
def test_a_state_folder_that_cannot_be_used_is_told_with_15_before_anything_happens(desk, state):
    folder = desk.place / ".panaversity"
    folder.write_text("") if state == "a file" else folder.symlink_to("/nowhere/at/all")
    outcome = desk.run("build")
    assert outcome.status == 15
    assert "Make the project folder writable" in outcome.err
    assert desk.server.traffic.requests == 0


def test_F11_a_disk_that_is_full_when_the_copy_is_made_costs_the_copy_only(desk, monkeypatch):
    def full(_descriptor, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(trees, "_written", full)
        outcome = desk.run("build")
    assert outcome.status == 0
    assert "warning: build: no copy of the site is kept ([Errno 28] No space left on device)" in outcome.err
    assert desk.kept == []
    assert desk.why() == "unchanged"
    shutil.rmtree(desk.site.folder / "build")
    assert desk.why() == "snapshot gone (the built folder is missing, no copy is kept)"


def test_leftovers_of_an_interrupted_restore_are_no_sources_and_go_with_the_next_build(desk):
    desk.run("build")
    desk.site.put("site/build.restoring/half.html", "")
    desk.site.put("site/build.replaced/old.html", "")
    assert desk.why() == "unchanged"
    assert sorted(p.name for p in desk.site.folder.glob("build*")) == ["build"]


def test_records_of_an_earlier_format_cost_one_build(desk):
    desk.run("build")
    path = record_of(desk)
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    assert "its format is not 2" in desk.run("build").err
    assert desk.run("build").err == ""


SHOWS = "import {manifestVcs} from 'learn-app-hooks'\nexport default {future: {experimental_vcs: manifestVcs()}}"


def asked(desk):
    return desk.server.calls.count("manifest_metadata")


def test_last_updated_data_is_fetched_where_the_site_shows_it_or_a_setting_says_so(desk):
    desk.run("build")
    assert asked(desk) == 0
    desk.run("hydrate", "--metadata", "yes")
    assert asked(desk) == 1
    desk.site.put("site/docusaurus.config.js", SHOWS)
    desk.run("build", PANAVERSITY_METADATA="no")
    assert not (desk.site.docs / ".panaversity" / "metadata.json").exists()
    desk.run("build")
    assert asked(desk) == 2
    assert (desk.site.docs / ".panaversity" / "metadata.json").exists()
    desk.run("build")
    assert asked(desk) == 2


def test_a_dry_run_knows_that_new_dates_are_a_new_site_and_old_ones_are_not(desk):
    desk.site.put("site/docusaurus.config.js", SHOWS)
    desk.run("build")
    assert forecast(desk)["docusaurus"]["reason"] == "unchanged"
    assert desk.json("build", "--show-phases")[1]["phases"][-1]["reason"] == "unchanged"
    (book,) = desk.server.books.values()
    book.written = {path: LastWritten("2027-01-01T00:00:00.000Z", "grace") for path in book.entries}
    book.revision += 1
    assert forecast(desk)["docusaurus"]["state"] != "unchanged"
    assert desk.why().startswith("previous phase changed")


def test_programs_of_the_site_see_the_servers_token_only_if_the_site_asks_for_it(tmp_path):
    desk = BuildDesk(tmp_path)
    assert desk.run("build", PANAVERSITY_TOKEN="secret").status == 0
    assert "PANAVERSITY_TOKEN" not in desk.site.seen_environment()
    asked = {"PANAVERSITY_TOKEN": "secret", "PANAVERSITY_SITE_VARIABLES": "PANAVERSITY_TOKEN"}
    assert desk.run("build", **asked).status == 0
    assert desk.site.seen_environment()["PANAVERSITY_TOKEN"] == "secret"
