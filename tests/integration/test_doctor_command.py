"""``panaversity doctor`` and ``completion`` as processes of their own: a good project, broken ones, a server, none."""

import json
import os
import shutil
import subprocess

import pytest

from support.command import COMMAND, clean_environ, panaversity
from support.fake_site import FakeSite
from support.live import LiveServer
from support.tokens import environment, token


@pytest.fixture
def project(tmp_path):
    fake = FakeSite(tmp_path)
    fake.put("docs/Part-01/a.md", "# A\n")
    fake.put("site/docusaurus.config.js", "export default {plugins: [['content-docs', {path: 'book'}]]}")
    fake.put("site/.gitignore", "book/\n.panaversity/\n")
    fake.put(".git/HEAD", "")
    fake.put("book.toml", 'book_id = "demo"\nsource_dir = "docs"\noutput_dir = "site/book"\nsite_dir = "site"\n')
    return fake


def doctor(project, *words, **environ):
    return panaversity("doctor", *words, cwd=project.place, environ=clean_environ(**{**project.environ, **environ}))


def findings(outcome):
    return {one["check"]: one for one in json.loads(outcome.out)["findings"]}


def test_a_project_that_can_be_built_is_0_and_nothing_is_written(project):
    before = sorted(project.place.rglob("*"))
    outcome = doctor(project)
    assert outcome.status == 0, outcome
    assert "ok       docs folder: the docs plugin reads book, which hydrate fills" in outcome.out
    assert "nothing would stop a build" in outcome.out
    assert sorted(project.place.rglob("*")) == before


def test_the_machine_format_lists_every_finding(project):
    body = json.loads(doctor(project, "--format", "json").out)
    assert (body["schema_version"], body["exit_status"], body["problem"]) == (1, 0, 0)
    assert body["ok"] + body["warning"] == len(body["findings"])


def test_verbose_lists_settings_with_their_origin(project):
    assert f"book_id = demo  # {project.place / 'book.toml'}" in doctor(project, "-v").out


@pytest.mark.parametrize(
    ("break_it", "status", "check"),
    [
        (lambda p: shutil.rmtree(p.place / "docs"), 12, "source"),
        (lambda p: p.put("docs/bad?.md", ""), 12, "source"),
        (lambda p: p.put("docs/01-Part/b.md", ""), 12, "numbering"),
        (lambda p: shutil.rmtree(p.place / "site"), 15, "site"),
        (lambda p: p.put("site/docusaurus.config.js", "presets: ['classic']"), 15, "docs folder"),
        (lambda p: shutil.rmtree(p.place / "node_modules"), 14, "docusaurus"),
        (lambda p: p.put("bin/node", "#!/bin/sh\nexit 1\n"), 14, "node"),
        (lambda p: p.put("site/docusaurus.config.js", "\0{[(`${"), 0, "docs folder"),
        (lambda p: p.put("node_modules/@docusaurus/core/package.json", "[1"), 14, "docusaurus"),
    ],
)
def test_what_would_stop_a_build_is_told_with_the_status_of_that_build(project, break_it, status, check):
    break_it(project)
    outcome = doctor(project, "--format", "json")
    assert outcome.status == status, outcome
    assert findings(outcome)[check]["level"] != "ok"
    assert "Traceback" not in outcome.err


def test_an_empty_folder_is_diagnosed_to_the_end(tmp_path):
    outcome = panaversity("doctor", cwd=tmp_path, environ=clean_environ())
    assert outcome.status == 15
    assert "PROBLEM  settings: book_id is not set" in outcome.out
    assert "caches" in outcome.out


def test_a_server_that_is_away_is_10(project):
    outcome = doctor(project, "--server-url", "http://127.0.0.1:9", "--format", "json")
    assert outcome.status == 10
    assert "cannot be reached" in findings(outcome)["server"]["says"]


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    with LiveServer(folder / "store", environment=environment(folder)) as server:
        yield server


def test_a_token_is_tried_and_its_scopes_are_told_but_never_the_token(project, guarded_server):
    good = token(scope="book:demo:read")
    outcome = doctor(project, "--server-url", guarded_server.url, "--format", "json", PANAVERSITY_TOKEN=good)
    found = findings(outcome)
    assert outcome.status == 0, outcome
    assert "book:demo:read" in found["token"]["says"]
    assert "does not say that it may be written" in found["access"]["says"]
    assert (found["clock"]["level"], found["book"]["level"]) == ("ok", "warning")
    assert good not in outcome.out + outcome.err
    outcome = doctor(project, "--server-url", guarded_server.url, "--format", "json", PANAVERSITY_TOKEN="nonsense")
    assert (outcome.status, findings(outcome)["access"]["level"]) == (16, "problem")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_each_shell(tmp_path, shell):
    outcome = panaversity("completion", shell, cwd=tmp_path, environ=clean_environ())
    assert (outcome.status, "_PANAVERSITY_COMPLETE" in outcome.out) == (0, True)


def test_completion_of_another_shell_is_a_usage_error(tmp_path):
    assert panaversity("completion", "csh", cwd=tmp_path, environ=clean_environ()).status == 2


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(("line", "offered"), [("panaversity wat", "watch"), ("panaversity watch --ser", "--serve")])
def test_a_shell_that_read_the_script_completes_commands_and_options(tmp_path, line, offered):
    """The script is sourced and its function called as readline would."""
    command = tmp_path / "bin" / "panaversity"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\nexec " + " ".join(COMMAND) + ' "$@"\n')
    command.chmod(0o755)
    script = panaversity("completion", "bash", cwd=tmp_path, environ=clean_environ()).out
    words = line.split(" ")
    asked = f"""{script}
COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=()
complete() {{ :; }}; compopt() {{ :; }}
_panaversity_completion panaversity; echo "offered: ${{COMPREPLY[*]}}"
"""
    environ = clean_environ(PATH=f"{command.parent}:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, env=environ, cwd=tmp_path)
    assert f"offered: {offered}" in done.stdout, done
