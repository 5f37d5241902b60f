"""Rules of this house that no linter knows: docstrings, sizes, nothing half done, and what the pure modules import."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 400
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error"]) + r")\b")
VALUES_ONLY = {
    "collections",
    "dataclasses",
    "difflib",
    "enum",
    "fnmatch",
    "functools",
    "hashlib",
    "json",
    "re",
    "tarfile",
    "typing",
    "unicodedata",
}
"""What a pure module may import: all of it works on values (``tarfile`` makes header blocks, ``fnmatch`` patterns)."""

MODULES = sorted(path for part in ("server", "builder") for path in (ROOT / part).rglob("*.py"))
PURE = [
    path
    for path in MODULES
    if path.match("panaversity_fs/core/*.py")
    or path.match("panaversity_builder/lifecycle.py")
    or path.match("panaversity_builder/book/mapping.py")
]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def top_level_imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def test_there_are_modules_to_judge() -> None:
    assert len(MODULES) > 20
    assert len(PURE) >= 12


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_opens_with_what_it_does(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert len(docstring) >= 20


@pytest.mark.parametrize("path", [path for path in MODULES if "migrations" not in path.parts], ids=name)
def test_a_module_is_short_enough_to_be_read_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_nothing_is_left_unfinished(path: Path) -> None:
    assert not UNFINISHED.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_is_a_bag(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "helper", "models", "misc", "common"}


@pytest.mark.parametrize("path", PURE, ids=name)
def test_a_pure_module_imports_values_only(path: Path) -> None:
    assert top_level_imports(path) <= VALUES_ONLY | {"panaversity_fs", "panaversity_builder"}
