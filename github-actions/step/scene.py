"""What one step of an action works with: its inputs, the environment of its commands, where things lie, the job.

Reads the process's environment, the event's file and the settings in force; changes nothing but the current folder.
Does not know what any step does.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import login
from caching import Job, job_of
from inputs import Given, Refused, given, shown

from panaversity_builder.config import Config, load_config
from panaversity_builder.console.github import assignments, inert, workflow_command


@dataclass
class Scene:
    """One step. ``environ`` is what its commands see, the inputs' variables among it."""

    action: str
    given: Given
    environ: dict[str, str]
    event: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def config(self) -> Config:
        """The settings in force, inputs included. Raises ``ConfigInvalid``."""
        return load_config({}, self.environ, os.getcwd(), "github")

    @cached_property
    def job(self) -> Job:
        """The job this step belongs to."""
        return job_of(self.environ, self.event)

    @property
    def server_url(self) -> str:
        """The server. Raises ``Refused`` without one: a store that ends with the job is no place for a book."""
        if self.config.server_url is None:
            raise Refused("input server-url", "is not set", "Give it, or set PANAVERSITY_MCP_URL for the job")
        return self.config.server_url

    @property
    def workspace(self) -> str:
        """The folder that paths of a cache are relative to."""
        return os.path.realpath(self.environ.get("GITHUB_WORKSPACE") or os.getcwd())

    def relative(self, path: str) -> str:
        """A path as caches name it: two runners may keep their workspaces in different places."""
        found = os.path.relpath(os.path.realpath(path), self.workspace)
        return path if found.split(os.sep)[0] == os.pardir else found.replace(os.sep, "/")

    def output(self, **values: str | bool) -> None:
        """Set outputs of this step; ``_`` in a name stands for ``-``."""
        texts = {name.replace("_", "-"): _text(value) for name, value in values.items()}
        if path := self.environ.get("GITHUB_OUTPUT"):
            with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(assignments(texts))

    def log_in(self) -> None:
        """Have a token for the commands: the one that was given, else the job's own. Raises ``Refused``."""
        wish = self.given.choice("login", "auto")
        if wish == "none":
            self.environ.pop("PANAVERSITY_TOKEN", None)
        elif wish == "github" or (not self.environ.get("PANAVERSITY_TOKEN", "").strip() and self._may_log_in()):
            audience = self.given.text("audience") or self.environ.get("PANAVERSITY_MCP_URL", "") or self.server_url
            token = login.github_token(self.environ, audience, self.server_url)
            command("add-mask", token)
            self.environ["PANAVERSITY_TOKEN"] = token

    def _may_log_in(self) -> bool:
        return login.is_possible(self.environ) and login.is_private(self.server_url)


def scene(action: str, environ: Mapping[str, str]) -> Scene:
    """The scene of this process. Changes to the working directory. Raises ``Refused`` for inputs that are wrong."""
    found = given(action, environ.get("INPUTS", ""))
    for secret in found.secrets():
        command("add-mask", secret)
    found.judge()
    _go_to(found.text("working-directory") if action != "setup" else "", environ)
    kept = {name: value for name, value in environ.items() if name != "INPUTS"}
    agent = {"PANAVERSITY_AGENT_ID": f"github:{environ['GITHUB_REPOSITORY']}"} if "GITHUB_REPOSITORY" in environ else {}
    made = Scene(action, found, {**agent, **kept, **found.variables()}, _event(environ))
    if action != "setup" and not found.is_on("summary", True):
        made.environ.pop("GITHUB_STEP_SUMMARY", None)
    return made


def _go_to(folder: str, environ: Mapping[str, str]) -> None:
    place = os.path.join(environ.get("GITHUB_WORKSPACE", ""), folder or ".")
    try:
        os.chdir(place)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        hint = "Name a folder of the checkout; actions/checkout must have run before"
        raise Refused("input working-directory", f"{shown(folder)} cannot be entered ({why})", hint) from None


def _event(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """What brought the job about; an event that cannot be read tells nothing."""
    try:
        found = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value


def command(name: str, data: str = "", **properties: object) -> None:
    """Have the runner do something."""
    print(workflow_command(name, data, **properties), flush=True)


def say(line: str) -> None:
    """A line for the log, nothing in it obeyed."""
    print(inert(line), flush=True)
