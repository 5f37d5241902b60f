"""``panaversity init`` on sites as they are found: what it writes and refuses, and that a build goes on."""

import json
import shutil
from pathlib import Path

import pytest

from support.command import clean_environ, panaversity

ROOT = Path(__file__).parents[2]
CONFIG = "export default {title: 'Learn it', presets: [['classic', {docs: {path: 'docs'}}]]};\n"


@pytest.fixture
def site(tmp_path):
    """An ordinary site in a repository."""
    folder = tmp_path / "site"
    (folder / "docs" / "Part-01").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (folder / "docusaurus.config.ts").write_text(CONFIG)
    (folder / "package.json").write_text('{"name": "learn-it"}')
    (folder / "docs" / "Part-01" / "01-a.md").write_text("# A\n")
    (folder / "docs" / "intro.md").write_text("# Intro\n")
    return folder


def init(cwd, *words, **environ):
    return panaversity("init", *words, cwd=cwd, environ=clean_environ(**environ))


def test_after_init_the_loop_runs(site):
    outcome = init(site)
    assert outcome.status == 0, outcome.err
    assert "let the docs plugin read book" in outcome.out
    assert "not in .gitignore yet (--write-gitignore adds them): book/ .panaversity/" in outcome.out
    built = panaversity("build", "--until", "hydrate", cwd=site, environ=clean_environ())
    assert built.status == 0, built.err
    assert (site / "book" / "Part-01" / "01-a.md").read_text() == "# A\n"
    shown = panaversity("config", "show", "--origin", cwd=site, environ=clean_environ())
    (line,) = [line for line in shown.out.splitlines() if line.startswith("book_id ")]
    assert line.endswith(f"= learn-it    # {site / 'book.toml'}")


def test_the_example_site_is_understood_and_goes_on(tmp_path):
    shutil.copytree(ROOT / "examples" / "book", tmp_path / "book")
    ignored = shutil.ignore_patterns("book", "build", ".docusaurus", "node_modules", "book.toml", ".panaversity")
    shutil.copytree(ROOT / "examples" / "learn-app", tmp_path / "learn-app", ignore=ignored)
    outcome = init(tmp_path, "--site-dir", "learn-app", "--source-dir", "book", "--format", "json")
    body = json.loads(outcome.out)
    assert (body["book_id"], body["todo"]) == ("learn-app", [])
    built = panaversity(
        "build", "--until", "hydrate", "--format", "json", cwd=tmp_path / "learn-app", environ=clean_environ()
    )
    assert json.loads(built.out)["hydrate_files_downloaded"] == 44


def test_a_dry_run_shows_everything_and_writes_nothing(site):
    before = sorted(site.rglob("*"))
    outcome = init(site, "--dry-run", "--write-gitignore")
    assert outcome.status == 0
    assert 'book_id = "learn-it"' in outcome.out
    assert sorted(site.rglob("*")) == before


def test_a_book_toml_that_is_there_is_replaced_only_by_force(site):
    (site / "book.toml").write_text('book_id = "mine"\n')
    outcome = init(site)
    assert (outcome.status, "is there already" in outcome.err) == (15, True)
    assert (site / "book.toml").read_text() == 'book_id = "mine"\n'
    assert init(site, "--force").status == 0
    assert 'book_id = "learn-it"' in (site / "book.toml").read_text()


def test_gitignore_only_ever_grows_and_only_once(site):
    (site / ".gitignore").write_bytes(b"build/\r\nbook")
    assert init(site, "--write-gitignore").status == 0
    assert (site / ".gitignore").read_bytes() == b"build/\r\nbook\n# panaversity\n.panaversity/\n"
    assert init(site, "--write-gitignore", "--force").status == 0
    assert (site / ".gitignore").read_bytes().count(b".panaversity/") == 1


def test_words_and_environment_win_but_settings_of_another_folder_are_not_meant(site):
    (site.parent / "book.toml").write_text('book_id = "another"\nsource_dir = "nowhere"\n')
    body = json.loads(init(site, "--dry-run", "--format", "json").out)
    assert body["book_id"] == "learn-it"
    body = json.loads(init(site, "--dry-run", "--format", "json", PANAVERSITY_BOOK_ID="said").out)
    assert body["book_id"] == "said"
    body = json.loads(init(site, "--dry-run", "--format", "json", "--book-id", "louder", "--output-dir", "out").out)
    assert (body["book_id"], body["output_dir"]) == ("louder", str(site / "out"))


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 15, "holds no docusaurus.config file. There is one in site: give --site-dir."),
        (["--site-dir", "site", "--source-dir", "nowhere"], 15, "nowhere: is no folder. Correct --source-dir."),
        (["--site-dir", "site", "--output-dir", "site/docs"], 15, "holds no folder with lessons"),
        (["--site-dir", "site", "--book-id", "No Good"], 15, "book_id (flag --book-id)"),
        (["--what"], 2, "no such option"),
    ],
)
def test_nonsense_is_refused_with_what_to_do(site, words, status, said):
    outcome = init(site.parent, *words)
    assert outcome.status == status
    assert said in outcome.err
    assert not (site / "book.toml").exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(site):
    (site / "book.toml").mkdir()
    outcome = init(site, "--force")
    assert outcome.status == 15
    assert "cannot be written" in outcome.err
