"""The harness's expressions compared with GitHub's own engine: those of our files, drawn ones, and known oddities."""

import json
import math
import os
import random
import re
import subprocess
from typing import Any

import pytest

from actions.action_file import ACTIONS, FOLDER, ROOT
from actions.expressions import BadExpression, evaluate

FULL = os.environ.get("PANAVERSITY_TEST_FULL") == "1"

CONTEXTS: dict[str, Any] = {
    "inputs": {"on": "true", "off": "false", "empty": "", "Name": "It's", "number": "10"},
    "steps": {"one": {"outputs": {"key": "book-1", "hit": "true"}, "outcome": "success"}, "two": {"outputs": {}}},
    "github": {"ref": "refs/heads/main", "list": ["a", "B", "3"], "deep": {"x": [1.0, {"y": None}]}, "zero": 0.0},
}
ODD = [
    "null == ''", "null == 0", "false == ''", "'' == 0", "'abc' == 0", "'0x10' == 16", "true == 'true'", "1 == true",
    "'ABC' == 'abc'", "'a' < 'B'", "NaN == NaN", "Infinity > 1", "-1.5e2", ".5", "0xFF", "github.list == github.list",
    "github.missing.deeper", "github['REF']", "github.list[1]", "github.list['0']", "github.list[9]", "!''", "!!'x'",
    "'it''s'", "1 && 2 || 3", "'' || 'x'", "0 || ''", "format('{0}{{}}{1}', 1, null)", "join(github.list, '-')",
    "contains(github.list, 'b')", "contains('Hello', 'ELL')", "startsWith('Hello', 'he')", "endsWith('Hello', 'LO')",
    "toJSON(inputs)", "toJSON(github.deep)", "fromJSON('[1, {\"a\": true}]')[1].a", "fromJSON('{\"A\": 1}').a",
    "(1 == 1) == true", "1 < 2 == true", "' 7 ' == 7", "'1e3' == 1000", "toJSON('a\"b')", "steps.two.outputs.x != ''",
]  # fmt: skip
ATOMS = [
    "true", "false", "null", "0", "1", "-2.5", "'x'", "''", "'10'", "'X'", "inputs.on", "inputs.empty", "inputs.NAME",
    "steps.one.outputs.key", "steps.two.outputs.key", "github.list", "github.list[0]", "github.deep", "github.zero",
]  # fmt: skip


def drawn(random_: random.Random, depth: int = 3) -> str:
    """A random expression."""
    if depth == 0 or random_.random() < 0.2:
        return random_.choice(ATOMS)
    one, other = drawn(random_, depth - 1), drawn(random_, depth - 1)
    forms = [
        "{0} == {1}", "{0} != {1}", "{0} < {1}", "{0} >= {1}", "({0} && {1})", "({0} || {1})", "!{0}", "({0})",
        "contains({0}, {1})", "startsWith({0}, {1})", "format('{{0}}-{{1}}', {0}, {1})", "toJSON({0})",
    ]  # fmt: skip
    return random_.choice(forms).format(one, other)


def of_our_files() -> set[str]:
    """Every expression of our action files, and every condition."""
    found: set[str] = set()
    for name in ACTIONS:
        text = (FOLDER / name / "action.yml").read_text()
        found |= {one.strip() for one in re.findall(r"\$\{\{(.*?)\}\}", text)}
    return {one for one in found if not re.search(r"github\.token", one)}


def theirs(expressions: list[str]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps([text, CONTEXTS]) + "\n" for text in expressions)
    script = ROOT / "tests" / "actions" / "expressions.mjs"
    done = subprocess.run(["node", script], input=lines, capture_output=True, text=True, check=True, timeout=100)
    return [json.loads(line) for line in done.stdout.splitlines()]


def ours(text: str) -> dict[str, Any]:
    try:
        value = evaluate(text, CONTEXTS)
    except (BadExpression, TypeError):
        return {"error": ""}
    if isinstance(value, float) and not math.isfinite(value):
        return {"value": {"number": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}}
    return {"value": value}


def test_every_result_is_that_of_the_engine_of_github():
    seed = random.randrange(10**9)
    dice = random.Random(seed)
    expressions = [*ODD, *sorted(of_our_files()), *(drawn(dice) for _ in range(20_000 if FULL else 1_500))]
    for text, said in zip(expressions, theirs(expressions), strict=True):
        mine = ours(text)
        if "error" in said:
            assert "error" in mine, f"seed {seed}: {text}: {said['error']}"
        else:
            assert mine == said, f"seed {seed}: {text}"


@pytest.mark.parametrize("text", ["1 +", "nowhere.x", "f(1)", "'open", "a b", "format('{9}', 1)", "fromJSON('{')", ""])
def test_what_github_refuses_is_refused(text: str):
    with pytest.raises(BadExpression):
        evaluate(text, CONTEXTS)
    assert "error" in theirs([text])[0]
