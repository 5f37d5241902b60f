"""Hostile inputs (S30, S33): whatever stands in an input, nothing of it is run, obeyed or believed.

Each input of each action is given each text, one at a time, through the real ``run:`` blocks. ``make test`` draws a few
pairs; ``make test-full`` tries them all.
"""

import os
import random
from pathlib import Path

import pytest

from actions.action_file import ACTIONS, action
from actions.runner import Job
from support.github_runner import commands

FULL = os.environ.get("PANAVERSITY_TEST_FULL") == "1"

CANARY = "canary"
TEXTS = {
    "substitution": "$(touch canary)",
    "backticks": "`touch canary`",
    "quotes": '"; touch canary; \'; touch canary; "',
    "newline": "x\ntouch canary\n",
    "old-command": "::set-output name=status::hacked",
    "new-line-command": "x\n::set-env name=PATH::/hacked\n##[set-output name=changed]true",
    "output": "x\nstatus=hacked\nchanged<<END\ntrue\nEND",
    "flag": "--full-rebuild",
    "expression": "${{ github.token }}",
    "carriage-return": "x\r::add-path::/hacked",
    "unicode": "x\u2028::error::hacked\u0085::error::hacked",
}
OURS = {"error", "warning", "notice", "group", "endgroup", "add-mask"}
PAIRS = [(name, one) for name in ACTIONS if name != "setup" for one in action(name).inputs]
CASES = [(name, one, text) for name, one in PAIRS for text in TEXTS]
# One draw a run: workers side by side have to agree on it.
SEED = os.environ.get("PYTEST_XDIST_TESTRUNUID") or random.SystemRandom().randbytes(8).hex()
DRAWN = CASES if FULL else random.Random(SEED).sample(CASES, 5)


@pytest.mark.parametrize(("name", "one", "text"), DRAWN)
def test_S30_S33_nothing_of_an_input_is_run(tmp_path: Path, name: str, one: str, text: str):
    job = Job(tmp_path / "job", env={"PANAVERSITY_BOOK_ID": "demo", "PANAVERSITY_MCP_URL": "http://127.0.0.1:9"})
    (job.workspace / "docs").mkdir()
    done = job.run(action(name), {"npm-ci": "false", "login": "none", one: TEXTS[text]})
    assert done.outcome == "failure", "there is no server: no step can succeed"
    assert done.status in {2, 10, 12, 15}, done.log
    assert not list(tmp_path.rglob(CANARY))
    assert {found.name for found in commands(done.log)} <= OURS, done.log
    assert len(done.commands("error")) == 1
    assert "Traceback" not in done.log
    assert done.outputs.get("status", "") in ("", "failed")
    assert done.outputs.get("changed", "") == ""
    assert "hacked" not in job.env.get("PATH", "") + "".join(job.path)
