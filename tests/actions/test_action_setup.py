"""Bringing the command into a job: installed once, from the lock files, with a clear word when that cannot be."""

import os
import shutil
from pathlib import Path

import pytest

from actions.runner import Job


def bare(tmp_path: Path) -> Job:
    """A job on a machine where nothing is installed yet."""
    job = Job(tmp_path / "job")
    for found in job.temp.glob("panaversity-fs-*"):
        shutil.rmtree(found)
    return job


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_command_is_installed_once_for_a_job(tmp_path: Path):
    job = bare(tmp_path)
    first = job.uses("setup")
    assert first.outcome == "success", first.log
    assert "install panaversity" in first.log
    assert first.outputs["version"]
    python = Path(first.outputs["python-path"])
    assert python.is_relative_to(job.temp)
    again = job.uses("setup", version=first.outputs["version"])
    assert (again.outcome, "install panaversity" in again.log) == ("success", False)


def test_a_half_made_environment_is_not_used_and_the_lack_of_a_python_is_told(tmp_path: Path):
    job = bare(tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "cksum", "cut", "rm", "tail", "sed", "touch"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "python3").write_text("#!/bin/bash\nexit 1\n")
    (tools / "python3").chmod(0o755)
    job.env["PATH"] = str(tools)
    done = job.uses("setup")
    assert (done.outcome, done.status) == ("failure", 15)
    assert "older than 3.11" in done.commands("error")[0].data


def test_a_package_index_that_does_not_answer_is_told(tmp_path: Path):
    job = bare(tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / "python3"  # a Python whose pip fails, and whose output would be obeyed if it were not made inert
    fake.write_text(
        "#!/bin/bash\n"
        'case "$*" in\n'
        '  *"-m venv"*) mkdir -p "${@: -1}/bin"; cp "$0" "${@: -1}/bin/python";;\n'
        '  *"-m pip"*) echo "::set-output name=x::hacked"; echo "no index"; exit 1;;\n'
        "esac\n"
    )
    fake.chmod(0o755)
    job.env["PATH"] = f"{tools}:{os.environ['PATH']}"
    done = job.uses("setup")
    assert (done.outcome, done.status) == ("failure", 15)
    assert "| no index" in done.log
    assert not done.commands("set-output")
    assert "could not install panaversity" in done.commands("error")[0].data
    assert not list(job.temp.rglob(".complete"))


def test_another_version_than_the_expected_one_is_refused(tmp_path: Path):
    done = Job(tmp_path / "job").uses("setup", version="99.0")
    assert (done.outcome, done.status) == ("failure", 2)
    assert "input version: this action brings" in done.commands("error")[0].data
