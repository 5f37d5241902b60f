"""A small runner for composite actions: contexts, expressions, the files of a step, bash as GitHub starts it.

A ``Job`` is one fresh machine: workspace, temporary folder and home of its own; only the cache service outlives it.
Knows how a runner runs; does not know what our actions do. Faithful where our actions could notice, see the module's
tests; no containers, no matrix, no ``secrets`` context (composite actions have none).
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actions.action_file import ROOT, Action, action
from actions.cache_service import CacheService
from actions.expressions import Functions, as_text, evaluate, interpolate, truthy
from actions.stubs import stub_for
from support.github_runner import BadOutput, Command, commands, outputs

TIME_LIMIT = 90.0
_STATUS = re.compile(r"\b(success|failure|always|cancelled)\s*\(", re.IGNORECASE)


@dataclass
class Step:
    """How one step went. ``outcome`` is before ``continue-on-error``, ``conclusion`` after."""

    name: str
    outcome: str = "skipped"
    conclusion: str = "skipped"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    status: int = 0


@dataclass
class Result:
    """How one action went."""

    outcome: str
    outputs: dict[str, str]
    steps: list[Step]

    @property
    def log(self) -> str:
        return "".join(step.log for step in self.steps)

    @property
    def summary(self) -> str:
        return "".join(step.summary for step in self.steps)

    @property
    def status(self) -> int:
        """The exit status of the step that failed."""
        return next((step.status for step in self.steps if step.outcome == "failure"), 0)

    def commands(self, name: str) -> list[Command]:
        """Every command of this name that the runner would obey."""
        return [one for one in commands(self.log) if one.name == name]

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)


@dataclass
class Job:
    """One job on a fresh machine below ``folder``."""

    folder: Path
    cache: CacheService = field(default_factory=CacheService)
    env: dict[str, str] = field(default_factory=dict)
    event: str = "push"
    ref: str = "refs/heads/main"
    ref_type: str = "branch"
    payload: dict[str, Any] = field(default_factory=dict)
    environment: str = "github-hosted"
    run_id: int = 1
    repository: str = "acme/book"

    def __post_init__(self) -> None:
        self.workspace, self.temp = self.folder / "work" / "book", self.folder / "temp"
        for place in (self.workspace, self.temp, self.folder / "home"):
            place.mkdir(parents=True)
        self.masks: list[str] = []
        self.path: list[str] = []
        self._number = 0
        payload = {"repository": {"default_branch": "main"}, **self.payload}
        self._event_file = self.temp / "event.json"
        self._event_file.write_text(json.dumps(payload))
        self.github: dict[str, Any] = {
            "event_name": self.event, "ref": self.ref, "ref_type": self.ref_type, "repository": self.repository,
            "run_id": str(self.run_id), "run_attempt": "1", "event": payload, "workspace": str(self.workspace),
            "token": "ghs_token_of_the_job",
        }  # fmt: skip
        _install(self.temp)

    def uses(self, name: str, **inputs: str) -> Result:
        """Run one of our actions; ``_`` in a name stands for ``-``."""
        return self.run(action(name), {key.replace("_", "-"): value for key, value in inputs.items()})

    def run(self, it: Action, given: Mapping[str, str]) -> Result:
        """Run an action with inputs. What it does not know is left out, as the runner does with a warning."""
        contexts: dict[str, Any] = {"github": self.github, "runner": {"os": "Linux", "temp": str(self.temp)}}
        contexts |= {"env": self.env, "steps": {}, "job": {"status": "success"}}
        default = {key: as_text(interpolate(value, contexts)) for key, value in it.inputs.items()}
        contexts["inputs"] = {**default, **{key: value for key, value in given.items() if key in default}}
        done: list[Step] = []
        for number, one in enumerate(it.steps):
            step = self._step(it, one, contexts, all(s.conclusion != "failure" for s in done), number)
            done.append(step)
            if "id" in one:
                contexts["steps"][one["id"]] = {
                    "outputs": step.outputs, "outcome": step.outcome, "conclusion": step.conclusion
                }  # fmt: skip
        failed = any(step.conclusion == "failure" for step in done)
        found = {name: as_text(interpolate(value, contexts)) for name, value in it.outputs.items()}
        return Result("failure" if failed else "success", found, done)

    def _step(self, it: Action, one: dict[str, Any], contexts: dict[str, Any], good: bool, number: int) -> Step:
        step = Step(one.get("name", str(number)))
        functions: Functions = {
            "success": lambda: good, "failure": lambda: not good, "always": lambda: True, "cancelled": lambda: False
        }  # fmt: skip
        if not _wanted(one.get("if", ""), contexts, functions, good):
            return step
        env = {key: as_text(interpolate(value, contexts)) for key, value in one.get("env", {}).items()}
        try:
            if "uses" in one:
                inputs = {key: as_text(interpolate(value, contexts)) for key, value in one.get("with", {}).items()}
                stub_for(one["uses"])(self, inputs, step)
            else:
                self._bash(it, one, env, contexts, step)
        finally:
            for mask in self.masks:
                step.log = step.log.replace(mask, "***")
        step.outcome = "success" if step.status == 0 else "failure"
        step.conclusion = "success" if one.get("continue-on-error") == "true" else step.outcome
        return step

    def _bash(self, it: Action, one: dict[str, Any], env: dict[str, str], contexts: Any, step: Step) -> None:
        assert one["shell"] == "bash"
        self._number += 1
        script = self.temp / f"{self._number}.sh"
        script.write_text(as_text(interpolate(one["run"], contexts)))
        files = {name: self.temp / f"{name}_{self._number}" for name in _FILES}
        for file in files.values():
            file.touch()
        where = as_text(interpolate(one.get("working-directory", "."), contexts))
        environment = {**self._variables(it), **self.env, **env, **{name: str(file) for name, file in files.items()}}
        step.status, step.log = _ran(["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
                                     environment, self.workspace / where)  # fmt: skip
        step.summary = files["GITHUB_STEP_SUMMARY"].read_text()
        self.masks += [command.data for command in commands(step.log) if command.name == "add-mask" and command.data]
        try:
            step.outputs = outputs(files["GITHUB_OUTPUT"].read_text())
            self.env |= outputs(files["GITHUB_ENV"].read_text())
        except BadOutput as error:
            step.status, step.log = 1, f"{step.log}::error::{error}\n"
        self.path += files["GITHUB_PATH"].read_text().split()

    def _variables(self, it: Action) -> dict[str, str]:
        """What the runner sets; nothing of this process's environment comes along but the way to the tools."""
        return {
            "PATH": ":".join([*reversed(self.path), os.environ["PATH"]]),
            "HOME": str(self.folder / "home"), "LANG": "C.UTF-8", "CI": "true", "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(it.folder), "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_EVENT_PATH": str(self._event_file), "GITHUB_EVENT_NAME": self.event, "GITHUB_REF": self.ref,
            "GITHUB_REF_TYPE": self.ref_type, "GITHUB_REPOSITORY": self.repository,
            "GITHUB_RUN_ID": str(self.run_id), "GITHUB_RUN_ATTEMPT": "1", "RUNNER_TEMP": str(self.temp),
            "RUNNER_OS": "Linux", "RUNNER_ENVIRONMENT": self.environment,
        }  # fmt: skip


_FILES = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")


def _wanted(condition: str, contexts: Mapping[str, Any], functions: Functions, good: bool) -> bool:
    """A condition without a status function stands behind ``success() &&``."""
    bare = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", condition, re.DOTALL)
    text = (bare[1] if bare else condition).strip()
    value = truthy(evaluate(text, contexts, functions)) if text else True
    return value if _STATUS.search(text) else good and value


def _ran(words: list[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Run to the end, output and errors in one stream; whatever is left of it is ended with it."""
    with subprocess.Popen(
        words, env=dict(environment), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out, _ = process.communicate(timeout=TIME_LIMIT)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out.decode("utf-8", "replace")


def _install(temp: Path) -> None:
    """What ``run.sh`` would install in this job is there already: this interpreter (``full`` installs for real)."""
    number = subprocess.run(["cksum"], input=str(ROOT.resolve()).encode(), capture_output=True, check=True).stdout
    folder = temp / f"panaversity-fs-{number.split()[0].decode()}"
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / ".complete").touch()
