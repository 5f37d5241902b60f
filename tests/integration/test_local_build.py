"""The example site, built for real from a copy: Show 1. Needs node and ``npm ci``."""

import json
import re
import shutil
from pathlib import Path

import pytest

from support.command import clean_environ, panaversity

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "node_modules" / "@docusaurus" / "core" / "bin" / "docusaurus.mjs"
LESSON = Path("Part-01", "Chapter-01", "03-exercises.md")
DATELESS = {"PANAVERSITY_METADATA": "no"}
"""A lesson written back is the same page again only where pages do not show when that was."""
WRITTEN = ("book", "build", ".docusaurus", "node_modules", ".panaversity")

pytestmark = [
    pytest.mark.site,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not ENTRY.exists() or not shutil.which("node"), reason="needs node and npm ci"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The workspace in small: the example's folders copied, the installed packages linked."""
    place = tmp_path_factory.mktemp("workspace")
    shutil.copytree(ROOT / "examples" / "book", place / "examples" / "book")
    shutil.copytree(
        ROOT / "examples" / "learn-app", place / "examples" / "learn-app", ignore=shutil.ignore_patterns(*WRITTEN)
    )
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, place / name)
    (place / "node_modules").symlink_to(ROOT / "node_modules")
    return place


def build(place, *words):
    return panaversity(
        "build", "--site-dir", "examples/learn-app", *words, cwd=place, environ=clean_environ(**DATELESS), timeout=300
    )


def mtimes(folder):
    """When each file was written, the build state aside."""
    files = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {p: (folder / p).stat().st_mtime_ns for p in files if ".panaversity" not in p.parts}


def pages_with(place, text):
    """The built pages that show this text."""
    built = place / "examples" / "learn-app" / "build"
    return [p.relative_to(built).as_posix() for p in built.rglob("*.html") if text in p.read_text(encoding="utf-8")]


@pytest.fixture(scope="module")
def first(place):
    outcome = build(place)
    assert outcome.status == 0, outcome.err
    return outcome


def test_Show_1_the_example_site_is_built(place, first):
    assert re.search(r"site built in [\d.]+ s", first.out)
    built = place / "examples" / "learn-app" / "build"
    assert (built / "index.html").is_file()
    source = place / "examples" / "book"
    lessons = [p for p in source.rglob("*.md*") if not p.name.endswith(".summary.md")]
    pages = list(built.rglob("*.html"))
    assert len(pages) >= len(lessons) >= 12


def test_Show_1_a_second_run_says_unchanged_and_does_not_run_docusaurus(place, first):
    app = place / "examples" / "learn-app"
    before = mtimes(app / "build"), mtimes(app / "book")
    (log,) = place.glob(".panaversity/build/*/logs/docusaurus.log")
    logged = log.stat().st_mtime_ns
    outcome = build(place)
    assert outcome.status == 0
    assert "unchanged; the site is up to date" in outcome.out
    assert outcome.err == ""
    assert (mtimes(app / "build"), mtimes(app / "book")) == before
    assert log.stat().st_mtime_ns == logged


def test_Show_1_after_an_edit_exactly_that_file_is_uploaded_and_downloaded(place, first):
    source = place / "examples" / "book" / LESSON
    source.write_bytes(source.read_bytes() + b"\nEdited by a test.\n")
    hydrated = place / "examples" / "learn-app" / "book"
    before = mtimes(hydrated)
    outcome = build(place, "--format", "json")
    assert outcome.status == 0, outcome
    body = json.loads(outcome.out)
    assert body["ingest_files_changed"] == 1
    assert body["hydrate_files_downloaded"] == 1
    after = mtimes(hydrated)
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {LESSON}
    assert body["phases"][4]["reason"].startswith("previous phase changed")
    (page,) = pages_with(place, "Edited by a test.")
    assert page.startswith("Part-01/Chapter-01/03-exercises")


def test_going_back_restores_the_first_site_without_docusaurus(place, first):
    shutil.copy(ROOT / "examples" / "book" / LESSON, place / "examples" / "book" / LESSON)
    outcome = build(place)
    assert outcome.status == 0
    assert "restored: the same inputs were built before; the site is up to date" in outcome.out
    assert pages_with(place, "Edited by a test.") == []


def reason(place):
    outcome = build(place, "--format", "json")
    assert outcome.status == 0, outcome
    return json.loads(outcome.out)["phases"][4]["reason"]


@pytest.mark.full
def test_four_edits_of_the_real_site_give_four_true_reasons(place, first):
    app = place / "examples" / "learn-app"
    css = app / "src" / "css" / "custom.css"
    reasons = []
    source = place / "examples" / "book" / LESSON
    source.write_bytes(source.read_bytes() + b"\nFour reasons.\n")
    reasons.append(reason(place))
    css.write_text(css.read_text() + "\n.four-reasons { color: teal }\n")
    reasons.append(reason(place))
    lockfile = place / "package-lock.json"
    lockfile.write_text(lockfile.read_text() + "\n")
    reasons.append(reason(place))
    reasons.append(reason(place))
    assert re.fullmatch(r"previous phase changed \(\w{12} → \w{12}\)", reasons[0])
    assert reasons[1] == "changed: site sources (M src/css/custom.css)"
    assert re.fullmatch(r"changed: lockfile \(\w{12} → \w{12}\)", reasons[2])
    assert reasons[3] == "unchanged"
    assert any("four-reasons" in p.read_text() for p in (app / "build").rglob("*.css"))


@pytest.mark.full
def test_a_real_incremental_build_equals_a_clean_one(place, first, tmp_path):
    """Edited, added, renamed and deleted, then built on top of what was there, and from nothing."""
    source = place / "examples" / "book"
    (source / LESSON).write_bytes((source / LESSON).read_bytes() + b"\nIncremental.\n")
    chapter = (source / LESSON).parent
    shutil.copy(source / LESSON, chapter / "04-more.md")
    assert build(place).status == 0
    (chapter / "04-more.md").rename(chapter / "05-moved.md")
    assert build(place).status == 0
    app = place / "examples" / "learn-app"
    site = {p.relative_to(app / "build"): p.read_bytes() for p in (app / "build").rglob("*") if p.is_file()}
    for folder in (app / "build", app / "book", app / ".docusaurus", place / ".panaversity"):
        shutil.rmtree(folder)
    assert build(place).status == 0
    clean = {p.relative_to(app / "build"): p.read_bytes() for p in (app / "build").rglob("*") if p.is_file()}
    assert site.keys() == clean.keys()
    assert [p for p in site if site[p] != clean[p]] == []
