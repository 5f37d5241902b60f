"""``npm test`` of the workspace: the units of the npm package, run by node's own test runner."""

import shutil
import subprocess
from pathlib import Path

import pytest

from support.command import clean_environ

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (ROOT / "node_modules").exists() or not shutil.which("npm"), reason="needs npm ci"),
]


def test_npm_test_is_green():
    done = subprocess.run(
        ["npm", "test"],
        cwd=ROOT,
        env=clean_environ(NO_UPDATE_NOTIFIER="1"),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
