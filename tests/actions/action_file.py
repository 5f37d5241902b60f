"""Action and workflow files as a runner reads them: every scalar a text. Knows YAML; runs nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "github-actions"
ACTIONS = ("setup", "ingest", "hydrate", "build", "manifest-diff")


def load(path: Path) -> dict[str, Any]:
    """A YAML file, with ``on`` a word and ``true`` a text."""
    found = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    assert isinstance(found, dict), path
    return found


@dataclass(frozen=True)
class Action:
    """One composite action: its folder, inputs (name → default), outputs (name → expression) and steps."""

    folder: Path
    inputs: dict[str, str]
    outputs: dict[str, str]
    steps: list[dict[str, Any]]


def action(name: str) -> Action:
    """One of the project's actions."""
    file = load(FOLDER / name / "action.yml")
    assert file["runs"]["using"] == "composite"
    return Action(
        FOLDER / name,
        {key: one.get("default", "") for key, one in file.get("inputs", {}).items()},
        {key: one["value"] for key, one in file.get("outputs", {}).items()},
        file["runs"]["steps"],
    )
