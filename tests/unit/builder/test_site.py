"""The site: running Docusaurus, which is a script of a few lines here."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from panaversity_builder.book import site as site_module
from panaversity_builder.book.process_group import end_group
from panaversity_builder.book.site import Site, build_site, log_tail
from panaversity_builder.book.trees import tree_digest
from panaversity_fs.core.errors import PhaseFailed
from support.fake_site import NODE

WRITES_A_SITE = """
import os, sys
assert sys.argv[1:] == ["build"], sys.argv
os.makedirs("build", exist_ok=True)
open("build/index.html", "w").write("<p>" + open("book/a.md").read())
print("built")
"""


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def site(tmp_path):
    """A workspace with the site in ``app`` and Docusaurus above it, as npm workspaces lay it out."""
    node = tmp_path / "bin" / "node"
    put(node, NODE)
    node.chmod(0o755)
    core = tmp_path / "node_modules" / "@docusaurus" / "core"
    put(core / "bin" / "docusaurus.mjs", WRITES_A_SITE)
    put(core / "package.json", '{"version": "3.10.2"}')
    put(tmp_path / "package-lock.json", "{}")
    app = tmp_path / "app"
    put(app / "docusaurus.config.js", "export default {}")
    put(app / "src" / "css" / "custom.css", "p {}")
    put(app / "book" / "a.md", "hello")
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SECRET": "s", "HOME": str(tmp_path)}
    return Site(str(app), str(app / "book"), environ)


@pytest.fixture
def log(tmp_path):
    return str(tmp_path / "state" / "logs" / "docusaurus.log")


def script(site, text):
    """Let Docusaurus be this Python script."""
    put(Path(site.folder).parent / "node_modules/@docusaurus/core/bin/docusaurus.mjs", text)


def test_docusaurus_is_run_in_the_site_and_its_output_goes_to_the_log(site, log):
    build_site(site, log)
    assert Path(site.built, "index.html").read_text() == "<p>hello"
    assert log_tail(log) == ["built"]


def test_the_exit_status_decides_and_the_end_of_the_log_is_told(site, log):
    script(
        site,
        "import os; os.makedirs('build'); print('\\x1b[31mMDX trouble\\x1b[0m in a.md'); raise SystemExit(3)",
    )
    with pytest.raises(PhaseFailed, match="ended with status 3") as caught:
        build_site(site, log)
    assert caught.value.details["status"] == 3
    assert caught.value.details["log"] == log
    assert "MDX trouble" in caught.value.details["log_tail"][0]
    assert "\x1b" not in caught.value.details["log_tail"][0]


def test_the_first_error_is_told_without_stack_frames(site, log):
    script(
        site,
        "print('working')\nprint('[ERROR] docs share an id')\nprint('    at load (/x/y.js:1:2)')\n"
        "for i in range(30): print('  - doc', i)\nprint('}')\nraise SystemExit(1)",
    )
    with pytest.raises(PhaseFailed) as caught:
        build_site(site, log)
    tail = caught.value.details["log_tail"]
    assert tail[:2] == ["[ERROR] docs share an id", "  - doc 0"]
    assert len(tail) == site_module.TAIL_LINES


def test_silence_with_a_bad_status_is_still_a_failure(site, log):
    script(site, "raise SystemExit(1)")
    with pytest.raises(PhaseFailed, match="status 1"):
        build_site(site, log)


def test_trouble_on_stderr_with_status_0_is_no_failure(site, log):
    script(site, WRITES_A_SITE + "\nprint('warning: error!', file=sys.stderr)")
    build_site(site, log)


def test_success_without_a_built_folder_is_a_failure(site, log):
    script(site, "pass")
    with pytest.raises(PhaseFailed, match="no built folder"):
        build_site(site, log)


def test_a_long_log_is_cut_to_its_end(site, log):
    script(site, "for i in range(50000): print('line', i)\nraise SystemExit(1)")
    with pytest.raises(PhaseFailed) as caught:
        build_site(site, log)
    tail = caught.value.details["log_tail"]
    assert len(tail) == site_module.TAIL_LINES
    assert tail[-1] == "line 49999"


FORKS = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("child.pid", "w").write(str(child.pid))
time.sleep(60)
"""


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_time_limit_ends_the_whole_process_group(site, log):
    script(site, FORKS)
    started = time.monotonic()
    with pytest.raises(PhaseFailed, match=r"not done after 1\.5 s"):
        build_site(replace(site, time_limit=1.5), log)
    assert time.monotonic() - started < 10
    child = int(Path(site.folder, "child.pid").read_text())
    wait_until(lambda: not is_running(child))


STAYS = """
import signal, subprocess, sys, time
if len(sys.argv) > 1:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("stays", flush=True)
    time.sleep(60)
worker = subprocess.Popen([sys.executable, __file__, "worker"], stdout=subprocess.PIPE)
worker.stdout.readline()
print(worker.pid, flush=True)
"""


def test_a_worker_that_stays_is_ended_also_when_the_process_itself_has_ended_long_ago(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(STAYS)
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, start_new_session=True) as process:
        worker = int(process.stdout.readline())
        process.wait(10)
        end_group(process, grace_seconds=0.1)
        wait_until(lambda: not is_running(worker))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_whole_process_group(site, log, signum):
    script(site, FORKS)
    code = f"""
import os, sys
from panaversity_builder.book.process_group import end_group
from panaversity_builder.book.site import Site, build_site
from panaversity_builder.console.edge import guarded, standard_console
site = Site({site.folder!r}, {site.docs!r}, {dict(site.environ)!r})
sys.exit(guarded(standard_console(), lambda: build_site(site, {log!r})))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    pid_file = Path(site.folder, "child.pid")
    wait_until(lambda: pid_file.exists() and pid_file.read_text().isdigit())
    child = int(pid_file.read_text())
    process.send_signal(signum)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "interrupted; run the same command again to go on\n"
    wait_until(lambda: not is_running(child))


def test_tree_digest_sees_content_names_links_and_nothing_else(tmp_path):
    root = tmp_path / "t"
    put(root / "a/x", "1")
    first = tree_digest(str(root))
    (root / "empty").mkdir()
    os.utime(root / "a/x", (1, 1))
    (root / "a/x").chmod(0o755)
    os.mkfifo(root / "pipe")
    assert tree_digest(str(root)) == first, "empty folders, times, modes and pipes do not count"
    seen = {first}
    put(root / "a/x", "2")
    seen.add(tree_digest(str(root)))
    (root / "a/x").rename(root / "a/y")
    seen.add(tree_digest(str(root)))
    (root / "l").symlink_to("a/y")
    seen.add(tree_digest(str(root)))
    (root / "l").unlink()
    (root / "l").symlink_to("a")
    seen.add(tree_digest(str(root)))
    assert len(seen) == 5
    assert tree_digest(str(root) + "/") == tree_digest(os.path.relpath(root))


def test_tree_digest_fails_on_what_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        tree_digest(str(tmp_path / "nowhere"))
