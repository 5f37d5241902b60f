"""Every requirement is named by a test or a benchmark, or says which later part brings it.

Reads the sources of the tests; does not know whether a test that bears a number proves what the number asks.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
BENCHMARKS = sorted((TESTS.parent / "benchmarks").glob("*.py"))
ROW = re.compile(r"^\| ((?:FR|SC)-\d{3}|R\d|I\d) \| (\d|bench|) ?\| (.+) \|$", re.MULTILINE)
ROWS = ROW.findall((TESTS / "requirements.md").read_text(encoding="utf-8"))
NUMBER = re.compile(r"(?<![A-Za-z0-9])(?:(FR|SC)[-_](\d{3})|([RI]\d))(?![A-Za-z0-9])")


def numbers_of(text: str) -> set[str]:
    """The requirement ids in a name or docstring; underscores stand for dashes and separate words."""
    found = NUMBER.findall(text.replace("_", " ").replace("FR ", "FR-").replace("SC ", "SC-"))
    return {f"{kind}-{number}" if kind else invariant for kind, number, invariant in found}


def names_and_docstrings(source: str) -> Iterator[str]:
    """Name and docstring of every test function, and docstring of every class, in one module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{node.name} {ast.get_docstring(node) or ''}"
        elif isinstance(node, ast.ClassDef):
            yield ast.get_docstring(node) or ""


@pytest.fixture(scope="module")
def named() -> set[str]:
    sources = [path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")]
    return {number for source in sources for test in names_and_docstrings(source) for number in numbers_of(test)}


def test_the_list_is_complete() -> None:
    ranges = {"FR": [(1, 31), (101, 107), (201, 206), (301, 304), (401, 403), (501, 504)], "SC": [(1, 10), (101, 105)]}
    expected = [f"{kind}-{n:03}" for kind, spans in ranges.items() for a, b in spans for n in range(a, b + 1)]
    expected += [f"R{n}" for n in range(1, 8)] + ["I1", "I2"]
    assert [number for number, _, _ in ROWS] == expected


@pytest.mark.parametrize("number", [number for number, part, _ in ROWS if not part])
def test_a_requirement_of_this_part_is_named_by_a_test(number: str, named: set[str]) -> None:
    assert number in named


@pytest.mark.parametrize("number", [number for number, part, _ in ROWS if part == "bench"])
def test_a_requirement_of_speed_or_memory_is_named_by_a_benchmark(number: str) -> None:
    nodes = [node for path in BENCHMARKS for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    told = [ast.get_docstring(node) or "" for node in nodes if isinstance(node, ast.FunctionDef)]
    assert number in {found for text in told for found in numbers_of(text)}


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("test_FR_003_a_conflict", {"FR-003"}),
        ("test_R2_FR_203_x", {"R2", "FR-203"}),
        ("test_x A docstring (FR-101, SC-007).", {"FR-101", "SC-007"}),
        ("test_I1_no_downloads", {"I1"}),
        ("test_F50_x RFC 6962 FR_1234 BR2 UI1", set()),
    ],
)
def test_numbers_are_read_from_names_and_docstrings(name: str, numbers: set[str]) -> None:
    assert numbers_of(name) == numbers
