"""Show: ``watch --serve`` shows an edit in a real browser within 2 s of saving. Needs node, npm ci and Chromium."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import chromium
from support.command import COMMAND, clean_environ

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "node_modules" / "@docusaurus" / "core" / "bin" / "docusaurus.mjs"
WRITTEN = ("book", "build", ".docusaurus", "node_modules", ".panaversity")
SECONDS = 2.0
"""What is promised, from saving to the text in the page."""
TRIES = 4
"""One machine's pause must not decide: the best of so many edits counts, each of them has to arrive."""

pytestmark = [
    pytest.mark.site,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not ENTRY.exists() or not shutil.which("node"), reason="needs node and npm ci"),
    pytest.mark.skipif(chromium.why_not() is not None, reason=str(chromium.why_not())),
]


@pytest.fixture
def workspace(tmp_path):
    """The workspace in small: the example's folders copied, the installed packages linked."""
    for name in ("book", "learn-app"):
        shutil.copytree(
            ROOT / "examples" / name, tmp_path / "examples" / name, ignore=_written if name == "learn-app" else None
        )
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    return tmp_path


def _written(folder, names):
    return [name for name in names if name in WRITTEN]


@pytest.fixture
def watch(workspace):
    """A running ``watch --serve``: what it says so far is in the file ``err``."""
    words = ["watch", "--serve", "--site-dir", "examples/learn-app", "--port", "0"]
    with (workspace / "err").open("wb") as err, (workspace / "out").open("wb") as out:
        process = subprocess.Popen([*COMMAND, *words], cwd=workspace, env=clean_environ(), stdout=out, stderr=err)
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130


def address(workspace, watch):
    """Where the site is served, as soon as it is compiled."""
    deadline = time.monotonic() + 120
    while "compiled" not in (said := (workspace / "err").read_text()):
        assert watch.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    found = re.search(r"http://localhost:\d+/", said)
    assert found is not None
    return found.group()


def test_an_edit_is_shown_in_a_real_browser_within_two_seconds_of_saving(workspace, watch):
    lesson = workspace / "examples" / "book" / "glossary.md"
    before = lesson.read_text()
    times = []
    with chromium.page() as page:
        page.goto(address(workspace, watch) + "glossary", timeout=60_000)
        page.wait_for_selector("article")
        for n in range(TRIES):
            saved = time.monotonic()
            lesson.write_text(f"{before}\nThe watch was here, edit {n}.\n")
            page.wait_for_selector(f"text=The watch was here, edit {n}.", timeout=20_000)
            times.append(time.monotonic() - saved)
            if n and times[-1] <= SECONDS:
                break
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")  # by no element: a late render replaces them
        shot = chromium.keep_shot(page, "watch-serve")
    print(f"shown after {', '.join(f'{seconds:.2f}' for seconds in times)} s; {shot}")
    assert min(times) <= SECONDS
