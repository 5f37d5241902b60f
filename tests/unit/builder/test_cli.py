"""The command line: words, help, formats and exit statuses, over the simulator instead of a server."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from panaversity_builder.cli import COMMANDS
from panaversity_builder.cli import panaversity as group
from panaversity_fs.core.errors import ServerUnreachable
from support.command import COMMAND, clean_environ, in_process, panaversity
from support.fake_site import FakeSite
from support.simulator import Simulator

ROOT = Path(__file__).parents[3]
BOOK = "guide"
COMMON = ("ingest", "hydrate", "plan", "build", "manifest", "diff", "log")


class Desk:
    """A project with a source, a site and settings, and a simulated server."""

    def __init__(self, place):
        self.place, self.server = place, Simulator()
        self.site = FakeSite(place)
        self.write("README.md", "# Guide")
        self.write("01-Part/01-Chapter/01-one.md", "# One")
        (place / "book.toml").write_text(f'book_id = "{BOOK}"\nsource_dir = "docs"\nsite_dir = "site"\n')

    def write(self, path, text):
        return self.site.put(f"docs/{path}", text)

    def run(self, *words, **environ):
        return in_process(self.server, *words, cwd=self.place, environ={**self.site.environ, **environ})

    def json(self, *words):
        outcome = self.run(*words, "--format", "json")
        return outcome.status, json.loads(outcome.out)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def everything(folder):
    return {p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def test_help_lists_every_command_with_the_help_it_gives_itself(tmp_path):
    outcome = panaversity("--help", cwd=tmp_path)
    assert (outcome.status, outcome.err) == (0, "")
    context = group.make_context("panaversity", [], resilient_parsing=True)
    for name, line in COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None
        assert line in outcome.out
        assert command.name == name


def every_command(tmp_path):
    context = group.make_context("panaversity", [], resilient_parsing=True)
    for name in COMMANDS:
        command = group.get_command(context, name)
        for inner in getattr(command, "commands", {}) or [None]:
            yield [name, inner] if inner else [name]


def test_the_help_of_every_command_lists_the_exit_statuses_and_explains_every_option(desk):
    for words in [[], *([name] for name in COMMANDS), *every_command(desk.place)]:
        outcome = desk.run(*words, "--help")
        assert outcome.status == 0
        text = " ".join(outcome.out.split())
        for status in (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16, 70, 130):
            assert re.search(rf"\b{status} [a-z]", text), (words, status)


def processor_seconds():
    """What children took of a processor: on an idle machine that is their time, on a busy one it still is."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_takes_less_than_150_ms_and_imports_nothing_heavy(tmp_path):
    times = []
    for _ in range(5):
        started = processor_seconds()
        subprocess.run([*COMMAND, "--help"], stdout=subprocess.DEVNULL, check=True, cwd=tmp_path)
        times.append(processor_seconds() - started)
    heavy = "httpx rich dotenv stamina zstandard panaversity_builder.client panaversity_builder.book sqlalchemy fastmcp"
    code = (
        "import sys, io, contextlib\n"
        "from panaversity_builder.cli import run, standard_console\n"
        "with contextlib.redirect_stdout(io.StringIO()): run(['--help'], standard_console())\n"
        f"print([m for m in {heavy.split()} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert min(times) < 0.15, f"best of five: {min(times):.3f} s"


def test_version_is_the_distributions(tmp_path):
    assert re.fullmatch(r"panaversity, version \d+\.\d+\.\d+\n", panaversity("--version", cwd=tmp_path).out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "no such command 'frobnicate'"),
        (["ingest", "--frobnicate"], "no such option '--frobnicate'"),
        (["ingest", "--vrebose"], "no such option '--vrebose'. Did you mean '--verbose'? See"),
        (["hydrate", "--verbos"], "no such option '--verbos'. Did you mean one of: '--verbose', '--verify'? See"),
        (["hydrate", "--scope", "some"], "invalid value for '--scope'"),
        (["plan", "extra"], "unexpected extra argument"),
        (["build", "--until"], "requires an argument"),
        (["manifest", "diff", "--name-only", "--name-status"], "exclude each other"),
        (["manifest", "log", "--limit"], "requires an argument"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_status_2(desk, words, said):
    outcome = desk.run(*words)
    assert outcome.status == 2
    assert outcome.out == ""
    called = " ".join(["panaversity", *[word for word in words if word.isalpha() and word in COMMON]])
    assert outcome.err.startswith(f"error INVALID_ARGUMENT: {called}: usage: ")
    assert said in outcome.err
    assert f"See {called} --help." in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_wrong_command_line_obeys_the_json_format(desk):
    for words in (["--format", "json"], ["--format=json"]):
        outcome = desk.run("ingest", "--frobnicate", *words)
        assert outcome.status == 2
        assert json.loads(outcome.out)["error"]["code"] == "INVALID_ARGUMENT"
        assert outcome.err == ""


def test_no_command_shows_the_help_with_status_2(tmp_path):
    outcome = panaversity(cwd=tmp_path)
    assert outcome.status == 2
    assert "Commands:" in outcome.err
    assert outcome.out == ""


def test_FR_504_a_missing_book_id_is_a_configuration_error(desk):
    (desk.place / "book.toml").unlink()
    outcome = desk.run("hydrate")
    assert outcome.status == 15
    assert "hydrate: book_id: is not set" in outcome.err


def test_FR_502_the_book_comes_from_the_environment(desk):
    (desk.place / "book.toml").unlink()
    outcome = desk.run("ingest", "--source-dir", "docs", PANAVERSITY_BOOK_ID="from-environment")
    assert outcome.status == 0
    assert "from-environment" in desk.server.books


def test_FR_205_a_dry_run_says_what_would_happen_and_writes_nothing(desk):
    before = everything(desk.place / "docs")
    status, body = desk.json("ingest", "--dry-run")
    assert (status, body["added"], body["dry_run"]) == (0, 2, True)
    assert BOOK not in desk.server.books
    assert desk.server.changesets == []
    assert everything(desk.place / "docs") == before


def test_FR_206_ingest_and_hydrate_say_what_they_did_and_are_silent_when_nothing_happened(desk):
    first = desk.run("ingest")
    assert first.status == 0
    assert first.out.startswith("ingest guide: 2 added; revision ")
    assert first.err == ""
    again = desk.run("ingest")
    assert (again.out, again.err) == ("ingest guide: nothing changed (2 unchanged)\n", "")
    assert desk.run("hydrate").out.startswith("hydrate guide: 2 added; 2 files downloaded, ")
    again = desk.run("hydrate")
    assert (again.out, again.err) == ("hydrate guide: unchanged (2 files)\n", "")
    quiet = desk.run("hydrate", "-q")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


def test_json_is_one_object_on_stdout(desk):
    status, body = desk.json("ingest")
    assert (status, next(iter(body)), body["book_id"], body["added"]) == (0, "schema_version", BOOK, 2)
    status, body = desk.json("hydrate")
    assert (status, body["mode"], body["hydrate_files_downloaded"]) == (0, "full", 2)


def test_plan_writes_nothing_and_check_tells_differences_by_its_status(desk):
    desk.run("ingest")
    outcome = desk.run("plan", "--check", "--explain")
    assert outcome.status == 1
    assert "A README.md" in outcome.out
    assert "full: " in outcome.out
    assert not desk.site.docs.exists()
    assert desk.run("plan").status == 0
    desk.run("hydrate")
    assert desk.run("plan", "--check").status == 0


def test_conflicts_leave_with_11_and_are_all_listed(desk):
    desk.run("ingest")
    for path in ("README.md", "01-Part/01-Chapter/01-one.md"):
        desk.server.put(BOOK, f"content/{path}", b"an agent's")
        desk.write(path, "the author's")
    outcome = desk.run("ingest")
    assert outcome.status == 11
    assert outcome.err.startswith("error CONFLICT: ingest: guide: ")
    assert "  README.md: was changed here and changed in the book" in outcome.err.splitlines()
    status, body = desk.json("ingest")
    assert (status, len(body["error"]["conflicts"]), body["error"]["exit_status"]) == (11, 2, 11)


def test_local_edits_leave_with_3(desk):
    desk.run("ingest")
    desk.run("hydrate")
    desk.site.put("site/book/README.md", "edited here")
    desk.server.put(BOOK, "content/README.md", b"edited there")
    outcome = desk.run("hydrate")
    assert outcome.status == 3
    assert "README.md" in outcome.err


def test_a_refused_source_leaves_with_12(desk):
    (desk.place / "docs" / "link.md").symlink_to("README.md")
    outcome = desk.run("ingest")
    assert outcome.status == 12
    assert "link.md" in outcome.err
    assert desk.run("ingest", "--source-dir", "nowhere").status == 12


def test_F47_an_empty_source_never_empties_a_book(desk):
    desk.run("ingest")
    (desk.place / "empty").mkdir()
    assert desk.run("ingest", "--source-dir", "empty").status == 12
    assert len(desk.server.books[BOOK].entries) == 2


def test_a_mistyped_book_is_not_published_as_an_empty_site(desk):
    outcome = desk.run("hydrate", "--book-id", "mistyped")
    assert outcome.status == 2
    assert "mistyped" in outcome.err


@pytest.mark.parametrize("variable", ["DATABASE_URL", "PANAVERSITY_STORAGE_ROOT"])
def test_a_stray_setting_of_the_server_is_ignored(desk, variable):
    assert desk.run("ingest", **{variable: "postgresql+asyncpg://prod/books"}).status == 0


def test_manifest_show_prints_the_text_whose_hash_it_is(desk):
    import hashlib

    _, ingested = desk.json("ingest")
    shown = desk.run("manifest", "show")
    assert hashlib.sha256(shown.out.encode()).hexdigest() == ingested["manifest_hash"]
    assert desk.run("manifest", "show", ingested["manifest_hash"]).out == shown.out


def test_manifest_diff_names_what_differs_and_needs_no_server_for_two_folders(desk):
    desk.run("ingest")
    desk.run("hydrate")
    same = desk.run("manifest", "diff", "--exit-code")
    assert (same.status, same.out, same.err) == (0, "", "manifest diff: no differences\n")
    desk.server.put(BOOK, "content/new.md", b"new")
    different = desk.run("manifest", "diff", "--exit-code")
    assert (different.status, different.out) == (1, "A\tcontent/new.md\n1 file differs: 1 added; 2 alike\n")
    assert desk.run("manifest", "diff").status == 0
    assert desk.run("manifest", "diff", "--name-only").out == "content/new.md\n"
    status, body = desk.json("manifest", "diff", "local", "remote")
    assert (status, body["added"], body["files"][0]["path"]) == (0, 1, "content/new.md")
    requests = desk.server.traffic.requests
    assert desk.run("manifest", "diff", "local", f"local:{desk.site.docs}", "--exit-code").status == 0
    assert desk.server.traffic.requests == requests


def test_config_show_tells_values_and_origins(desk):
    outcome = desk.run("config", "show", "--origin")
    assert re.search(rf"^book_id +  ?= guide    # {re.escape(str(desk.place))}/book\.toml$", outcome.out, re.M)
    _, body = desk.json("config", "show")
    assert body["settings"]["scope"] == {"value": "all", "origin": "default"}


def test_an_unreachable_server_leaves_with_10_and_names_no_credentials(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("a")
    environ = clean_environ(PANAVERSITY_MCP_URL="http://me:s3cret@127.0.0.1:9/mcp", PANAVERSITY_BOOK_ID="guide")
    outcome = panaversity("ingest", "--source-dir", "docs", cwd=tmp_path, environ=environ)
    assert outcome.status == ServerUnreachable.exit_status == 10
    assert "127.0.0.1:9" in outcome.err
    assert "s3cret" not in outcome.err
    assert len(outcome.err.splitlines()) == 1


SCRIPTS = ["ingest-book.py", "hydrate-book.py"]


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("ingest-book.py", ["--book-id", "--source-dir", "--dry-run", "--verbose"]),
        ("hydrate-book.py", ["--book-id", "--output-dir", "--manifest-file", "--full-rebuild", "--verbose"]),
    ],
)
def test_FR_101_FR_102_FR_201_FR_503_the_scripts_take_the_options_of_the_specification(script, options, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--help"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    for option in options:
        assert option in done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_without_the_package_says_what_to_do(script, tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "scripts" / script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode != 0
    assert "make install" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_FR_202_the_script_reads_apps_learn_app_docs_by_default(tmp_path):
    environ = clean_environ(PANAVERSITY_MCP_URL="http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "ingest-book.py", "--book-id", "guide"],
        capture_output=True, text=True, cwd=tmp_path, env=environ,
    )  # fmt: skip
    assert done.returncode == 12
    assert f"{tmp_path}{os.sep}apps/learn-app/docs" in done.stderr
