"""The Makefile as its users meet it: the list of targets and the command behind each (asked of ``make --dry-run``)."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISED = {
    "help",
    "install",
    "ingest",
    "hydrate",
    "local-build",
    "full-rebuild",
    "serve",
    "test",
    "test-full",
    "check",
    "bench",
    "clean",
}
LOOP = "--book-id panaversityfs-guide --source-dir examples/book --output-dir examples/learn-app/book"


def make(*arguments: str, **environment: str) -> str:
    """What make prints; continued lines joined, quotes and runs of spaces taken away."""
    foreign = ("PANAVERSITY_", "MAKE", "MFLAGS", "BOOK_ID", "SOURCE_DIR", "SITE_DIR", "OUTPUT_DIR", "SEED", "VENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    answer = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return re.sub(r"[ \t]+", " ", answer.stdout.replace("\\\n", "").replace('"', ""))


def test_help_is_the_default_and_lists_every_target_with_a_line() -> None:
    listed = re.findall(r"^ ([a-z-]+) \S+", make(), re.MULTILINE)
    assert set(listed) >= PROMISED
    assert make() == make("help")


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("ingest", "panaversity ingest --book-id panaversityfs-guide --source-dir examples/book"),
        ("hydrate", "panaversity hydrate --book-id panaversityfs-guide --output-dir examples/learn-app/book"),
        ("local-build", f"panaversity build {LOOP} --site-dir examples/learn-app"),
        ("full-rebuild", f"panaversity build {LOOP} --site-dir examples/learn-app --full-rebuild --rebuild docusaurus"),
        ("serve", "panaversity-fs serve --store .panaversity/store"),
        ("bench", "python benchmarks/run.py"),
    ],
)
def test_FR_501_a_target_is_one_command_with_the_example_as_default(target: str, command: str) -> None:
    assert f"{command}\n" in make("--dry-run", target).replace(" \n", "\n")


def test_FR_501_what_is_built_can_be_named() -> None:
    printed = make("--dry-run", "local-build", "BOOK_ID=b", "SOURCE_DIR=my docs", "SITE_DIR=s")
    assert "panaversity build --book-id b --source-dir my docs --output-dir s/book --site-dir s" in printed
    assert "--output-dir out" in make("--dry-run", "hydrate", "OUTPUT_DIR=out")


def test_FR_502_the_environment_names_the_book_and_make_can_override_it() -> None:
    assert "--book-id theirs" in make("--dry-run", "ingest", PANAVERSITY_BOOK_ID="theirs")
    assert "--book-id mine" in make("--dry-run", "ingest", "BOOK_ID=mine", PANAVERSITY_BOOK_ID="theirs")


def test_a_local_build_uses_the_embedded_server_whatever_the_environment_says() -> None:
    shown = "BUILD=@echo url=$$PANAVERSITY_MCP_URL."
    installed = ("-o", ".venv/.stamp-runtime", "-o", "node_modules/.stamp")
    printed = make("local-build", shown, *installed, PANAVERSITY_MCP_URL="https://example.org")
    assert "url=." in printed


def test_the_seed_of_a_test_run_is_chosen_freshly_or_given() -> None:
    seeds = [re.search(r"--hypothesis-seed=(\d+)", make("--dry-run", "test")) for _ in range(2)]
    assert seeds[0]
    assert seeds[1]
    assert seeds[0][1] != seeds[1][1]
    assert "--hypothesis-seed=42" in make("--dry-run", "test", "SEED=42")


def test_only_test_full_asks_for_the_exhaustive_counts() -> None:
    assert "PANAVERSITY_TEST_FULL=1" in make("--dry-run", "test-full")
    assert "PANAVERSITY_TEST_FULL" not in make("--dry-run", "test")


def test_clean_never_touches_the_store_or_a_folder_that_was_named() -> None:
    printed = make("--dry-run", "clean", "OUTPUT_DIR=precious", "SITE_DIR=dear", "STORE=kept")
    assert "rm -rf" in printed
    assert not re.search(r"\.panaversity|precious|dear|kept|(?<!\.)\bnode_modules", printed)


def program(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "is not installed. Install Python 3.11 or newer"),
        ("exit 1", "is older than Python 3.11"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "has no module venv. Install the package python3-venv"),
    ],
    ids=["missing", "old", "without venv"],
)
def test_FR_504_an_unfit_python_is_one_clear_message(tmp_path: Path, script: str | None, message: str) -> None:
    python = program(tmp_path, "python", script) if script else tmp_path / "python"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        make("install", f"PYTHON={python}", f"VENV={tmp_path}/venv")
    assert caught.value.stderr.count("install: ") == 1
    assert f"install: {python}: {message}" in caught.value.stderr
    assert not (tmp_path / "venv").exists()


def test_FR_504_a_missing_or_old_node_is_one_clear_message(tmp_path: Path) -> None:
    program(tmp_path, "node", "exit 1")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        make("node_modules/.stamp", "-W", "package-lock.json", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert caught.value.stderr.count("install: ") == 1
    assert "install: node: Node 20 or newer with npm is not installed." in caught.value.stderr
