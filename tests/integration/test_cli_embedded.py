"""The commands as processes of their own, over the embedded server: the same code and wire as a deployed one."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.command import clean_environ, panaversity
from support.hydrated import tree_of

ROOT = Path(__file__).parents[2]
LESSONS = {
    "README.md": b"# Guide\r\n",
    "01-Part/01-Chapter/01-one.md": b"# One",
    "01-Part/01-Chapter/02-two.md": b"",
    "01-Part/01-Chapter/img/d.png": b"\x89PNG\x00\x01",
    "_category_.json": b"{}",
}


@pytest.fixture
def project(tmp_path):
    """A project folder with a small source and settings."""
    for path, data in LESSONS.items():
        target = tmp_path / "docs" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    (tmp_path / "book.toml").write_text('book_id = "guide"\nsource_dir = "docs"\noutput_dir = "out"\n')
    return tmp_path


def run(project, *words, **environ):
    return panaversity(*words, cwd=project, environ=clean_environ(**environ))


def as_json(project, *words):
    outcome = run(project, *words, "--format", "json")
    assert outcome.status == 0, outcome
    return json.loads(outcome.out)


def test_FR_103_FR_105_FR_206_the_loop_moves_only_what_changed_and_the_tree_comes_back(project):
    assert as_json(project, "ingest")["added"] == 5
    first = as_json(project, "hydrate")
    assert (first["mode"], first["hydrate_files_downloaded"]) == ("full", 5)
    assert tree_of(project / "out") == LESSONS
    assert as_json(project, "ingest")["unchanged"] == 5
    assert as_json(project, "hydrate")["mode"] == "unchanged"
    (project / "docs" / "README.md").write_bytes(b"# Changed")
    (project / "docs" / "01-Part/01-Chapter/02-two.md").unlink()
    body = as_json(project, "ingest")
    assert (body["added"], body["updated"], body["deleted"]) == (0, 1, 1)
    body = as_json(project, "hydrate")
    assert (body["mode"], body["hydrate_files_downloaded"], body["deleted"]) == ("delta", 1, 1)
    assert tree_of(project / "out") == tree_of(project / "docs")


def test_Show_7_a_tree_that_was_deleted_is_made_whole_again(project):
    run(project, "ingest")
    run(project, "hydrate")
    for path in LESSONS:
        (project / "out" / path).unlink()
    assert run(project, "hydrate").status == 0
    assert tree_of(project / "out") == LESSONS


def test_a_stray_database_url_never_decides_where_a_book_goes(project):
    environ = {"DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:9/prod", "PANAVERSITY_STORAGE_BACKEND": "s3"}
    outcome = run(project, "ingest", **environ)
    assert (outcome.status, outcome.err) == (0, "")
    assert (project / ".panaversity" / "store").is_dir()
    assert as_json(project, "ingest")["unchanged"] == 5


def test_two_commands_at_once_share_one_server(project):
    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(lambda _: run(project, "ingest"), range(3)))
    assert {o.status for o in outcomes} <= {0, 11}
    assert any(o.status == 0 for o in outcomes), outcomes
    assert as_json(project, "ingest")["unchanged"] == 5


def test_FR_205_a_dry_run_leaves_book_and_source_as_they_are(project):
    body = as_json(project, "ingest", "--dry-run")
    assert body["added"] == 5
    assert run(project, "hydrate").status == 2, "nobody created the book"
    assert as_json(project, "ingest")["added"] == 5


def test_FR_101_FR_201_FR_503_the_scripts_do_what_the_commands_do(project):
    def script(name, *words):
        command = [sys.executable, ROOT / "scripts" / name, "--book-id", "guide", *words, "--verbose"]
        return subprocess.run(command, cwd=project, env=clean_environ(), capture_output=True, text=True, check=True)

    done = script("ingest-book.py", "--source-dir", "docs")
    assert "5 added" in done.stdout
    assert "requests" in done.stderr
    manifest = project / "elsewhere.json"
    script("hydrate-book.py", "--output-dir", "tree", "--manifest-file", str(manifest))
    assert tree_of(project / "tree") == LESSONS
    assert json.loads(manifest.read_text())["book_id"] == "guide"
    again = script("hydrate-book.py", "--output-dir", "tree", "--manifest-file", str(manifest), "--full-rebuild")
    assert again.returncode == 0


def test_FR_504_a_project_that_cannot_be_written_is_a_configuration_error(project):
    (project / ".panaversity").write_text("a file stands in the way")
    outcome = run(project, "ingest")
    assert outcome.status == 15
    assert len(outcome.err.splitlines()) == 1
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ingest", "BOOK_ID=b-1", "SOURCE_DIR=src"], 'panaversity ingest --book-id "b-1" --source-dir "src"'),
        (["hydrate", "BOOK_ID=b-1", "OUTPUT_DIR=out"], 'panaversity hydrate --book-id "b-1" --output-dir "out"'),
        (["local-build", "BOOK_ID=b-1"], 'panaversity build --book-id "b-1"'),
    ],
)
def test_FR_501_the_makefile_targets_are_these_commands(words, said):
    done = subprocess.run(["make", "-n", *words], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout.replace("\\\n", "").replace("               ", "")
