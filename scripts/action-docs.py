#!/usr/bin/env python3
"""Write what is made from each ``action.yml``: the tables of its README and ``action-types.yml``.

``--check`` writes nothing and leaves with 1 when a file is not as it would be written. Knows the three files of an
action; does not know what its inputs do.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "github-actions"
BEGIN, END = "<!-- made by scripts/action-docs.py from action.yml -->", "<!-- end -->"

sys.path.insert(0, str(FOLDER / "step"))
from inputs import INPUTS, Input  # noqa: E402 — it lies with the actions


def tables(action: Mapping[str, Any]) -> str:
    """The inputs and outputs of an action as Markdown."""
    inputs = [
        f"| `{name}` | {one['description']} | {_code(one['default'])} |" for name, one in action["inputs"].items()
    ]
    outputs = [f"| `{name}` | {one['description']} |" for name, one in action["outputs"].items()]
    head = ["| input | meaning | default |", "|---|---|---|"]
    return "\n".join([BEGIN, "", *head, *inputs, "", "| output | meaning |", "|---|---|", *outputs, "", END])


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def types(name: str) -> str:
    """``action-types.yml``: what each input may hold, for editors and typed workflow generators."""
    lines = [f"# {line}" for line in ("Made by scripts/action-docs.py. See https://github.com/typesafegithub.",)]
    return "\n".join([*lines, "inputs:", *(line for one in INPUTS[name] for line in _typed(one))]) + "\n"


def _typed(one: Input) -> Iterator[str]:
    kind = {"switch": "boolean", "choice": "enum"}.get(one.kind, "string")
    yield f"  {one.name}:"
    yield f"    type: {kind}"
    if one.choices:
        yield "    allowed-values:"
        yield from (f"      - '{choice}'" for choice in one.choices)


def made(name: str) -> dict[Path, str]:
    """The files of an action as they should be."""
    folder = FOLDER / name
    action = yaml.load((folder / "action.yml").read_text(), Loader=yaml.BaseLoader)  # noqa: S506 — all scalars as text
    readme = folder / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return {readme: before + tables(action) + after, folder / "action-types.yml": types(name)}


def main(words: list[str]) -> int:
    """Write, or check; the exit status."""
    wanted = {path: text for name in INPUTS for path, text in made(name).items()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if words == ["--check"]:
            print(f"action-docs: {path.relative_to(ROOT)}: is not as action.yml says. Run scripts/action-docs.py")
        else:
            path.write_text(wanted[path])
    return 1 if stale and words == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
