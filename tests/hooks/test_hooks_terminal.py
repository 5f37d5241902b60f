"""Ctrl-C on a real terminal: the builder hears it once, ends in its own time, and nobody is left behind."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.command import clean_environ

BIN = Path(__file__).parents[2] / "learn-app-hooks" / "bin" / "book-prebuild.js"
BUILDER = """
import signal, sys, time
if sys.argv[-1] == "--version":
    sys.exit(print("panaversity, version 0.1.0"))
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append(1))
print("ready", sys.stdin.isatty(), flush=True)
while not heard:
    time.sleep(0.01)
time.sleep(0.5)
print("heard", len(heard), flush=True)
sys.exit(130)
"""

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="needs node")


def read_until(terminal, word):
    said, deadline = b"", time.monotonic() + 60
    while word not in said:
        assert time.monotonic() < deadline, said
        if select.select([terminal], [], [], 0.1)[0]:
            said += os.read(terminal, 4096)
    return said


def test_ctrl_c_reaches_the_builder_once_and_its_status_is_the_hooks(tmp_path):
    (tmp_path / "builder.py").write_text(BUILDER)
    ours, theirs = pty.openpty()
    environ = clean_environ(PANAVERSITY_BUILDER=json.dumps([sys.executable, str(tmp_path / "builder.py")]))
    in_terminal = [sys.executable, "-c", "import os, sys; os.login_tty(0); os.execvp(sys.argv[1], sys.argv[1:])"]
    process = subprocess.Popen(
        [*in_terminal, "node", str(BIN)], cwd=tmp_path, env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        assert b"ready True" in read_until(ours, b"ready True")
        os.write(ours, b"\x03")
        assert b"heard 1" in read_until(ours, b"heard 1")
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
        os.close(ours)
