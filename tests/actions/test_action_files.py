"""What holds of the action files themselves, without running them: names, pins, references, linters, documents."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.action_file import ACTIONS, FOLDER, ROOT, action, load
from actions.expressions import evaluate
from actions.steps import inputs

WORKFLOWS = [*sorted((FOLDER / "examples").glob("*.yml")), *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
FILES = [*(FOLDER / name / "action.yml" for name in ACTIONS), *WORKFLOWS]


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def steps(file: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every step of an action or a workflow."""
    if "runs" in file:
        yield from file["runs"]["steps"]
    for job in file.get("jobs", {}).values():
        yield from job["steps"]


@pytest.mark.parametrize("name", ACTIONS)
def test_the_step_knows_exactly_the_inputs_of_its_action(name: str):
    assert [one.name for one in inputs.INPUTS[name]] == list(action(name).inputs)


@pytest.mark.parametrize("name", ACTIONS)
def test_every_default_is_one_of_the_choices(name: str):
    for one in inputs.INPUTS[name]:
        default = action(name).inputs[one.name]
        if one.kind == "switch":
            assert default in ("true", "false") or (default == "" and one.name == "remote-cache")
        if one.choices:
            assert default in (*one.choices, ""), one.name


@pytest.mark.parametrize("name", ACTIONS)
def test_every_reference_leads_somewhere(name: str):
    it = action(name)
    seen: set[str] = set()
    for step in it.steps:
        for found in re.findall(r"steps\.([\w-]+)", str(step)):
            assert found in seen, f"{found} is not before {step['name']}"
        assert set(re.findall(r"inputs\.([\w-]+)", str(step))) <= set(it.inputs)
        seen |= {step["id"]} if "id" in step else set()
    assert set(re.findall(r"steps\.([\w-]+)", str(it.outputs))) <= seen


@pytest.mark.parametrize("path", FILES, ids=names)
def test_S30_no_expression_stands_in_a_run_block(path: Path):
    for step in steps(load(path)):
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("path", FILES, ids=names)
def test_S31_everything_is_pinned_by_commit_and_keeps_no_credentials(path: Path):
    for step in steps(load(path)):
        if uses := step.get("uses"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}|\$/github-actions/\w+", uses), uses
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] == "false"


@pytest.mark.parametrize("path", WORKFLOWS, ids=names)
def test_S31_a_workflow_grants_nothing_that_no_job_names(path: Path):
    file = load(path)
    assert file["permissions"] == {}
    assert not {"pull_request_target", "workflow_run"} & set(file["on"])
    for job in file["jobs"].values():
        assert "timeout-minutes" in job
        assert set(job["permissions"]) <= {"contents", "id-token", "pull-requests"}
        assert job["permissions"].get("contents", "read") == "read"


@pytest.mark.parametrize("path", FILES, ids=names)
def test_the_inputs_a_workflow_gives_are_inputs_of_the_action(path: Path):
    for step in steps(load(path)):
        if match := re.search(r"github-actions/([\w-]+)", step.get("uses", "")):
            assert set(step.get("with", {})) <= set(action(match[1]).inputs)


def test_no_step_writes_to_the_environment_of_others():
    for path in (FOLDER / "step").iterdir():
        if path.is_file():
            assert not re.search("GITHUB_ENV|GITHUB_PATH|GITHUB_STATE", path.read_text()), path


def test_documents_are_as_the_action_files_say():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "action-docs.py", "--check"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_S31_zizmor_reports_nothing():
    words = ["--offline", "--persona", "auditor", "--format", "plain", "--no-progress"]
    paths = [str(FOLDER), str(ROOT / ".github"), *(str(path) for path in WORKFLOWS[:-1])]
    done = subprocess.run([Path(sys.executable).with_name("zizmor"), *words, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout + done.stderr


def test_the_files_are_what_their_schema_says():
    """All of them in one process, as ``action-validator`` judges each."""
    done = subprocess.run(
        ["node", ROOT / "tests" / "actions" / "validate.mjs", *FILES], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {str(path): [] for path in FILES}


def test_the_schemas_do_find_what_is_wrong(tmp_path: Path):
    wrong = tmp_path / "action.yml"
    wrong.write_text("name: x\ndescription: y\nruns:\n  using: composite\n  steps:\n    - run: 'true'\n")
    done = subprocess.run(["node", ROOT / "tests" / "actions" / "validate.mjs", wrong], capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1])[str(wrong)], "a missing shell was not found"


def test_the_shell_of_a_step_is_clean_bash():
    done = subprocess.run(["bash", "-n", FOLDER / "step" / "run.sh"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(FOLDER / "step" / "run.sh", os.X_OK)


@pytest.mark.parametrize(("key", "expected"), [("", False), ("book-1-demo", True)])
def test_a_prefix_match_counts_as_a_hit(key: str, expected: bool):
    condition = action("hydrate").outputs["cache-hit"].removeprefix("${{").removesuffix("}}")
    outputs = {"cache-matched-key": key, "cache-hit": "false"} if key else {}
    assert evaluate(condition, {"steps": {"restore": {"outputs": outputs}}}) is expected
